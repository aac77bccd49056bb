//! Keys from keys and data, put together or cut: `CKM_CONCATENATE_*`, `CKM_XOR_BASE_AND_DATA`, `CKM_EXTRACT_KEY_FROM_KEY`.
//! The base keys are outside the HSM: the device does nothing of the kind.
//!
//! Whoever may cut a key that he may not see can guess it in pieces: he extracts one byte, or has 15 bytes of his own and
//! one of the key, computes a MAC with the result, and tries 256 values (Clulow 2003 and after). A least length of the
//! result is no help, for the steps can be chained: concatenate with known bytes, then extract a window over the seam.
//! So a key that does not show its value goes into the result whole, all its bits, once; and parts are for keys that
//! the caller could read anyway ([`KeyRequest::base_is_open`](crate::key::KeyRequest::base_is_open)).

use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::NewKey;
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::{Derivation, Derived, Row};

/// PKCS#11 v3.2, 6.43.
pub(crate) const ROWS: &[Row] = &[
    Row {
        section: "6.43.3",
        shape: Shape::Number,
        derive: Some(|from| base_and_key(from).map(Derived::Key)),
        ..row(MechanismType::CONCATENATE_BASE_AND_KEY)
    },
    Row {
        section: "6.43.4",
        shape: Shape::StringData,
        derive: Some(|from| base_and_data(from).map(Derived::Key)),
        ..row(MechanismType::CONCATENATE_BASE_AND_DATA)
    },
    Row {
        section: "6.43.5",
        shape: Shape::StringData,
        derive: Some(|from| data_and_base(from).map(Derived::Key)),
        ..row(MechanismType::CONCATENATE_DATA_AND_BASE)
    },
    Row {
        section: "6.43.6",
        shape: Shape::StringData,
        derive: Some(|from| xor(from).map(Derived::Key)),
        ..row(MechanismType::XOR_BASE_AND_DATA)
    },
    Row {
        section: "6.43.7",
        shape: Shape::Number,
        derive: Some(|from| extract(from).map(Derived::Key)),
        ..row(MechanismType::EXTRACT_KEY_FROM_KEY)
    },
];

const fn row(kind: MechanismType) -> Row {
    Row { keys: KEYS, min_size: 1, max_size: secret::MAX_LEN, derives_bits_of_base: true, ..Row::none(kind) }
}

/// Generic secrets first: what is derived where the template names no type.
const KEYS: &[KeyType] = &[KeyType::GENERIC_SECRET, KeyType::AES, KeyType::HKDF];

fn base_and_key(from: &Derivation<'_>) -> Result<NewKey> {
    let [other] = from.others else {
        return Err(Code::MechanismParamInvalid.because("the handle of another key is wanted"));
    };
    if !KEYS.contains(&other.key_type) {
        return Err(Code::KeyTypeInconsistent.because(format_args!("a {:?} key to concatenate", other.key_type)));
    }
    joined(from, &[secret::outside(from.base)?, secret::outside(other)?])
}

fn base_and_data(from: &Derivation<'_>) -> Result<NewKey> {
    joined(from, &[secret::outside(from.base)?, data(from)?])
}

fn data_and_base(from: &Derivation<'_>) -> Result<NewKey> {
    joined(from, &[data(from)?, secret::outside(from.base)?])
}

/// The front of the parts, one after the other.
fn joined(from: &Derivation<'_>, parts: &[&[u8]]) -> Result<NewKey> {
    let whole = Zeroizing::new(parts.concat());
    let (key_type, len) = secret::derived(from.request, Some(whole.len()), whole.len())?;
    all_of_it(from, len == whole.len())?;
    secret::derived_here(Zeroizing::new(whole[..len].to_vec()), key_type, from.request)
}

fn xor(from: &Derivation<'_>) -> Result<NewKey> {
    let (base, data) = (secret::outside(from.base)?, data(from)?);
    let most = base.len().min(data.len());
    let (key_type, len) = secret::derived(from.request, Some(most), most)?;
    all_of_it(from, len == base.len())?;
    let value = base.iter().zip(data).take(len).map(|(base, data)| base ^ data).collect();
    secret::derived_here(Zeroizing::new(value), key_type, from.request)
}

