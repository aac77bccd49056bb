//! A web server as its example's script sets it up, and clients that know no token.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use conformance::{Ran, Sandbox, run};

/// A server that the script left running; stopped when dropped.
pub(crate) struct Server {
    sandbox: Sandbox,
    address: String,
    name: &'static str,
}

/// Runs the example's script to its end, in a sandbox: it loads the server itself, reloads it, and stops it.
pub(crate) fn script(name: &'static str, program: &str, through: &str) -> Ran {
    let sandbox = sandbox(program);
    let ran = run(&mut command(&sandbox, name, &["--through", through])).ok();
    assert!(!sandbox.path("server/server.pid").exists(), "the server is stopped: {ran}");
    ran
}

impl Server {
    /// Lets the script of the example `name` start `program`, with the key through OpenSSL's `through`.
    pub(crate) fn start(name: &'static str, program: &str, through: &str) -> Self {
        let sandbox = sandbox(program);
        let ran = run(&mut command(&sandbox, name, &["--keep", "--through", through])).ok();
        let said = ran.stdout();
        let address =
            said.split_once("https://").and_then(|(_, rest)| rest.split_once('/')).expect("where it listens").0;
        Self { address: address.to_owned(), sandbox, name }
    }

    /// Every version and both keys: the chain, the name and the page; the certificate's key signs the handshake.
    pub(crate) fn is_trusted(&self) {
        for (version, suite) in [("-tls1_2", "New, TLSv1.2"), ("-tls1_3", "New, TLSv1.3")] {
            for (algorithm, kind) in [("RSA-PSS+SHA256", "RSA-PSS"), ("ECDSA+SHA256", "ECDSA")] {
                let peer = format!("Peer signature type: {kind}");
                self.fetch(&[version, "-sigalgs", algorithm]).says(suite).says(&peer);
            }
        }
        // The PKCS #1 v1.5 way too, which a client of TLS 1.2 may insist on.
        self.fetch(&["-tls1_2", "-sigalgs", "RSA+SHA256"]).says("Peer signature type: RSA");
        // And a client that trusts somebody else does not get a page.
        let other = "-new -x509 -newkey rsa:2048 -nodes -subj /CN=other -days 2 -keyout other.key -out other.crt";
        self.sandbox.openssl_agrees(&["req"].into_iter().chain(other.split(' ')).collect::<Vec<_>>());
        self.client("other.crt", &[]).fails().never_says("hello from");
    }

    /// Keeps clients coming while the server reloads twice, and lets none of them fail; then all workers are new.
    pub(crate) fn reloads_under_load(&self, signal: &str) {
        let before = self.workers();
        assert!(before.len() > 1, "several workers: {before:?}");
        let over = AtomicBool::new(false);
        let served = scope(|threads| {
            let clients: Vec<_> = CLIENTS
                .iter()
                .map(|options| {
                    let over = &over;
                    threads.spawn(move || {
                        let mut served = 0;
                        while !over.load(Ordering::Relaxed) {
                            self.fetch(options);
                            served += 1;
                        }
                        served
                    })
                })
                .collect();
            for _ in 0..2 {
                sleep(Duration::from_millis(800));
                run(Command::new("kill").args([signal, &self.pid()])).ok();
            }
            sleep(Duration::from_millis(1200));
            over.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().expect("every client was served")).sum::<u32>()
        });
        assert!(served > 3, "there was a load: {served}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.workers().iter().any(|worker| before.contains(worker)) {
            assert!(Instant::now() < deadline, "workers from before the reload: {:?}, {before:?}", self.workers());
            sleep(Duration::from_millis(50));
        }
        self.is_trusted();
    }

    fn fetch(&self, options: &[&str]) -> Ran {
        let ran = self.client("server/authority.crt", options);
        let log = || String::from_utf8_lossy(&self.sandbox.read("server/error.log")).into_owned();
        assert!(ran.succeeded(), "{ran}\n-- the server\n{}", log());
        ran.says("Verification: OK").says(&format!("hello from {}", self.name))
    }

    fn client(&self, trusted: &str, options: &[&str]) -> Ran {
        let client = ["s_client", "-connect", &self.address, "-CAfile", trusted, "-verify_return_error"];
        let host = ["-verify_hostname", "localhost", "-ign_eof"];
        self.sandbox.run_with("openssl", &[&client[..], &host, options].concat(), "request")
    }

    fn pid(&self) -> String {
        String::from_utf8_lossy(&self.sandbox.read("server/server.pid")).trim().to_owned()
    }

    /// The server's processes but the first.
    fn workers(&self) -> Vec<String> {
        run(Command::new("pgrep").args(["-P", &self.pid()])).stdout().lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.pid();
        run(Command::new("kill").arg(&pid));
        let deadline = Instant::now() + Duration::from_secs(20);
        while Path::new("/proc").join(&pid).exists() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
    }
}

/// For the load: both versions, both keys.
const CLIENTS: [&[&str]; 4] = [
    &["-tls1_2", "-sigalgs", "RSA-PSS+SHA256"],
    &["-tls1_2", "-sigalgs", "ECDSA+SHA256"],
    &["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"],
    &["-tls1_3", "-sigalgs", "ECDSA+SHA256"],
];

/// Not root's, because neither server has workers that are root.
fn sandbox(program: &str) -> Sandbox {
    assert!(Path::new("/usr/sbin").join(program).exists(), "/usr/sbin/{program} is missing: see conformance/run");
    let sandbox = Sandbox::unprivileged();
    sandbox.write("request", "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    sandbox
}

/// The script of the example `name`, on a copy, because not even the way to the sources need be open to somebody else.
fn command(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Command {
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = sandbox.path("script/examples").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in ["examples/servers".to_owned(), format!("examples/{name}/run")] {
        std::fs::copy(sources.join(&file), sandbox.path("script").join(&file)).expect("the script");
    }
    let mut command = sandbox.command("bash");
    command.arg(folder.join("run")).args(arguments).arg(sandbox.path("server"));
    command.env("AZIHSM_EXAMPLE_MODULE", sandbox.module().path());
    command
}
