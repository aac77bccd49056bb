//! All caller memory: reading it into values, writing values into it.
//!
//! The rules, written here and nowhere else:
//!
//! - Null with length zero is an empty input; null with a length is `CKR_ARGUMENTS_BAD`.
//! - A null test is not validity, so whatever takes a pointer is `unsafe`. What it hands out keeps that promise until it is
//!   consumed, so its methods are safe.
//! - Structures and numbers are read and written unaligned, and copied at once.
//! - Lengths that no program can have are refused before anything is read or allocated.
//! - Input and output may be the same memory: a result is an owned buffer, written after the last use of the input.

#![expect(unsafe_code, reason = "caller memory")]

use std::ffi::c_void;
use std::ptr::NonNull;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_BYTE, CK_C_INITIALIZE_ARGS, CK_INTERFACE, CK_ULONG, CK_UNAVAILABLE_INFORMATION, CK_UTF8CHAR,
};
use session::attribute::{Attribute, AttributeType, AttributeValue, Template};
use session::call::{Argument, Reply, Room, null};
use session::general::Arguments;
use session::object::{AttributeReply, AttributeRoom};
use session::slot::Pin;
use session::{Code, Error, Result};
use zeroize::{Zeroizing, optimization_barrier};

mod message;
mod params;

pub(crate) use message::{
    Tag, deliver_encrypted, message_parameter, message_wrapping, no_parameter, place_of_iv, unwrapping, wrapping,
};
pub(crate) use params::{mechanism, mechanism_or_null, message_mechanism};

/// Bytes that the caller gives.
///
/// # Safety
///
/// `data` is null, or valid for reads of `len` bytes for as long as the slice is used; nobody writes there meanwhile.
pub(crate) unsafe fn input<'a>(data: *const CK_BYTE, len: CK_ULONG) -> Argument<&'a [u8]> {
    let len = plausible(len)?;
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null());
    }
    // SAFETY: not null, valid for `len` bytes (the caller's promise), and `plausible` keeps `len` within `isize::MAX`.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A PIN: `None` is a null pointer with length zero, the protected authentication path.
///
/// # Safety
///
/// As for [`input`], during the call only.
pub(crate) unsafe fn pin(data: *const CK_UTF8CHAR, len: CK_ULONG) -> Pin {
    if data.is_null() && len == 0 {
        return Ok(None);
    }
    if !data.is_null() && len > MAX_PIN {
        // Not read, for nobody has so long a PIN; passed on as one that is too long, which is the callee's to refuse: the
        // standard has another code for that in each function.
        return Ok(Some(Zeroizing::new(vec![0; TOO_LONG_PIN])));
    }
    // SAFETY: the caller's promise, handed on; the slice is copied before this function returns.
    let bytes = unsafe { input(data, len) }?;
    Ok(Some(Zeroizing::new(bytes.to_vec())))
}

/// A value of `N` bytes, such as a token label.
///
/// # Safety
///
/// `data` is null, or valid for reads of `N` bytes.
pub(crate) unsafe fn fixed<const N: usize>(data: *const CK_BYTE) -> Argument<[u8; N]> {
    if data.is_null() {
        return Err(null());
    }
    // SAFETY: not null and valid for `N` bytes (the caller's promise); an array of bytes has no alignment and no bad values.
    Ok(unsafe { data.cast::<[u8; N]>().read_unaligned() })
}

/// Whether a string of the caller, ended by a zero byte, is `text`. Reads no further than the first difference.
///
/// # Safety
///
/// `data` is not null and points at a string that ends in a zero byte.
pub(crate) unsafe fn is_text(data: NonNull<CK_UTF8CHAR>, text: &str) -> bool {
    text.bytes().chain([0]).enumerate().all(|(at, byte)| {
        // SAFETY: every byte before `at` equalled `text`, which holds no zero, so the caller's string reaches `at`.
        unsafe { data.as_ptr().add(at).read() == byte }
    })
}

