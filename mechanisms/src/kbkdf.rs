//! SP 800-108 key derivation in counter mode, over HMAC and AES-CMAC: the full form of the standard, for keys whose HMAC or
//! CMAC this library can have computed as often as it takes.
//!
//! Not from an ECDH secret in the HSM. The device has a counter mode of its own, with one fixed layout, but the firmware
//! in production derives an intermediate key first, so that its result is not what the standard says (semantics 6.9); and
//! nothing that it answers tells which firmware it is. `CKM_HKDF_DERIVE` is there for these.

use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{Key, Material, NewKey};
use crate::params::{Params, PrfData, Shape};
use crate::secret;
use crate::table::{self, Derivation, Derived, Row, SignInit};

/// PKCS#11 v3.2, 6.42.3, which counts the sizes in bits. Generic secrets first: what is derived where the template names
/// no type.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.42.3",
    keys: &[
        KeyType::GENERIC_SECRET,
        KeyType::AES,
        KeyType::HKDF,
        KeyType::SHA_1_HMAC,
        KeyType::SHA224_HMAC,
        KeyType::SHA256_HMAC,
        KeyType::SHA384_HMAC,
        KeyType::SHA512_HMAC,
        KeyType::SHA3_224_HMAC,
        KeyType::SHA3_256_HMAC,
        KeyType::SHA3_384_HMAC,
        KeyType::SHA3_512_HMAC,
    ],
    min_size: 8,
    max_size: secret::MAX_LEN * 8,
    shape: Shape::Sp800108,
    derive: Some(|from| derive(from).map(Derived::Key)),
    ..Row::none(MechanismType::SP800_108_COUNTER_KDF)
}];

/// The pseudo-random functions of the standard that there are (table "SP800-108 Pseudo Random Functions").
const PRFS: &[MechanismType] = &[
    MechanismType::SHA_1_HMAC,
    MechanismType::SHA224_HMAC,
    MechanismType::SHA256_HMAC,
    MechanismType::SHA384_HMAC,
    MechanismType::SHA512_HMAC,
    MechanismType::SHA3_224_HMAC,
    MechanismType::SHA3_256_HMAC,
    MechanismType::SHA3_384_HMAC,
    MechanismType::SHA3_512_HMAC,
    MechanismType::AES_CMAC,
];

fn derive(from: &Derivation<'_>) -> Result<NewKey> {
    let Params::Sp800108 { prf, data, additional_keys } = from.params else {
        return Err(Code::MechanismParamInvalid.into());
    };
    if *additional_keys != 0 {
        return Err(Code::MechanismParamInvalid.because("additional keys are not offered: derive them one by one"));
    }
    let prf = Prf::new(*prf, from.base)?;
    let (key_type, len) = secret::derived(from.request, None, secret::MAX_LEN)?;
    let input = Input::new(data, from.others, len, prf.len()?)?;
    let mut value = Zeroizing::new(Vec::with_capacity(len.next_multiple_of(input.segment)));
    for counter in 1..=input.segments {
        value.extend_from_slice(&prf.run(&input.block(counter))?);
    }
    value.truncate(len);
    secret::derived_here(value, key_type, from.request)
}

/// HMAC or CMAC under the base key.
struct Prf {
    start: SignInit,
    /// As a key for it: generic secrets and keys for deriving serve any HMAC.
    key: Key,
}

impl Prf {
    fn new(kind: MechanismType, base: &Key) -> Result<Self> {
        let row = table::row(kind).filter(|row| PRFS.contains(&row.kind));
        let start = row.and_then(|row| row.sign);
        let (Some(row), Some(start)) = (row, start) else {
            return Err(Code::MechanismParamInvalid.because(format_args!("{kind:?} is no pseudo-random function here")));
        };
        if let Material::Hsm(..) = base.material
            && kind != MechanismType::AES_CMAC
        {
            return Err(Code::KeyFunctionNotPermitted.because(
                "the HSM's counter mode is not surely the standard's: derive with CKM_HKDF_DERIVE, or from a sealed key",
            ));
        }
        let mut key = base.clone();
        if key.key_type == KeyType::HKDF {
            key.key_type = KeyType::GENERIC_SECRET;
        }
        row.accepts(&key)?;
        Ok(Self { start, key })
    }

    /// Length of a segment in bytes.
    fn len(&self) -> Result<usize> {
        Ok((self.start)(&Params::None, &self.key)?.signature_len())
    }

    fn run(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        (self.start)(&Params::None, &self.key)?.sign(block).map(Zeroizing::new)
    }
}

/// What each segment is computed over: the pieces, with the counter between them.
struct Input {
    before: Zeroizing<Vec<u8>>,
    counter: Number,
    after: Zeroizing<Vec<u8>>,
    /// Length of a segment in bytes.
    segment: usize,
    /// How many there are.
    segments: u64,
}

