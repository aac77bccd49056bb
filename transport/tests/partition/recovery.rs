//! A reset, a migration or an aborted command at every single command, in use and during the recovery itself.

use std::sync::Arc;
use transport::Error;

use transport::channel::{Channel, ChannelError, Control, Device, DeviceInfo, Direction, GcmCall, GcmReply, XtsCall};
use transport::ddi::Opcode;
use transport::emulator::{Action, Emulator, Fault, Kind, Options};
use transport::partition::{Curve, Durable, FacetKind, Hash, HsmKey, ImportValue, Partition, WrappedClass, probe};

use crate::oracle;
use crate::rig::{Rig, secrets};
use crate::vectors::{bytes, list, load, rsa_key};
use crate::wrapped::wrap;

const ACTIONS: [Action; 4] = [Action::Reset, Action::Migrate, Action::AbortBefore, Action::AbortAfter];

#[test]
fn an_interruption_of_any_command_in_use_is_invisible() {
    sweep(|_| ());
}

#[test]
fn an_interruption_of_any_command_of_a_recovery_is_invisible() {
    sweep(|rig| rig.emulator.reset().unwrap());
}

/// Runs the work once for each of its commands and each action, interrupting that command, and up to two that follow.
fn sweep(before: impl Fn(&Rig)) {
    // Both take the same way; the physical device, which also signs its ceremony keys, is tried at every command.
    for (kind, step) in [(Kind::Virtual, 5), (Kind::Physical, 1)] {
        for action in ACTIONS {
            // An aborted command may leave a key behind: one that was made for nobody, or one that was not deleted, because
            // repeating a deletion might hit another key. One table has only seven places for AES-GCM keys.
            let rig = Rig::with(Options { kind, tables: 16, ..Options::default() });
            let partition = rig.partition();
            let work = Work::new(&partition);
            work.check(&partition, "warm");
            before(&rig);
            let start = commands(&rig);
            work.check(&partition, "undisturbed");
            let count = commands(&rig) - start;
            for nth in (1..=count).step_by(step) {
                before(&rig);
                rig.emulator.faults().plan(Fault { opcode: None, nth, times: 1 + nth % 3, action });
                work.check(&partition, &format!("{kind:?} {action:?} at {nth} of {count}"));
                rig.emulator.faults().clear();
            }
        }
    }
}

#[test]
fn an_interruption_of_any_command_of_a_first_start_is_invisible() {
    for kind in [Kind::Virtual, Kind::Physical] {
        let rig = Rig::new(kind);
        rig.partition().connect().unwrap();
        let count = commands(&rig);
        for action in ACTIONS {
            for nth in 1..=count {
                let rig = Rig::new(kind);
                rig.emulator.faults().plan(Fault { opcode: None, nth, times: 1, action });
                let partition = rig.partition();
                let connected = partition.connect();
                if action == Action::AbortAfter && rig.store.blobs().masked_bk3.is_none() {
                    // The device answers InitBk3 once in its life, and this answer is lost: nobody can mend that
                    // (semantics 2.3).
                    assert_eq!(rig.emulator.faults().commands(Opcode::INIT_BK3), 2, "{kind:?} {nth}: {connected:?}");
                    assert!(connected.is_err());
                    continue;
                }
                connected.unwrap_or_else(|error| panic!("{kind:?} {action:?} at {nth} of {count}: {error}"));
                let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
                drop(partition);
                // What was stored is what the device works with.
                let signature = rig.another_life().partition().ecc_sign(&key, &[3; 32]).unwrap();
                assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[3; 32], &signature));
            }
        }
    }
}

#[test]
fn an_interruption_of_any_command_of_a_probe_is_invisible() {
    for kind in [Kind::Virtual, Kind::Physical] {
        for action in ACTIONS {
            for nth in 1..=4 {
                let rig = Rig::new(kind);
                rig.emulator.faults().plan(Fault { opcode: None, nth, times: 1, action });
                let info = probe(&*rig.emulator).unwrap_or_else(|error| panic!("{kind:?} {action:?} {nth}: {error}"));
                assert_eq!(info, probe(&*rig.emulator).unwrap());
            }
        }
    }
}

#[test]
fn a_device_that_aborts_everything_is_given_up() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
    let action = Action::AbortBefore;
    rig.emulator.faults().plan(Fault { opcode: Some(Opcode::ECC_SIGN.0), nth: 1, times: 1000, action });
    assert!(matches!(partition.ecc_sign(&key, &[3; 32]), Err(Error::Channel(_))));
    assert_eq!(rig.emulator.faults().commands(Opcode::ECC_SIGN), 9);
    rig.emulator.faults().clear();
    let signature = partition.ecc_sign(&key, &[3; 32]).unwrap();
    assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[3; 32], &signature));
}

