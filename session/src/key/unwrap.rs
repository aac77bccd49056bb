//! `C_UnwrapKey`, `C_UnwrapKeyAuthenticated`.
//!
//! All that depends on what is inside a wrapped key, and is wrong, is `CKR_WRAPPED_KEY_INVALID`: bad padding, a bad tag, a
//! key of another type or length, a weak key (Bardou and others 2012). The template is judged before anything is unwrapped.
//!
//! `CKA_EXTRACTABLE` is true where the template is silent (5.18.4), but for keys that cannot leave: under policy strict, and
//! of the partition's own unwrapping key.

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::key::{Policy, Value};
use mechanisms::operation::MessageParams;
use mechanisms::params::{Mechanism, Params};
use mechanisms::table::{Filler, Row};
use mechanisms::{ec, rsa};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::attribute::family::Family;
use crate::attribute::{AttributeType as A, Template, nested};
use crate::call::{Argument, ObjectHandle, Reply, SessionHandle};
use crate::library::Library;
use crate::message::once;
use crate::object::birth::{self, Descent};
use crate::object::template::{self, Birth, Draft, about};
use crate::operation::{Permitted, Purpose, permitted, row};
use crate::sessions::Session;
use crate::{Code, Error, Result};

/// `C_UnwrapKey`.
pub fn unwrap(
    session: SessionHandle,
    mechanism: Argument<Mechanism>,
    unwrapping_key: ObjectHandle,
    wrapped: Argument<&[u8]>,
    template: Argument<Template>,
) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = mechanism?;
    let (row, start) = row(&mechanism, |row| row.unwrap)?;
    let key = permitted(&session, unwrapping_key, row, Purpose::Unwrap)?;
    let own = key.object.is_partitions_own();
    let new = Incoming::new(&library, &session, row, &key, template?, own)?;
    let wrapped = wrapped?;
    if own {
        let inside = row.unwrap_inside.ok_or_else(|| Code::MechanismInvalid.because("the HSM unwraps otherwise"))?;
        return new.inside(|| inside(&mechanism.params, &session.slot.token.partition()?, wrapped, &new.request));
    }
    let op = start(&mechanism.params, &key.key)?;
    let mut payload = Zeroizing::new(Vec::with_capacity(op.final_len(wrapped.len())));
    new.key(op.whole(wrapped, &mut payload).map(|()| payload))
}

/// `C_UnwrapKeyAuthenticated`: the parameter is that of a message, and holds the tag.
pub fn unwrap_authenticated(
    session: SessionHandle,
    kind: Argument<MechanismType>,
    params: Argument<MessageParams>,
    unwrapping_key: ObjectHandle,
    wrapped: Argument<&[u8]>,
    template: Argument<Template>,
    aad: Argument<&[u8]>,
) -> Result<ObjectHandle> {
    let library = Library::current()?;
    let session = library.sessions.get(session)?;
    let mechanism = Mechanism { kind: kind?, params: Params::None };
    let (row, start) = row(&mechanism, |row| row.message_decrypt.filter(|_| row.unwrap.is_some()))?;
    let params = params?;
    let key = permitted(&session, unwrapping_key, row, Purpose::Unwrap)?;
    let new = Incoming::new(&library, &session, row, &key, template?, false)?;
    let (wrapped, aad) = (wrapped?, aad?);
    match once(&library, row, start, &key, false, params, aad, wrapped) {
        Ok((Reply::Bytes(payload), _)) => new.key(Ok(payload)),
        Ok(_) => Err(Code::GeneralError.because("a message without an answer")),
        Err(error) => new.key(Err(error)),
    }
}

/// A key on its way in, judged as far as its template goes.
struct Incoming<'a> {
    library: &'a Library,
    session: &'a Session,
    filler: Filler,
    draft: Draft,
    attributes: crate::attribute::set::Attributes,
    request: mechanisms::key::KeyRequest,
}

