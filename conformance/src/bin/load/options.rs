//! The command line.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use conformance::{Dialect, Sandbox};

/// What the programs of a run have under them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// A fake chip behind `/dev/azihsm0`, shared by all processes.
    Chip(Dialect),
    /// The emulator in each process, on one state folder.
    Emulator,
}

impl Setting {
    /// A sandbox with a token.
    pub(crate) fn sandbox(self) -> Sandbox {
        let sandbox = match self {
            Self::Chip(dialect) => Sandbox::on_devices(dialect, 1),
            Self::Emulator => Sandbox::emulated(),
        };
        sandbox.init_token();
        sandbox
    }

    /// Whether there is a chip that takes orders.
    pub(crate) fn is_chip(self) -> bool {
        matches!(self, Self::Chip(_))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chip(Dialect::Virtual) => "fake chip, virtual dialect",
            Self::Chip(Dialect::Physical) => "fake chip, physical dialect",
            Self::Emulator => "emulator in process",
        })
    }
}

/// The words after the first.
#[derive(Debug)]
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut found = HashMap::new();
        while let Some(word) = words.next() {
            found.insert(word.strip_prefix("--")?.to_owned(), words.next()?);
        }
        Some(Self(found))
    }

    /// An option's value, or what it is without one.
    ///
    /// # Panics
    /// Where the value is not one.
    pub(crate) fn get<T: FromStr>(&self, name: &str, default: T) -> T {
        let parse = |word: &String| word.parse().unwrap_or_else(|_| panic!("--{name} {word} is not understood"));
        self.0.get(name).map_or(default, parse)
    }

    /// Numbers with commas between them.
    pub(crate) fn list(&self, name: &str, default: &str) -> Vec<u64> {
        let words: String = self.get(name, default.to_owned());
        words.split(',').map(|word| word.parse().unwrap_or_else(|_| panic!("--{name} {words}"))).collect()
    }

    /// Where to run.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        match self.get("on", String::new()).as_str() {
            "" => Dialect::ALL.map(Setting::Chip).to_vec(),
            "virtual" => vec![Setting::Chip(Dialect::Virtual)],
            "physical" => vec![Setting::Chip(Dialect::Physical)],
            "emulator" => vec![Setting::Emulator],
            other => panic!("--on {other} is not understood"),
        }
    }
}
