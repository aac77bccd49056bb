//! Operations of all kinds by many threads of many processes, on a chip that is reset and migrated under them.

pub(crate) mod worker;

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{Sandbox, run as finish};

use crate::options::{Options, Setting};
use crate::role;

/// Runs it in each setting, and prints a line for each; whether nothing was wrong and nothing failed.
pub(crate) fn run(options: &Options) -> bool {
    let mut good = true;
    for setting in options.settings() {
        let load = Load::of(options, setting);
        let found = load.run();
        println!("{setting}: {found}");
        // What is wrong before what failed.
        let (wrong, failed): (Vec<_>, Vec<_>) = found.reports.iter().partition(|line| line.starts_with("wrong"));
        for line in wrong.into_iter().chain(failed).take(20) {
            println!("    {line}");
        }
        for (kind, (count, slowest)) in &found.kinds {
            println!("    {count:6} {kind}, slowest {} ms", slowest / 1000);
        }
        good &= found.wrong == 0 && found.failed == 0 && found.done == load.operations;
    }
    good
}

struct Load {
    setting: Setting,
    operations: u64,
    processes: u64,
    threads: u64,
    reset_every: u64,
    migrate_every: u64,
    seed: u64,
}

#[derive(Default)]
struct Found {
    done: u64,
    wrong: usize,
    failed: usize,
    resets: u64,
    migrations: u64,
    seconds: u64,
    reports: Vec<String>,
    /// How many of each kind, and the slowest in microseconds.
    kinds: BTreeMap<String, (u64, u64)>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slowest = self.kinds.iter().max_by_key(|(_, (_, slowest))| slowest);
        let (kind, slowest) = slowest.map_or(("nothing", 0), |(kind, (_, slowest))| (kind.as_str(), *slowest));
        write!(
            f,
            "{} operations, {} resets, {} migrations, {} wrong, {} failed, slowest {} ms ({kind}), {} s",
            self.done,
            self.resets,
            self.migrations,
            self.wrong,
            self.failed,
            slowest / 1000,
            self.seconds
        )
    }
}

impl Load {
    fn of(options: &Options, setting: Setting) -> Self {
        let (processes, threads) = (options.get("processes", 8), options.get("threads", 4));
        // The same for every thread.
        let operations: u64 = options.get("operations", 100_000);
        Self {
            setting,
            operations: operations.div_ceil(processes * threads) * processes * threads,
            processes,
            threads,
            reset_every: options.get("reset-every", 200),
            migrate_every: options.get("migrate-every", 1000),
            seed: options.get("seed", 1),
        }
    }

    fn run(&self) -> Found {
        let sandbox = self.setting.sandbox();
        finish(&mut role(&sandbox, "mixed-setup")).ok();
        let begun = Instant::now();
        let done = AtomicU64::new(0);
        let found = Mutex::new(Found::default());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.processes)
                .map(|number| {
                    let worker = self.worker(&sandbox, number);
                    let (done, found) = (&done, &found);
                    scope.spawn(move || listen(worker, done, found))
                })
                .collect();
            let (mut resets, mut migrations) = (0, 0);
            while workers.iter().any(|worker| !worker.is_finished()) {
                let so_far = done.load(Ordering::Relaxed);
                if self.setting.is_chip() && so_far / self.reset_every > resets {
                    resets += 1;
                    sandbox.driver().order("\"reset\"");
                }
                if self.setting.is_chip() && so_far / self.migrate_every > migrations {
                    migrations += 1;
                    sandbox.driver().order("\"migrate\"");
                }
                thread::sleep(Duration::from_micros(500));
            }
            let mut found = found.lock().expect("nobody panicked");
            (found.resets, found.migrations) = (resets, migrations);
        });
        let mut found = found.into_inner().expect("nobody panicked");
        found.done = done.load(Ordering::Relaxed);
        found.seconds = begun.elapsed().as_secs();
        found
    }

    fn worker(&self, sandbox: &Sandbox, number: u64) -> Child {
        let each = self.operations / self.processes / self.threads;
        let mut command = role(sandbox, "mixed");
        command.args([self.seed, number, self.threads, each].map(|number| number.to_string()));
        command.stdout(Stdio::piped()).spawn().expect("ourselves")
    }
}

/// What a worker says: a dot for every operation, and lines for what was wrong, failed, or slowest.
fn listen(mut worker: Child, done: &AtomicU64, found: &Mutex<Found>) {
    let output = worker.stdout.take().expect("it was piped");
    let mut line = Vec::new();
    for byte in BufReader::new(output).bytes() {
        match byte.expect("our own child") {
            b'.' if line.is_empty() => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            b'\n' => {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                found.lock().expect("nobody panicked").hear(text);
            }
            byte => line.push(byte),
        }
    }
    let ended = worker.wait().expect("our own child");
    if !ended.success() {
        found.lock().expect("nobody panicked").hear(format!("failed: a worker ended with {ended}"));
    }
}

impl Found {
    fn hear(&mut self, line: String) {
        if let Some(summary) = line.strip_prefix("kind ") {
            let mut words = summary.splitn(3, ' ');
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
            let (count, slowest) = (number(), number());
            let kind = self.kinds.entry(words.next().expect("a name").to_owned()).or_default();
            *kind = (kind.0 + count, kind.1.max(slowest));
        } else {
            if line.starts_with("wrong") {
                self.wrong += 1;
            } else {
                self.failed += 1;
            }
            self.reports.push(line);
        }
    }
}
