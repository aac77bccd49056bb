//! The fake driver under a sandbox: programs that run there see `/dev/azihsm0` (see `conformance/fake-driver`).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// What the chip speaks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DER and big-endian numbers.
    Virtual,
    /// Raw little-endian numbers.
    Physical,
}

impl Dialect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Virtual, Self::Physical];

    /// Those that a test of devices goes through: the one of this run, or both.
    ///
    /// # Panics
    /// As [`Dialect::of_this_run`].
    pub fn tested() -> &'static [Self] {
        match Self::of_this_run() {
            Some(Self::Virtual) => &Self::ALL[..1],
            Some(Self::Physical) => &Self::ALL[1..],
            None => &Self::ALL,
        }
    }

    /// The dialect that `AZIHSM_CONFORMANCE_DEVICE` (`virtual`, `physical`) wants every sandbox to have under it; without
    /// the variable, the module runs its emulator.
    ///
    /// # Panics
    /// Where the variable has another value.
    pub fn of_this_run() -> Option<Self> {
        std::env::var("AZIHSM_CONFORMANCE_DEVICE").ok().map(|word| match &*word {
            "virtual" => Self::Virtual,
            "physical" => Self::Physical,
            other => panic!("AZIHSM_CONFORMANCE_DEVICE={other}: neither virtual nor physical"),
        })
    }
}

/// A running server with its chips; it ends when this is dropped, and at the latest with this process.
#[derive(Debug)]
pub struct FakeDriver {
    server: Child,
    folder: PathBuf,
    library: PathBuf,
}

impl FakeDriver {
    /// Starts a server in `folder`, which is made, with `devices` chips.
    ///
    /// # Panics
    /// Where the server has not been built; the message says how to.
    pub fn start(folder: &Path, dialect: Dialect, devices: u32) -> Self {
        std::fs::create_dir(folder).expect("a new folder");
        // Not even the way to the build need be open to the user that programs run as.
        let library = folder.join("preload.so");
        std::fs::copy(built("libazihsm_fake_driver.so"), &library).expect("a copy of the preloaded library");
        let kind = match dialect {
            Dialect::Virtual => "virtual",
            Dialect::Physical => "physical",
        };
        let mut server = Command::new(built("fake-driver"))
            .arg(folder)
            .args(["--kind", kind, "--devices", &devices.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let output = server.stdout.take().expect("it was piped");
        BufReader::new(output).read_line(&mut line).expect("the server speaks");
        assert_eq!(line, "ready\n", "the server is ready");
        Self { server, folder: folder.to_owned(), library }
    }

    /// What a program needs in its environment to see the nodes, and the module to use them.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("AZIHSM_FAKE_DRIVER", self.folder.clone()),
            ("AZIHSM_PKCS11_TRANSPORT", PathBuf::from("device")),
        ]
    }

    /// Gives an order, in JSON, to the first chip, and returns the answer. The orders are those of
    /// `conformance/fake-driver/src/control.rs`.
    ///
    /// # Panics
    /// Where the order is not carried out.
    #[track_caller]
    pub fn order(&self, order: &str) -> Value {
        let mut stream = UnixStream::connect(self.folder.join("control.sock")).expect("the server is there");
        writeln!(stream, r#"{{"order":{order}}}"#).expect("the server is there");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the server answers");
        let mut answer: Value = serde_json::from_str(&line).expect("an answer in JSON");
        assert!(answer.get("error").is_none(), "{order}: {answer}");
        answer["ok"].take()
    }

    /// How many commands the first chip has been given, by opcode, and all fast-path calls.
    pub fn commands(&self) -> Vec<(String, u64)> {
        let counts = self.order(r#""counts""#);
        let commands = counts["commands"].as_object().expect("counts by opcode");
        let number = |value: &Value| value.as_u64().expect("a count");
        let commands = commands.iter().map(|(opcode, count)| (opcode.clone(), number(count)));
        commands.chain([("gcm".to_owned(), number(&counts["gcm"]))]).collect()
    }
}

impl Drop for FakeDriver {
    fn drop(&mut self) {
        // Both fail only where the process has already ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A file of the build that the running test belongs to.
fn built(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("the path of this test");
    let folder = program.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().expect("deps lies in a folder") } else { folder };
    let path = profile.join(name);
    assert!(path.exists(), "{}: not there; build it with `cargo build -p azihsm-fake-driver`", path.display());
    path
}
