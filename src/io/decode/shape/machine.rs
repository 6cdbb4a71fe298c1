//! What a kernel has of the machine: the instructions for vectors that the compiler does not make of plain code by
//! itself. Those of every machine give the same.

use super::number::{self, Read};
use super::step::Step;

/// What the instructions of a machine are asked for, beside what the compiler makes of plain code.
pub(super) trait Machine {
    /// In what 32 bytes of text differ from literals, over all literals of a line.
    type Differ: Copy;

    const SAME: Self::Differ;

    /// Adds where the text at `from` differs from the literal of the step.
    ///
    /// # Safety
    /// 32 bytes at `from` are readable, and the machine has the instructions.
    unsafe fn differ(so_far: Self::Differ, from: *const u8, step: &Step) -> Self::Differ;

    /// Not zero if anything differs.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn sum(differ: Self::Differ) -> u64;

    /// Which of 32 bytes end a text, by bit.
    ///
    /// # Safety
    /// 32 bytes at `from` are readable, and the machine has the instructions.
    unsafe fn stops(from: *const u8, stop: u8) -> u32;

    /// Bytes before what ends a word, which is a quote or, where `stop` is another byte, that or the end of the line. More
    /// than 15 if none of the first 16 does.
    ///
    /// # Safety
    /// 16 bytes at `from` are readable, and the machine has the instructions.
    unsafe fn word(from: *const u8, stop: u8) -> usize;

    /// What [`number::whole8`] makes of each word: values and lengths. Sets the highest bit of `bad` where it does.
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn whole8<const N: usize>(words: [u64; N], bad: &mut [u64; N]) -> ([u64; N], [usize; N]) {
        one_by_one(words.map(number::whole8), bad)
    }

    /// The same of [`number::decimal8`]; the values are floats by their bits.
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn decimal8<const N: usize>(words: [u64; N], bad: &mut [u64; N]) -> ([u64; N], [usize; N]) {
        one_by_one(words.map(number::decimal8).map(Read::bits), bad)
    }
}

#[inline(always)]
fn one_by_one<const N: usize>(read: [Read<u64>; N], bad: &mut [u64; N]) -> ([u64; N], [usize; N]) {
    bad.iter_mut().zip(read).for_each(|(bad, read)| *bad |= read.bad);
    (read.map(|read| read.value), read.map(|read| read.length))
}

/// Plain code.
pub(super) struct Portable;

impl Machine for Portable {
    type Differ = u64;

    const SAME: u64 = 0;

    #[inline(always)]
    unsafe fn differ(so_far: u64, from: *const u8, step: &Step) -> u64 {
        // SAFETY: the caller's.
        let text = unsafe { from.cast::<[u64; 4]>().read_unaligned() };
        let part = |part: usize| (text[part] ^ step.literal[part].to_le()) & step.mask[part].to_le();
        so_far | part(0) | part(1) | part(2) | part(3)
    }

    #[inline(always)]
    unsafe fn sum(differ: u64) -> u64 {
        differ
    }

    #[inline(always)]
    unsafe fn stops(from: *const u8, stop: u8) -> u32 {
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        const ONES: u64 = 0x0101_0101_0101_0101;
        // The lowest mark of each word is exact; those above it may not be, and nobody asks for them.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let mut bits = 0;
        for part in 0..4 {
            // SAFETY: within the 32 bytes that the caller vouches for.
            let word = unsafe { u64::from_le(from.add(8 * part).cast::<u64>().read_unaligned()) };
            let control = zero(word & (ONES * 0xe0));
            let ends = zero(word ^ (ONES * u64::from(stop))) | zero(word ^ (ONES * u64::from(b'"')));
            let marks = (zero(word ^ (ONES * u64::from(b'\\'))) | ends | control | word) & HIGHS;
            let first = marks & marks.wrapping_neg();
            bits |= ((first != 0) as u32) << (8 * part as u32 + first.trailing_zeros() / 8 % 8);
        }
        bits
    }

    #[inline(always)]
    unsafe fn word(from: *const u8, stop: u8) -> usize {
        const ONES: u128 = u128::MAX / 0xff;
        // SAFETY: the caller's.
        let text = u128::from_le(unsafe { from.cast::<u128>().read_unaligned() });
        let ends = |byte: u8| {
            let word = text ^ (ONES * u128::from(byte));
            word.wrapping_sub(ONES) & !word & (ONES << 7)
        };
        let marks = if stop == b'"' { ends(b'"') } else { ends(stop) | ends(b'\n') | ends(b'\r') };
        marks.trailing_zeros() as usize / 8
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Machine for Avx2 {
    type Differ = std::arch::x86_64::__m256i;

    // SAFETY: any bits are a vector.
    const SAME: Self::Differ = unsafe { std::mem::zeroed() };

    #[inline(always)]
    unsafe fn differ(so_far: Self::Differ, from: *const u8, step: &Step) -> Self::Differ {
        use std::arch::x86_64::*;
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe {
            let text = _mm256_loadu_si256(from.cast());
            let differ = _mm256_xor_si256(text, _mm256_loadu_si256(step.literal.as_ptr().cast()));
            let differ = _mm256_and_si256(differ, _mm256_loadu_si256(step.mask.as_ptr().cast()));
            _mm256_or_si256(so_far, differ)
        }
    }

    #[inline(always)]
    unsafe fn sum(differ: Self::Differ) -> u64 {
        use std::arch::x86_64::*;
        // SAFETY: the caller vouches for the instructions.
        u64::from(unsafe { _mm256_testz_si256(differ, differ) } == 0)
    }

    #[inline(always)]
    unsafe fn stops(from: *const u8, stop: u8) -> u32 {
        use std::arch::x86_64::*;
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe {
            let text = _mm256_loadu_si256(from.cast());
            let is = |byte: u8| _mm256_cmpeq_epi8(text, _mm256_set1_epi8(byte as i8));
            // Signed: below a blank are the control characters and everything that is not ASCII.
            let other = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), text);
            let ends = _mm256_or_si256(_mm256_or_si256(is(stop), is(b'"')), _mm256_or_si256(is(b'\\'), other));
            _mm256_movemask_epi8(ends) as u32
        }
    }
    #[inline(always)]
    unsafe fn word(from: *const u8, stop: u8) -> usize {
        use std::arch::x86_64::*;
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe {
            let text = _mm_loadu_si128(from.cast());
            let is = |byte: u8| _mm_cmpeq_epi8(text, _mm_set1_epi8(byte as i8));
            let ends = if stop == b'"' { is(stop) } else { _mm_or_si128(is(stop), _mm_or_si128(is(b'\n'), is(b'\r'))) };
            _mm_movemask_epi8(ends).trailing_zeros() as usize
        }
    }
}
