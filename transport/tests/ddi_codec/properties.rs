//! Noise does not panic, and what is written is read back.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use transport::ddi::command::*;
use transport::ddi::*;

use crate::commands::{COMMANDS, DIALECTS};
use crate::vectors::all_frames;

static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(all_frames);

/// Reads bytes as everything they could be. What is accepted is canonical but for its pads: written and read again, it is
/// the same value.
fn read_all(bytes: &[u8]) {
    for dialect in DIALECTS {
        for command in COMMANDS {
            for read in [command.request, command.response] {
                let Ok(frame) = read(bytes, dialect) else { continue };
                let Ok(written) = frame.written(dialect) else { continue };
                // A request carries its command's own opcode when written, whatever it had when read.
                let again = read(written, dialect).expect("what was written is read");
                assert_eq!(again.fields, frame.fields, "{} {dialect:?}", command.name);
            }
        }
    }
}

fn properties() -> impl Strategy<Value = (u128, Vec<u8>)> {
    (any::<u128>(), vec(any::<u8>(), 0..=128))
}

fn reversible<'a, R>(request: &R, dialect: Dialect, check: impl FnOnce(&[u8]))
where
    R: Request<'a>,
{
    let mut out = Vec::new();
    encode_request(Some(ApiRev::V1_0), Some(9), request, dialect, &mut out).expect("within the limits");
    let (header, _) = decode_request_header(&out, dialect).expect("own header");
    assert_eq!(header, RequestHeader { rev: Some(ApiRev::V1_0), op: R::OPCODE, session: Some(9) });
    check(&out);
}

macro_rules! reversible {
    ($type:ident, $value:expr, $dialect:expr) => {{
        let value = $value;
        reversible(&value, $dialect, |frame| {
            let (_, body) = decode_request_header(frame, $dialect).expect("read before");
            assert_eq!(decode_body::<$type>(body), Ok(value.clone()));
        });
    }};
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn damaged_frames_do_not_panic(
        which in any::<prop::sample::Index>(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut frame = which.get(&FRAMES).clone();
        for (at, value) in flips {
            // Most damage belongs near the front, where the structure is.
            let at = at.index(frame.len().min(160));
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        read_all(&frame);
    }

    #[test]
    fn derivations_are_read_back(
        salt in prop::option::of(vec(any::<u8>(), 0..=256)),
        info in prop::option::of(vec(any::<u8>(), 0..=256)),
        key_tag in any::<Option<u16>>(),
        key_length in any::<Option<u8>>(),
        (metadata, label) in properties(),
        numbers in any::<[u32; 2]>(),
    ) {
        for dialect in DIALECTS {
            reversible!(HkdfDerive, HkdfDerive {
                key_id: 0x8001,
                hash_algorithm: HashAlgorithm(numbers[0]),
                salt: salt.as_deref(),
                info: info.as_deref(),
                key_type: KeyType(numbers[1]),
                key_tag,
                key_properties: TargetKeyProperties { key_metadata: Metadata(metadata), key_label: &label },
                key_length,
            }, dialect);
        }
    }

    #[test]
    fn ciphers_and_macs_are_read_back(msg in vec(any::<u8>(), 0..=1024), iv in vec(any::<u8>(), 0..=16), key_id: u16) {
        for dialect in DIALECTS {
            let op = AesOp::DECRYPT;
            reversible!(AesEncryptDecrypt, AesEncryptDecrypt { key_id, op, msg: &msg, iv: &iv }, dialect);
            reversible!(Hmac, Hmac { key_id, msg: &msg }, dialect);
        }
    }

    #[test]
    fn numbers_are_read_back(
        digest in vec(any::<u8>(), 32),
        y in vec(any::<u8>(), 0..=512),
        blob in vec(any::<u8>(), 256..=3072),
        (metadata, label) in properties(),
    ) {
        for dialect in DIALECTS {
            let digest = (&digest[..]).into();
            reversible!(EccSign, EccSign { key_id: 1, digest, digest_algo: HashAlgorithm::SHA256 }, dialect);
            reversible!(RsaModExp, RsaModExp { key_id: 1, y: (&y[..]).into(), op_type: RsaOpType::SIGN }, dialect);
            reversible!(RsaUnwrap, RsaUnwrap {
                key_id: 1,
                wrapped_blob: (&blob[..]).into(),
                wrapped_blob_key_class: KeyClass::AES,
                wrapped_blob_padding: RsaCryptoPadding::OAEP,
                wrapped_blob_hash_algorithm: HashAlgorithm::SHA256,
                key_tag: None,
                key_properties: TargetKeyProperties { key_metadata: Metadata(metadata), key_label: &label },
            }, dialect);
        }
    }

    #[test]
    fn public_keys_are_read_back(coordinates in vec(any::<u8>(), 132), curve in 0..3usize) {
        let curve = EccCurve::ALL[curve];
        let n = key::coordinate_len(curve).expect("known");
        let point = [&[4], &coordinates[..2 * n]].concat();
        let spki = key::spki_from_point(curve, &point).expect("a point's shape");
        prop_assert_eq!(key::point_from_spki(&spki), Ok((curve, &point[..])));
        for dialect in DIALECTS {
            reversible!(EcdhKeyExchange, EcdhKeyExchange {
                priv_key_id: 7,
                pub_key_der: (&spki[..]).into(),
                key_type: KeyType::SECRET_384,
                key_tag: Some(1),
                key_properties: TargetKeyProperties { key_metadata: Metadata::new(Usage::Derive, false), key_label: b"" },
            }, dialect);
        }
    }
}
