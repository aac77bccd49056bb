//! An emulated HSM for the tests of this folder, and the mechanisms' functions on it.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod rsa;

use std::fmt;
use std::sync::Arc;

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::Result;
use mechanisms::import;
use mechanisms::key::{Key, KeyRequest, Material, NewKey, Value};
use mechanisms::params::Params;
use mechanisms::table::{self, Derivation, Derived};
use parking_lot::Mutex;
use transport::ddi::Opcode;
use transport::emulator::{Config, Emulator, Kind, Options};
use transport::partition::{Durable, Partition, PartitionBlobs, PartitionSecrets};
use zeroize::Zeroizing;

/// Blobs in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<PartitionBlobs>);

impl Durable for Memory {
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(
            &mut PartitionBlobs,
            &mut dyn FnMut(&PartitionBlobs) -> transport::Result<()>,
        ) -> transport::Result<()>,
    ) -> transport::Result<()> {
        let mut blobs = self.0.lock().clone();
        provision(&mut blobs, &mut |changed| {
            *self.0.lock() = changed.clone();
            Ok(())
        })
    }
}

/// A provisioned emulated partition, and the folder that it lives in.
pub(crate) struct Hsm {
    pub(crate) partition: Arc<Partition>,
    emulator: Arc<Emulator>,
    _folder: tempfile::TempDir,
}

impl fmt::Debug for Hsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hsm")
    }
}

impl Hsm {
    pub(crate) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { folder: folder.path().to_owned(), options: Options { kind, ..Options::default() } };
        let secrets = PartitionSecrets {
            id: [1; 16],
            pin: Zeroizing::new([2; 16]),
            bk3: Zeroizing::new([3; 48]),
            pota: Zeroizing::new([4; 48]),
        };
        let emulator = Emulator::open(config).unwrap();
        let partition = Arc::new(Partition::new(emulator.clone(), secrets, Arc::<Memory>::default()));
        partition.connect().unwrap();
        Self { partition, emulator, _folder: folder }
    }

    /// How many commands of this opcode the device has been given.
    pub(crate) fn commands(&self, opcode: Opcode) -> u64 {
        self.emulator.faults().commands(opcode)
    }

    pub(crate) fn generate(&self, kind: MechanismType, request: &KeyRequest) -> Result<NewKey> {
        let row = table::row(kind).unwrap();
        row.generate.or(row.generate_pair).unwrap()(&Params::None, request, &self.partition)
    }

    pub(crate) fn import(&self, value: Value, request: &KeyRequest) -> Result<NewKey> {
        import(value, request, Some(&self.partition))
    }
}

/// Runs a test in both dialects.
pub(crate) fn on_both(test: impl Fn(&Hsm)) {
    for kind in [Kind::Virtual, Kind::Physical] {
        test(&Hsm::new(kind));
    }
}

pub(crate) fn key(new: &NewKey) -> Key {
    Key { key_type: new.key_type, material: new.material.clone(), public: new.public.clone().map(Arc::new) }
}

pub(crate) fn public(new: &NewKey) -> Key {
    let public = Arc::new(new.public.clone().unwrap());
    Key { key_type: new.key_type, material: Material::Public(public), public: None }
}

pub(crate) fn clear_secret(key_type: KeyType, bytes: &[u8]) -> Key {
    let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
    Key { key_type, material: Material::Clear(Arc::new(value)), public: None }
}

pub(crate) fn secret(bytes: &[u8]) -> Value {
    Value::Secret(Zeroizing::new(bytes.to_vec()))
}

pub(crate) fn sign(kind: MechanismType, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
    let row = table::row(kind).unwrap();
    row.accepts(key)?;
    let op = row.sign.unwrap()(params, key)?;
    let len = op.signature_len();
    let signature = op.sign(message)?;
    assert_eq!(signature.len(), len);
    Ok(signature)
}

pub(crate) fn verify(kind: MechanismType, params: &Params, key: &Key, message: &[u8], signature: &[u8]) -> Result<()> {
    table::row(kind).unwrap().verify.unwrap()(params, key)?.verify(message, signature)
}

pub(crate) fn encrypt(kind: MechanismType, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    table::row(kind).unwrap().encrypt.unwrap()(params, key)?.whole(message, &mut out)?;
    Ok(out.to_vec())
}

pub(crate) fn decrypt(kind: MechanismType, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    table::row(kind).unwrap().decrypt.unwrap()(params, key)?.whole(message, &mut out)?;
    Ok(out.to_vec())
}

pub(crate) fn derive(kind: MechanismType, params: &Params, base: &Key, request: &KeyRequest) -> Result<NewKey> {
    derive_with(kind, params, base, &[], request)
}

/// [`derive`] with the keys that the parameter names.
pub(crate) fn derive_with(
    kind: MechanismType,
    params: &Params,
    base: &Key,
    others: &[Key],
    request: &KeyRequest,
) -> Result<NewKey> {
    let from = Derivation { params, base, others, request, partition: None };
    match table::row(kind).unwrap().derive.unwrap()(&from)? {
        Derived::Key(new) => Ok(new),
        other => panic!("{other:?}"),
    }
}

/// A request with the usages named.
pub(crate) fn asking(words: &str) -> KeyRequest {
    let has = |word| words.split(' ').any(|w| w == word);
    KeyRequest {
        sign: has("sign"),
        decrypt: has("decrypt"),
        derive: has("derive"),
        extractable: has("extractable"),
        token: true,
        sensitive: true,
        ..KeyRequest::default()
    }
}