/// A forged ceremony key looks like a migration between two answers, for a while.
#[test]
fn host_duty_05_a_forged_ceremony_key_is_refused_and_no_credential_is_sent() {
    for (opcode, provisioned) in
        [(Opcode::GET_ESTABLISH_CRED_ENCRYPTION_KEY, 0), (Opcode::GET_SESSION_ENCRYPTION_KEY, 1)]
    {
        let rig = Rig::new(Kind::Physical);
        let device = Arc::new(Forger { emulator: Arc::clone(&rig.emulator), opcode });
        let partition = Partition::new(device, secrets(1), Arc::clone(&rig.store) as Arc<dyn Durable>);
        let refused = partition.connect().unwrap_err().to_string();
        assert!(refused.contains("is not signed by the partition identity"), "{refused}");
        let count = |opcode| rig.emulator.faults().commands(opcode);
        assert_eq!(
            (count(opcode), count(Opcode::ESTABLISH_CREDENTIAL), count(Opcode::OPEN_SESSION)),
            (9, provisioned, 0)
        );
    }
}

/// Answers one command with a damaged signature, the last field of the answer.
#[derive(Debug)]
struct Forger {
    emulator: Arc<Emulator>,
    opcode: Opcode,
}

#[derive(Debug)]
struct ForgedChannel {
    channel: Box<dyn Channel>,
    emulator: Arc<Emulator>,
    opcode: Opcode,
}

impl Device for Forger {
    fn info(&self) -> Result<DeviceInfo, ChannelError> {
        self.emulator.info()
    }

    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        let (channel, emulator) = (self.emulator.open()?, Arc::clone(&self.emulator));
        Ok(Box::new(ForgedChannel { channel, emulator, opcode: self.opcode }))
    }

    fn reset(&self) -> Result<(), ChannelError> {
        self.emulator.reset()
    }
}

impl Channel for ForgedChannel {
    fn exchange(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        let before = self.emulator.faults().commands(self.opcode);
        self.channel.exchange(control, request, response)?;
        if self.emulator.faults().commands(self.opcode) > before {
            *response.last_mut().unwrap() ^= 1;
        }
        Ok(())
    }

    fn gcm(&self, call: GcmCall<'_>) -> Result<GcmReply, ChannelError> {
        self.channel.gcm(call)
    }

    fn xts(&self, call: XtsCall<'_>) -> Result<(), ChannelError> {
        self.channel.xts(call)
    }
}

/// An abort without a reset leaves the keys in the device, so the connection that is given up has to delete them.
#[test]
fn aborted_commands_do_not_fill_the_device() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let keys: Vec<_> = (0..10)
        .map(|_| partition.import(&ImportValue::Rsa(&rsa_key(2048).0), &[FacetKind::RsaSign]).unwrap())
        .collect();
    for key in keys.iter().cycle().take(30) {
        let (opcode, action) = (Some(Opcode::RSA_MOD_EXP.0), Action::AbortAfter);
        rig.emulator.faults().plan(Fault { opcode, nth: 1, times: 1, action });
        partition.rsa_mod_exp(key, FacetKind::RsaSign, &[0x21; 256]).unwrap();
    }
    let count = |opcode| rig.emulator.faults().commands(opcode);
    assert_eq!(count(Opcode::CLOSE_SESSION), 30);
    assert!(count(Opcode::DELETE_KEY) >= 30);
}

/// Keys of every kind, and what each operation has to answer.
struct Work {
    signer: (HsmKey, Vec<u8>),
    rsa: HsmKey,
    operand: Vec<u8>,
    power: Vec<u8>,
    agreeing: [(HsmKey, Vec<u8>); 2],
    secret: HsmKey,
    encrypted: ([u8; 40], [u8; 16]),
    disk: (HsmKey, [u8; 48]),
    tag: Vec<u8>,
    sealed: Vec<u8>,
    /// Wrapped by somebody else to the unwrapping key that the partition had at first.
    wrapped: Vec<u8>,
}

impl Work {
    fn new(partition: &Partition) -> Self {
        let file = load("kat_rsa.json");
        let mut cases = list(&file["mod_exp"]).iter();
        let case = cases.find(|case| case["x"].is_string() && case["bits"] == 2048).unwrap();
        let agreeing = || partition.generate_ec(Curve::P256, FacetKind::EcDerive).unwrap();
        let secret = partition.generate_secret(32, &[FacetKind::AesGcm, FacetKind::HmacSha256]).unwrap();
        let mut data = [9; 40];
        let tag = partition.aes_gcm_encrypt(&secret, &[1; 12], b"aad", &mut data).unwrap();
        let disk = partition.generate_secret(32, &[FacetKind::AesXts, FacetKind::AesXtsTweak]).unwrap();
        let mut unit = [9; 48];
        partition.aes_xts(&disk, Direction::Encrypt, [1; 16], &mut unit).unwrap();
        Self {
            disk: (disk, unit),
            signer: partition.generate_ec(Curve::P384, FacetKind::EcSign).unwrap(),
            rsa: partition.import(&ImportValue::Rsa(&rsa_key(2048).0), &[FacetKind::RsaSign]).unwrap(),
            operand: bytes(&case["y"]),
            power: bytes(&case["x"]),
            agreeing: [agreeing(), agreeing()],
            encrypted: (data, tag),
            tag: partition.hmac(&secret, FacetKind::HmacSha256, b"message").unwrap(),
            sealed: partition.seal(b"context", b"value").unwrap(),
            wrapped: wrap(&partition.unwrapping_key().unwrap(), Hash::Sha256, &[1; 32], &[0x43; 16], b""),
            secret,
        }
    }