/// A structure or number that the caller gives; null is `None`.
///
/// # Safety
///
/// `data` is null, or valid for a read of a `T` that holds a value of `T`.
pub(crate) unsafe fn read<T: Copy>(data: *const T) -> Option<T> {
    // SAFETY: not null; valid for the read by the caller's promise.
    (!data.is_null()).then(|| unsafe { data.read_unaligned() })
}

/// `CK_C_INITIALIZE_ARGS`; null is `None`.
///
/// # Safety
///
/// `data` is null, or valid for a read of the structure.
pub(crate) unsafe fn initialize_arguments(data: *const CK_C_INITIALIZE_ARGS) -> Option<Arguments> {
    // SAFETY: the caller's promise; function pointers there are `Option`s, for which no value is bad.
    let arguments = unsafe { read(data) }?;
    let callbacks = [
        arguments.CreateMutex.is_some(),
        arguments.DestroyMutex.is_some(),
        arguments.LockMutex.is_some(),
        arguments.UnlockMutex.is_some(),
    ];
    Some(Arguments {
        os_locking: arguments.flags & cryptoki_sys::CKF_OS_LOCKING_OK != 0,
        no_threads: arguments.flags & cryptoki_sys::CKF_LIBRARY_CANT_CREATE_OS_THREADS != 0,
        callbacks: callbacks.into_iter().filter(|given| *given).count(),
        reserved_null: arguments.pReserved.is_null(),
    })
}

/// Output of variable length (PKCS#11 v3.2, 5.2).
pub(crate) struct Output {
    data: *mut CK_BYTE,
    len: *mut CK_ULONG,
    room: Argument<Room>,
}

/// Where a result of variable length goes: `data` null asks for the length, `*len` says how much room there is.
///
/// # Safety
///
/// `len` is null, or valid for reads and writes; `data` is null, or valid for writes of `*len` bytes; both until the value
/// is consumed.
pub(crate) unsafe fn output(data: *mut CK_BYTE, len: *mut CK_ULONG) -> Output {
    // SAFETY: the caller's promise for `len`.
    let room = match unsafe { read(len) } {
        None => Err(null()),
        Some(_) if data.is_null() => Ok(Room::Query),
        Some(len) => plausible(len).map(Room::Bytes),
    };
    Output { data, len, room }
}

impl Output {
    /// What the caller has room for.
    pub(crate) fn room(&self) -> Argument<Room> {
        self.room.clone()
    }

