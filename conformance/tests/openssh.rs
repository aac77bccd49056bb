//! OpenSSH (Debian `openssh-client` and `openssh-server` 9.2), by the script of `examples/openssh`.
//!
//! `ssh-keygen -D`, `ssh-agent` with `ssh-add -s`, a login through the agent and one without it, a server whose host key
//! is behind an agent, a certificate authority, a signed file. The agent's helper and `ssh` keep one session and log in
//! once; several of them are on the token at a time.

use conformance::Sandbox;

#[test]
fn logs_in_and_signs_with_keys_of_the_token() {
    // ssh-agent is set-group-id, so its helper never gets the preloaded library that shows the fake chips.
    let sandbox = Sandbox::emulated();
    let ran = sandbox.example("openssh");
    for text in [
        "logged in by the agent",
        "logged in by the module",
        "logged in by certificate",
        "Permission denied (publickey)",
        "Good \"file\" signature for user@example.org",
    ] {
        assert!(ran.text().contains(text), "{text:?} is shown: {ran}");
    }
    // The key that OpenSSH prints, that the server let in, and that the client knew the host by, is the token's.
    // Not the authority's: OpenSC 0.23 writes P-256 and RSA keys, but no P-384 key.
    for name in ["user", "host"] {
        let printed = sandbox.run("ssh-keygen", &["-e", "-m", "PKCS8", "-f", &format!("example/{name}.pub")]).ok();
        let token = sandbox.example_public_key("openssh", name);
        assert_eq!(printed.stdout().as_bytes(), token, "{name}");
    }
    let print = sandbox.run("ssh-keygen", &["-l", "-f", "example/user.pub"]).ok().stdout();
    let fingerprint = print.split(' ').nth(1).expect("bits, fingerprint, comment, kind");
    let log = String::from_utf8_lossy(&sandbox.read("example/sshd.log")).into_owned();
    let accepted = log.lines().filter(|line| line.contains("Accepted publickey")).collect::<Vec<_>>();
    assert_eq!(accepted.len(), 3, "{log}");
    assert!(accepted[..2].iter().all(|line| line.contains(fingerprint)), "{fingerprint} logged in: {log}");
    assert!(accepted[2].contains("ED25519-CERT") && accepted[2].contains("CA ECDSA"), "{log}");
}
