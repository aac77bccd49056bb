//! What the tests of RSA share.

use mechanisms::ck::MechanismType;
use mechanisms::error::Result;
use mechanisms::key::{Key, KeyRequest, NewKey, PublicKey};
use mechanisms::params::Params;
use mechanisms::table::{self, CipherInit, Row};
use zeroize::Zeroizing;

use super::{Hsm, asking, encrypt, public};

pub(crate) const WRAP: MechanismType = MechanismType::RSA_AES_KEY_WRAP;

pub(crate) fn rsa_aes(aes_bits: u64, hash: MechanismType, mgf: u64, label: &[u8]) -> Params {
    let source = cryptoki_sys::CKZ_DATA_SPECIFIED;
    Params::RsaAesWrap { aes_bits, hash, mgf, source, label: label.to_vec() }
}

pub(crate) fn sha256() -> Params {
    rsa_aes(256, MechanismType::SHA256, cryptoki_sys::CKG_MGF1_SHA256, b"")
}

pub(crate) fn oaep() -> Params {
    Params::Oaep {
        hash: MechanismType::SHA256,
        mgf: cryptoki_sys::CKG_MGF1_SHA256,
        source: cryptoki_sys::CKZ_DATA_SPECIFIED,
        label: vec![],
    }
}

/// Runs a wrap, unwrap or recovery as a session does.
pub(crate) fn run(
    pick: fn(&Row) -> Option<CipherInit>,
    kind: MechanismType,
    params: &Params,
    key: &Key,
    data: &[u8],
) -> Result<Vec<u8>> {
    let op = pick(table::row(kind).unwrap()).unwrap()(params, key)?;
    let (bound, padded) = (op.final_len(data.len()), op.answer_is_padded());
    let mut out = Zeroizing::default();
    op.whole(data, &mut out)?;
    assert!(out.len() == bound || padded && out.len() < bound, "{} of {bound}", out.len());
    Ok(out.to_vec())
}

pub(crate) fn wrap(kind: MechanismType, params: &Params, key: &Key, data: &[u8]) -> Result<Vec<u8>> {
    run(|row| row.wrap, kind, params, key, data)
}

pub(crate) fn unwrap(kind: MechanismType, params: &Params, key: &Key, data: &[u8]) -> Result<Vec<u8>> {
    run(|row| row.unwrap, kind, params, key, data)
}

pub(crate) fn pair(hsm: &Hsm, words: &str) -> NewKey {
    let request = KeyRequest { modulus_bits: Some(2048), ..asking(words) };
    hsm.generate(MechanismType::RSA_PKCS_KEY_PAIR_GEN, &request).unwrap()
}

/// `c * factor^e mod n`, a ciphertext of `factor` times the block.
pub(crate) fn multiplied(pair: &NewKey, ciphertext: &[u8], factor: u8) -> Vec<u8> {
    let Some(PublicKey::Rsa { modulus, .. }) = &pair.public else { panic!("an RSA key") };
    let power = encrypt(MechanismType::RSA_X_509, &Params::None, &public(pair), &[factor]).unwrap();
    let number = |bytes: &[u8]| rsa::BoxedUint::from_be_slice(bytes, 4096).unwrap();
    let product = number(&power).wrapping_mul(number(ciphertext));
    let rest = product.rem_vartime(&number(modulus).to_nz().unwrap());
    let bytes = rest.to_be_bytes();
    bytes[bytes.len() - 256..].to_vec()
}