impl Input {
    fn new(data: &[PrfData], others: &[Key], len: usize, segment: usize) -> Result<Self> {
        let bad = |why: &str| Code::MechanismParamInvalid.because(why.to_owned());
        let segments = u64::try_from(len.div_ceil(segment)).map_err(|_| Code::AttributeValueInvalid)?;
        let (mut before, mut after, mut counter) = (Zeroizing::default(), Zeroizing::default(), None);
        let (mut others, mut has_length) = (others.iter(), false);
        for piece in data {
            let place: &mut Zeroizing<Vec<u8>> = if counter.is_none() { &mut before } else { &mut after };
            match piece {
                PrfData::Counter { little_endian, bits } => {
                    let number = Number::new(*little_endian, *bits, MAX_COUNTER_BITS)?;
                    if counter.replace(number).is_some() {
                        return Err(bad("more than one counter"));
                    }
                }
                PrfData::Length { method, little_endian, bits } => {
                    if std::mem::replace(&mut has_length, true) {
                        return Err(bad("more than one length"));
                    }
                    let bytes = match *method {
                        cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS => len,
                        cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS => len.next_multiple_of(segment),
                        _ => return Err(bad("an unknown method for the length")),
                    };
                    let number = Number::new(*little_endian, *bits, MAX_LENGTH_BITS)?;
                    // A key has at most MAX_LEN bytes.
                    number.push(8 * bytes as u64, place).ok_or_else(|| bad("the length does not fit its field"))?;
                }
                PrfData::Bytes(bytes) => place.extend_from_slice(bytes),
                PrfData::Key(_) => {
                    let key = others.next().ok_or_else(|| bad("a key is named and not there"))?;
                    place.extend_from_slice(secret::outside(key)?);
                }
            }
        }
        let counter = counter.ok_or_else(|| bad("the counter is missing"))?;
        counter.push(segments, &mut Vec::new()).ok_or_else(|| bad("the counter is too short for so long a key"))?;
        Ok(Self { before, counter, after, segment, segments })
    }

    fn block(&self, counter: u64) -> Zeroizing<Vec<u8>> {
        let mut block = Zeroizing::new(Vec::with_capacity(self.before.len() + 8 + self.after.len()));
        block.extend_from_slice(&self.before);
        // The last one fits, as `new` saw.
        let _ = self.counter.push(counter, &mut block);
        block.extend_from_slice(&self.after);
        block
    }
}

/// How a number is written.
#[derive(Clone, Copy)]
struct Number {
    little_endian: bool,
    bytes: usize,
}

impl Number {
    /// Whole bytes, as in all uses of SP 800-108 that there are.
    fn new(little_endian: bool, bits: u64, most: u64) -> Result<Self> {
        if bits == 0 || bits > most || !bits.is_multiple_of(8) {
            return Err(Code::MechanismParamInvalid
                .because(format_args!("a number of {bits} bits: 8 to {most} in steps of 8 are possible")));
        }
        Ok(Self { little_endian, bytes: usize::try_from(bits / 8).map_err(|_| Code::MechanismParamInvalid)? })
    }

    /// Appends `value`; `None` where it does not fit.
    fn push(self, value: u64, out: &mut Vec<u8>) -> Option<()> {
        let digits = value.to_be_bytes();
        let (front, digits) = digits.split_at(digits.len() - self.bytes);
        if front.iter().any(|byte| *byte != 0) {
            return None;
        }
        if self.little_endian {
            out.extend(digits.iter().rev());
        } else {
            out.extend(digits);
        }
        Some(())
    }
}