    /// Writes the answer. To be called after the last use of the input.
    pub(crate) fn deliver(self, reply: Result<Reply>) -> Result<()> {
        let mut reply = reply?;
        let room = self.room?;
        let written = match &mut reply {
            Reply::Length(len) | Reply::TooSmall(len) => *len,
            Reply::Bytes(bytes) => {
                if !matches!(room, Room::Bytes(room) if bytes.len() <= room) {
                    return Err(Code::GeneralError.because("a result that the caller has no room for"));
                }
                // SAFETY: `room` is `Bytes`, so `data` is not null and valid for writes of that many bytes (`output`), and
                // the result is not longer; it is memory of our own, so the two do not overlap.
                unsafe { self.data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                let len = bytes.len();
                wipe(&mut std::mem::take(&mut **bytes));
                len
            }
        };
        // SAFETY: `room` is `Ok`, so `len` is not null, and valid for writes (`output`).
        unsafe { self.len.write_unaligned(ck_ulong(written)?) };
        if matches!(reply, Reply::TooSmall(_)) { Err(Code::BufferTooSmall.into()) } else { Ok(()) }
    }
}

/// Where one value of fixed size goes.
#[derive(Debug)]
pub(crate) struct Place<T>(NonNull<T>);

/// Where one value of fixed size goes; null is `CKR_ARGUMENTS_BAD`, before anything is done.
///
/// # Safety
///
/// `data` is null, or valid for a write of a `T` until the value is consumed.
pub(crate) unsafe fn place<T>(data: *mut T) -> Result<Place<T>> {
    NonNull::new(data).map(Place).ok_or_else(null)
}

impl<T> Place<T> {
    /// Writes the value.
    pub(crate) fn put(self, value: T) {
        // SAFETY: valid for a write (`place`).
        unsafe { self.0.as_ptr().write_unaligned(value) };
    }
}

/// Where a list goes whose length the caller asks for first.
pub(crate) struct Array<T> {
    list: *mut T,
    count: NonNull<CK_ULONG>,
}

/// Where a list goes: `list` null asks for the number, `*count` says how many there is room for.
///
/// # Safety
///
/// `count` is null, or valid for reads and writes; `list` is null, or valid for writes of `*count` values; both until the
/// value is consumed.
pub(crate) unsafe fn array<T>(list: *mut T, count: *mut CK_ULONG) -> Result<Array<T>> {
    Ok(Array { list, count: NonNull::new(count).ok_or_else(null)? })
}

impl<T> Array<T> {
    /// Writes the list, or its length only; `CKR_BUFFER_TOO_SMALL` where it does not fit.
    pub(crate) fn deliver(self, values: impl ExactSizeIterator<Item = T>) -> Result<()> {
        let wanted = ck_ulong(values.len())?;
        // SAFETY: valid for reads (`array`).
        let room = unsafe { self.count.as_ptr().read_unaligned() };
        let fits = room >= wanted;
        if !self.list.is_null() && fits {
            // SAFETY: not null, and valid for `room` values (`array`), which are at least as many.
            unsafe { write_all(self.list, values) };
        }
        // SAFETY: valid for writes (`array`).
        unsafe { self.count.as_ptr().write_unaligned(wanted) };
        if self.list.is_null() || fits { Ok(()) } else { Err(Code::BufferTooSmall.into()) }
    }
}

/// Where at most `max` values go, and how many they were (`C_FindObjects`).
pub(crate) struct Batch<T> {
    list: *mut T,
    max: usize,
    count: Place<CK_ULONG>,
}

/// Where at most `max` values go, and how many they were.
///
/// # Safety
///
/// `list` is null, or valid for writes of `max` values; `count` is null, or valid for writes; both until the value is
/// consumed.
pub(crate) unsafe fn batch<T>(list: *mut T, max: CK_ULONG, count: *mut CK_ULONG) -> Result<Batch<T>> {
    let max = plausible(max)?;
    if list.is_null() && max > 0 {
        return Err(null());
    }
    // SAFETY: the caller's promise for `count`.
    Ok(Batch { list, max, count: unsafe { place(count) }? })
}

impl<T> Batch<T> {
    /// How many values there is room for.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Writes the values, of which there are at most [`Batch::max`].
    pub(crate) fn deliver(self, values: impl ExactSizeIterator<Item = T>) -> Result<()> {
        if values.len() > self.max {
            return Err(Code::GeneralError.because("more values than were asked for"));
        }
        self.count.put(ck_ulong(values.len())?);
        // SAFETY: valid for `max` values (`batch`), which are at least as many.
        unsafe { write_all(self.list, values) };
        Ok(())
    }
}

/// A buffer that is filled from its start to its end, piece by piece (`C_GenerateRandom`).
pub(crate) struct Fill {
    next: *mut CK_BYTE,
    left: usize,
}

/// A buffer that is to be filled.
///
/// # Safety
///
/// `data` is null, or valid for writes of `len` bytes until the value is dropped.
pub(crate) unsafe fn fill(data: *mut CK_BYTE, len: CK_ULONG) -> Result<Fill> {
    let left = plausible(len)?;
    if data.is_null() && left > 0 {
        return Err(null());
    }
    Ok(Fill { next: data, left })
}

impl Fill {
    /// How many bytes are missing.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Writes the next bytes, of which there are at most [`Fill::left`].
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(bytes.len()).ok_or(Code::GeneralError)?;
        // SAFETY: `next` is valid for writes of `left` bytes (`fill`), which are at least as many; `bytes` is memory of our
        // own. Adding stays within, or one past the end of, the caller's buffer; an empty piece leaves a null as it is.
        unsafe {
            self.next.copy_from(bytes.as_ptr(), bytes.len());
            self.next = self.next.add(bytes.len());
        }
        self.left = left;
        Ok(())
    }
}