fn extract(from: &Derivation<'_>) -> Result<NewKey> {
    let base = secret::outside(from.base)?;
    let Params::Number(first) = from.params else { return Err(Code::MechanismParamInvalid.into()) };
    let first = usize::try_from(*first).ok().filter(|first| *first < 8 * base.len()).ok_or_else(|| {
        Code::MechanismParamInvalid.because(format_args!("bit {first} of a key of {} bytes", base.len()))
    })?;
    let (key_type, len) = secret::derived(from.request, None, base.len())?;
    all_of_it(from, len == base.len())?;
    let (byte, bit) = (first / 8, first % 8);
    // "it is permissible to wrap around the end".
    let at = |index: usize| u16::from(base[index % base.len()]);
    let window = |index: usize| (at(index) << 8 | at(index + 1)) >> (8 - bit);
    let value = (byte..byte + len).map(|index| window(index).to_be_bytes()[1]).collect();
    secret::derived_here(Zeroizing::new(value), key_type, from.request)
}

fn data<'a>(from: &'a Derivation<'_>) -> Result<&'a [u8]> {
    match from.params {
        Params::StringData(data) => Ok(data),
        _ => Err(Code::MechanismParamInvalid.into()),
    }
}

/// Refuses to cut a key that does not show its value.
fn all_of_it(from: &Derivation<'_>, whole: bool) -> Result<()> {
    if whole || from.request.base_is_open {
        return Ok(());
    }
    Err(Code::TemplateInconsistent
        .because("a part of a key can be guessed: only a key that is extractable and not sensitive may be cut"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyRequest, Policy};
    use crate::testing::{self, bytes_of, hex, message};

    fn run(kind: MechanismType, params: &Params, base: &[u8], request: &KeyRequest) -> Result<Vec<u8>> {
        let key = |bytes| testing::secret(KeyType::GENERIC_SECRET, bytes);
        let others = if matches!(params, Params::Number(_)) { vec![key(OTHER)] } else { vec![] };
        testing::derive(kind, params, &key(base), &others, request).map(bytes_of)
    }

    fn open(value_len: usize) -> KeyRequest {
        KeyRequest { value_len: Some(value_len), base_is_open: true, ..KeyRequest::default() }
    }

    fn string(data: &str) -> Params {
        Params::StringData(hex(data))
    }

    /// The examples of the standard, 6.43.3 to 6.43.7.
    #[test]
    fn known_answers() {
        let base = hex("01234567");
        let any = KeyRequest::default();
        let string = string("89abcdef");
        for (kind, params, expected) in [
            (MechanismType::CONCATENATE_BASE_AND_KEY, &Params::Number(7), "0123456789abcdef"),
            (MechanismType::CONCATENATE_BASE_AND_DATA, &string, "0123456789abcdef"),
            (MechanismType::CONCATENATE_DATA_AND_BASE, &string, "89abcdef01234567"),
            (MechanismType::XOR_BASE_AND_DATA, &string, "88888888"),
        ] {
            assert_eq!(run(kind, params, &base, &any).unwrap(), hex(expected), "{kind:?}");
        }
        let kind = MechanismType::EXTRACT_KEY_FROM_KEY;
        assert_eq!(run(kind, &Params::Number(21), &hex("329f84a9"), &open(2)).unwrap(), hex("9526"));
    }

    /// Bit by bit, as the standard describes it.
    #[test]
    fn extraction_agrees_with_its_description() {
        let kind = MechanismType::EXTRACT_KEY_FROM_KEY;
        for base in [message(1), hex("329f84a9"), message(33)] {
            let bits: Vec<u8> = base.iter().flat_map(|byte| (0..8).map(move |at| byte >> (7 - at) & 1)).collect();
            for first in 0..bits.len() {
                for len in [1, base.len() / 2, base.len()].into_iter().filter(|len| *len > 0) {
                    let taken: Vec<u8> = bits.iter().cycle().skip(first).take(8 * len).copied().collect();
                    let expected: Vec<u8> =
                        taken.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
                    assert_eq!(run(kind, &Params::Number(first as u64), &base, &open(len)).unwrap(), expected);
                }
            }
            let past = Params::Number(bits.len() as u64);
            assert_eq!(run(kind, &past, &base, &open(1)).unwrap_err(), Code::MechanismParamInvalid);
        }
    }

    #[test]
    fn parts_of_an_open_key() {
        let base = message(32);
        let front = [&base[..], &[1, 2]].concat();
        let aes = KeyRequest { key_type: Some(KeyType::AES), ..open(16) };
        let two = string("0102");
        assert_eq!(run(MechanismType::CONCATENATE_BASE_AND_DATA, &two, &base, &aes).unwrap(), front[..16]);
        assert_eq!(run(MechanismType::XOR_BASE_AND_DATA, &two, &base, &open(2)).unwrap(), [1, 3]);
        assert_eq!(
            run(MechanismType::CONCATENATE_DATA_AND_BASE, &two, &base, &aes).unwrap(),
            [&[1, 2], &base[..14]].concat()
        );
    }

    /// Clulow 2003: a piece of a hidden key that is small enough to try.
    #[test]
    fn a_hidden_key_is_not_cut() {
        let base = message(32);
        let closed = |value_len| KeyRequest { base_is_open: false, ..open(value_len) };
        let known = Params::StringData(vec![0; 15]);
        for (kind, params, len) in [
            (MechanismType::EXTRACT_KEY_FROM_KEY, &Params::Number(0), 1),
            (MechanismType::EXTRACT_KEY_FROM_KEY, &Params::Number(0), 31),
            (MechanismType::CONCATENATE_DATA_AND_BASE, &known, 16),
            (MechanismType::CONCATENATE_BASE_AND_DATA, &known, 1),
            (MechanismType::CONCATENATE_BASE_AND_KEY, &Params::Number(7), 33),
            (MechanismType::XOR_BASE_AND_DATA, &known, 15),
        ] {
            assert_eq!(run(kind, params, &base, &closed(len)).unwrap_err(), Code::TemplateInconsistent, "{kind:?}");
        }
        // The length that is taken where none is named, too.
        let any = KeyRequest::default();
        let shorter = run(MechanismType::XOR_BASE_AND_DATA, &known, &base, &any);
        assert_eq!(shorter.unwrap_err(), Code::TemplateInconsistent);
        // Whole, turned or not.
        let turned = run(MechanismType::EXTRACT_KEY_FROM_KEY, &Params::Number(8), &base, &closed(32)).unwrap();
        assert_eq!(turned, [&base[1..], &base[..1]].concat());
        assert_eq!(run(MechanismType::CONCATENATE_DATA_AND_BASE, &known, &base, &closed(47)).unwrap().len(), 47);
    }

    #[test]
    fn misuse() {
        let kind = MechanismType::CONCATENATE_BASE_AND_DATA;
        let data = string("00");
        for (request, code) in [
            (open(6), Code::AttributeValueInvalid),
            (open(0), Code::AttributeValueInvalid),
            (KeyRequest { key_type: Some(KeyType::AES), ..KeyRequest::default() }, Code::TemplateIncomplete),
            (KeyRequest { key_type: Some(KeyType::AES), ..open(5) }, Code::AttributeValueInvalid),
            (KeyRequest { key_type: Some(KeyType::EC), ..open(5) }, Code::TemplateInconsistent),
            (KeyRequest { policy: Policy::Strict, ..open(5) }, Code::TemplateInconsistent),
        ] {
            assert_eq!(run(kind, &data, b"base", &request).unwrap_err(), code);
        }
        let any = KeyRequest::default();
        for row in ROWS {
            assert_eq!(run(row.kind, &Params::None, b"base", &any).unwrap_err(), Code::MechanismParamInvalid);
        }
        let none = run(MechanismType::EXTRACT_KEY_FROM_KEY, &Params::Number(0), b"base", &any);
        assert_eq!(none.unwrap_err(), Code::TemplateIncomplete, "an extraction has no length of its own");
        let too_long = run(kind, &Params::StringData(vec![0; secret::MAX_LEN]), b"base", &any);
        assert_eq!(too_long.unwrap_err(), Code::AttributeValueInvalid);
    }

    const OTHER: &[u8] = &[0x89, 0xab, 0xcd, 0xef];
}
