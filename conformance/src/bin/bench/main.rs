//! Any PKCS#11 module against any other, in alternating rounds: medians, 99th percentiles, and the ratio of the medians.
//!
//! ```text
//! cargo run --release -p azihsm-conformance --bin bench -- [--rounds N] [--only WORD] A.so B.so
//! ```
//!
//! Each module runs in a process of its own with a new token in a temporary folder, so that the two share neither symbols
//! nor memory; the rounds of the two alternate, so that what else the machine does hits both. The functions are called
//! through the module's function list, without a binding. `--only` picks the lines that hold a word; the last one, ten
//! thousand objects, takes `SoftHSM2` minutes to make. Keys are token, private, sensitive and not extractable.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

mod cases;
mod child;
mod report;
mod setup;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitCode, Stdio};
use std::time::Instant;

use conformance::{Module, Sandbox};

use cases::{CASES, Case};
use report::{Line, Samples};

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        let path = PathBuf::from(env::args_os().nth(1).expect("the parent names the module"));
        match role.as_str() {
            "serve" => child::serve(&path),
            _ => child::cold_start(&path),
        }
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::parse(env::args().skip(1)) else {
        println!("usage: bench [--rounds N] [--only WORD] A.so B.so");
        return ExitCode::FAILURE;
    };
    compare(&options);
    ExitCode::SUCCESS
}

struct Options {
    rounds: usize,
    only: String,
    modules: [PathBuf; 2],
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut rounds, mut only, mut modules) = (10, String::new(), Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                "--only" => only = arguments.next()?,
                path => modules.push(PathBuf::from(path)),
            }
        }
        Some(Self { rounds, only, modules: modules.try_into().ok()? })
    }
}

fn compare(options: &Options) {
    let mut contenders = options.modules.each_ref().map(|path| Contender::start(path));
    let names = report::names(&options.modules);
    report::print_head(&names, options.rounds);
    for case in CASES.iter().filter(|case| case.name.contains(&options.only)) {
        let mut samples = [Samples::default(), Samples::default()];
        // Both at once: ten thousand objects take some modules minutes to make, and nothing is measured yet.
        for contender in &mut contenders {
            contender.send(&format!("prepare {}", case.name));
        }
        for contender in &mut contenders {
            contender.prepared(case);
        }
        for round in 0..options.rounds {
            // Who goes first changes, so that neither always runs on what the other left in the caches.
            for turn in 0..2 {
                let who = (round + turn) % 2;
                samples[who].add(contenders[who].round(case));
            }
        }
        report::print_line(&Line { case, samples });
    }
}

/// A module in its own process.
struct Contender {
    sandbox: Sandbox,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Contender {
    fn start(path: &Path) -> Self {
        let sandbox = Sandbox::of(Module::at(path));
        let mut child =
            role(&sandbox, "serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ourselves");
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut contender = Self { sandbox, child, commands, answers };
        let answer = contender.ask("setup");
        assert_eq!(answer, "ok", "{}: no token with keys", contender.sandbox.module().path().display());
        contender
    }

    fn prepared(&mut self, case: &Case) {
        let answer = self.answer();
        if answer != "ok" {
            eprintln!("{}: {}: {answer}", self.sandbox.module().path().display(), case.name);
        }
    }

    /// One round: nanoseconds, or which function failed.
    fn round(&mut self, case: &Case) -> Result<Vec<u64>, String> {
        if case.work == cases::Work::ColdStart {
            return self.cold_starts();
        }
        let answer = self.ask(&format!("run {}", case.name));
        let numbers: Option<Vec<u64>> = answer.split(' ').map(|number| number.parse().ok()).collect();
        numbers.ok_or(answer)
    }

    fn cold_starts(&self) -> Result<Vec<u64>, String> {
        let once = || {
            let mut command = role(&self.sandbox, "cold-start");
            let start = Instant::now();
            let output = command.output().expect("ourselves");
            let elapsed = start.elapsed();
            let failure = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() { Ok(nanoseconds(elapsed)) } else { Err(failure) }
        };
        (0..COLD_STARTS).map(|_| once()).collect()
    }

    fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }

    fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the child reads");
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the child answers in text");
        assert!(!answer.is_empty(), "{}: the process ended", self.sandbox.module().path().display());
        answer.trim().to_owned()
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn role(sandbox: &Sandbox, role: &str) -> std::process::Command {
    let mut command = sandbox.command(env::current_exe().expect("the path of this program"));
    command.env(ROLE, role).arg(sandbox.module().path());
    command
}

fn nanoseconds(elapsed: std::time::Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

const ROLE: &str = "AZIHSM_BENCH_ROLE";
/// Fresh processes per round.
const COLD_STARTS: usize = 5;
