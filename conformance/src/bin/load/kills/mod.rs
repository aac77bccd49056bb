//! SIGKILL at random moments of whatever changes a token, and what the next process finds.
//!
//! The worker writes to a journal, its standard output, what it begins and what was acknowledged. It is killed, and a new
//! process that is told the journal's state checks the token: every acknowledged object is there and works, what was
//! under way is there in whole or not at all, and one of the two PINs opens it.

pub(crate) mod check;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{Sandbox, USER_PIN};

use crate::options::Options;
use crate::random::Random;
use crate::role;

/// Runs it in each setting, and prints a line for each.
pub(crate) fn run(options: &Options) -> bool {
    let mut good = true;
    for setting in options.settings() {
        let sandbox = setting.sandbox();
        let mut run = Run::new(&sandbox, options.get("seed", 1));
        let begun = Instant::now();
        for _ in 0..options.get("kills", 500) {
            run.one();
        }
        println!("{setting}: {run}, {} s", begun.elapsed().as_secs());
        for bad in run.bad.iter().take(20) {
            println!("    {bad}");
        }
        good &= run.bad.is_empty();
    }
    good
}

/// Kind (`private`, `public`, `aes`, `known`) and name of an object.
pub(crate) type Name = (String, String);

/// The token as the journal says it is.
#[derive(Clone, Debug, Default)]
struct Journal {
    /// With what shows that the object is the right one: a point, or the ciphertext of [`MESSAGE`].
    objects: BTreeMap<Name, String>,
    pin: String,
    /// What was begun and not acknowledged.
    under_way: Option<String>,
}

impl Journal {
    /// As both processes are told.
    fn state(&self) -> String {
        let object = |((kind, name), data): (&Name, &String)| format!("object {kind} {name} {data}\n");
        let objects: Vec<String> = self.objects.iter().map(object).collect();
        format!("pin {}\n{}", self.pin, objects.concat())
    }
}

struct Run<'a> {
    sandbox: &'a Sandbox,
    random: Random,
    journal: Journal,
    kills: u32,
    acknowledged: u32,
    /// What was under way, how often, and how often it turned out to have happened.
    hit: BTreeMap<String, (u32, u32)>,
    slowest_open: u64,
    bad: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(sandbox: &'a Sandbox, seed: u64) -> Self {
        Self {
            sandbox,
            random: Random::new(seed),
            journal: Journal { pin: USER_PIN.to_owned(), ..Journal::default() },
            kills: 0,
            acknowledged: 0,
            hit: BTreeMap::new(),
            slowest_open: 0,
            bad: Vec::new(),
        }
    }

    fn one(&mut self) {
        self.kills += 1;
        let (mut worker, lines) = self.start("kills-work");
        let seed = self.random.next();
        self.tell(&mut worker, &format!("{}seed {seed}\n", self.journal.state()));
        // One in five at the start, in the login, or in the device's ceremony.
        if self.random.below(5) == 0 {
            thread::sleep(Duration::from_micros(self.random.below(40_000)));
        } else {
            let ready = lines.recv_timeout(Duration::from_mins(1));
            if ready.as_deref() != Ok("ready") {
                self.bad.push(format!("kill {}: the worker was not ready but {ready:?}", self.kills));
            }
            let longest = *self.random.pick(&[20_000, 60_000, 120_000, 300_000]);
            thread::sleep(Duration::from_micros(self.random.below(longest)));
        }
        worker.kill().expect("our own child");
        let ended = worker.wait().expect("our own child");
        if ended.code().is_some() {
            self.bad.push(format!("kill {}: the worker ended before, {ended}", self.kills));
        }
        for line in &lines {
            self.acknowledge(&line);
        }
        self.check();
    }

    fn start(&self, what: &str) -> (Child, Receiver<String>) {
        let mut command = role(self.sandbox, what);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ourselves");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines() {
                // A line that was cut off by the kill has no end.
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        (child, lines)
    }

    fn tell(&mut self, child: &mut Child, text: &str) {
        let mut input = child.stdin.take().expect("it was piped");
        if let Err(why) = input.write_all(text.as_bytes()) {
            self.bad.push(format!("kill {}: nobody listens: {why}", self.kills));
        }
    }

    fn acknowledge(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let journal = &mut self.journal;
        match words[..] {
            ["ready"] => return,
            ["begin", ..] => {
                journal.under_way = Some(line.to_owned());
                return;
            }
            ["made", kind, name, data] => {
                journal.objects.insert((kind.to_owned(), name.to_owned()), data.to_owned());
            }
            ["gone", kind, name] => {
                journal.objects.remove(&(kind.to_owned(), name.to_owned()));
            }
            ["pin", pin] => pin.clone_into(&mut journal.pin),
            // Of a key pair, the public half comes first, so that the next line ends what is under way.
            ["half", kind, name, data] => {
                journal.objects.insert((kind.to_owned(), name.to_owned()), data.to_owned());
                return;
            }
            _ => {
                self.bad.push(format!("kill {}: {line}", self.kills));
                return;
            }
        }
        journal.under_way = None;
        self.acknowledged += 1;
    }

    /// The next process, which takes the token as it is.
    fn check(&mut self) {
        let under_way = self.journal.under_way.take();
        let (mut checker, lines) = self.start("kills-check");
        let begun = under_way.as_ref().map_or_else(String::new, |begun| format!("{begun}\n"));
        let text = self.journal.state() + &begun;
        self.tell(&mut checker, &text);
        let mut happened = false;
        let mut done = false;
        for line in &lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["open", ms] => self.slowest_open = self.slowest_open.max(ms.parse().expect("a number")),
                ["found", kind, name, data] => {
                    self.journal.objects.insert((kind.to_owned(), name.to_owned()), data.to_owned());
                    happened = true;
                }
                ["lost", kind, name] => {
                    self.journal.objects.remove(&(kind.to_owned(), name.to_owned()));
                    happened = true;
                }
                ["pin", pin] => {
                    happened |= self.journal.pin != pin;
                    pin.clone_into(&mut self.journal.pin);
                }
                ["done"] => done = true,
                _ => self.bad.push(format!("after kill {}, of {under_way:?}: {line}", self.kills)),
            }
        }
        let ended = checker.wait().expect("our own child");
        if !done || !ended.success() {
            self.bad.push(format!("after kill {}, of {under_way:?}: the checker ended with {ended}", self.kills));
        }
        let kind = under_way.as_deref().and_then(|begun| begun.split(' ').nth(1)).unwrap_or("nothing");
        let hit = self.hit.entry(kind.to_owned()).or_default();
        *hit = (hit.0 + 1, hit.1 + u32::from(happened));
    }
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, acknowledged, hit, slowest_open, bad, journal, .. } = self;
        let objects = journal.objects.len();
        write!(
            f,
            "{kills} kills, {} bad, {acknowledged} acknowledged, {objects} objects at the end, in the middle of",
            bad.len()
        )?;
        for (kind, (hits, happened)) in hit {
            write!(f, " {kind} {hits} ({happened} had happened),")?;
        }
        write!(f, " next process open in at most {slowest_open} ms")
    }
}

/// What every AES key encrypts, to be told from others.
pub(crate) const MESSAGE: &[u8] = b"a message that every key of this token has to encrypt the same way, every time";
/// Under which IV.
pub(crate) const IV: [u8; 16] = [7; 16];