impl<'a> Incoming<'a> {
    fn new(
        library: &'a Library,
        session: &'a Session,
        row: &Row,
        key: &Permitted,
        template: Template,
        stays_inside: bool,
    ) -> Result<Self> {
        let policy = library.config.policy;
        let template = nested::merged(template, key.object.attributes.bytes(A::UNWRAP_TEMPLATE))?;
        let mut draft = Draft::new(&template, Birth::Unwrap, session.implied())?;
        if !draft.given.has(A::EXTRACTABLE) {
            draft.given.set_flag(A::EXTRACTABLE, policy == Policy::Standard && !stays_inside);
        }
        if !row.wraps.contains(&draft.family.class()) {
            return Err(about(Code::TemplateInconsistent, A::CLASS));
        }
        let attributes = draft.complete()?;
        birth::may_write(session, &attributes)?;
        let mut request = template::request(&attributes, draft.family, &library.config)?;
        if draft.family == Family::EcPrivate && attributes.has(A::EC_PARAMS) {
            request.curve = Some(crate::object::public::curve(&attributes)?);
        }
        let no_cipher_key =
            draft.family == Family::Secret && !matches!(request.key_type, Some(KeyType::AES | KeyType::AES_XTS));
        // What the policy refuses is refused whatever is inside.
        if policy == Policy::Strict && (request.extractable || no_cipher_key) {
            return Err(Code::TemplateInconsistent
                .because("policy strict allows no key outside the HSM, and this one would be there"));
        }
        if no_cipher_key && unit(row.filler) > 1 && request.value_len.is_none() {
            return Err(Code::TemplateIncomplete
                .because("CKA_VALUE_LEN: neither the key type nor the mechanism determines the length (5.18.4)"));
        }
        key.spend_authentication(session)?;
        Ok(Self { library, session, filler: row.filler, draft, attributes, request })
    }

    /// The key that the device took in.
    fn inside(&self, unwrap: impl FnOnce() -> Result<mechanisms::key::NewKey>) -> Result<ObjectHandle> {
        let new = unwrap().map_err(of_wrapped)?;
        let object = birth::hidden_key(self.session, &self.draft, self.attributes.clone(), new, Descent::IMPORTED)?;
        self.session.put_one(object)
    }

    /// The key of a payload.
    fn key(&self, payload: Result<Zeroizing<Vec<u8>>>) -> Result<ObjectHandle> {
        let value = self.value(payload.map_err(of_wrapped)?).map_err(invalid)?;
        let partition = self.session.partition()?;
        let new = self.library.ivs.import(value, &self.request, partition.as_ref()).map_err(of_value)?;
        let object = birth::hidden_key(self.session, &self.draft, self.attributes.clone(), new, Descent::IMPORTED)?;
        self.session.put_one(object)
    }

    /// The value in a payload, where it is of the family that the template names.
    fn value(&self, payload: Zeroizing<Vec<u8>>) -> Result<Value> {
        match self.draft.family {
            Family::Secret => self.secret(payload).map(Value::Secret),
            Family::RsaPrivate => rsa::private_from_pkcs8(self.without_filler(&payload)),
            Family::EcPrivate => {
                let value = ec::private_from_pkcs8(self.without_filler(&payload))?;
                match (&value, self.request.curve) {
                    (Value::Ec(curve, _), Some(asked)) if *curve != asked => {
                        Err(Code::WrappedKeyInvalid.because("another curve"))
                    }
                    _ => Ok(value),
                }
            }
            _ => Err(Code::TemplateInconsistent.into()),
        }
    }

    /// PKCS#8, whose own length tells what follows it: the mechanism's zeros go, anything else stays to be refused.
    fn without_filler<'p>(&self, payload: &'p [u8]) -> &'p [u8] {
        let whole = match payload {
            [_, len @ ..=0x7f, ..] => 2 + usize::from(*len),
            [_, 0x81, len, ..] => 3 + usize::from(*len),
            [_, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => payload.len(),
        };
        match payload.split_at_checked(whole) {
            Some((key, zeros)) if zeros.len() < unit(self.filler) && zeros.iter().all(|byte| *byte == 0) => key,
            _ => payload,
        }
    }

    /// A secret key of the length that the template names. It may be shorter than the payload by the zeros only that the
    /// mechanism added: a part of a key could be guessed (Clulow 2003).
    fn secret(&self, mut payload: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        let bad = |why: &str| Code::WrappedKeyInvalid.because(why);
        let whole = payload.len();
        let len = self.request.value_len.unwrap_or(whole);
        let unit = unit(self.filler);
        if len == 0 || len > whole || len.next_multiple_of(unit) != whole.next_multiple_of(unit) {
            return Err(bad("another length"));
        }
        if !goes_through(self.filler, len) {
            return Err(bad("a padding short enough to be guessed"));
        }
        let mut good = payload[len..].ct_eq(&vec![0; whole - len]);
        if self.filler == Filler::Zeros {
            // Blocks of one ciphertext can be put together anew: what comes of it must be no easier to find than a block.
            if len < LEAST_WITHOUT_INTEGRITY {
                return Err(bad("a short key without integrity"));
            }
            if len > unit {
                good &= !payload[..unit].ct_eq(&payload[unit..2 * unit]);
            }
            // An AES key of 24 bytes goes out in two blocks, and must not come back as one of 32.
            if self.request.value_len.is_none() && len == 2 * unit {
                good &= !payload[24..].ct_eq(&[0; 8]);
            }
        }
        if !bool::from(good) {
            return Err(bad("what follows the key, or a block twice"));
        }
        payload.truncate(len);
        Ok(payload)
    }
}

