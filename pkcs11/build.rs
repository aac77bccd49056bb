//! How the library is linked: needs libc and nothing else, and stays loaded.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CC");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    static_unwinder();
    for argument in [
        "-Wl,-soname,libazihsm_pkcs11.so",
        // Symbols are bound at load, and the tables of pointers are read-only from then on.
        "-Wl,-z,relro,-z,now",
        // AWS-LC keeps per-thread state with a pthread key, and the key's destructor lies in this library
        // (aws-lc, crypto/thread_pthread.c, `thread_local_destructor`). A thread that ends after `dlclose` would call it
        // where nothing is mapped any more, so the code stays mapped; `C_Finalize` gives back everything else.
        "-Wl,-z,nodelete",
        // A library that is listed but not used is not needed at run time.
        "-Wl,--as-needed",
    ] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}

/// Rust's standard library asks for `-lgcc_s`, the shared unwinder. A linker script of that name in the first search
/// directory answers with the static one, which gcc keeps beside it.
fn static_unwinder() {
    let (Some(unwinder), Some(support)) = (file_of_gcc("libgcc_eh.a"), file_of_gcc("libgcc.a")) else {
        println!("cargo:warning=no static libgcc_eh.a; the library will need libgcc_s.so.1 at run time");
        return;
    };
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("unwinder");
    let script = format!("GROUP ( {} {} )\n", unwinder.display(), support.display());
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("libgcc_s.so"), script))
        .expect("OUT_DIR is writable");
    println!("cargo:rustc-link-search=native={}", folder.display());
}

fn file_of_gcc(name: &str) -> Option<PathBuf> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(compiler).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    // A compiler that has no such file answers with the bare name.
    Some(Path::new(path.trim())).filter(|path| path.is_absolute() && path.exists()).map(Path::to_path_buf)
}
