//! What programs see of the orders that the fake chip takes (`conformance/fake-driver/src/control.rs`): `peer`, and OpenSC
//! `pkcs11-tool`, know nothing of it.
//!
//! Reset, migration, short delays, "not ready" and aborts of one command are in `device_mode.rs`.

mod peer;

use std::time::{Duration, Instant};

use conformance::{Dialect, Sandbox};

use peer::{DIGEST, Peer, verify};

const ECC_SIGN: &str = "1062";

fn device(dialect: Dialect) -> Sandbox {
    let sandbox = Sandbox::on_devices(dialect, 1);
    sandbox.init_token();
    sandbox
}

/// A peer with a key pair, and its point.
fn signer(sandbox: &Sandbox) -> (Peer, String) {
    let mut peer = Peer::new(sandbox);
    peer.does("pair pair");
    let point = peer.ask("point pair");
    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    (peer, point)
}

fn count(sandbox: &Sandbox, opcode: &str) -> u64 {
    sandbox.driver().order("\"counts\"")["commands"][opcode].as_u64().unwrap_or_default()
}

#[test]
fn a_latency_is_of_one_kind_of_command_or_of_all() {
    let sandbox = device(Dialect::Virtual);
    let (mut peer, point) = signer(&sandbox);
    peer.does("key secret");
    let mut time = |command: &str| {
        let start = Instant::now();
        let answer = peer.ask(command);
        assert!(answer.starts_with("ok "), "{answer}");
        (start.elapsed(), answer)
    };
    let long = Duration::from_millis(300);
    sandbox.driver().order(r#"{"latency":{"opcode":1062,"microseconds":300000}}"#);
    let (took, signature) = time(&format!("sign pair {DIGEST}"));
    assert!(took >= long, "{took:?}");
    verify(&point, &signature);
    assert!(time("encrypt secret text").0 < long);
    sandbox.driver().order(r#"{"latency":{"opcode":1062,"microseconds":0}}"#);
    sandbox.driver().order(r#"{"latency":{"microseconds":300000}}"#);
    assert!(time("encrypt secret text").0 >= long);
    assert!(time("gcm secret text").0 >= long, "the fast path too");
    sandbox.driver().order(r#"{"latency":{"microseconds":0}}"#);
    assert!(time("encrypt secret text").0 < long);
}

#[test]
fn an_abort_of_everything_in_the_device_goes_unnoticed() {
    for dialect in Dialect::ALL {
        let sandbox = device(dialect);
        let (mut one, point) = signer(&sandbox);
        let mut two = Peer::new(&sandbox);
        verify(&point, &two.ask(&format!("sign pair {DIGEST}")));
        let before = count(&sandbox, ECC_SIGN);
        sandbox.driver().order(r#"{"latency":{"opcode":1062,"microseconds":60000000}}"#);
        for peer in [&mut one, &mut two] {
            peer.tell(&format!("sign pair {DIGEST}"));
        }
        until(|| count(&sandbox, ECC_SIGN) == before + 2);
        // Those two still have their minute to wait; it is not asked again.
        sandbox.driver().order(r#"{"latency":{"opcode":1062,"microseconds":0}}"#);
        sandbox.driver().order("\"abort\"");
        for peer in [&mut one, &mut two] {
            verify(&point, &peer.hear());
        }
        assert_eq!(sandbox.driver().order("\"counts\"")["aborted"], 2);
    }
}

#[test]
fn the_nth_command_of_a_kind_fails_with_a_status() {
    let sandbox = device(Dialect::Physical);
    let (mut peer, point) = signer(&sandbox);
    // A status that nobody has heard of; nothing to do but to tell.
    sandbox.driver().order(r#"{"fault":{"opcode":1062,"nth":2,"action":{"status":141623295}}}"#);
    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    assert_eq!(peer.ask(&format!("sign pair {DIGEST}")), "error DeviceError");
    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    // The same, seen by pkcs11-tool.
    sandbox.key_pair("tool", "07", "EC:secp256r1");
    sandbox.write("message", DIGEST);
    let sign = ["--sign", "--id", "07", "-m", "ECDSA", "-i", "message", "-o", "signature"];
    // It tries in parts what failed at once.
    sandbox.driver().order(r#"{"fault":{"opcode":1062,"times":2,"action":{"status":141623295}}}"#);
    sandbox.user(&sign).fails().says("CKR_DEVICE_ERROR");
    sandbox.user(&sign).ok();
    // Of another kind nothing fails.
    sandbox.driver().order(r#"{"fault":{"opcode":1031,"action":{"status":141623295}}}"#);
    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
}

#[test]
fn a_chip_that_is_still_making_its_unwrapping_key_keeps_only_imports_waiting() {
    for dialect in Dialect::ALL {
        let sandbox = Sandbox::on_devices(dialect, 1);
        sandbox.driver().order(r#"{"hold_key_generation":true}"#);
        sandbox.init_token();
        let (mut one, point) = signer(&sandbox);
        let mut two = Peer::new(&sandbox);
        two.tell("import imported");
        until(|| count(&sandbox, "1051") > 3);
        verify(&point, &one.ask(&format!("sign pair {DIGEST}")));
        one.does("key secret");
        sandbox.driver().order(r#"{"hold_key_generation":false}"#);
        assert_eq!(two.hear(), "ok done");
        let cipher = two.ask("encrypt imported text");
        assert_eq!(one.ask("encrypt imported text"), cipher);
    }
}

#[test]
fn tables_that_others_fill_leave_room_for_one_key_at_a_time() {
    for dialect in Dialect::ALL {
        let sandbox = device(dialect);
        let mut peer = Peer::new(&sandbox);
        let names: Vec<String> = (0..6).map(|number| format!("pair-{number}")).collect();
        for name in &names {
            peer.does(&format!("pair {name}"));
            peer.does(&format!("key {name}"));
        }
        let points: Vec<String> = names.iter().map(|name| peer.ask(&format!("point {name}"))).collect();
        for name in &names {
            assert_eq!(peer.ask(&format!("gcm {name} text")), "ok text");
        }
        // What the peer has in the device stays; beside it there is room for nothing.
        sandbox.driver().order(r#"{"fill_tables":{"leave_bytes":0,"leave_bulk":0}}"#);
        for _ in 0..2 {
            for (name, point) in names.iter().zip(&points) {
                verify(point, &peer.ask(&format!("sign {name} {DIGEST}")));
                assert_eq!(peer.ask(&format!("gcm {name} text")), "ok text");
            }
        }
        peer.does("pair another");
        // Who comes now has nothing in the device that it could take out: the chip is reset, and the others bring back
        // what they need.
        let mut late = Peer::new(&sandbox);
        verify(&points[0], &late.ask(&format!("sign {} {DIGEST}", names[0])));
    }
}

#[test]
fn sessions_that_others_hold_are_waited_for() {
    let sandbox = device(Dialect::Virtual);
    let (mut peer, point) = signer(&sandbox);
    assert_eq!(sandbox.driver().order(r#"{"occupy_sessions":8}"#), 7, "the peer has one");
    let mut other = Peer::new(&sandbox);
    other.tell(&format!("sign pair {DIGEST}"));
    std::thread::sleep(Duration::from_millis(300));
    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
    assert_eq!(sandbox.driver().order(r#"{"occupy_sessions":6}"#), 6);
    verify(&point, &other.hear());
    // The chip's last session is nobody's for longer than an operation.
    assert_eq!(sandbox.driver().order(r#"{"occupy_sessions":8}"#), 7);
    let mut third = Peer::new(&sandbox);
    assert_eq!(third.ask(&format!("sign pair {DIGEST}")), "error SessionCount");
    sandbox.driver().order(r#"{"occupy_sessions":0}"#);
    verify(&point, &third.ask(&format!("sign pair {DIGEST}")));
}

#[test]
fn a_command_that_completes_late_is_invisible() {
    for dialect in Dialect::ALL {
        let sandbox = device(dialect);
        let (mut peer, point) = signer(&sandbox);
        peer.does("key secret");
        assert_eq!(peer.ask("gcm secret text"), "ok text");
        // EccSign, EccGenerateKeyPair, HkdfDerive, DeleteKey, UnmaskKey, OpenSession; and it comes at once, or in the
        // middle of what follows.
        for opcode in [1062, 1061, 1075, 1014, 1107, 1104] {
            for after in [1, 3] {
                let fault = format!(r#"{{"fault":{{"opcode":{opcode},"action":{{"late":{after}}}}}}}"#);
                sandbox.driver().order(&fault);
                let name = format!("new-{opcode}-{after}");
                peer.does(&format!("pair {name}"));
                let new_point = peer.ask(&format!("point {name}"));
                peer.does(&format!("key {name}"));
                verify(&new_point, &peer.ask(&format!("sign {name} {DIGEST}")));
                verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
                peer.does(&format!("destroy {name}"));
                sandbox.driver().order("\"reset\"");
                verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
                sandbox.driver().order("\"clear_faults\"");
            }
        }
        // On the fast path, which has the 1st place among commands of no kind.
        sandbox.driver().order(r#"{"fault":{"action":{"late":1}}}"#);
        assert_eq!(peer.ask("gcm secret text"), "ok text");
    }
}

/// Waits for the device to have come so far.
#[track_caller]
fn until(mut come: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !come() {
        assert!(Instant::now() < deadline, "not within 30 seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}
