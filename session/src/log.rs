//! The log: structured, off by default (design 7).
//!
//! A line holds time, level, process, function, code, cause and duration; never a PIN, a key or a whole template. Nothing
//! here holds a lock or keeps a file open: a line is one `write` to a target that is opened for it. So a forked child can
//! log at once, a daemon that closes all its descriptors does not break the log, and a rotated file is followed.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use once_cell::race::OnceBox;
use serde::Deserialize;

use crate::{Code, Error};

/// How much is logged; each level holds the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    #[default]
    Off = 0,
    /// The device, the store or the configuration failed.
    Error = 1,
    /// Something that an operator should look at.
    Warn = 2,
    /// Calls that the caller got wrong, and milestones.
    Info = 3,
    /// Every call, expected outcomes too.
    Debug = 4,
    /// Steps inside a call.
    Trace = 5,
}

impl Level {
    /// The level of this name: `off`, `error`, `warn`, `info`, `debug`, `trace`.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.into_iter().find(|level| level.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// RFC 5424, 6.2.1, with facility 1 (user-level messages).
    fn syslog_priority(self) -> u8 {
        8 + match self {
            Self::Off | Self::Error => 3,
            Self::Warn => 4,
            Self::Info => 6,
            Self::Debug | Self::Trace => 7,
        }
    }
}

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    #[default]
    Stderr,
    /// The local syslog daemon, through `/dev/log`.
    Syslog,
    /// A file, appended to, made with mode 0600.
    File(PathBuf),
}

impl Target {
    /// `stderr`, `syslog`, or an absolute path.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "stderr" => Ok(Self::Stderr),
            "syslog" => Ok(Self::Syslog),
            path if Path::new(path).is_absolute() => Ok(Self::File(path.into())),
            other => Err(format!("log target {other:?} is not stderr, syslog or an absolute path")),
        }
    }
}

/// Starts, changes or (with [`Level::Off`]) ends logging in this process.
pub fn configure(level: Level, target: &Target) {
    if level != Level::Off {
        TARGET.store(place_of(target), Ordering::Relaxed);
    }
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// One line per call of an entry point: called by the boundary after every function. Expected outcomes log at debug.
pub fn call(function: &'static str, error: Option<&Error>, elapsed: Duration) {
    let level = level_of(error.map(Error::code));
    if !enabled_at(level) {
        return;
    }
    let code = error.map_or("CKR_OK", |error| error.code().name());
    let micros = elapsed.as_micros();
    match error.and_then(Error::cause) {
        Some(cause) => {
            write(level, format_args!("function={function} code={code} cause={} us={micros}", Quoted(cause)));
        }
        None => write(level, format_args!("function={function} code={code} us={micros}")),
    }
}

/// A line that belongs to no one call.
pub fn event(level: Level, message: fmt::Arguments<'_>) {
    if enabled_at(level) {
        write(level, format_args!("event={}", Quoted(&message.to_string())));
    }
}

/// Whether [`call`] would print anything; the boundary takes the time only then.
#[inline]
pub fn enabled() -> bool {
    LEVEL.load(Ordering::Relaxed) != Level::Off as u8
}

fn enabled_at(level: Level) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// What a code is worth: the caller's own business at debug, the caller's mistake at info, ours or the device's at error.
fn level_of(code: Option<Code>) -> Level {
    match code {
        None
        | Some(
            Code::BufferTooSmall
            | Code::AttributeTypeInvalid
            | Code::AttributeSensitive
            | Code::CryptokiAlreadyInitialized
            | Code::CryptokiNotInitialized
            | Code::FunctionNotSupported
            | Code::FunctionNotParallel
            | Code::UserAlreadyLoggedIn,
        ) => Level::Debug,
        Some(
            Code::DeviceError
            | Code::DeviceMemory
            | Code::DeviceRemoved
            | Code::FunctionFailed
            | Code::GeneralError
            | Code::HostMemory
            | Code::TokenNotRecognized
            | Code::TokenWriteProtected,
        ) => Level::Error,
        Some(Code::PinLocked | Code::SessionCount) => Level::Warn,
        Some(_) => Level::Info,
    }
}

fn write(level: Level, message: fmt::Arguments<'_>) {
    let process = std::process::id();
    let target = target();
    let line = match target {
        Target::Syslog => format!("<{}>azihsm-pkcs11[{process}]: {message}", level.syslog_priority()),
        Target::Stderr | Target::File(_) => {
            format!("{} {} azihsm-pkcs11[{process}] {message}\n", Timestamp(SystemTime::now()), level.name())
        }
    };
    // A log that cannot be written must not change what a call answers.
    let _ = match target {
        // Not `std::io::stderr()`: its lock may be held for ever in a forked child.
        Target::Stderr => rustix::io::write(rustix::stdio::stderr(), line.as_bytes()).map_err(Into::into),
        Target::Syslog => UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(line.as_bytes(), "/dev/log")
        }),
        Target::File(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write(line.as_bytes())),
    };
}