/// A template, copied.
///
/// # Safety
///
/// `attributes` is null, or valid for reads of `count` structures; each `pValue` is null, or valid for reads of its
/// `ulValueLen` bytes; nested templates likewise.
pub(crate) unsafe fn template(attributes: *const CK_ATTRIBUTE, count: CK_ULONG) -> Argument<Template> {
    let mut budget = Budget { attributes: MAX_ATTRIBUTES, bytes: MAX_TEMPLATE };
    // SAFETY: the caller's promise, handed on.
    unsafe { nested(attributes, count, MAX_DEPTH, &mut budget) }
}

/// How much of a template may still be copied; a template that contains itself ends here.
struct Budget {
    attributes: usize,
    bytes: usize,
}

/// # Safety
///
/// As for [`template`].
unsafe fn nested(
    attributes: *const CK_ATTRIBUTE,
    count: CK_ULONG,
    depth: usize,
    budget: &mut Budget,
) -> Argument<Template> {
    let count = plausible(count)?;
    budget.attributes = budget
        .attributes
        .checked_sub(count)
        .ok_or_else(|| Code::ArgumentsBad.because(format_args!("a template of {count} attributes")))?;
    if attributes.is_null() && count > 0 {
        return Err(null());
    }
    let mut template = Vec::with_capacity(count);
    for at in 0..count {
        // SAFETY: not null, valid for reads of `count` structures (the caller's promise), and `at` is below that.
        let attribute = unsafe { attributes.add(at).read_unaligned() };
        let kind = AttributeType(attribute.type_);
        let too_long = || Code::AttributeValueInvalid.because(format_args!("{kind:?} is too long"));
        if attribute.pValue.is_null() && attribute.ulValueLen > 0 {
            return Err(Code::ArgumentsBad.because(format_args!("{kind:?}: null pointer with a length")));
        }
        let len = plausible(attribute.ulValueLen).map_err(|_| too_long())?;
        let value = if is_template(attribute.type_) {
            if depth == 0 || !len.is_multiple_of(size_of::<CK_ATTRIBUTE>()) {
                return Err(Code::AttributeValueInvalid.because(format_args!("{kind:?} is not a template")));
            }
            let inner = attribute.pValue.cast::<CK_ATTRIBUTE>();
            // SAFETY: the caller's promise covers nested templates.
            AttributeValue::Template(unsafe {
                nested(inner, ck_ulong(len / size_of::<CK_ATTRIBUTE>())?, depth - 1, budget)
            }?)
        } else {
            budget.bytes = budget.bytes.checked_sub(len).ok_or_else(too_long)?;
            // SAFETY: the caller's promise for this value; the slice is copied at once.
            let bytes = unsafe { input(attribute.pValue.cast(), attribute.ulValueLen) }?;
            AttributeValue::Bytes(Zeroizing::new(bytes.to_vec()))
        };
        template.push(Attribute { kind, value });
    }
    Ok(template)
}

/// A template whose values are asked for (`C_GetAttributeValue`).
pub(crate) struct Query {
    attributes: *mut CK_ATTRIBUTE,
    places: Argument<Vec<Asked>>,
}

/// One attribute that is asked for, read once: the caller may change his structure, but not where we write.
struct Asked {
    kind: AttributeType,
    data: *mut CK_BYTE,
    room: Room,
    /// The elements of an array of attributes, for which the caller has room.
    elements: Option<Vec<Asked>>,
}

