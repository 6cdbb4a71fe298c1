//! What many bytes of JSON are, at one glance.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Bytes at the beginning of a record that tell whether there is white space in it.
const SAMPLE: usize = if cfg!(test) { 16 } else { 64 };
/// White space in a sample from which on its lengths are not worth guessing.
const SPACED: u32 = if cfg!(test) { 1 } else { 4 };

/// How many bytes come before the first quote, backslash or control character; all of them if there is none.
#[inline(always)]
pub(super) fn special(text: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(chunk) = text.first_chunk() {
        // Most strings are shorter, so that nothing depends on how long they are.
        let found = specials(chunk);
        if found != 0 {
            return found.trailing_zeros() as usize;
        }
        return 32 + special_in_words(text.get(32..).unwrap_or_default());
    }
    special_in_words(text)
}

/// The same by eight bytes.
#[inline]
fn special_in_words(text: &[u8]) -> usize {
    let mut rest = text;
    let mut before = 0;
    // The lowest bit that is set is exact, those above it need not be.
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
        let quote = zero(word ^ (ONES * 0x22));
        let backslash = zero(word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & HIGHS;
        if found != 0 {
            return before + (found.trailing_zeros() / 8) as usize;
        }
        before += 8;
        rest = after;
    }
    before + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Which of the bytes are a quote, a backslash or a control character, by bit.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn specials(chunk: &[u8; 32]) -> u32 {
    use std::arch::x86_64::*;
    // SAFETY: both loads are within the 32 bytes; every x86-64 has SSE2.
    unsafe {
        let half = |from: usize| {
            let text = _mm_loadu_si128(chunk.as_ptr().add(from).cast());
            let is = |byte: u8| _mm_cmpeq_epi8(text, _mm_set1_epi8(byte as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(is(b'"'), is(b'\\')), control)) as u32
        };
        half(0) | half(16) << 16
    }
}

/// How many bytes come before the first that is above a blank, of eight bytes, the first of them lowest. Other control
/// characters count as white space.
#[inline(always)]
pub(super) fn blanks(word: u64) -> usize {
    let above = (((word & !HIGHS) + ONES * (0x80 - 0x21)) | word) & HIGHS;
    above.trailing_zeros() as usize / 8
}

/// Whether the record that a text begins with seems to have white space all over. Nothing but speed depends on it.
#[inline(always)]
pub(super) fn is_spaced(text: &[u8]) -> bool {
    let sample = text.first_chunk::<SAMPLE>();
    sample.is_some_and(|sample| sample.iter().map(|byte| u32::from(*byte <= b' ')).sum::<u32>() >= SPACED)
}

/// Whether there is a control character that is no white space.
pub(super) fn has_control(text: &[u8]) -> bool {
    let is_control = |byte: u8| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
    text.iter().fold(false, |found, byte| found | is_control(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_byte_after_byte(text in prop::collection::vec(prop_oneof![6 => 0x20u8..=0xff, 1 => 0u8..0x20], 0..80)) {
            let stops = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let expected = text.iter().position(stops).unwrap_or(text.len());
            prop_assert_eq!(special(&text), expected);
            prop_assert_eq!(special_in_words(&text), expected);
            let control = text.iter().any(|byte| byte.is_ascii_control() && *byte != 0x7f && !b"\t\n\r".contains(byte));
            prop_assert_eq!(has_control(&text), control);
        }

        #[test]
        fn blanks_are_counted(word in prop::array::uniform8(prop_oneof![Just(b' '), Just(b'\t'), Just(0u8), any::<u8>()])) {
            let expected = word.iter().position(|byte| *byte > b' ').unwrap_or(8);
            prop_assert_eq!(blanks(u64::from_le_bytes(word)), expected);
        }
    }
}
