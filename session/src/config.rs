//! Configuration: one JSON file and a few environment variables (design 7).
//!
//! The file is the first of these: the one that `AZIHSM_PKCS11_CONFIG` names, which must be there;
//! `$XDG_CONFIG_HOME/azihsm/pkcs11.json` (`~/.config` where the variable is not set); `/etc/azihsm/pkcs11.json`. With no
//! file at all every key has its default. Keys that are not known are refused, so that a misspelt one cannot pass for
//! its default. Environment variables override the file:
//!
//! | Variable | Key | Values |
//! |---|---|---|
//! | `AZIHSM_PKCS11_TRANSPORT` | `transport` | `auto`, `device`, `emulator` |
//! | `AZIHSM_PKCS11_STATE` | `state` | an absolute path |
//! | `AZIHSM_PKCS11_POLICY` | `policy` | `standard`, `strict` |
//! | `AZIHSM_PKCS11_LOG` | `log` | a level, or `level:target`: `debug`, `info:/var/log/hsm.log`, `warn:syslog` |

use std::fmt;
use std::path::{Path, PathBuf};

use mechanisms::key::Policy;
use serde::Deserialize;
use transport::emulator::Options;

use crate::log::{Level, Target};

/// The configuration of the library: the file with the environment's overrides, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the slots are.
    pub transport: Transport,
    /// The folder of tokens and of the emulator; absolute.
    pub state: PathBuf,
    /// Which keys are allowed.
    pub policy: Policy,
    /// Whether one key may have uses that can be turned against other keys.
    pub allow_conflicting_usage: bool,
    /// How much is logged.
    pub log_level: Level,
    /// Where the log goes.
    pub log_target: Target,
    /// PINs.
    pub pin: Pin,
    /// Emulated partitions, each a slot.
    pub slots: u16,
    /// How long to wait for one of the partition's eight device sessions, in milliseconds.
    pub session_wait_ms: u64,
    /// What an acknowledged change of the store outlives.
    pub durability: Durability,
    /// Whether an AES-GCM key may encrypt twice with one IV.
    pub allow_gcm_iv_reuse: bool,
    /// Behaviour of the emulated device.
    pub emulator: Options,
}

/// What the slots are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// The device nodes where there are any, else the emulator.
    #[default]
    Auto,
    /// The device nodes `/dev/azihsm<N>`.
    Device,
    /// The emulator.
    Emulator,
}

/// What an acknowledged change of the store outlives. Either way a process that is killed at any moment loses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Loss of power: five syncs of the disk for each change.
    #[default]
    Power,
    /// The end of the process, but not of the machine: a loss of power can cost the token. For tests and throw-away
    /// tokens, where making thousands of objects should not take minutes.
    Process,
}

/// `pin`: how PINs are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pin {
    /// Wrong PINs in a row after which a PIN is locked, 1 to 1000. Default 10.
    pub max_attempts: u32,
    /// The cost of trying a PIN, for PINs that are set from now on; a PIN that is set keeps the cost it was set with.
    pub argon2: Argon2,
}

impl Default for Pin {
    fn default() -> Self {
        Self { max_attempts: 10, argon2: Argon2::default() }
    }
}

/// `pin.argon2`: parameters of Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Argon2 {
    /// Memory in KiB, 8 per lane to 1048576.
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 1000.
    pub passes: u32,
    /// Lanes, 1 to 16; they run one after the other.
    pub lanes: u32,
}

impl Default for Argon2 {
    /// Of the sets that OWASP's password storage cheat sheet calls equivalent (19456 KiB and 2 passes, 12288 and 3, 9216
    /// and 4, 7168 and 5, one lane each) the one that was fastest here; see the table in `pin_slots`.
    fn default() -> Self {
        Self { memory_kib: 7168, passes: 5, lanes: 1 }
    }
}

impl Argon2 {
    /// What is wrong with the parameters, if anything.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        if !(1..=16).contains(&self.lanes) {
            Some("pin.argon2.lanes is not within 1 to 16")
        } else if !(8 * self.lanes..=1 << 20).contains(&self.memory_kib) {
            Some("pin.argon2.memory_kib is not within 8 per lane to 1048576")
        } else if !(1..=1000).contains(&self.passes) {
            Some("pin.argon2.passes is not within 1 to 1000")
        } else {
            None
        }
    }
}