/// Whether a secret key of `len` bytes can go out and in with this mechanism. Padding without integrity is an oracle that no
/// choice of codes closes, for a key that comes in tells that the padding was good: an attacker varies a block and learns the
/// one before it byte by byte (Vaudenay 2002; Bardou and others 2012). So a padding has no byte or eight and more, all
/// of which he has to guess at once; AES keys, and secrets of 32, 48 and 64 bytes, are none the worse for it.
pub(super) fn goes_through(filler: Filler, len: usize) -> bool {
    let padding = match filler {
        Filler::Pkcs7 => BLOCK - len % BLOCK,
        Filler::Zeros => len.next_multiple_of(BLOCK) - len,
        Filler::Protected | Filler::ProtectedZeros => 0,
    };
    padding == 0 || padding >= LEAST_PADDING
}

/// What payloads are padded to with zeros.
fn unit(filler: Filler) -> usize {
    match filler {
        Filler::Zeros => BLOCK,
        Filler::ProtectedZeros => BLOCK / 2,
        Filler::Pkcs7 | Filler::Protected => 1,
    }
}

/// What an unwrapping operation says of the wrapped key, with the codes of 5.18.4; lengths are no secret.
fn of_wrapped(error: Error) -> Error {
    match error.code() {
        Code::EncryptedDataInvalid | Code::AeadDecryptFailed => invalid(error),
        Code::EncryptedDataLenRange => Code::WrappedKeyLenRange.because(error),
        _ => error,
    }
}

fn invalid(error: Error) -> Error {
    Code::WrappedKeyInvalid.because(error)
}

/// What importing says of the value.
fn of_value(error: Error) -> Error {
    match error.code() {
        Code::AttributeValueInvalid
        | Code::TemplateInconsistent
        | Code::TemplateIncomplete
        | Code::DataInvalid
        | Code::DataLenRange
        | Code::CurveNotSupported
        | Code::DomainParamsInvalid
        | Code::PublicKeyInvalid
        | Code::KeySizeRange => invalid(error),
        _ => error,
    }
}

/// AES's block.
const BLOCK: usize = 16;
/// Least padding that the success of an unwrapping may tell of: 2^64 tries, each a call.
const LEAST_PADDING: usize = 8;
/// 112 bits: what NIST SP 800-131A asks of any key.
const LEAST_WITHOUT_INTEGRITY: usize = 14;

#[cfg(test)]
mod tests {
    use mechanisms::table;

    use super::*;

    #[test]
    fn no_padding_is_short_enough_to_be_guessed() {
        let lens = |kind| {
            let filler = table::row(kind).unwrap().filler;
            (1..=64).filter(move |len| goes_through(filler, *len))
        };
        for (kind, expected) in [
            (MechanismType::AES_CBC_PAD, &[16, 20, 24, 32, 48, 64][..]),
            (MechanismType::AES_CBC, &[16, 20, 24, 32, 48, 64]),
            (MechanismType::AES_ECB, &[16, 24, 32]),
            (MechanismType::AES_KEY_WRAP_KWP, &[1, 15, 28, 31]),
        ] {
            assert!(expected.iter().all(|len| lens(kind).any(|good| good == *len)), "{kind:?}");
        }
        for kind in [MechanismType::AES_CBC_PAD, MechanismType::AES_CBC, MechanismType::AES_ECB] {
            assert!(lens(kind).all(|len| len % BLOCK <= 8), "{kind:?}");
        }
    }
}
