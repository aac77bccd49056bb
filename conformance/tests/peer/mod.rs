//! The other end of `conformance/src/bin/peer.rs`: a program with the token open, told line by line what to do.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use conformance::{Sandbox, from_hex};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};

/// Taken for a digest of 32 bytes.
pub(crate) const DIGEST: &str = "a_digest_that_is_32_bytes_long..";

/// A running `peer`; killed, not asked to leave, when dropped.
pub(crate) struct Peer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// A peer with the token of this sandbox open, and the user logged in.
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_peer"));
        // The peer lies beside the test, and so does its module, unless the environment says otherwise.
        command.env("AZIHSM_CONFORMANCE_MODULE", sandbox.module().path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
        let commands = child.stdin.take().expect("it was piped");
        let answers = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut peer = Self { child, commands, answers };
        assert_eq!(peer.hear(), "ok ready");
        peer
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the peer is there");
    }

    /// The answer to the oldest command without one.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer is there");
        line.trim_end().to_owned()
    }

    /// Gives a command and takes its answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.hear()
    }

    /// Gives a command that has to succeed, and has nothing to say.
    #[track_caller]
    pub(crate) fn does(&mut self, command: &str) {
        assert_eq!(self.ask(command), "ok done", "{command}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only where the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes that a peer answers.
#[track_caller]
pub(crate) fn bytes(answer: &str) -> Vec<u8> {
    from_hex(answer.strip_prefix("ok ").unwrap_or_else(|| panic!("{answer}")))
}

/// The signature of [`DIGEST`], as the peer answers it, is by the key of the point.
#[track_caller]
pub(crate) fn verify(point: &str, signature: &str) {
    let key = VerifyingKey::from_sec1_bytes(&bytes(point)[2..]).expect("a point of P-256");
    let signature = Signature::from_slice(&bytes(signature)).expect("r || s");
    key.verify_prehash(DIGEST.as_bytes(), &signature).expect("the key of the point signed");
}