/// The file as it is written; `None` is a key that is not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    /// `auto` (default), `device` or `emulator`.
    transport: Transport,
    /// State folder, an absolute path. Default: `$XDG_STATE_HOME/azihsm-pkcs11`, `~/.local/state/azihsm-pkcs11`, or for
    /// root without `HOME` `/var/lib/azihsm-pkcs11`.
    state: Option<PathBuf>,
    /// `standard` (default) or `strict` (design 4).
    policy: PolicyName,
    /// Whether one secret key may wrap and decrypt, or unwrap and encrypt, and may get such uses after its birth; keys that
    /// wrap may then be wrapped. `false` (default) refuses what gives other keys out (`object::usage` tells how).
    allow_conflicting_usage: bool,
    /// The log; off where it is not there.
    log: Log,
    /// PINs.
    pin: Pin,
    /// Number of emulated partitions, 1 to 64. Default 1.
    slots: Option<u16>,
    /// Wait for a device session in milliseconds, at most 600000. Default 5000.
    session_wait_ms: Option<u64>,
    /// `power` (default) or `process`: what an acknowledged change outlives.
    durability: Durability,
    /// Whether an AES-GCM key may encrypt twice with one IV in one process, which gives away what both messages say and
    /// lets anybody forge others. Default false.
    allow_gcm_iv_reuse: bool,
    /// The emulated device's behaviour; each key's default is what the firmware does.
    emulator: Options,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PolicyName {
    #[default]
    Standard,
    Strict,
}

/// `log`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Log {
    /// `off` (default), `error`, `warn`, `info`, `debug` or `trace`.
    level: Level,
    /// `stderr` (default), `syslog`, or the absolute path of a file.
    target: Option<String>,
}

/// Why there is no configuration: one clear line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw(String);

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Flaw {}