/// A template whose values are asked for.
///
/// # Safety
///
/// `attributes` is null, or valid for reads and writes of `count` structures; each `pValue` is null, or valid for writes of
/// its `ulValueLen` bytes, and where that is an array of attributes, for reads of it, and each of its elements likewise;
/// until the value is consumed.
pub(crate) unsafe fn query(attributes: *mut CK_ATTRIBUTE, count: CK_ULONG) -> Query {
    let places = (|| {
        let count = plausible(count)?;
        if attributes.is_null() && count > 0 {
            return Err(null());
        }
        // SAFETY: not null, valid for reads of `count` structures (the caller's promise).
        let mut places = unsafe { elements(attributes, count) }?;
        for asked in &mut places {
            if let Room::Bytes(room) = asked.room
                && is_template(asked.kind.0)
            {
                let count = room / size_of::<CK_ATTRIBUTE>();
                // SAFETY: the caller's promise: an array of attributes is valid for reads.
                asked.elements = Some(unsafe { elements(asked.data.cast(), count) }?);
            }
        }
        Ok(places)
    })();
    Query { attributes, places }
}

impl Query {
    /// Which attributes, and the room for each.
    pub(crate) fn wanted(&self) -> Argument<Vec<(AttributeType, AttributeRoom)>> {
        let places = self.places.as_ref().map_err(Clone::clone)?;
        let room = |asked: &Asked| match &asked.elements {
            None => AttributeRoom::Value(asked.room),
            Some(elements) => AttributeRoom::Array(elements.iter().map(|element| element.room).collect()),
        };
        Ok(places.iter().map(|asked| (asked.kind, room(asked))).collect())
    }

    /// Writes the values and lengths; the code of the whole call is its error.
    pub(crate) fn deliver(self, replies: Result<(Vec<AttributeReply>, Option<Code>)>) -> Result<()> {
        let (replies, code) = replies?;
        for (at, (asked, reply)) in self.places?.iter().zip(replies).enumerate() {
            // SAFETY: `at` is below `count`, for which `attributes` is valid for writes, and `asked` was read there (`query`).
            unsafe { asked.answer(self.attributes.add(at), reply) }?;
        }
        code.map_or(Ok(()), |code| Err(code.into()))
    }
}

impl Asked {
    /// Writes a value where it was asked for, and its length to `attribute`.
    ///
    /// # Safety
    ///
    /// `attribute` is the structure that this was read from, valid for writes, and what it points at is as [`query`] wants it.
    unsafe fn answer(&self, attribute: *mut CK_ATTRIBUTE, reply: AttributeReply) -> Result<()> {
        let no_room = || Code::GeneralError.because("a value that the caller has no room for");
        let len = match reply {
            AttributeReply::Length(len) => ck_ulong(len)?,
            AttributeReply::Unavailable => CK_UNAVAILABLE_INFORMATION,
            AttributeReply::Value(value) => {
                if !matches!(self.room, Room::Bytes(room) if value.len() <= room) {
                    return Err(no_room());
                }
                // SAFETY: `room` is `Bytes`, so `data` is not null and valid for writes of that many bytes (`query`),
                // and the value, memory of our own, is not longer.
                unsafe { self.data.copy_from_nonoverlapping(value.as_ptr(), value.len()) };
                ck_ulong(value.len())?
            }
            AttributeReply::Array(replies) => {
                let places =
                    self.elements.as_ref().filter(|places| places.len() >= replies.len()).ok_or_else(no_room)?;
                let len = ck_ulong(replies.len() * size_of::<CK_ATTRIBUTE>())?;
                for (at, (place, (kind, reply))) in places.iter().zip(replies).enumerate() {
                    // SAFETY: `data` is an array of at least as many attributes, valid for writes (`query`).
                    let element = unsafe { self.data.cast::<c_void>().cast::<CK_ATTRIBUTE>().add(at) };
                    // SAFETY: `element` is valid for writes, as was just said; taking a field's address through a raw
                    // pointer needs no alignment. "The type element ... MUST be set on output" (5.7.5).
                    unsafe { (&raw mut (*element).type_).write_unaligned(kind.0) };
                    // SAFETY: `place` was read from `element` (`elements`), and has no elements of its own.
                    unsafe { place.answer(element, reply) }?;
                }
                len
            }
        };
        // SAFETY: the caller's promise for `attribute`; the field's address needs no alignment.
        unsafe { (&raw mut (*attribute).ulValueLen).write_unaligned(len) };
        Ok(())
    }
}

