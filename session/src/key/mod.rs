//! Key management: `C_GenerateKey` to `C_DecapsulateKey` (PKCS#11 v3.2, 5.18).
//!
//! | Room | Functions |
//! |---|---|
//! | `generate` | `C_GenerateKey`, `C_GenerateKeyPair` |
//! | `derive` | `C_DeriveKey` |
//! | `wrap` | `C_WrapKey`, `C_WrapKeyAuthenticated` |
//! | `unwrap` | `C_UnwrapKey`, `C_UnwrapKeyAuthenticated` |
//! | `encapsulate` | `C_EncapsulateKey`, `C_DecapsulateKey` |
//!
//! What keeps one key from being used against another is in `object::usage`.

mod derive;
mod encapsulate;
mod generate;
mod unwrap;
mod wrap;

use mechanisms::ck::{KeyType, ObjectClass};
use mechanisms::table::Row;

pub use derive::derive;
pub use encapsulate::{decapsulate, encapsulate};
pub use generate::{generate, generate_pair};
pub use unwrap::{unwrap, unwrap_authenticated};
pub use wrap::{Wrapping, message_shape, wrap, wrap_authenticated};

use crate::attribute::{AttributeType as A, Template};
use crate::object::template::{self, Implied, about};
use crate::sessions::Session;
use crate::{Code, Result};

fn implied(session: &Session, class: ObjectClass, key_type: Option<KeyType>) -> Implied {
    Implied { class: Some(class), key_type, ..session.implied() }
}

/// The type of key that a mechanism makes: the only one, or which of several the template names, the first if none.
fn key_type(template: &Template, row: &Row) -> Result<Option<KeyType>> {
    let asked = template::read(template)?.number(A::KEY_TYPE).map(KeyType);
    match asked {
        Some(asked) if !row.keys.contains(&asked) => Err(about(Code::TemplateInconsistent, A::KEY_TYPE)),
        Some(asked) => Ok(Some(asked)),
        None => Ok(row.keys.first().copied()),
    }
}
