//! What AVX-512 has for vectors of 32 bytes: counting zeros and masks, so that the numbers of four lanes are read at once.
//! Each function does step by step what the one of its name in `number` does.

use std::arch::x86_64::*;

use super::machine::{Avx2, Machine};
use super::number::{self, ABOVE_NINE, HIGHS, POWERS, ZEROS};
use super::step::Step;

/// Words of a vector.
const FOUR: usize = 4;

pub(super) struct Avx512;

impl Machine for Avx512 {
    type Differ = <Avx2 as Machine>::Differ;

    const SAME: Self::Differ = Avx2::SAME;

    #[inline(always)]
    unsafe fn differ(so_far: Self::Differ, from: *const u8, step: &Step) -> Self::Differ {
        // SAFETY: the caller's.
        unsafe { Avx2::differ(so_far, from, step) }
    }

    #[inline(always)]
    unsafe fn sum(differ: Self::Differ) -> u64 {
        // SAFETY: the caller's.
        unsafe { Avx2::sum(differ) }
    }

    #[inline(always)]
    unsafe fn stops(from: *const u8, stop: u8) -> u32 {
        // SAFETY: the caller's.
        unsafe { Avx2::stops(from, stop) }
    }

    #[inline(always)]
    unsafe fn word(from: *const u8, stop: u8) -> usize {
        // SAFETY: the caller's.
        unsafe { Avx2::word(from, stop) }
    }

    #[inline(always)]
    unsafe fn whole8<const N: usize>(words: [u64; N], bad: &mut [u64; N]) -> ([u64; N], [usize; N]) {
        // SAFETY: the caller's.
        unsafe {
            match N % FOUR {
                // The next place waits for the length, which is known sooner word by word.
                0 => (in_fours(words, bad, |word| whole8(word)).0, words.map(number::whole8_length)),
                _ => Avx2::whole8(words, bad),
            }
        }
    }

    #[inline(always)]
    unsafe fn decimal8<const N: usize>(words: [u64; N], bad: &mut [u64; N]) -> ([u64; N], [usize; N]) {
        // SAFETY: the caller's.
        unsafe {
            match N % FOUR {
                0 => in_fours(words, bad, |word| decimal8(word)),
                _ => Avx2::decimal8(words, bad),
            }
        }
    }
}

/// What was read of four words.
struct Four {
    value: __m256i,
    /// 64 less the bits of the text.
    missing: __m256i,
    bad: __m256i,
}

/// # Safety
/// The machine has the instructions, and `N` is a multiple of four.
#[inline(always)]
unsafe fn in_fours<const N: usize>(
    words: [u64; N],
    bad: &mut [u64; N],
    read: impl Fn(__m256i) -> Four,
) -> ([u64; N], [usize; N]) {
    let (mut values, mut lengths) = ([0; N], [0; N]);
    for at in (0..N).step_by(FOUR) {
        // SAFETY: each array has four places from `at` on.
        unsafe {
            let four = read(_mm256_loadu_si256(words.as_ptr().add(at).cast()));
            let place = bad.as_mut_ptr().add(at).cast();
            _mm256_storeu_si256(place, _mm256_or_si256(_mm256_loadu_si256(place), four.bad));
            _mm256_storeu_si256(values.as_mut_ptr().add(at).cast(), four.value);
            let length = _mm256_srli_epi64::<3>(_mm256_sub_epi64(all(64), four.missing));
            _mm256_storeu_si256(lengths.as_mut_ptr().add(at).cast(), length);
        }
    }
    (values, lengths)
}

/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn whole8(word: __m256i) -> Four {
    // SAFETY: the caller's.
    unsafe {
        let digits = _mm256_xor_si256(word, all(ZEROS));
        let missing = missing(not_digits(digits));
        Four { value: _mm256_sllv_epi64(word, missing), missing, bad: not_one_number(digits, missing) }
    }
}

/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn decimal8(word: __m256i) -> Four {
    // SAFETY: the caller's.
    unsafe {
        let digits = _mm256_xor_si256(word, all(ZEROS));
        let others = not_digits(digits);
        let rest = _mm256_and_si256(others, _mm256_sub_epi64(others, all(1)));
        let first = _mm256_xor_si256(others, rest);
        let point = _mm256_test_epi64_mask(_mm256_cmpeq_epi8(word, _mm256_set1_epi8(b'.' as i8)), first);
        let behind_whole = missing(others);
        let behind = missing(_mm256_mask_mov_epi64(others, point, rest));
        // Without the point: what is behind it moves into its place.
        let before = _mm256_srli_epi64::<7>(below(others));
        let decimals = _mm256_andnot_si256(before, _mm256_srli_epi64::<8>(digits));
        let joined = _mm256_mask_or_epi64(digits, point, _mm256_and_si256(digits, before), decimals);
        let unused = _mm256_mask_add_epi64(behind, point, behind, all(8));
        let decimals = _mm256_sub_epi64(behind_whole, unused); // bits of them
        let no_decimal = _mm256_maskz_sub_epi64(point, decimals, all(1));
        let bad = _mm256_or_si256(not_one_number(digits, behind_whole), no_decimal);
        // Pairs, fours, and all eight.
        let pairs = _mm256_maddubs_epi16(_mm256_sllv_epi64(joined, unused), _mm256_set1_epi16(0x010a));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let value = _mm256_add_epi64(_mm256_mul_epu32(fours, all(10_000)), _mm256_srli_epi64::<32>(fours));
        let [low, high] = [0, FOUR].map(|at| _mm256_loadu_pd(POWERS.as_ptr().add(at))); // of sixteen
        let power = _mm256_permutex2var_pd(low, _mm256_srli_epi64::<3>(decimals), high);
        let value = _mm256_castpd_si256(_mm256_div_pd(_mm256_cvtepi64_pd(value), power));
        Four { value, missing: behind, bad }
    }
}

/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn all(word: u64) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_set1_epi64x(word.cast_signed()) }
}

/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn not_digits(digits: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let above = _mm256_add_epi64(digits, all(ABOVE_NINE));
        _mm256_and_si256(_mm256_or_si256(above, digits), all(HIGHS))
    }
}

/// Ones below the first mark.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn below(marks: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_andnot_si256(marks, _mm256_sub_epi64(marks, all(1))) }
}

/// 64 less the bits before the first marked byte: 0 if none is.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn missing(marks: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_and_si256(_mm256_add_epi64(_mm256_lzcnt_epi64(below(marks)), all(7)), all(!7)) }
}

/// `missing` are 64 less the bits of the digits.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn not_one_number(digits: __m256i, missing: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let more = _mm256_sub_epi64(all(56), missing);
        let first = _mm256_sub_epi64(_mm256_and_si256(digits, all(0xff)), all(1));
        _mm256_or_si256(more, _mm256_and_si256(first, _mm256_sub_epi64(missing, all(56))))
    }
}
