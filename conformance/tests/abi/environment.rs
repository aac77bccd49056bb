//! Configuration that is missing or broken, state that cannot be used: the standard's code, one clear line in the log,
//! nothing lost.

use std::fs;
use std::path::Path;
use std::ptr::null_mut;

use conformance::raw::{Raw, token};
use conformance::{Module, Ran, Sandbox, run};
use cryptoki_sys::*;

use crate::harness::{again_command, again_user, answers, initialize, inside, state, user};

/// The test's own name, which its second process is called by.
macro_rules! name {
    ($name:literal) => {
        concat!(module_path!(), "::", $name)
    };
}

fn raw() -> Raw {
    Raw::load(Module::under_test().path())
}

/// Runs the test's inside with a configuration file; the log says errors.
fn with_config(test: &str, sandbox: &Sandbox, config: &Path) -> Ran {
    let mut command = again_command(sandbox, test);
    run(command.env("AZIHSM_PKCS11_CONFIG", config).env("AZIHSM_PKCS11_LOG", "error"))
}

#[test]
fn a_configuration_that_is_missing_or_broken() {
    let name = name!("a_configuration_that_is_missing_or_broken");
    if inside() {
        let raw = raw();
        answers!(CKR_GENERAL_ERROR, &raw, C_Initialize, null_mut());
        answers!(CKR_CRYPTOKI_NOT_INITIALIZED, &raw, C_GetInfo, &mut CK_INFO::default());
        answers!(CKR_GENERAL_ERROR, &raw, C_Initialize, null_mut());
        return;
    }
    let sandbox = Sandbox::new();
    for (file, text) in [
        ("missing.json", None),
        ("empty.json", Some("")),
        ("no-json.json", Some("transport: emulator")),
        ("cut.json", Some("{\"transport\": \"emu")),
        ("unknown-key.json", Some("{\"transprot\": \"emulator\"}")),
        ("wrong-type.json", Some("{\"transport\": 7}")),
        ("wrong-word.json", Some("{\"policy\": \"lax\"}")),
    ] {
        let path = text.map_or_else(|| sandbox.path(file), |text| sandbox.write(file, text));
        let ran = with_config(name, &sandbox, &path).ok().says("1 passed").says("C_Initialize").says(file);
        let text = ran.text();
        let lines = text.lines().filter(|line| line.contains(file) && line.contains("CKR_GENERAL_ERROR"));
        assert_eq!(lines.count(), 2, "one clear line for each of two calls: {ran}");
    }
    let folder = sandbox.path("folder.json");
    fs::create_dir(&folder).expect("our own folder");
    with_config(name, &sandbox, &folder).ok().says("1 passed").says("folder.json");
    // And a good one is taken.
    let good = sandbox.write("good.json", "{\"transport\": \"emulator\"}");
    with_config(name!("a_good_configuration"), &sandbox, &good).ok().says("1 passed");
}

#[test]
fn a_good_configuration() {
    if inside() {
        user(&raw());
        return;
    }
    let sandbox = Sandbox::new();
    let good = sandbox.write("good.json", "{\"transport\": \"emulator\", \"slots\": 3}");
    with_config(name!("a_good_configuration"), &sandbox, &good).ok().says("1 passed");
}

#[test]
fn a_state_folder_that_cannot_be_one() {
    let name = name!("a_state_folder_that_cannot_be_one");
    if inside() {
        let raw = raw();
        // Where the state is looked at is the library's to say; what it answers then is not.
        assert_eq!(initialize(&raw), CKR_OK);
        let mut label = [b' '; 32];
        answers!(CKR_DEVICE_ERROR, &raw, C_InitToken, 0, b"so-pin".to_vec().as_mut_ptr(), 6, label.as_mut_ptr());
        answers!(CKR_OK, &raw, C_Finalize, null_mut());
        assert!(state().is_file(), "nothing is lost");
        return;
    }
    let sandbox = Sandbox::new();
    let file = sandbox.write("file", "precious");
    let mut command = again_command(&sandbox, name);
    command.env("AZIHSM_PKCS11_STATE", &file).env("AZIHSM_PKCS11_LOG", "error");
    run(&mut command).ok().says("1 passed").says("C_InitToken");
    assert_eq!(sandbox.read("file"), b"precious");
}

#[test]
fn a_store_that_is_corrupt() {
    let name = name!("a_store_that_is_corrupt");
    if inside() {
        let raw = raw();
        if !state().exists() {
            user(&raw);
            answers!(CKR_OK, &raw, C_Finalize, null_mut());
            return;
        }
        assert_eq!(initialize(&raw), CKR_OK);
        answers!(CKR_TOKEN_NOT_RECOGNIZED, &raw, C_GetTokenInfo, 0, &mut CK_TOKEN_INFO::default());
        let mut label = [b' '; 32];
        answers!(
            CKR_TOKEN_NOT_RECOGNIZED,
            &raw,
            C_InitToken,
            0,
            b"so-pin".to_vec().as_mut_ptr(),
            6,
            label.as_mut_ptr()
        );
        answers!(CKR_OK, &raw, C_Finalize, null_mut());
        return;
    }
    let sandbox = Sandbox::new();
    run(&mut again_command(&sandbox, name)).ok().says("1 passed");
    let stores = stores(&sandbox.path("state"));
    assert!(!stores.is_empty(), "a token is stored");
    let garbage = b"this is no database, and nobody may write over it".repeat(200);
    for store in &stores {
        fs::write(store, &garbage).expect("our own file");
    }
    let mut command = again_command(&sandbox, name);
    run(command.env("AZIHSM_PKCS11_LOG", "error")).ok().says("1 passed").says("C_GetTokenInfo");
    for store in &stores {
        assert_eq!(fs::read(store).expect("our own file"), garbage, "{}: nothing is lost", store.display());
    }
}

#[test]
fn a_store_of_another_process_is_waited_for() {
    let name = name!("a_store_of_another_process_is_waited_for");
    if inside() {
        let raw = raw();
        if !state().exists() {
            user(&raw);
            return;
        }
        assert_eq!(initialize(&raw), CKR_OK);
        let session = again_user(&raw).expect("a login beside the other's");
        token::find(&raw, session, CKO_SECRET_KEY, b"nobody").expect_err("no such key");
        return;
    }
    let sandbox = Sandbox::new();
    run(&mut again_command(&sandbox, name)).ok().says("1 passed");
    let mut others: Vec<_> =
        (0..4).map(|_| conformance::Background::start(&mut again_command(&sandbox, name))).collect();
    run(&mut again_command(&sandbox, name)).ok().says("1 passed");
    for other in &mut others {
        other.until_it_says("1 passed");
    }
}

/// Database files below a folder.
fn stores(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the state folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(stores(&path));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")) {
            found.push(path);
        }
    }
    found
}