    #[track_caller]
    fn check(&self, partition: &Partition, when: &str) {
        self.run(partition).unwrap_or_else(|error| panic!("{when}: {error}"));
    }

    fn run(&self, partition: &Partition) -> transport::Result<()> {
        let signature = partition.ecc_sign(&self.signer.0, &[5; 48])?;
        assert!(oracle::ecdsa_verifies(Curve::P384, &self.signer.1, &[5; 48], &signature));
        assert_eq!(*partition.rsa_mod_exp(&self.rsa, FacetKind::RsaSign, &self.operand)?, self.power);
        assert_eq!(partition.hmac(&self.secret, FacetKind::HmacSha256, b"message")?, self.tag);

        let mut data = [9; 40];
        let tag = partition.aes_gcm_encrypt(&self.secret, &[1; 12], b"aad", &mut data)?;
        assert_eq!((data, tag), self.encrypted);
        partition.aes_gcm_decrypt(&self.secret, &[1; 12], b"aad", &mut data, &tag)?;
        assert_eq!(data, [9; 40]);

        let mut unit = [9; 48];
        partition.aes_xts(&self.disk.0, Direction::Encrypt, [1; 16], &mut unit)?;
        assert_eq!(unit, self.disk.1);
        partition.aes_xts(&self.disk.0, Direction::Decrypt, [1; 16], &mut unit)?;
        assert_eq!(unit, [9; 48]);

        let imported = partition.import(&ImportValue::Aes(&[0x42; 32]), &[FacetKind::AesCbc])?;
        let mut data = [0x5C; 2400];
        partition.aes_cbc(&imported, Direction::Encrypt, &mut [1; 16], &mut data)?;
        assert_eq!(data[..], oracle::cbc_encrypt(&[0x42; 32], &[1; 16], &[0x5C; 2400]));

        let arrived =
            partition.import_wrapped(&self.wrapped, WrappedClass::Aes, Hash::Sha256, &[FacetKind::AesCbc])?.key;
        let mut data = [0x5C; 16];
        partition.aes_cbc(&arrived, Direction::Encrypt, &mut [1; 16], &mut data)?;
        assert_eq!(data[..], oracle::cbc_encrypt(&[0x43; 16], &[1; 16], &[0x5C; 16]));

        let [(a, a_point), (b, b_point)] = &self.agreeing;
        let mut blocks = Vec::new();
        for (private, peer) in [(a, b_point), (b, a_point)] {
            let shared = partition.ecdh(private, peer)?;
            let key = partition.hkdf(&shared, Hash::Sha256, b"salt", b"info", 32, &[FacetKind::AesCbc])?;
            let mut block = [7; 16];
            partition.aes_cbc(&key, Direction::Encrypt, &mut [0; 16], &mut block)?;
            blocks.push(block);
            partition.forget(&shared);
            partition.forget(&key);
        }
        assert_eq!(blocks[0], blocks[1]);

        let (made, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign)?;
        let signature = partition.ecc_sign(&made, &[3; 32])?;
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[3; 32], &signature));
        let secret = partition.generate_secret(32, &[FacetKind::AesCbc])?;
        let mut block = [7; 16];
        partition.aes_cbc(&secret, Direction::Encrypt, &mut [0; 16], &mut block)?;
        partition.aes_cbc(&secret, Direction::Decrypt, &mut [0; 16], &mut block)?;
        assert_eq!(block, [7; 16]);

        assert_eq!(*partition.unseal(b"context", &self.sealed)?, b"value");
        assert_eq!(*partition.unseal(b"c", &partition.seal(b"c", b"v")?)?, b"v");
        assert!(!partition.attest(&self.signer.0, FacetKind::EcSign, &[4; 128])?.is_empty());
        for key in [&imported, &arrived, &made, &secret] {
            partition.forget(key);
        }
        Ok(())
    }
}

/// All commands that the device was given.
fn commands(rig: &Rig) -> u64 {
    let faults = rig.emulator.faults();
    (1000..1128).map(|opcode| faults.commands(Opcode(opcode))).sum::<u64>() + faults.gcm_calls() + faults.xts_calls()
}
