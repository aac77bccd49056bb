//! Two processes at once on one token, through the `cryptoki` crate (`conformance/src/bin/peer.rs`), and a third one,
//! `pkcs11-tool`, that comes and goes.
//!
//! What one process creates, changes and destroys, the other sees at its next call; a key made in one works in the other;
//! a handle to an object that the other destroyed is dead; login is each process's own; a PIN is the token's.

mod peer;

use conformance::{Kind, Sandbox, USER_PIN};

use peer::{DIGEST, Peer, verify};

#[test]
fn what_one_creates_the_other_finds() {
    let sandbox = Sandbox::with_token();
    let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
    assert_eq!(two.ask("find first"), "ok 0");
    one.does("key first");
    assert_eq!(two.ask("find first"), "ok 1");
    two.does("data note hello");
    assert_eq!(one.ask("value note"), "ok hello");
    // A third process, while both are at work.
    sandbox.user(&["--list-objects"]).ok().says("first").says("note");
    sandbox.user(&["--keygen", "--key-type", "AES:32", "--label", "third"]).ok();
    assert_eq!([one.ask("find third"), two.ask("find third")], ["ok 1", "ok 1"]);
}

#[test]
fn what_one_renames_or_destroys_the_other_loses() {
    let sandbox = Sandbox::with_token();
    let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
    one.does("key old");
    two.does("hold old");
    two.does("use");
    one.does("rename old new");
    assert_eq!([two.ask("find old"), two.ask("find new")], ["ok 0", "ok 1"]);
    two.does("use");
    one.does("destroy new");
    assert_eq!(two.ask("find new"), "ok 0");
    let refused = two.ask("use");
    assert!(
        ["error KeyHandleInvalid", "error ObjectHandleInvalid"].contains(&&refused[..]),
        "a dead handle: {refused}"
    );
    // The dead key leaves the other process as it was.
    two.does("key another");
    assert_eq!(one.ask("find another"), "ok 1");
}

#[test]
fn a_key_of_one_works_in_the_other() {
    let sandbox = Sandbox::with_token();
    let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
    one.does("pair pair");
    let point = two.ask("point pair");
    for peer in [&mut one, &mut two] {
        verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    }
    two.does("key secret");
    let cipher = one.ask("encrypt secret across");
    let cipher = cipher.strip_prefix("ok ").expect("a ciphertext");
    assert_eq!(two.ask(&format!("decrypt secret {cipher}")), "ok across");
}

#[test]
fn both_at_once() {
    let sandbox = Sandbox::with_token();
    let mut peers = [Peer::new(&sandbox), Peer::new(&sandbox)];
    // Both are given all their work before either is heard.
    for (number, peer) in peers.iter_mut().enumerate() {
        for round in 0..20 {
            peer.tell(&format!("key key-{number}-{round}"));
            peer.tell(&format!("encrypt key-{number}-{round} text"));
            peer.tell(&format!("data shared text-{number}-{round}"));
            if round % 2 == 0 {
                peer.tell(&format!("destroy key-{number}-{round}"));
            }
        }
    }
    for peer in &mut peers {
        for _ in 0..70 {
            let heard = peer.hear();
            assert!(heard.starts_with("ok "), "{heard}");
        }
    }
    for (number, round) in [(0, 1), (0, 19), (1, 1), (1, 19)] {
        let find = format!("find key-{number}-{round}");
        assert_eq!([peers[0].ask(&find), peers[1].ask(&find)], ["ok 1", "ok 1"], "{find}");
    }
    for find in ["find key-0-2", "find key-1-18"] {
        assert_eq!([peers[0].ask(find), peers[1].ask(find)], ["ok 0", "ok 0"], "{find}");
    }
    if sandbox.module().kind() == Kind::Azihsm {
        // SoftHSM2 loses sight of one now and then.
        assert_eq!(peers[0].ask("find shared"), "ok 40");
    }
}

#[test]
fn login_is_each_processs_own() {
    let sandbox = Sandbox::with_token();
    let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
    one.does("key mine");
    two.does("logout");
    assert_eq!(two.ask("find mine"), "ok 0");
    assert_eq!(one.ask("find mine"), "ok 1");
    if sandbox.module().kind() == Kind::SoftHsm {
        return; // SoftHSM2 keeps the PIN that a process has seen first.
    }
    one.does(&format!("pin {USER_PIN} another-pin"));
    assert_eq!(two.ask(&format!("login {USER_PIN}")), "error PinIncorrect");
    two.does("login another-pin");
    assert_eq!(two.ask("find mine"), "ok 1");
}

#[test]
fn the_token_outlives_a_killed_process() {
    let sandbox = Sandbox::with_token();
    let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
    one.does("key kept");
    drop(one);
    assert_eq!(two.ask("find kept"), "ok 1");
    assert!(two.ask("encrypt kept text").starts_with("ok "));
    let mut three = Peer::new(&sandbox);
    assert!(three.ask("encrypt kept text").starts_with("ok "));
}
