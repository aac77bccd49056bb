//! MBOR, the binary format of DDI messages (wire 1): a writer that knows where the message starts, because padding depends
//! on it, and a cursor that cannot overrun.
//!
//! Both also serve what is stored rather than sent (the masked-key metadata map): origin is then its first byte.

use super::{CodecError, Dialect};

/// Appends one message to a buffer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    dialect: Dialect,
}

impl<'o> Writer<'o> {
    /// A writer of a message that starts at the present end of `out`.
    pub fn new(out: &'o mut Vec<u8>, dialect: Dialect) -> Self {
        let start = out.len();
        Self { out, start, dialect }
    }

    /// The dialect of the message.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Bytes of the message so far.
    pub fn offset(&self) -> usize {
        self.out.len() - self.start
    }

    /// A map's marker; `count` fields must follow, at most 31.
    pub fn map(&mut self, count: u8) -> Result<(), CodecError> {
        if count > MAX_FIELDS {
            return Err(CodecError::TooManyFields { count });
        }
        self.out.push(MAP | count);
        Ok(())
    }

    /// A field's id; its value must follow.
    pub fn field(&mut self, id: u8) {
        self.u8(id);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.extend([U8, value]);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.out.push(U16);
        self.out.extend(value.to_be_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.out.push(U32);
        self.out.extend(value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.out.push(U64);
        self.out.extend(value.to_be_bytes());
    }

    /// A fixed array: never padded.
    pub fn fixed(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let length = u16::try_from(bytes.len())
            .map_err(|_| CodecError::TooLong { len: bytes.len(), max: usize::from(u16::MAX) })?;
        self.out.push(BYTES);
        self.out.extend(length.to_be_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// A byte string of at most `max` bytes, padded so that its data starts at a multiple of four of the message.
    pub fn variable(&mut self, bytes: &[u8], max: usize) -> Result<(), CodecError> {
        self.string_head(bytes.len(), max)?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// As [`Writer::variable`], for `len` bytes that `fill` writes in place over zeros.
    pub fn variable_with(&mut self, len: usize, max: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), CodecError> {
        self.string_head(len, max)?;
        let from = self.out.len();
        self.out.resize(from + len, 0);
        fill(&mut self.out[from..]);
        Ok(())
    }

    fn string_head(&mut self, len: usize, max: usize) -> Result<(), CodecError> {
        let max = max.min(usize::from(u16::MAX));
        let length = u16::try_from(len).map_err(|_| CodecError::TooLong { len, max })?;
        if len > max {
            return Err(CodecError::TooLong { len, max });
        }
        // Wire 1.3: from the marker's offset P, (4 - ((P + 3) mod 4)) mod 4.
        let (marker, pad) = match self.offset() % 4 {
            0 => (BYTES | 1, 1),
            1 => (BYTES, 0),
            2 => (BYTES | 3, 3),
            _ => (BYTES | 2, 2),
        };
        self.out.push(marker);
        self.out.extend(length.to_be_bytes());
        self.out.extend_from_slice(&[0; 3][..pad]);
        Ok(())
    }
}

/// A cursor over one message. Strict about markers and lengths; any pad of 0 to 3 bytes is skipped (wire 1.5).
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Reader<'a> {
    /// A cursor at the first byte of a message.
    pub fn new(bytes: &'a [u8], dialect: Dialect) -> Self {
        Self { bytes, at: 0, dialect }
    }

    /// The dialect of the message.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Bytes of the message that were read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Refuses bytes after the end.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            len => Err(CodecError::TrailingBytes { len }),
        }
    }

    /// A map's marker: what is left of it.
    pub fn map(&mut self) -> Result<Fields, CodecError> {
        let at = self.at;
        match self.byte()? {
            found if found & !MAX_FIELDS == MAP => Ok(Fields { left: found & MAX_FIELDS }),
            found => Err(CodecError::Marker { at, found, wanted: "a map" }),
        }
    }

    /// The id of the next field, which must be `wanted`.
    pub fn field(&mut self, wanted: u8) -> Result<(), CodecError> {
        let at = self.at;
        match self.u8()? {
            found if found == wanted => Ok(()),
            found => Err(CodecError::FieldId { at, found, wanted }),
        }
    }

    /// Whether the next field is `wanted`; nothing is read.
    pub fn next_is(&self, wanted: u8) -> bool {
        self.bytes.get(self.at..self.at + 2) == Some(&[U8, wanted])
    }

    /// A boolean.
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        let at = self.at;
        match self.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            found => Err(CodecError::Marker { at, found, wanted: "a boolean" }),
        }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        self.integer(U8, "a u8").map(|[byte]| byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        self.integer(U16, "a u16").map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.integer(U32, "a u32").map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.integer(U64, "a u64").map(u64::from_be_bytes)
    }

    /// A fixed array.
    pub fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N], CodecError> {
        let (pad, len) = self.string_head()?;
        if pad != 0 || len != N {
            return Err(CodecError::FixedLength { found: len, wanted: N, pad });
        }
        self.array()
    }

