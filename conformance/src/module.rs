//! The shared object under test.

use std::env;
use std::path::{Path, PathBuf};

/// Whose module it is: the suites ask this only where the standard leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `libazihsm_pkcs11.so` of this workspace.
    Azihsm,
    /// `SoftHSM2`, against which the suites themselves are checked and the benchmark compares.
    SoftHsm,
}

/// A PKCS#11 module: the path of its shared object, and whose it is.
#[derive(Clone, Debug)]
pub struct Module {
    path: PathBuf,
    kind: Kind,
}

impl Module {
    /// The module that this run is about: `AZIHSM_CONFORMANCE_MODULE` (a path, or the word `softhsm2`), else
    /// `libazihsm_pkcs11.so` in the target folder that the running test was built into.
    ///
    /// # Panics
    /// Where there is no such file; the message says how to make it.
    pub fn under_test() -> Self {
        match env::var_os("AZIHSM_CONFORMANCE_MODULE") {
            Some(word) if word == "softhsm2" => Self::softhsm(),
            Some(path) => Self::at(Path::new(&path)),
            None => Self::at(&beside_this_test()),
        }
    }

    /// Debian's `SoftHSM2`.
    ///
    /// # Panics
    /// Where the package is missing.
    pub fn softhsm() -> Self {
        let path = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .expect("libsofthsm2.so: install the Debian package softhsm2");
        Self { path, kind: Kind::SoftHsm }
    }

    /// The module at `path`.
    ///
    /// # Panics
    /// Where there is no file at `path`.
    pub fn at(path: &Path) -> Self {
        let path = path.canonicalize().unwrap_or_else(|cause| {
            panic!(
                "{}: {cause}; build it with `cargo build -p azihsm-pkcs11`, or name it in AZIHSM_CONFORMANCE_MODULE",
                path.display()
            )
        });
        let kind = if path.to_string_lossy().contains("softhsm") { Kind::SoftHsm } else { Kind::Azihsm };
        Self { path, kind }
    }

    /// The absolute path of the shared object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose module it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Makes what the module needs in the empty folder `folder`, and answers the environment variables that send a
    /// program's copy of the module there.
    pub fn prepare(&self, folder: &Path) -> Vec<(&'static str, PathBuf)> {
        match self.kind {
            Kind::Azihsm => {
                vec![
                    ("AZIHSM_PKCS11_STATE", folder.join("state")),
                    ("AZIHSM_PKCS11_TRANSPORT", PathBuf::from("emulator")),
                ]
            }
            Kind::SoftHsm => {
                let tokens = folder.join("tokens");
                std::fs::create_dir(&tokens).expect("a folder for SoftHSM2's tokens");
                let file = folder.join("softhsm2.conf");
                let text = format!(
                    "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                    tokens.display()
                );
                std::fs::write(&file, text).expect("SoftHSM2's configuration");
                vec![("SOFTHSM2_CONF", file)]
            }
        }
    }
}

/// `target/<profile>/libazihsm_pkcs11.so` seen from `target/<profile>/deps/<test>` or `target/<profile>/<program>`.
fn beside_this_test() -> PathBuf {
    let program = env::current_exe().expect("the path of this test");
    let folder = program.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().expect("deps lies in a folder") } else { folder };
    profile.join("libazihsm_pkcs11.so")
}
