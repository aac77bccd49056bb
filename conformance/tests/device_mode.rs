//! Unmodified programs on `/dev/azihsm<N>`: OpenSC `pkcs11-tool` (Debian `opensc`) and `peer`, with the fake driver
//! preloaded, in both dialects; `openssl` is the second opinion.
//!
//! Every other suite runs in this setting too, with `AZIHSM_CONFORMANCE_DEVICE=virtual` or `physical`. Here is what only
//! devices have: which slots there are, sessions that processes share, resets, migrations and aborted commands.

mod peer;

use std::process::{Child, Stdio};

use conformance::{Background, Dialect, Sandbox, TOKEN_LABEL, USER_PIN, run, tool};

use peer::{DIGEST, Peer, verify};

const MESSAGE: &[u8] = b"The quick brown fox jumps over the lazy dog, and into the HSM.\n";

/// A token on one device of this dialect.
fn device(dialect: Dialect) -> Sandbox {
    let sandbox = Sandbox::on_devices(dialect, 1);
    sandbox.init_token();
    sandbox
}

// ---- slots

#[test]
fn a_device_is_a_hardware_slot() {
    let sandbox = Sandbox::on_devices(Dialect::Physical, 2);
    let slots = sandbox.tool(&["--list-slots"]).ok().says("Slot 0 (0x0): Azure Integrated HSM").never_says("emulated");
    assert!(slots.text().contains("Slot 1 (0x1): Azure Integrated HSM"), "{slots}");
    sandbox.init_token();
    sandbox
        .tool(&["--list-slots"])
        .ok()
        .says("hardware")
        .says("Azure Int. HSM")
        .says(TOKEN_LABEL)
        .says("uninitialized");
    // What belongs to a device lies under the address that the machine has for it.
    assert!(sandbox.path("state/device-0000_65_00.0").is_dir());
    assert!(!sandbox.path("state/slot0").exists());
}

#[test]
fn the_device_is_taken_where_the_configuration_leaves_the_choice() {
    let sandbox = Sandbox::on_devices(Dialect::Virtual, 1);
    let list = |transport: &str| run(tool(&sandbox).arg("--list-slots").env("AZIHSM_PKCS11_TRANSPORT", transport)).ok();
    list("auto").says("Azure Integrated HSM").never_says("emulated");
    list("emulator").says("Azure Integrated HSM (emulated)");
}

#[test]
fn a_machine_without_device_has_no_slot_and_says_what_is_missing() {
    let sandbox = Sandbox::on_devices(Dialect::Virtual, 0);
    let list = |transport: &str| {
        let mut command = tool(&sandbox);
        run(command.arg("--list-slots").env("AZIHSM_PKCS11_TRANSPORT", transport).env("AZIHSM_PKCS11_LOG", "warn"))
    };
    list("device").never_says("Slot 0").says("udev rule").says("azihsm[0-9]*");
    list("auto").ok().says("Azure Integrated HSM (emulated)");
}