    /// A byte string of at most `max` bytes.
    pub fn variable(&mut self, max: usize) -> Result<&'a [u8], CodecError> {
        let (pad, len) = self.string_head()?;
        if len > max {
            return Err(CodecError::TooLong { len, max });
        }
        self.take(pad)?;
        self.take(len)
    }

    fn string_head(&mut self) -> Result<(usize, usize), CodecError> {
        let at = self.at;
        let marker = self.byte()?;
        if marker & !3 != BYTES {
            return Err(CodecError::Marker { at, found: marker, wanted: "a byte string" });
        }
        let length = self.array().copied().map(u16::from_be_bytes)?;
        Ok((usize::from(marker & 3), usize::from(length)))
    }

    fn integer<const N: usize>(&mut self, marker: u8, wanted: &'static str) -> Result<[u8; N], CodecError> {
        let at = self.at;
        match self.byte()? {
            found if found == marker => self.array().copied(),
            found => Err(CodecError::Marker { at, found, wanted }),
        }
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        self.array().map(|&[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], CodecError> {
        let array = self.bytes[self.at..].first_chunk().ok_or(CodecError::Truncated)?;
        self.at += N;
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let taken = self.bytes[self.at..].get(..len).ok_or(CodecError::Truncated)?;
        self.at += len;
        Ok(taken)
    }
}

/// What is left of a map that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    left: u8,
}

impl Fields {
    /// How many fields are left.
    pub fn left(self) -> u8 {
        self.left
    }

    /// Reads the id of a mandatory field; its value follows.
    pub fn mandatory(&mut self, id: u8, r: &mut Reader<'_>) -> Result<(), CodecError> {
        self.left = self.left.checked_sub(1).ok_or(CodecError::FieldMissing { wanted: id })?;
        r.field(id)
    }

    /// Reads the id of an optional field, if the next field is it; its value then follows.
    pub fn optional(&mut self, id: u8, r: &mut Reader<'_>) -> Result<bool, CodecError> {
        if self.left == 0 || !r.next_is(id) {
            return Ok(false);
        }
        self.mandatory(id, r).map(|()| true)
    }

    /// Refuses fields that nobody read.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.left {
            0 => Ok(()),
            count => Err(CodecError::FieldsLeft { count }),
        }
    }
}

