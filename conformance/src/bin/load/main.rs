//! Load and cost on fake chips: what must hold however the chip is treated, counted and timed.
//!
//! ```text
//! load mixed   [--operations N] [--processes P] [--threads T] [--reset-every N] [--migrate-every N]
//! load forks   [--forks N] [--threads T] [--at-once N]
//! load kills   [--kills N]
//! load cost
//! load latency [--microseconds A,B] [--threads A,B,..] [--rounds N] [--milliseconds N]
//! ```
//!
//! Each takes `--on virtual`, `--on physical` or, for forks and kills, `--on emulator` (else both dialects, one after the
//! other), and `--seed N`. The status is not 0 where anything was wrong or failed. `conformance/load` builds what is
//! needed and runs all of it in full; a small variant of each is a test in `conformance/tests/load.rs`.

#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

mod cost;
mod expected;
mod forks;
mod kills;
mod latency;
mod mixed;
mod options;
mod random;
mod token;

use std::env;
use std::process::{Command, ExitCode};

use conformance::Sandbox;

use options::Options;

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match role.as_str() {
            "mixed-setup" => mixed::worker::set_up(),
            "mixed" => mixed::worker::work(&arguments),
            "forks" => forks::work(&arguments),
            "kills-work" => kills::worker::work(&arguments),
            "kills-check" => kills::check::check(),
            "cost" => cost::serve(),
            _ => latency::serve(),
        }
        return ExitCode::SUCCESS;
    }
    let mut words = env::args().skip(1);
    let Some((what, options)) = words.next().zip(Options::parse(words)) else {
        println!("usage: load mixed|forks|kills|cost|latency [--on virtual|physical|emulator] [--seed N] ...");
        return ExitCode::FAILURE;
    };
    let good = match what.as_str() {
        "mixed" => mixed::run(&options),
        "forks" => forks::run(&options),
        "kills" => kills::run(&options),
        "cost" => cost::run(&options),
        "latency" => latency::run(&options),
        _ => false,
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// This program in another role, in the sandbox.
fn role(sandbox: &Sandbox, role: &str) -> Command {
    let mut command = sandbox.command(env::current_exe().expect("the path of this program"));
    command.env(ROLE, role).env("AZIHSM_CONFORMANCE_MODULE", sandbox.module().path());
    command
}

const ROLE: &str = "AZIHSM_LOAD_ROLE";