#[test]
fn a_device_that_cannot_be_opened_costs_only_its_own_slot() {
    let sandbox = Sandbox::on_devices(Dialect::Virtual, 2);
    sandbox.driver().order(r#"{"refuse_open":13}"#);
    let list = run(tool(&sandbox).arg("--list-slots").env("AZIHSM_PKCS11_LOG", "warn")).ok();
    let list = list.says("/dev/azihsm0 is left out").says("udev rule").never_says("Slot 0 (0x0)");
    assert!(list.text().contains("(0x1): Azure Integrated HSM"), "{list}");
    sandbox.driver().order(r#"{"refuse_open":0}"#);
    sandbox.tool(&["--list-slots"]).ok().says("Slot 0 (0x0)");
}

// ---- what a token does

#[test]
fn keys_of_every_kind_in_the_virtual_dialect() {
    keys_of_every_kind(Dialect::Virtual);
}

#[test]
fn keys_of_every_kind_in_the_physical_dialect() {
    keys_of_every_kind(Dialect::Physical);
}

fn keys_of_every_kind(dialect: Dialect) {
    let sandbox = device(dialect);
    sandbox.write("message", MESSAGE);
    // OpenSC 0.23 cannot read a P-384 point back; the suite `pkcs11_tool` goes round that, in this setting too.
    for (id, kind) in [("01", "rsa:2048"), ("02", "EC:secp256r1"), ("04", "EC:secp521r1")] {
        sandbox.key_pair(&format!("pair-{id}"), id, kind);
        sandbox.pkcs11(&["--read-object", "--type", "pubkey", "--id", id, "-o", "pub.der"]).ok();
        let mechanism = if kind.starts_with("rsa") { "SHA256-RSA-PKCS" } else { "ECDSA-SHA256" };
        let sign = ["--sign", "--id", id, "-m", mechanism, "-i", "message", "-o", "signature"];
        sandbox.user(&[&sign[..], &["--signature-format", "openssl"]].concat()).ok();
        let verify = ["dgst", "-sha256", "-keyform", "DER", "-verify", "pub.der", "-signature", "signature"];
        sandbox.openssl_agrees(&[&verify[..], &["message"]].concat());
        sandbox.write("other", b"something else");
        sandbox.openssl(&[&verify[..], &["other"]].concat()).fails();
    }
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-in", "message"];
    sandbox.pkcs11(&["--read-object", "--type", "pubkey", "--id", "01", "-o", "pub.der"]).ok();
    sandbox.openssl_agrees(&[&encrypt[..], &["-out", "secret"]].concat());
    sandbox.user(&["--decrypt", "--id", "01", "-m", "RSA-PKCS", "-i", "secret", "-o", "plain"]).ok();
    assert_eq!(sandbox.read("plain"), MESSAGE);

    sandbox.user(&["--keygen", "--key-type", "AES:32", "--label", "aes", "--id", "05"]).ok().says("never extractable");
    let cbc = ["--id", "05", "-m", "AES-CBC-PAD", "--iv", "000102030405060708090a0b0c0d0e0f"];
    sandbox.user(&[&["--encrypt", "-i", "message", "-o", "secret"], &cbc[..]].concat()).ok();
    assert_ne!(sandbox.read("secret"), MESSAGE);
    sandbox.user(&[&["--decrypt", "-i", "secret", "-o", "plain"], &cbc[..]].concat()).ok();
    assert_eq!(sandbox.read("plain"), MESSAGE);

    sandbox.user(&["--list-objects"]).ok().says("pair-01").says("pair-04").says("aes");
    sandbox.user(&["--delete-object", "--type", "secrkey", "--id", "05"]).ok();
    sandbox.user(&["--list-objects"]).ok().says("pair-01").never_says("aes");
}

#[test]
fn pins_are_set_and_changed() {
    let sandbox = device(Dialect::Physical);
    sandbox.pkcs11(&["--login", "--pin", "wrong-pin", "--list-objects"]).fails().says("CKR_PIN_INCORRECT");
    sandbox.pkcs11(&["--login", "--pin", USER_PIN, "--change-pin", "--new-pin", "another-pin"]).ok();
    sandbox.user(&["--list-objects"]).fails().says("CKR_PIN_INCORRECT");
    sandbox.pkcs11(&["--login", "--pin", "another-pin", "--list-objects"]).ok();
}

#[test]
fn the_programs_own_tests_pass() {
    let sandbox = device(Dialect::Physical);
    sandbox.tool(&["--test-fork"]).ok();
    sandbox.key_pair("rsa", "01", "rsa:2048");
    let tested = sandbox.user(&["--test"]).ok().says("No errors");
    assert!(!tested.text().contains("ERR"), "{tested}");
}

// ---- processes

#[test]
fn two_processes_at_once_on_one_device() {
    for dialect in Dialect::tested().iter().copied() {
        let sandbox = device(dialect);
        let mut peers = [Peer::new(&sandbox), Peer::new(&sandbox)];
        peers[0].does("pair shared");
        let point = peers[0].ask("point shared");
        for (number, peer) in peers.iter_mut().enumerate() {
            for round in 0..8 {
                peer.tell(&format!("key key-{number}-{round}"));
                peer.tell(&format!("encrypt key-{number}-{round} text"));
                peer.tell(&format!("sign shared {DIGEST}"));
            }
        }
        for peer in &mut peers {
            for _ in 0..8 {
                assert_eq!(peer.hear(), "ok done");
                let cipher = peer.hear();
                assert!(cipher.starts_with("ok "), "{cipher}");
                verify(&point, &peer.hear());
            }
        }
    }
}

#[test]
fn twelve_processes_share_eight_sessions() {
    for dialect in Dialect::tested().iter().copied() {
        let sandbox = device(dialect);
        sandbox.key_pair("pair", "01", "EC:secp256r1");
        sandbox.pkcs11(&["--read-object", "--type", "pubkey", "--id", "01", "-o", "pub.der"]).ok();
        sandbox.write("message", MESSAGE);
        let sign = |number: u32| {
            let output = format!("signature-{number}");
            let mut command = tool(&sandbox);
            command.args(["--token-label", TOKEN_LABEL, "--login", "--pin", USER_PIN, "--sign", "--id", "01"]);
            command.args(["-m", "ECDSA-SHA256", "--signature-format", "openssl", "-i", "message", "-o", &output]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pkcs11-tool starts")
        };
        let running: Vec<Child> = (0..12).map(sign).collect();
        for child in running {
            let ended = child.wait_with_output().expect("our own child");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        for number in 0..12 {
            let signature = format!("signature-{number}");
            let verify = ["dgst", "-sha256", "-keyform", "DER", "-verify", "pub.der", "-signature", &signature];
            sandbox.openssl_agrees(&[&verify[..], &["message"]].concat());
        }
    }
}

#[test]
fn a_killed_process_gives_its_session_back() {
    let sandbox = device(Dialect::Physical);
    let mut peers = [Peer::new(&sandbox), Peer::new(&sandbox)];
    peers[0].does("pair pair");
    let point = peers[0].ask("point pair");
    let sign = format!("sign pair {DIGEST}");
    verify(&point, &peers[0].ask(&sign));
    // Strangers have all the other sessions of the chip, and the second says so when it has waited long enough.
    assert_eq!(sandbox.driver().order(r#"{"occupy_sessions":8}"#), 7);
    assert_eq!(peers[1].ask(&sign), "error SessionCount");
    let [killed, mut other] = peers;
    // SIGKILL.
    drop(killed);
    verify(&point, &other.ask(&sign));
}

#[test]
fn a_killed_process_leaves_a_token_that_works() {
    let sandbox = device(Dialect::Virtual);
    let generate = ["--keygen", "--key-type", "AES:32", "--label", "key"];
    let login = ["--token-label", TOKEN_LABEL, "--login", "--pin", USER_PIN];
    for _ in 0..5 {
        let busy = Background::start(tool(&sandbox).args(login).args(generate));
        // A command is on its way, or done.
        std::thread::sleep(std::time::Duration::from_millis(15));
        drop(busy);
    }
    sandbox.user(&generate).ok();
    sandbox.user(&["--list-objects"]).ok().says("key");
}

// ---- what happens to a chip

#[test]
fn a_reset_or_a_migration_goes_unnoticed() {
    for dialect in Dialect::tested().iter().copied() {
        let sandbox = device(dialect);
        let (mut one, mut two) = (Peer::new(&sandbox), Peer::new(&sandbox));
        one.does("pair pair");
        one.does("key secret");
        let point = one.ask("point pair");
        let cipher = one.ask("encrypt secret across");
        let cipher = cipher.strip_prefix("ok ").expect("a ciphertext").to_owned();
        for order in ["\"reset\"", "\"migrate\"", "\"reset\""] {
            for peer in [&mut one, &mut two] {
                sandbox.driver().order(order);
                verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
                assert_eq!(peer.ask(&format!("decrypt secret {cipher}")), "ok across", "{dialect:?} {order}");
            }
            one.does(&format!("key new-{}", order.len()));
        }
        // And in the middle of the commands of an operation, whichever they are.
        for action in ["\"reset\"", "\"migrate\""] {
            for nth in 1..4 {
                sandbox.driver().order(&format!(r#"{{"fault":{{"nth":{nth},"action":{action}}}}}"#));
                for peer in [&mut one, &mut two] {
                    verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
                }
                sandbox.driver().order("\"clear_faults\"");
            }
        }
    }
}

#[test]
fn a_busy_or_slow_device_goes_unnoticed() {
    let sandbox = device(Dialect::Physical);
    let mut peer = Peer::new(&sandbox);
    peer.does("pair pair");
    let point = peer.ask("point pair");
    for action in ["\"not_ready\"", r#"{"delay_milliseconds":50}"#] {
        sandbox.driver().order(&format!(r#"{{"fault":{{"opcode":1062,"times":3,"action":{action}}}}}"#));
        verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
        sandbox.driver().order("\"clear_faults\"");
    }
}

#[test]
fn an_aborted_command_is_invisible() {
    for dialect in Dialect::tested().iter().copied() {
        let sandbox = device(dialect);
        let mut peer = Peer::new(&sandbox);
        peer.does("pair pair");
        let point = peer.ask("point pair");
        for action in ["abort_before", "abort_after"] {
            sandbox.driver().order(&format!(r#"{{"fault":{{"opcode":1062,"action":"{action}"}}}}"#));
            // The device may have run it or not (wire 5.7): a signature that nobody got does no harm.
            verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
            verify(&point, &peer.ask(&format!("sign pair {DIGEST}")));
        }
    }
}

#[test]
fn a_signature_of_a_warm_key_is_one_command() {
    let sandbox = device(Dialect::Virtual);
    let mut peer = Peer::new(&sandbox);
    peer.does("pair pair");
    let sign = format!("sign pair {DIGEST}");
    assert!(peer.ask(&sign).starts_with("ok "));
    let before = sandbox.driver().commands();
    assert!(peer.ask(&sign).starts_with("ok "));
    let more: Vec<_> = sandbox.driver().commands().into_iter().filter(|count| !before.contains(count)).collect();
    let [(opcode, _)] = &more[..] else { panic!("one kind of command, not {more:?}") };
    assert_eq!(opcode, "1062", "EccSign");
    let count = |counts: &[(String, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!(count(&sandbox.driver().commands()), count(&before) + 1);
}