impl Config {
    /// The configuration of this process.
    pub fn load() -> Result<Self, Flaw> {
        Self::from(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The configuration under an environment.
    fn from(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Flaw> {
        let variable = |name| environment(name).filter(|value| !value.is_empty());
        let (origin, file) = find_file(&variable)?;
        let flaw = |why: String| Flaw(format!("{origin}: {why}"));
        let of = |name: &str, why: String| Flaw(format!("{name}: {why}"));

        let transport = match variable(TRANSPORT).as_deref() {
            None => file.transport,
            Some("auto") => Transport::Auto,
            Some("device") => Transport::Device,
            Some("emulator") => Transport::Emulator,
            Some(other) => return Err(of(TRANSPORT, format!("{other:?} is not auto, device or emulator"))),
        };
        let policy = match variable(POLICY).as_deref() {
            None => match file.policy {
                PolicyName::Standard => Policy::Standard,
                PolicyName::Strict => Policy::Strict,
            },
            Some("standard") => Policy::Standard,
            Some("strict") => Policy::Strict,
            Some(other) => return Err(of(POLICY, format!("{other:?} is not standard or strict"))),
        };
        let state = match (variable(STATE), file.state) {
            (Some(path), _) => absolute(path.into()).map_err(|why| of(STATE, why))?,
            (None, Some(path)) => absolute(path).map_err(|why| flaw(format!("state: {why}")))?,
            (None, None) => default_state(&variable)?,
        };
        let (log_level, log_target) = if let Some(log) = log_override(environment)? {
            log
        } else {
            let target = file.log.target.map_or(Ok(Target::Stderr), |target| Target::parse(&target));
            (file.log.level, target.map_err(flaw)?)
        };
        let (slots, session_wait_ms, pin) =
            (file.slots.unwrap_or(1), file.session_wait_ms.unwrap_or(DEFAULT_SESSION_WAIT_MS), file.pin);
        if let Some(why) = pin.argon2.flaw() {
            return Err(flaw(why.to_owned()));
        }
        if !(1..=1000).contains(&pin.max_attempts) {
            return Err(flaw("pin.max_attempts is not within 1 to 1000".to_owned()));
        }
        if !(1..=64).contains(&slots) {
            return Err(flaw("slots is not within 1 to 64".to_owned()));
        }
        if session_wait_ms > 600_000 {
            return Err(flaw("session_wait_ms is over 600000".to_owned()));
        }
        let File { durability, allow_conflicting_usage, allow_gcm_iv_reuse, emulator, .. } = file;
        Ok(Self {
            transport,
            state,
            policy,
            allow_conflicting_usage,
            log_level,
            log_target,
            pin,
            slots,
            session_wait_ms,
            durability,
            allow_gcm_iv_reuse,
            emulator,
        })
    }
}

/// What `AZIHSM_PKCS11_LOG` says. It counts even where the rest of the configuration is broken: it is how one finds out.
pub(crate) fn log_from_environment() -> Option<(Level, Target)> {
    log_override(&|name| std::env::var(name).ok()).ok().flatten()
}

fn log_override(environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<(Level, Target)>, Flaw> {
    let Some(text) = environment(LOG).filter(|text| !text.is_empty()) else { return Ok(None) };
    let (level, target) = match text.split_once(':') {
        Some((level, target)) => (level, Target::parse(target).map_err(|why| Flaw(format!("{LOG}: {why}")))?),
        None => (text.as_str(), Target::Stderr),
    };
    let level = Level::from_name(level)
        .ok_or_else(|| Flaw(format!("{LOG}: {level:?} is not off, error, warn, info, debug or trace")))?;
    Ok(Some((level, target)))
}

/// The file that counts and what is in it; the first part names it in messages.
fn find_file(variable: &dyn Fn(&'static str) -> Option<String>) -> Result<(String, File), Flaw> {
    if let Some(named) = variable(CONFIG) {
        return read(Path::new(&named))?
            .map(|file| (named.clone(), file))
            .ok_or_else(|| Flaw(format!("{CONFIG} names {named}, which is not there")));
    }
    let users = variable("XDG_CONFIG_HOME")
        .filter(|folder| Path::new(folder).is_absolute())
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")))
        .map(|folder| folder.join("azihsm/pkcs11.json"));
    for path in users.into_iter().chain([PathBuf::from("/etc/azihsm/pkcs11.json")]) {
        if let Some(file) = read(&path)? {
            return Ok((path.display().to_string(), file));
        }
    }
    Ok(("defaults".to_owned(), File::default()))
}

fn read(path: &Path) -> Result<Option<File>, Flaw> {
    let flaw = |why: &dyn fmt::Display| Flaw(format!("{}: {why}", path.display()));
    match std::fs::read_to_string(path) {
        // A list would be taken for the values of all keys in their order, and pass the check of their names.
        Ok(text) if text.trim_start().starts_with('[') => Err(flaw(&"a list, where an object with keys is due")),
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| flaw(&error)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(flaw(&error)),
    }
}

fn default_state(variable: &dyn Fn(&'static str) -> Option<String>) -> Result<PathBuf, Flaw> {
    if let Some(folder) = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("azihsm-pkcs11"));
    }
    match variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute()) {
        Some(home) => Ok(home.join(".local/state/azihsm-pkcs11")),
        None if rustix::process::geteuid().is_root() => Ok("/var/lib/azihsm-pkcs11".into()),
        None => Err(Flaw(format!("no state folder: neither {STATE}, XDG_STATE_HOME nor HOME is set"))),
    }
}

/// A relative path would mean another token after every chdir.
fn absolute(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() { Ok(path) } else { Err(format!("{} is not an absolute path", path.display())) }
}

const CONFIG: &str = "AZIHSM_PKCS11_CONFIG";
const TRANSPORT: &str = "AZIHSM_PKCS11_TRANSPORT";
const STATE: &str = "AZIHSM_PKCS11_STATE";
const POLICY: &str = "AZIHSM_PKCS11_POLICY";
const LOG: &str = "AZIHSM_PKCS11_LOG";
const DEFAULT_SESSION_WAIT_MS: u64 = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration under these variables, with `text` in the file that `AZIHSM_PKCS11_CONFIG` names.
    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pkcs11.json");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        Config::from(&|name| {
            let given = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| match name {
                CONFIG => Some(path.to_owned()),
                "HOME" => Some("/home/u".to_owned()),
                _ => None,
            })
        })
        .map_err(|flaw| flaw.to_string())
    }

    #[test]
    fn every_key_has_a_default() {
        let config = load("{}", &[]).unwrap();
        assert_eq!(config.transport, Transport::Auto);
        assert_eq!(config.state, Path::new("/home/u/.local/state/azihsm-pkcs11"));
        assert_eq!((config.policy, config.allow_conflicting_usage), (Policy::Standard, false));
        assert_eq!((config.log_level, config.log_target), (Level::Off, Target::Stderr));
        assert_eq!(config.pin.max_attempts, 10);
        assert_eq!((config.slots, config.session_wait_ms), (1, 5000));
        assert_eq!(config.durability, Durability::Power);
        assert!(!config.allow_gcm_iv_reuse);
        assert_eq!(config.emulator, Options::default());
    }

    #[test]
    fn every_key_can_be_set() {
        let text = r#"{"transport":"emulator","state":"/srv/hsm","policy":"strict","allow_conflicting_usage":true,
            "log":{"level":"debug","target":"syslog"},
            "pin":{"max_attempts":3,"argon2":{"memory_kib":19456,"passes":2,"lanes":1}},
            "slots":4,"session_wait_ms":100,"durability":"process",
            "allow_gcm_iv_reuse":true,"emulator":{}}"#;
        let config = load(text, &[]).unwrap();
        assert_eq!(config.transport, Transport::Emulator);
        assert_eq!(config.state, Path::new("/srv/hsm"));
        assert_eq!((config.policy, config.allow_conflicting_usage), (Policy::Strict, true));
        assert_eq!((config.log_level, config.log_target), (Level::Debug, Target::Syslog));
        assert_eq!(config.pin, Pin { max_attempts: 3, argon2: Argon2 { memory_kib: 19456, passes: 2, lanes: 1 } });
        assert_eq!((config.slots, config.session_wait_ms), (4, 100));
        assert_eq!(config.durability, Durability::Process);
        assert!(config.allow_gcm_iv_reuse);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let text = r#"{"transport":"device","state":"/srv/hsm","policy":"strict","log":{"level":"debug"}}"#;
        let variables = [(TRANSPORT, "emulator"), (STATE, "/tmp/s"), (POLICY, "standard"), (LOG, "warn:/tmp/l")];
        let config = load(text, &variables).unwrap();
        assert_eq!(config.transport, Transport::Emulator);
        assert_eq!(config.state, Path::new("/tmp/s"));
        assert_eq!(config.policy, Policy::Standard);
        assert_eq!((config.log_level, config.log_target), (Level::Warn, Target::File("/tmp/l".into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, variables, says) in [
            (r#"{"polcy":"strict"}"#, vec![], "unknown field `polcy`"),
            (r#" ["emulator", "/tmp"]"#, vec![], "a list"),
            (r#"{"pin":{"max_attempt":3}}"#, vec![], "unknown field `max_attempt`"),
            (r#"{"slots":0}"#, vec![], "slots is not within 1 to 64"),
            (r#"{"pin":{"max_attempts":0}}"#, vec![], "pin.max_attempts"),
            (r#"{"pin":{"argon2":{"memory_kib":4}}}"#, vec![], "pin.argon2.memory_kib"),
            (r#"{"pin":{"argon2":{"lanes":0}}}"#, vec![], "pin.argon2.lanes"),
            (r#"{"state":"relative"}"#, vec![], "not an absolute path"),
            (r#"{"log":{"target":"x.log"}}"#, vec![], "log target"),
            ("{", vec![], "EOF"),
            ("{}", vec![(TRANSPORT, "usb")], TRANSPORT),
            ("{}", vec![(POLICY, "lax")], POLICY),
            ("{}", vec![(LOG, "loud")], LOG),
            ("{}", vec![(STATE, "here")], STATE),
            ("{}", vec![(CONFIG, "/nowhere/at/all.json")], "is not there"),
        ] {
            let flaw = load(text, &variables).unwrap_err();
            assert!(flaw.contains(says), "{flaw:?} should say {says:?}");
        }
    }
}
