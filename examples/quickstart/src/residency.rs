//! Asks every key of a token where it lives: `residency MODULE TOKEN-LABEL PIN`.
//!
//! Reads the two vendor attributes of the provider, `CKA_AZIHSM_RESIDENCY` and `CKA_AZIHSM_ORIGIN`, beside the standard's
//! own, through the ordinary C interface.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use cryptoki_sys::CKA_VENDOR_DEFINED;

const RESIDENCY: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0001);
const ORIGIN: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0002);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, label, pin] = arguments.as_slice() else {
        return Err("usage: residency MODULE TOKEN-LABEL PIN".into());
    };
    let library = Pkcs11::new(module)?;
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    for slot in library.get_slots_with_initialized_token()? {
        if library.get_token_info(slot)?.label() != label {
            continue;
        }
        let session = library.open_ro_session(slot)?;
        session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into())))?;
        println!("{:<12} {:<12} {:<32} {:<28} never extractable", "label", "key", "lives", "made");
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::SECRET_KEY] {
            for key in session.find_objects(&[Attribute::Class(class)])? {
                println!("{}", describe(&session, key)?);
            }
        }
        return Ok(());
    }
    Err(format!("no token has the label {label}").into())
}

fn describe(session: &Session, key: ObjectHandle) -> Result<String, cryptoki::error::Error> {
    let (mut label, mut kind, mut lives, mut made, mut never) = (String::new(), String::new(), "?", "?", false);
    let wanted = [AttributeType::Label, AttributeType::KeyType, RESIDENCY, ORIGIN, AttributeType::NeverExtractable];
    for attribute in session.get_attributes(key, &wanted)? {
        match attribute {
            Attribute::Label(bytes) => label = String::from_utf8_lossy(&bytes).into_owned(),
            Attribute::KeyType(value) => kind = value.to_string(),
            Attribute::NeverExtractable(value) => never = value,
            Attribute::VendorDefined((RESIDENCY, bytes)) => {
                lives = match number(&bytes) {
                    Some(1) => "in the HSM",
                    Some(2) => "sealed by a key in the HSM",
                    _ => "?",
                };
            }
            Attribute::VendorDefined((ORIGIN, bytes)) => {
                made = match number(&bytes) {
                    Some(1) => "in the HSM",
                    Some(2) => "in the library, then moved",
                    Some(3) => "elsewhere, and imported",
                    _ => "?",
                };
            }
            _ => {}
        }
    }
    Ok(format!("{label:<12} {kind:<12} {lives:<32} {made:<28} {}", if never { "yes" } else { "no" }))
}

/// A `CK_ULONG` in the host's byte order.
fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_ne_bytes)
}
