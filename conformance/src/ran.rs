//! Running other people's programs: bounded in time, output kept, failures told in full.

use std::fs::File;
use std::io::ErrorKind;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    line: String,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A command that is still running; killed when dropped.
#[derive(Debug)]
pub struct Background {
    line: String,
    child: Child,
    log: tempfile::NamedTempFile,
}

/// Runs `command` to its end with no input (unless the caller gave one), and keeps its output.
///
/// # Panics
/// Where the program is missing (the message names its Debian package) or takes longer than three minutes.
pub fn run(command: &mut Command) -> Ran {
    let (stdout, stderr) = (log_file(), log_file());
    command.stdout(stdout.reopen().expect("the log")).stderr(stderr.reopen().expect("the log"));
    let line = line(command);
    let mut child = start(command, &line);
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        sleep(Duration::from_millis(3));
    };
    if status.is_none() {
        child.kill().expect("our own child");
        child.wait().expect("our own child");
    }
    let read = |log: &tempfile::NamedTempFile| std::fs::read(log.path()).expect("the log");
    let (stdout, stderr) = (read(&stdout), read(&stderr));
    match status {
        Some(status) => Ran { line, status, stdout, stderr },
        None => panic!("{line}\nnot ended after {LIMIT:?}; killed\n{}{}", lossy(&stdout), lossy(&stderr)),
    }
}

#[allow(clippy::return_self_not_must_use, reason = "an assertion stands for itself")]
impl Ran {
    /// The command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "should have succeeded: {self}");
        self
    }

    /// The command failed by itself: a status of its own, not a signal.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "should have failed: {self}");
        self
    }

    /// Whether the command succeeded.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// The output, either stream, holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.text().contains(text), "should have said {text:?}: {self}");
        self
    }

    /// The output, neither stream, holds `text`.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "should not have said {text:?}: {self}");
        self
    }

    /// Both streams as text.
    pub fn text(&self) -> String {
        lossy(&self.stdout) + &lossy(&self.stderr)
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        lossy(&self.stdout)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, status, stdout, stderr } = self;
        // Indented, so that the output of a test that ran as a command is not taken for a test's own.
        let indented = |bytes| lossy(bytes).lines().fold(String::new(), |text, line| text + "\n  | " + line);
        write!(f, "{line}\n{status}, output:{}\nerrors:{}", indented(stdout), indented(stderr))
    }
}

impl Background {
    /// Starts `command` and leaves it running.
    ///
    /// # Panics
    /// Where the program is missing.
    pub fn start(command: &mut Command) -> Self {
        let log = log_file();
        command.stdin(Stdio::null());
        command.stdout(log.reopen().expect("the log")).stderr(log.reopen().expect("the log"));
        let line = line(command);
        let child = start(command, &line);
        Self { line, child, log }
    }

    /// Waits until the output holds `text`.
    ///
    /// # Panics
    /// Where the program ends before, or 30 seconds pass.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.text().contains(text) {
            let ended = self.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "{}\nended early, {ended:?}:\n{}", self.line, self.text());
            assert!(Instant::now() < deadline, "{}\nnever said {text:?}:\n{}", self.line, self.text());
            sleep(Duration::from_millis(20));
        }
    }

    /// What it has written so far.
    pub fn text(&self) -> String {
        lossy(&std::fs::read(self.log.path()).expect("the log"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only where the program has already ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command, line: &str) -> Child {
    command.spawn().unwrap_or_else(|cause| {
        let program = command.get_program().to_string_lossy().into_owned();
        match (cause.kind(), package(&program)) {
            (ErrorKind::NotFound, Some(package)) => {
                panic!("{program} is missing: install the Debian package {package}")
            }
            _ => panic!("{line}\ncannot start: {cause}"),
        }
    })
}

/// The Debian 12 package that holds `program`.
fn package(program: &str) -> Option<&'static str> {
    Some(match program {
        "pkcs11-tool" => "opensc",
        "openssl" => "openssl",
        "p11-kit" => "p11-kit",
        "ssh-keygen" => "openssh-client",
        "p11tool" | "certtool" | "gnutls-serv" => "gnutls-bin",
        "java" | "keytool" => "openjdk-17-jdk-headless",
        _ => return None,
    })
}

fn line(command: &Command) -> String {
    let environment = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    environment.chain(words).fold(String::from("$"), |line, word| line + " " + &word)
}

fn log_file() -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new().expect("a temporary file")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Longer than the slowest single command (RSA-4096 generation on a busy machine), shorter than anyone's patience.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

/// Gives `command` the file `input` as its standard input.
pub(crate) fn feed(command: &mut Command, input: &std::path::Path) {
    command.stdin(File::open(input).unwrap_or_else(|cause| panic!("{}: {cause}", input.display())));
}