const FALSE: u8 = 0x14;
const TRUE: u8 = 0x15;
const U8: u8 = 0x18;
const U16: u8 = 0x19;
const U32: u8 = 0x1A;
const U64: u8 = 0x1B;
const BYTES: u8 = 0x80;
const MAP: u8 = 0xA0;
const MAX_FIELDS: u8 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_counts_from_the_start_of_the_message() {
        for before in 0..4 {
            let mut out = vec![0xEE; before];
            let mut w = Writer::new(&mut out, Dialect::Virtual);
            w.bool(true);
            w.bool(true);
            assert_eq!(w.offset(), 2);
            w.variable(&[7], 1).expect("fits");
            assert_eq!(out[before..], [0x15, 0x15, 0x83, 0, 1, 0, 0, 0, 7]);
        }
    }

    #[test]
    fn an_empty_string_still_carries_its_pad() {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, Dialect::Virtual);
        w.variable(&[], 0).expect("fits");
        assert_eq!(out, [0x81, 0, 0, 0]);
        assert_eq!(Reader::new(&out, Dialect::Virtual).variable(0), Ok(&[][..]));
    }

    #[test]
    fn any_pad_is_read_in_a_string_and_none_in_an_array() {
        for pad in 0..4_u8 {
            let bytes = [&[0x80 | pad, 0, 2][..], &[0xFF; 3][..usize::from(pad)], &[1, 2]].concat();
            assert_eq!(Reader::new(&bytes, Dialect::Virtual).variable(2), Ok(&[1, 2][..]));
            let array = Reader::new(&bytes, Dialect::Virtual).fixed::<2>();
            assert_eq!(array.is_ok(), pad == 0, "{array:?}");
        }
    }

    #[test]
    fn other_markers_are_refused() {
        let at = 0;
        for found in [0x00, 0x04, 0x10, 0x16, 0x84, 0x9F, 0xC0, 0xE0, 0xFF] {
            let bytes = [found, 0, 0, 0, 0, 0, 0, 0, 0];
            let reader = || Reader::new(&bytes, Dialect::Virtual);
            assert_eq!(reader().bool(), Err(CodecError::Marker { at, found, wanted: "a boolean" }));
            assert_eq!(reader().u8(), Err(CodecError::Marker { at, found, wanted: "a u8" }));
            assert_eq!(reader().u64(), Err(CodecError::Marker { at, found, wanted: "a u64" }));
            assert_eq!(reader().map(), Err(CodecError::Marker { at, found, wanted: "a map" }));
            assert_eq!(reader().variable(9), Err(CodecError::Marker { at, found, wanted: "a byte string" }));
        }
    }

    #[test]
    fn a_map_is_as_long_as_it_says() {
        // {1: true}, read with field 1 mandatory and 2 optional; what follows is a field 2 of another map.
        let bytes = [0xA1, 0x18, 1, 0x15, 0x18, 2, 0x15];
        let mut r = Reader::new(&bytes, Dialect::Virtual);
        let mut fields = r.map().expect("map");
        assert_eq!(fields.mandatory(1, &mut r), Ok(()));
        assert_eq!(fields.finish(), Ok(()));
        assert_eq!(r.bool(), Ok(true));
        assert_eq!(fields.optional(2, &mut r), Ok(false));
        assert_eq!(fields.mandatory(2, &mut r), Err(CodecError::FieldMissing { wanted: 2 }));

        let mut r = Reader::new(&bytes, Dialect::Virtual);
        let mut fields = r.map().expect("map");
        assert_eq!(fields.optional(2, &mut r), Ok(false));
        assert_eq!(fields.finish(), Err(CodecError::FieldsLeft { count: 1 }));
        assert_eq!(fields.mandatory(2, &mut r), Err(CodecError::FieldId { at: 1, found: 1, wanted: 2 }));

        let mut out = Vec::new();
        let refused = Writer::new(&mut out, Dialect::Virtual).map(32);
        assert_eq!(refused, Err(CodecError::TooManyFields { count: 32 }));
    }

    #[test]
    fn lengths_beyond_the_end_are_truncation() {
        let mut r = Reader::new(&[0x80, 0xFF, 0xFF, 1], Dialect::Virtual);
        assert_eq!(r.variable(usize::MAX), Err(CodecError::Truncated));
        assert_eq!(Reader::new(&[0x1A, 0, 0, 0], Dialect::Virtual).u32(), Err(CodecError::Truncated));
        assert_eq!(Reader::new(&[], Dialect::Virtual).u8(), Err(CodecError::Truncated));
        assert_eq!(Reader::new(&[1, 2], Dialect::Virtual).finish(), Err(CodecError::TrailingBytes { len: 2 }));
    }
}
