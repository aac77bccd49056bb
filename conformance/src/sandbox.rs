//! One test's own folder and token.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Dialect, FakeDriver, Kind, Module, Ran, run};

/// The label of the token of [`Sandbox::with_token`].
pub const TOKEN_LABEL: &str = "conformance";
/// Its security officer's PIN.
pub const SO_PIN: &str = "so-pin-0123";
/// Its user's PIN.
pub const USER_PIN: &str = "user-pin-4567";

/// The URI of RFC 7512 of the private key with label `label`, with the PIN to use it.
pub fn private_key(label: &str) -> String {
    format!("pkcs11:token={TOKEN_LABEL};object={label};type=private?pin-value={USER_PIN}")
}

/// A temporary folder with the module's state in it; everything in it goes when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
    module: Module,
    environment: Vec<(&'static str, PathBuf)>,
    driver: Option<FakeDriver>,
    /// The user to become for every command.
    user: Option<u32>,
}

impl Sandbox {
    /// Empty state for the module under test: a slot with a token that nobody has initialised.
    pub fn new() -> Self {
        Self::of(Module::under_test())
    }

    /// Empty state for `module`, on a device where this run is about devices (see [`Dialect::of_this_run`]).
    pub fn of(module: Module) -> Self {
        let folder = tempfile::Builder::new().prefix("azihsm-").tempdir().expect("a temporary folder");
        let environment = module.prepare(folder.path());
        let sandbox = Self { folder, module, environment, driver: None, user: None };
        match Dialect::of_this_run() {
            Some(dialect) if sandbox.module.kind() == Kind::Azihsm => sandbox.plugged(dialect, 1),
            _ => sandbox,
        }
    }

    /// Empty state for the module under test, and its own emulator whatever this run is about.
    pub fn emulated() -> Self {
        let folder = tempfile::Builder::new().prefix("azihsm-").tempdir().expect("a temporary folder");
        let module = Module::under_test();
        let environment = module.prepare(folder.path());
        Self { folder, module, environment, driver: None, user: None }
    }

    /// Empty state for the module under test, and `devices` fake devices that it is told to use.
    pub fn on_devices(dialect: Dialect, devices: u32) -> Self {
        Self::emulated().plugged(dialect, devices)
    }

    fn plugged(mut self, dialect: Dialect, devices: u32) -> Self {
        let driver = FakeDriver::start(&self.folder.path().join("fake-driver"), dialect, devices);
        // The later one counts where a name is there twice.
        self.environment.extend(driver.environment());
        self.driver = Some(driver);
        self
    }

    /// The fake driver.
    ///
    /// # Panics
    /// Where there is none.
    pub fn driver(&self) -> &FakeDriver {
        self.driver.as_ref().expect("a sandbox on devices")
    }

    /// Empty state for a copy of the module under test, and every command run as somebody who is not root: for programs
    /// that leave their user's configuration aside when it is root's.
    pub fn unprivileged() -> Self {
        let module = Module::under_test();
        let name = module.path().file_name().expect("a file has a name").to_owned();
        let mut sandbox = Self::of(module);
        let copy = sandbox.folder.path().join(name);
        // Not even the way to the module need be open to somebody else.
        std::fs::copy(sandbox.module.path(), &copy).expect("a copy of the module");
        sandbox.module = Module::at(&copy);
        if std::fs::metadata("/proc/self").expect("/proc").uid() == 0 {
            sandbox.user = Some(NOBODY);
            for path in std::iter::once(sandbox.folder.path().to_owned()).chain(entries(sandbox.folder.path())) {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
            }
        }
        sandbox
    }

    /// A token with label [`TOKEN_LABEL`], and both PINs set, made by `pkcs11-tool`.
    pub fn with_token() -> Self {
        let sandbox = Self::new();
        sandbox.init_token();
        sandbox
    }

    /// Initialises the first slot's token and its user PIN.
    pub fn init_token(&self) {
        self.tool(&["--init-token", "--slot-index", "0", "--label", TOKEN_LABEL, "--so-pin", SO_PIN]).ok();
        self.pkcs11(&["--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--new-pin", USER_PIN]).ok();
    }

    /// Makes a key pair of `kind` (pkcs11-tool's word: `rsa:2048`, `EC:secp256r1`) for signatures, and for decryption if
    /// it is RSA.
    pub fn key_pair(&self, label: &str, id: &str, kind: &str) {
        let usage = if kind.starts_with("rsa") { &["--usage-sign", "--usage-decrypt"][..] } else { &["--usage-sign"] };
        let generate = ["--keypairgen", "--key-type", kind, "--label", label, "--id", id];
        self.user(&[&generate[..], usage].concat()).ok();
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// What a program needs in its environment to meet this state.
    pub fn environment(&self) -> &[(&'static str, PathBuf)] {
        &self.environment
    }

    /// The folder of the first slot's token, as the README has it.
    pub fn token_folder(&self) -> PathBuf {
        let name = if self.driver.is_some() { "device-0000_65_00.0" } else { "slot0" };
        self.folder.path().join("state").join(name)
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        path
    }

    /// Reads a file of the folder.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
    }

    /// `program`, in the folder, with the environment that the module needs and without input.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        // The user's own settings must not reach a test.
        command
            .env_remove("OPENSSL_CONF")
            .env_remove("AZIHSM_PKCS11_CONFIG")
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C");
        command
    }

    /// Runs `program` with `arguments`.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        run(self.command(program).args(arguments))
    }

    /// Runs `program` with `arguments` and the file `input` of the folder as its standard input.
    pub fn run_with(&self, program: &str, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(program);
        crate::ran::feed(&mut command, &self.path(input));
        run(command.args(arguments))
    }

    /// Runs `openssl`, which knows nothing of the module here: the second opinion.
    pub fn openssl(&self, arguments: &[&str]) -> Ran {
        self.run("openssl", arguments)
    }

    /// Runs `openssl`, which is expected to agree.
    #[track_caller]
    pub fn openssl_agrees(&self, arguments: &[&str]) {
        self.openssl(arguments).ok();
    }

    /// Runs `pkcs11-tool` with the module and nothing else said.
    pub fn tool(&self, arguments: &[&str]) -> Ran {
        run(tool(self).args(arguments))
    }

    /// Runs `pkcs11-tool` on the token of [`Sandbox::with_token`], without login.
    pub fn pkcs11(&self, arguments: &[&str]) -> Ran {
        run(tool(self).args(["--token-label", TOKEN_LABEL]).args(arguments))
    }

    /// Runs `pkcs11-tool` on the token of [`Sandbox::with_token`], logged in as the user.
    pub fn user(&self, arguments: &[&str]) -> Ran {
        run(tool(self).args(["--token-label", TOKEN_LABEL, "--login", "--pin", USER_PIN]).args(arguments))
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// `pkcs11-tool` with the module of `sandbox`.
pub fn tool(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command("pkcs11-tool");
    command.arg("--module").arg(sandbox.module().path());
    command
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).expect("our own folder").map(|entry| entry.expect("our own file").path())
}

/// Debian's user `nobody` and group `nogroup`.
const NOBODY: u32 = 65534;
