//! What a message is: a table of fields. [`message!`] turns the table into a struct, its bytes and a `Debug` that shows
//! lengths instead of byte strings.

use std::fmt;

use super::mbor::{Fields, Reader, Writer};
use super::{CodecError, Opcode, SessionControl};

/// A value with a place in a message. Values are in their natural form (DER, big-endian) whatever the dialect.
pub trait Wire<'a>: Sized {
    /// Appends the value's bytes.
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError>;

    /// Reads the value.
    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError>;
}

/// The body of a request: it names its opcode, its session-control kind and the body of its response.
pub trait Request<'a>: Wire<'a> {
    /// The command.
    const OPCODE: Opcode;
    /// What goes into the command descriptor (wire 3.1).
    const CONTROL: SessionControl = Self::OPCODE.control();
    /// The body of a successful answer.
    type Response<'r>: Wire<'r>;
}

/// How a field's value is written: what stands behind `as` in [`message!`].
pub(crate) trait Form<'a, T> {
    fn put(value: &T, w: &mut Writer<'_>) -> Result<(), CodecError>;

    fn take(r: &mut Reader<'a>) -> Result<T, CodecError>;

    /// What `Debug` says of the value.
    fn show(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn is_present(_value: &T) -> bool {
        true
    }

    fn put_field(id: u8, value: &T, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.field(id);
        Self::put(value, w)
    }

    fn take_field(id: u8, fields: &mut Fields, r: &mut Reader<'a>) -> Result<T, CodecError> {
        fields.mandatory(id, r)?;
        Self::take(r)
    }
}

/// A number, an enumeration or a map: the type says all.
pub(crate) struct Plain;

impl<'a, T: Wire<'a> + fmt::Debug> Form<'a, T> for Plain {
    fn put(value: &T, w: &mut Writer<'_>) -> Result<(), CodecError> {
        value.encode(w)
    }

    fn take(r: &mut Reader<'a>) -> Result<T, CodecError> {
        T::decode(r)
    }

    fn show(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value.fmt(f)
    }
}

/// A byte string of at most `MAX` bytes, the same in both dialects.
pub(crate) struct Var<const MAX: usize>;

impl<'a, const MAX: usize> Form<'a, &'a [u8]> for Var<MAX> {
    fn put(value: &&'a [u8], w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.variable(value, MAX)
    }

    fn take(r: &mut Reader<'a>) -> Result<&'a [u8], CodecError> {
        r.variable(MAX)
    }

    fn show(value: &&'a [u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// A fixed array.
pub(crate) struct Fixed;

impl<'a, const N: usize> Form<'a, &'a [u8; N]> for Fixed {
    fn put(value: &&'a [u8; N], w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.fixed(*value)
    }

    fn take(r: &mut Reader<'a>) -> Result<&'a [u8; N], CodecError> {
        r.fixed()
    }

    fn show(value: &&'a [u8; N], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(*value, f)
    }
}

/// A field that may be absent (wire 1.4).
pub(crate) struct Opt<F>(std::marker::PhantomData<F>);

impl<'a, T, F: Form<'a, T>> Form<'a, Option<T>> for Opt<F> {
    fn put(value: &Option<T>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        value.as_ref().map_or(Ok(()), |value| F::put(value, w))
    }

    fn take(r: &mut Reader<'a>) -> Result<Option<T>, CodecError> {
        F::take(r).map(Some)
    }

    fn show(value: &Option<T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value {
            Some(value) => F::show(value, f),
            None => f.write_str("None"),
        }
    }

    fn is_present(value: &Option<T>) -> bool {
        value.is_some()
    }

    fn put_field(id: u8, value: &Option<T>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        value.as_ref().map_or(Ok(()), |value| F::put_field(id, value, w))
    }

    fn take_field(id: u8, fields: &mut Fields, r: &mut Reader<'a>) -> Result<Option<T>, CodecError> {
        if fields.optional(id, r)? { F::take(r).map(Some) } else { Ok(None) }
    }
}

/// What `Debug` shows of bytes, which may be secret.
pub(crate) fn show_len(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "[{} bytes]", bytes.len())
}

/// Table of fields in (`id name: type as form`, the form left out for numbers and maps), documented struct out.
macro_rules! message {
    ($(#[$doc:meta])* pub struct $name:ident;) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl<'a> $crate::ddi::Wire<'a> for $name {
            fn encode(&self, w: &mut $crate::ddi::mbor::Writer<'_>) -> Result<(), $crate::ddi::CodecError> {
                ().encode(w)
            }

            fn decode(r: &mut $crate::ddi::mbor::Reader<'a>) -> Result<Self, $crate::ddi::CodecError> {
                <()>::decode(r).map(|()| Self)
            }
        }
    };

    ($(#[$doc:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        message! { @build [$(#[$doc])*] [$name] ['w] $($fields)* }
    };

    ($(#[$doc:meta])* pub struct $name:ident<$life:lifetime> { $($fields:tt)* }) => {
        message! { @build [$(#[$doc])*] [$name<$life>] [$life] $($fields)* }
    };

    (@build [$(#[$doc:meta])*] [$name:ident $(<$own:lifetime>)?] [$life:lifetime]
        $($(#[$field_doc:meta])* $id:literal $field:ident : $type:ty $(as $form:ty)?),+ $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name $(<$own>)? {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl<$life> $crate::ddi::Wire<$life> for $name $(<$own>)? {
            fn encode(&self, w: &mut $crate::ddi::mbor::Writer<'_>) -> Result<(), $crate::ddi::CodecError> {
                use $crate::ddi::wire::Form;
                w.map(0 $(+ u8::from(<message!(@form $($form)?) as Form<'_, $type>>::is_present(&self.$field)))+)?;
                $(<message!(@form $($form)?)>::put_field($id, &self.$field, w)?;)+
                Ok(())
            }

            fn decode(r: &mut $crate::ddi::mbor::Reader<$life>) -> Result<Self, $crate::ddi::CodecError> {
                use $crate::ddi::wire::Form;
                let mut fields = r.map()?;
                $(let $field = <message!(@form $($form)?)>::take_field($id, &mut fields, r)?;)+
                fields.finish()?;
                Ok(Self { $($field),+ })
            }
        }

        impl<$life> std::fmt::Debug for $name $(<$own>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                use $crate::ddi::wire::Form;
                f.debug_struct(stringify!($name))
                    $(.field(
                        stringify!($field),
                        &std::fmt::from_fn(|f| <message!(@form $($form)?) as Form<'_, $type>>::show(&self.$field, f)),
                    ))+
                    .finish()
            }
        }
    };

    (@form) => { $crate::ddi::wire::Plain };
    (@form $form:ty) => { $form };
}
pub(crate) use message;

/// The map without fields: the body of an error, and of much else.
impl<'a> Wire<'a> for () {
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.map(0)
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        r.map()?.finish()
    }
}

impl<'a> Wire<'a> for bool {
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.bool(*self);
        Ok(())
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        r.bool()
    }
}

/// The integers: each has its own marker.
macro_rules! integers {
    ($($integer:ident),+) => {
        $(impl<'a> Wire<'a> for $integer {
            fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
                w.$integer(*self);
                Ok(())
            }

            fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
                r.$integer()
            }
        })+
    };
}
integers!(u8, u16, u32, u64);
