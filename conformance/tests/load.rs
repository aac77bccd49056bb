//! A small, bounded variant of everything that `conformance/src/bin/load` does: it does what it says, and what has to hold
//! holds for a while. `conformance/load` runs it in full.

use std::fs;
use std::path::Path;
use std::process::Command;

use conformance::{Dialect, Module, Ran, run};

/// Runs the program in the setting that this run is about, or in both dialects.
fn load(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.env("AZIHSM_CONFORMANCE_MODULE", Module::under_test().path()).args(arguments);
    match Dialect::of_this_run() {
        Some(Dialect::Virtual) => command.args(["--on", "virtual"]),
        Some(Dialect::Physical) => command.args(["--on", "physical"]),
        None => &mut command,
    };
    run(&mut command)
}

#[test]
fn mixed_operations_survive_resets_and_migrations() {
    load(&["mixed", "--operations", "1600", "--reset-every", "200", "--migrate-every", "1000"])
        .ok()
        .says("1600 operations, ")
        .says(" migrations, 0 wrong, 0 failed");
}

#[test]
fn forks_under_load() {
    load(&["forks", "--forks", "40"]).ok().says("40 forks, 0 failed children").says(" 0 failed, slowest");
}

#[test]
fn killed_at_any_moment() {
    load(&["kills", "--kills", "25"]).ok().says("25 kills, 0 bad");
}

#[test]
fn killed_at_any_moment_on_the_emulator() {
    if Dialect::of_this_run().is_none() {
        load(&["kills", "--kills", "15", "--on", "emulator"]).ok().says("15 kills, 0 bad");
    }
}

#[test]
fn throughput_grows_with_threads() {
    load(&["latency", "--microseconds", "2000", "--threads", "1,8", "--rounds", "1", "--milliseconds", "200"])
        .ok()
        .says("| 2000 us | ECDSA P-256 sign |")
        .never_says("failed");
}

#[test]
fn the_readme_lists_what_operations_cost() {
    let table = load(&["cost"]).ok().stdout();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (written, after) = rest.split_once(END).expect("where the table ends");
    if std::env::var("README").is_ok_and(|value| value == "write") {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md is writable");
    } else {
        assert_eq!(
            written, table,
            "README.md is out of date: README=write cargo test -p azihsm-conformance --test load readme"
        );
    }
}

const BEGIN: &str = "<!-- cost: written by `README=write cargo test -p azihsm-conformance --test load readme` -->\n";
const END: &str = "<!-- end of cost -->\n";