/// RFC 3339 in UTC with milliseconds.
struct Timestamp(SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86400, since.as_secs() % 86400);
        // Days to a date of the proleptic Gregorian calendar: H. Hinnant, "chrono-compatible low-level date
        // algorithms", civil_from_days, for days since 1970-01-01 that are never negative.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let shifted = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
        let year = year + era * 400 + u64::from(month <= 2);
        let (hour, minute, second, milli) = (second / 3600, second / 60 % 60, second % 60, since.subsec_millis());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Text from elsewhere: control characters cannot forge a line.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_debug())
    }
}

/// A target that was configured once. Targets are kept in a list that only grows and is linked without locks, so that
/// reading it never waits; equal targets share a place, so a program that initialises again and again adds nothing.
struct Place {
    target: Target,
    next: OnceBox<Self>,
}

fn place_of(target: &Target) -> usize {
    let new = || Box::new(Place { target: target.clone(), next: OnceBox::new() });
    let mut place = TARGETS.get_or_init(new);
    let mut index = 0;
    while place.target != *target {
        place = place.next.get_or_init(new);
        index += 1;
    }
    index
}

fn target() -> &'static Target {
    let mut place = TARGETS.get();
    for _ in 0..TARGET.load(Ordering::Relaxed) {
        place = place.and_then(|place| place.next.get());
    }
    place.map_or(&Target::Stderr, |place| &place.target)
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Off as u8);
static TARGET: AtomicUsize = AtomicUsize::new(0);
static TARGETS: OnceBox<Place> = OnceBox::new();

const ALL: [Level; 6] = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_calendar_dates() {
        let at = |seconds: u64| Timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7)).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        // `date -u -d @951782400` and so on.
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_319_999), "2026-11-22T03:59:59.007Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }

    #[test]
    fn a_cause_cannot_forge_a_line() {
        assert_eq!(Quoted("a\"b\nc").to_string(), r#""a\"b\nc""#);
    }

    #[test]
    fn levels_and_targets_have_names() {
        for level in ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
        assert_eq!(Level::from_name("loud"), None);
        assert_eq!(Target::parse("/var/log/x"), Ok(Target::File("/var/log/x".into())));
        assert!(Target::parse("x.log").is_err());
    }

    #[test]
    fn a_callers_mistake_is_not_an_error_of_ours() {
        assert_eq!(level_of(None), Level::Debug);
        assert_eq!(level_of(Some(Code::BufferTooSmall)), Level::Debug);
        assert_eq!(level_of(Some(Code::PinIncorrect)), Level::Info);
        assert_eq!(level_of(Some(Code::DeviceError)), Level::Error);
    }

    #[test]
    fn a_file_gets_a_line_per_call_and_only_from_its_level_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        configure(Level::Info, &Target::File(path.clone()));
        call("C_Sign", None, Duration::from_micros(5));
        call("C_Login", Some(&Code::PinIncorrect.because("try 3 of 10")), Duration::from_micros(12));
        configure(Level::Off, &Target::Stderr);
        call("C_Login", Some(&Code::DeviceError.into()), Duration::ZERO);
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("function=")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        let [time, level, process, rest] = lines[0].splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert!(time.ends_with('Z') && level == "info");
        assert_eq!(process, format!("azihsm-pkcs11[{}]", std::process::id()));
        assert_eq!(rest, r#"function=C_Login code=CKR_PIN_INCORRECT cause="try 3 of 10" us=12"#);
    }
}