/// SP 800-108, 4.1: r is at most 32.
const MAX_COUNTER_BITS: u64 = 32;
const MAX_LENGTH_BITS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyRequest, Policy};
    use crate::testing::{self, bytes_of, hex, message};

    /// What a segment is computed over, by its number.
    type Block = Box<dyn Fn(u32) -> Vec<u8>>;

    const COUNTER: PrfData = PrfData::Counter { little_endian: false, bits: 32 };

    fn run(
        prf: MechanismType,
        data: Vec<PrfData>,
        base: &Key,
        others: &[Key],
        request: &KeyRequest,
    ) -> Result<Vec<u8>> {
        let params = Params::Sp800108 { prf, data, additional_keys: 0 };
        testing::derive(MechanismType::SP800_108_COUNTER_KDF, &params, base, others, request).map(bytes_of)
    }

    fn len(value_len: usize) -> KeyRequest {
        KeyRequest { value_len: Some(value_len), ..KeyRequest::default() }
    }

    fn generic(bytes: &[u8]) -> Key {
        testing::secret(KeyType::GENERIC_SECRET, bytes)
    }

    /// NIST CAVP, KBKDF, CounterMode, [CTRLOCATION=BEFORE_FIXED]: HMAC_SHA256 [RLEN=32_BITS] 0, 10, 20 and 30; CMAC_AES128
    /// [RLEN=32_BITS] 0 and [RLEN=8_BITS].
    #[test]
    fn known_answers() {
        let (hmac, cmac) = (MechanismType::SHA256_HMAC, MechanismType::AES_CMAC);
        for (prf, bits, key, fixed, expected) in [
            (
                hmac,
                32,
                "dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0",
                "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb29\
                 11d80a0e8aba17f3b413faac",
                "10621342bfb0fd40046c0e29f2cfdbf0",
            ),
            (
                hmac,
                32,
                "e204d6d466aad507ffaf6d6dab0a5b26152c9e21e764370464e360c8fbc765c6",
                "7b03b98d9f94b899e591f3ef264b71b193fba7043c7e953cde23bc5384bc1a6293580115fae3495fd845dadbd02bd645\
                 5cf48d0f62b33e62364a3a80",
                "770dfab6a6a4a4bee0257ff335213f78d8287b4fd537d5c1fffa956910e7c779",
            ),
            (
                hmac,
                32,
                "dc60338d884eecb72975c603c27b360605011756c697c4fc388f5176ef81efb1",
                "44d7aa08feba26093c14979c122c2437c3117b63b78841cd10a4bc5ed55c56586ad8986d55307dca1d198edcffbc516a\
                 8fbe6152aa428cdd800c062d",
                "29ac07dccf1f28d506cd623e6e3fc2fa255bd60b",
            ),
            (
                hmac,
                32,
                "c4bedbddb66493e7c7259a3bbbc25f8c7e0ca7fe284d92d431d9cd99a0d214ac",
                "1c69c54766791e315c2cc5c47ecd3ffab87d0d273dd920e70955814c220eacace6a5946542da3dfe24ff626b4897898c\
                 afb7db83bdff3c14fa46fd4b",
                "1da47638d6c9c4d04d74d4640bbd42ab814d9e8cc22f4326695239f96b0693f12d0dd1152cf44430",
            ),
            (
                cmac,
                32,
                "c10b152e8c97b77e18704e0f0bd38305",
                "98cd4cbbbebe15d17dc86e6dbad800a2dcbd64f7c7ad0e78e9cf94ffdba89d03e97eadf6c4f7b806caf52aa38f09d0eb\
                 71d71f497bcc6906b48d36c4",
                "26faf61908ad9ee881b8305c221db53f",
            ),
            (
                cmac,
                8,
                "dff1e50ac0b69dc40f1051d46c2b069c",
                "c16e6e02c5a3dcc8d78b9ac1306877761310455b4e41469951d9e6c2245a064b33fd8c3b01203a7824485bf0a64060c4\
                 648b707d2607935699316ea5",
                "8be8f0869b3c0ba97b71863d1b9f7813",
            ),
        ] {
            let key_type = if prf == cmac { KeyType::AES } else { KeyType::GENERIC_SECRET };
            let base = testing::secret(key_type, &hex(key));
            let data = vec![PrfData::Counter { little_endian: false, bits }, PrfData::Bytes(hex(fixed))];
            let expected = hex(expected);
            assert_eq!(run(prf, data, &base, &[], &len(expected.len())).unwrap(), expected);
        }
    }

    /// Every function and every kind of piece in every place, against the definition over the mechanism's own MAC.
    #[test]
    fn pieces_in_their_places() {
        let (little, big) = (true, false);
        for prf in PRFS {
            let key_type = if *prf == MechanismType::AES_CMAC { KeyType::AES } else { KeyType::GENERIC_SECRET };
            let (base, other) = (testing::secret(key_type, &message(32)), generic(b"another key"));
            let row = table::row(*prf).unwrap();
            let mac = |block: &[u8]| row.sign.unwrap()(&Params::None, &base).unwrap().sign(block).unwrap();
            let segment = mac(b"").len();
            for wanted in [1, 16, segment, segment + 1, 3 * segment, 512] {
                let segments = wanted.div_ceil(segment);
                let bits = |bytes: usize| u32::try_from(8 * bytes).unwrap();
                let length = |method| PrfData::Length { method, little_endian: big, bits: 32 };
                let keys = length(cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS);
                let whole = length(cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS);
                let short = PrfData::Length {
                    method: cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS,
                    little_endian: little,
                    bits: 16,
                };
                let text = |bytes: &[u8]| PrfData::Bytes(bytes.to_vec());
                let counter = |little_endian, bits| PrfData::Counter { little_endian, bits };
                let cases: [(Vec<PrfData>, Block); 4] = [
                    (
                        vec![counter(big, 32), text(b"label"), text(&[0]), text(b"context"), keys],
                        Box::new(move |i| {
                            let length = bits(wanted).to_be_bytes();
                            [&i.to_be_bytes()[..], b"label", &[0], b"context", &length].concat()
                        }),
                    ),
                    (
                        vec![text(b"label"), counter(little, 16), whole],
                        Box::new(move |i| {
                            let length = bits(segments * segment).to_be_bytes();
                            [&b"label"[..], &i.to_le_bytes()[..2], &length].concat()
                        }),
                    ),
                    (
                        vec![PrfData::Key(7), short, counter(big, 24), PrfData::Key(8)],
                        Box::new(move |i| {
                            let length = bits(wanted).to_le_bytes();
                            [&b"another key"[..], &length[..2], &i.to_be_bytes()[1..], b"another key"].concat()
                        }),
                    ),
                    (vec![counter(big, 8)], Box::new(|i| vec![i.to_be_bytes()[3]])),
                ];
                for (data, block) in cases {
                    let expected: Vec<u8> =
                        (1..=segments).flat_map(|i| mac(&block(u32::try_from(i).unwrap()))).collect();
                    let others = [other.clone(), other.clone()];
                    let made = run(*prf, data, &base, &others, &len(wanted)).unwrap();
                    assert_eq!(made, expected[..wanted], "{prf:?} {wanted}");
                }
            }
        }
    }

    #[test]
    fn keys_of_other_types() {
        let data = || vec![COUNTER];
        let expected = run(MechanismType::SHA256_HMAC, data(), &generic(b"base"), &[], &len(16)).unwrap();
        for key_type in [KeyType::HKDF, KeyType::SHA256_HMAC] {
            let base = testing::secret(key_type, b"base");
            assert_eq!(run(MechanismType::SHA256_HMAC, data(), &base, &[], &len(16)).unwrap(), expected);
        }
        for (prf, key_type) in [
            (MechanismType::SHA256_HMAC, KeyType::SHA384_HMAC),
            (MechanismType::SHA256_HMAC, KeyType::AES),
            (MechanismType::AES_CMAC, KeyType::GENERIC_SECRET),
        ] {
            let base = testing::secret(key_type, &[1; 16]);
            assert_eq!(run(prf, data(), &base, &[], &len(16)).unwrap_err(), Code::KeyTypeInconsistent);
        }
    }

    #[test]
    fn misuse() {
        let number = |bits| PrfData::Counter { little_endian: false, bits };
        let length = |method, bits| PrfData::Length { method, little_endian: false, bits };
        let sum = cryptoki_sys::CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS;
        let invalid = Code::MechanismParamInvalid;
        for (prf, data, request, code) in [
            (MechanismType::SHA256_HMAC, vec![], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![PrfData::Bytes(vec![1])], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, COUNTER], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![number(0)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![number(12)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![number(40)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, length(sum, 8)], len(32), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, length(sum, 72)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, length(9, 32)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, length(sum, 32), length(sum, 32)], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER, PrfData::Key(1)], len(16), invalid),
            (MechanismType::SHA512_256_HMAC, vec![COUNTER], len(16), invalid),
            (MechanismType::SHA256, vec![COUNTER], len(16), invalid),
            (MechanismType::SHA256_HMAC, vec![COUNTER], KeyRequest::default(), Code::TemplateIncomplete),
            (MechanismType::SHA256_HMAC, vec![COUNTER], len(513), Code::AttributeValueInvalid),
            (
                MechanismType::SHA256_HMAC,
                vec![COUNTER],
                KeyRequest { policy: Policy::Strict, ..len(16) },
                Code::TemplateInconsistent,
            ),
        ] {
            assert_eq!(run(prf, data, &generic(b"base"), &[], &request).unwrap_err(), code);
        }
        let more = Params::Sp800108 { prf: MechanismType::SHA256_HMAC, data: vec![COUNTER], additional_keys: 1 };
        for params in [more, Params::None] {
            let kind = MechanismType::SP800_108_COUNTER_KDF;
            assert_eq!(testing::derive(kind, &params, &generic(b"base"), &[], &len(16)).unwrap_err(), invalid);
        }
    }

    /// No key is so long, but the check stands on its own.
    #[test]
    fn a_counter_has_to_reach_the_end() {
        assert!(Input::new(&[PrfData::Counter { little_endian: false, bits: 8 }], &[], 255, 1).is_ok());
        let short = Input::new(&[PrfData::Counter { little_endian: false, bits: 8 }], &[], 256, 1);
        assert_eq!(short.err().unwrap(), Code::MechanismParamInvalid);
    }
}
