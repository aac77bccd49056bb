//! The exported functions, one file per chapter of the standard, spelled as the standard spells them.
//!
//! Each does one thing: pointers become values, the function of the same name in `session` is called, its values go back
//! through pointers. The `unsafe` blocks rest on one promise, which `entry_points!` writes above every function.

#![expect(unsafe_code, reason = "the C ABI")]
#![expect(non_snake_case, reason = "names of the standard")]

mod decrypt;
mod digest;
mod dual;
mod encrypt;
mod general;
mod key;
mod message;
mod object;
mod random;
mod session_management;
mod sign;
mod slot;
mod verify;

pub(crate) use decrypt::*;
pub(crate) use digest::*;
pub(crate) use dual::*;
pub(crate) use encrypt::*;
pub(crate) use general::*;
pub(crate) use key::*;
pub(crate) use message::*;
pub(crate) use object::*;
pub(crate) use random::*;
pub(crate) use session_management::*;
pub(crate) use sign::*;
pub(crate) use slot::*;
pub(crate) use verify::*;

/// Text of the standard's structures: blank padded, not ended by zero; cut at a character's boundary.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    let end = (0..=text.len().min(N)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    field[..end].copy_from_slice(&text.as_bytes()[..end]);
    field
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn text_is_padded_with_blanks() {
        assert_eq!(padded::<6>("abc"), *b"abc   ");
        assert_eq!(padded::<3>("abc"), *b"abc");
        assert_eq!(padded::<2>(""), *b"  ");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(padded::<3>("abcd"), *b"abc");
        assert_eq!(padded::<3>("ab\u{fc}"), *b"ab ");
    }
}
