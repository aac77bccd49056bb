//! One chip and many processes, in device mode: no id of one is ever used by another, who is killed leaves nothing in
//! anybody's way, and eight sessions are enough for all.
//!
//! `RustCrypto` is the second opinion: every ciphertext is held against AES-GCM of the known key, every signature against
//! the public key of the key that was asked for.

mod peer;

use std::time::Instant;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use conformance::{Dialect, Sandbox};

use peer::{DIGEST, Peer, bytes, verify};

const ESTABLISH_CREDENTIAL: &str = "1102";
const DELETE_KEY: &str = "1014";

fn device(dialect: Dialect) -> Sandbox {
    let sandbox = Sandbox::on_devices(dialect, 1);
    sandbox.init_token();
    sandbox
}

fn count(sandbox: &Sandbox, opcode: &str) -> u64 {
    sandbox.driver().order("\"counts\"")["commands"][opcode].as_u64().unwrap_or_default()
}

// ---- ids

/// One process's key lies in the chip where the other's lay before the reset, under the same bulk key id, and the chip
/// does not ask whose session the other one calls in.
#[test]
fn a_process_never_encrypts_under_another_s_imported_key() {
    for dialect in Dialect::ALL {
        let sandbox = device(dialect);
        let mut peers = [Peer::new(&sandbox), Peer::new(&sandbox)];
        for (who, peer) in (0u8..).zip(&mut peers) {
            for number in 0..3 {
                peer.does(&format!("import key-{who}-{number} {}", 1 + 100 * who + number));
            }
        }
        let seal = |who: usize, number: u8, round: usize| format!("seal key-{who}-{number} text-{round}");
        let check = |who: usize, number: u8, round: usize, answer: &str| {
            let value = 1 + 100 * u8::try_from(who).expect("0 or 1") + number;
            assert_eq!(opened(value, answer), format!("text-{round}").as_bytes(), "{dialect:?}");
        };
        for round in 0..12 {
            for who in [round % 2, 1 - round % 2] {
                for number in 0..3 {
                    check(who, number, round, &peers[who].ask(&seal(who, number, round)));
                }
            }
            sandbox.driver().order(if round % 3 == 2 { "\"migrate\"" } else { "\"reset\"" });
        }
        // And both at once, through resets that come when they will.
        for round in 12..72 {
            for (who, peer) in peers.iter_mut().enumerate() {
                for number in 0..3 {
                    peer.tell(&seal(who, number, round));
                }
            }
            sandbox.driver().order("\"reset\"");
            for (who, peer) in peers.iter_mut().enumerate() {
                for number in 0..3 {
                    check(who, number, round, &peer.hear());
                }
            }
        }
    }
}

/// What the peer sealed with a key of 32 times this byte.
#[track_caller]
fn opened(value: u8, answer: &str) -> Vec<u8> {
    let sealed = bytes(answer);
    let (iv, text) = sealed.split_at(12);
    let cipher = Aes256Gcm::new(&[value; 32].into());
    cipher.decrypt(&Nonce::try_from(iv).expect("12 bytes"), text).expect("it is the key that was asked for")
}

// ---- left-overs

#[test]
fn what_a_killed_process_left_in_the_chip_is_cleared_away() {
    let sandbox = device(Dialect::Physical);
    let mut first = Peer::new(&sandbox);
    for number in 0..230 {
        first.tell(&format!("pair pair-{number}"));
    }
    for _ in 0..230 {
        assert_eq!(first.hear(), "ok done");
    }
    let point = first.ask("point pair-3");
    // SIGKILL, with the only table full of its keys.
    drop(first);
    let (deleted, provisioned) = (count(&sandbox, DELETE_KEY), count(&sandbox, ESTABLISH_CREDENTIAL));
    let mut next = Peer::new(&sandbox);
    verify(&point, &next.ask(&format!("sign pair-3 {DIGEST}")));
    next.does("pair another");
    assert!(count(&sandbox, DELETE_KEY) > deleted + 200, "they are deleted");
    assert_eq!(count(&sandbox, ESTABLISH_CREDENTIAL), provisioned, "without a reset");
}

#[test]
fn processes_killed_while_the_chip_makes_them_a_key_leave_room_for_the_next() {
    let sandbox = device(Dialect::Virtual);
    let mut peer = Peer::new(&sandbox);
    peer.does("pair pair");
    let point = peer.ask("point pair");
    // Room for three keys of this size, which no ledger names once their process is gone in the middle of a command.
    sandbox.driver().order(r#"{"fill_tables":{"leave_bytes":300,"leave_bulk":7}}"#);
    sandbox.driver().order(r#"{"latency":{"opcode":1061,"microseconds":400000}}"#);
    for _ in 0..6 {
        let mut killed = Peer::new(&sandbox);
        killed.tell("pair lost");
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(killed);
    }
    sandbox.driver().order(r#"{"latency":{"opcode":1061,"microseconds":0}}"#);
    let mut next = Peer::new(&sandbox);
    next.does("pair another");
    for peer in [&mut peer, &mut next] {
        verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    }
}

// ---- sessions

#[test]
#[allow(clippy::print_stdout, reason = "how long it takes")]
fn sixty_four_processes_share_eight_sessions() {
    let sandbox = device(Dialect::Physical);
    let mut peers: Vec<Peer> = (0..64).map(|_| Peer::new(&sandbox)).collect();
    peers[0].does("pair pair");
    let point = peers[0].ask("point pair");
    let sign = format!("sign pair {DIGEST}");
    // Ten have signed, and do nothing now.
    for peer in &mut peers[..10] {
        verify(&point, &peer.ask(&sign));
    }
    let start = Instant::now();
    for peer in &mut peers[10..] {
        for _ in 0..20 {
            peer.tell(&sign);
        }
    }
    for peer in &mut peers[10..] {
        for _ in 0..20 {
            verify(&point, &peer.hear());
        }
    }
    println!("54 processes x 20 signatures beside 10 idle ones: {:?}", start.elapsed());
    for peer in &mut peers {
        verify(&point, &peer.ask(&sign));
    }
}