/// Attributes that the caller wants filled. The types of those in an array are ignored (5.7.5).
///
/// # Safety
///
/// `attributes` is valid for reads of `count` structures.
unsafe fn elements(attributes: *const CK_ATTRIBUTE, count: usize) -> Result<Vec<Asked>> {
    if count > MAX_ATTRIBUTES {
        return Err(Code::ArgumentsBad.because(format_args!("an array of {count} attributes")));
    }
    let element = |at: usize| {
        // SAFETY: `at` is below `count`, for which the array is valid for reads (the caller's promise).
        let attribute = unsafe { attributes.add(at).read_unaligned() };
        let data = attribute.pValue.cast::<CK_BYTE>();
        let room = if data.is_null() { Room::Query } else { Room::Bytes(plausible(attribute.ulValueLen)?) };
        Ok(Asked { kind: AttributeType(attribute.type_), data, room, elements: None })
    };
    (0..count).map(element).collect()
}

/// The interfaces: callers read them, and what they point at, for as long as the library is loaded.
pub(crate) struct Interfaces(pub(crate) [CK_INTERFACE; 3]);

// SAFETY: the only value is a `static` in `tables`; nobody writes to it, nor to the statics that its pointers lead to.
unsafe impl Sync for Interfaces {}

/// Writes values one after another.
///
/// # Safety
///
/// `list` is valid for writes of as many values as there are, unless there are none.
unsafe fn write_all<T>(list: *mut T, values: impl ExactSizeIterator<Item = T>) {
    let count = values.len();
    for (at, value) in values.take(count).enumerate() {
        // SAFETY: `at` is below the number of values, which the list is valid for.
        unsafe { list.add(at).write_unaligned(value) };
    }
}

/// Erases a result that was delivered. `Zeroizing` does the same one byte at a time, which cost a tenth of the time of
/// encrypting a megabyte.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // To the compiler, this reads what was written: so it is written.
    optimization_barrier(bytes.as_slice());
}

fn plausible(len: CK_ULONG) -> Result<usize, Error> {
    usize::try_from(len)
        .ok()
        .filter(|len| *len <= MAX_LEN)
        .ok_or_else(|| Code::ArgumentsBad.because(format_args!("a length of {len:#x}")))
}

fn ck_ulong(len: usize) -> Result<CK_ULONG> {
    CK_ULONG::try_from(len).map_err(|_| Code::GeneralError.into())
}

fn is_template(kind: CK_ULONG) -> bool {
    // Not every type with CKF_ARRAY_ATTRIBUTE: CKA_ALLOWED_MECHANISMS is a list of numbers, and what an unknown type
    // points at must not be taken for pointers.
    matches!(
        kind,
        cryptoki_sys::CKA_WRAP_TEMPLATE
            | cryptoki_sys::CKA_UNWRAP_TEMPLATE
            | cryptoki_sys::CKA_DERIVE_TEMPLATE
            | cryptoki_sys::CKA_ENCAPSULATE_TEMPLATE
            | cryptoki_sys::CKA_DECAPSULATE_TEMPLATE
    )
}

/// The whole user address space of Linux: 47 bits on `x86-64`, 48 on `aarch64`. Nothing longer can be a length; a list of
/// structures can not have that many either.
const MAX_LEN: usize = 1 << 48;
/// Far above any PIN that a token takes (255 bytes), far below what is worth copying.
const MAX_PIN: CK_ULONG = 4096;
/// What a PIN of more than [`MAX_PIN`] bytes is passed on as.
const TOO_LONG_PIN: usize = 4097;
/// The standard has some 150 attribute types.
const MAX_ATTRIBUTES: usize = 4096;
/// Bytes of all values of a template together; a certificate or a data object is the largest of them.
const MAX_TEMPLATE: usize = 64 << 20;
/// A template in a template in a template has no use in the standard.
const MAX_DEPTH: usize = 2;

#[cfg(test)]
mod tests;
