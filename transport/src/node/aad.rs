//! Where AES-GCM's additional data lies in a fast-path buffer (wire 6.2).

/// The place of the additional data: `before` zero bytes, the data, and zero bytes up to `aligned`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AadPlace {
    /// Zero bytes before the data.
    pub(super) before: usize,
    /// The length of the whole area, a multiple of 32. Hardware computes the tag over exactly this many bytes and
    /// corrects it afterwards, so a longer or another padding gives a wrong tag.
    pub(super) aligned: usize,
}

impl AadPlace {
    /// The place for `len` bytes, or `None` where no buffer can be that long.
    pub(super) fn of(len: usize) -> Option<Self> {
        // In the first half of a block of the engine, the data moves to the second half.
        let before = if matches!(len % BLOCK, 1..=HALF) { HALF } else { 0 };
        let aligned = len.checked_add(before)?.checked_next_multiple_of(BLOCK)?;
        Some(Self { before, aligned })
    }
}

const BLOCK: usize = 32;
const HALF: usize = BLOCK / 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of wire 6.2, and the edges of its table.
    #[test]
    fn the_examples_of_the_document() {
        for (len, before, aligned) in [
            (0, 0, 0),
            (1, 16, 32),
            (11, 16, 32),
            (15, 16, 32),
            (16, 16, 32),
            (17, 0, 32),
            (20, 0, 32),
            (31, 0, 32),
            (32, 0, 32),
            (33, 16, 64),
            (37, 16, 64),
            (48, 16, 64),
            (49, 0, 64),
            (50, 0, 64),
            (64, 0, 64),
            (65, 16, 96),
        ] {
            assert_eq!(AadPlace::of(len), Some(AadPlace { before, aligned }), "{len}");
        }
    }

    /// "In every case the aligned length is a rounded up to a multiple of 32" (wire 6.2), and the data fits in it.
    #[test]
    fn the_area_is_the_length_rounded_up() {
        for len in 0..1000 {
            let place = AadPlace::of(len).unwrap();
            assert_eq!(place.aligned, len.next_multiple_of(32), "{len}");
            assert!(place.before + len <= place.aligned, "{len}");
        }
    }

    #[test]
    fn a_length_beyond_memory_has_no_place() {
        for len in [usize::MAX, usize::MAX - 15, usize::MAX - 14] {
            assert_eq!(AadPlace::of(len), None, "{len}");
        }
    }
}
