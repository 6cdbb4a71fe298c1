//! Runs a shape over lines. The only unsafe code: loads at places that the text has come to, and stores to cells, both
//! without a check of bounds per value. What each of them rests on:
//!
//! - A line begins at least `Shape::reach` bytes before the end of readable memory. No step goes on by more than its
//!   kind's longest value and its literal, whatever it finds, and none looks further than `AHEAD` from where it is.
//! - Cells are at `column * stride + at`, and the caller has checked that for every column of the shape.

use super::names::Names;
use super::number::{self, Read, flag};
use super::step::{AHEAD, Kind, LITERAL, LONG_NUMBER, LONG_TEXT, Step, TEXT, escape, is_numeric, number as any_number};
use super::words::Words;
use crate::domain::Timestamp;

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
            let word = unsafe { load::<u64>(from.add(8 * part)) };
            let control = zero(word & (ONES * 0xe0));
            let ends = zero(word ^ (ONES * u64::from(stop))) | zero(word ^ (ONES * u64::from(b'"')));
            let marks = (zero(word ^ (ONES * u64::from(b'\\'))) | ends | control | word) & HIGHS;
            let first = marks & marks.wrapping_neg();
            bits |= ((first != 0) as u32) << (8 * part as u32 + first.trailing_zeros() / 8 % 8);
        }
        bits
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
}

/// Where values go and where they are looked up.
#[derive(Clone, Copy)]
pub(super) struct Sink<'a> {
    pub cells: *mut u64,
    pub stride: usize,
    pub names: &'a Names,
    pub words: &'a Words,
    /// What ends a text: a quote in JSON, the delimiter in CSV.
    pub stop: u8,
}

/// Reads a line in each lane, all in step, and puts the values into the cells `at`. Gives where each line ends, and
/// not zero for a lane whose line is not of the shape; its cells then hold anything.
///
/// # Safety
/// See the head of the file: `from` begins lines with `reach` bytes readable behind, and every column of the steps has
/// cells at each of `at`.
#[inline(always)]
pub(super) unsafe fn lines<M: Machine, const N: usize>(
    steps: &[Step],
    from: [*const u8; N],
    at: [usize; N],
    sink: &Sink<'_>,
) -> ([*const u8; N], [u64; N]) {
    let mut place = from;
    let mut bad = [0u64; N];
    let mut differ = [M::SAME; N];
    for step in steps {
        // SAFETY: the caller vouches for the cells of every column.
        let column = unsafe { sink.cells.add(step.column * sink.stride) };
        macro_rules! each {
            ($read:expr) => {
                for lane in 0..N {
                    // SAFETY: what is read lies within the reach of the line, and the cell exists; both by the caller.
                    unsafe {
                        let Read { value, length, bad: wrong } = $read(place[lane]);
                        column.add(at[lane]).write(value);
                        place[lane] = place[lane].add(length);
                        bad[lane] |= wrong;
                    }
                }
            };
        }
        match step.kind {
            Kind::Nothing => {}
            Kind::Whole8 => each!(|from| number::whole8(load(from))),
            Kind::Decimal8 => each!(|from| bits(number::decimal8(load(from)))),
            Kind::Whole16 => each!(|from| float(number::whole16(load(from)))),
            Kind::Decimal16 => each!(|from| bits(number::decimal16(load(from)))),
            Kind::Signed => each!(|from| bits(signed(from))),
            Kind::Number => each!(|from| long_number(from)),
            Kind::Cell => each!(|from| cell(from, sink.stop)),
            Kind::Epoch => each!(|from| epoch(from)),
            Kind::Moment => each!(|from| moment(from, step)),
            Kind::Fraction => {
                for lane in 0..N {
                    // SAFETY: as above; the time was stored by the step before.
                    unsafe {
                        let Read { value, length, bad: wrong } = number::fraction(load(place[lane]));
                        let time = column.add(at[lane]);
                        time.write(time.read().wrapping_add(value));
                        bad[lane] |= wrong | time.read();
                        place[lane] = place[lane].add(length);
                    }
                }
            }
            Kind::Word => each!(|from| word(load(from), sink)),
            Kind::Name => each!(|from| name::<M>(from, sink)),
            Kind::Text => each!(|from| text::<M>(from, sink.stop)),
            Kind::LongText => each!(|from| long_text::<M>(from, sink.stop)),
            Kind::Escaped => each!(|from| escaped_text::<M>(from)),
        }
        for lane in 0..N {
            // SAFETY: within the reach of the line.
            unsafe {
                differ[lane] = M::differ(differ[lane], place[lane], step);
                place[lane] = place[lane].add(step.length);
            }
        }
        // SAFETY: the machine has the instructions.
        if N == 1 && (bad[0] >> 63 | unsafe { M::sum(differ[0]) }) != 0 {
            return (place, [1; N]);
        }
    }
    for lane in 0..N {
        // SAFETY: the machine has the instructions.
        bad[lane] = bad[lane] >> 63 | unsafe { M::sum(differ[lane]) };
    }
    (place, bad)
}

/// # Safety
/// As many bytes as a `T` has are readable at `from`.
#[inline(always)]
unsafe fn load<T: Word>(from: *const u8) -> T {
    // SAFETY: the caller's.
    T::from_text(unsafe { from.cast::<T>().read_unaligned() })
}

/// An integer in which the first byte of the text is the lowest.
trait Word: Copy {
    fn from_text(word: Self) -> Self;
}

impl Word for u64 {
    #[inline(always)]
    fn from_text(word: u64) -> u64 {
        u64::from_le(word)
    }
}

impl Word for u128 {
    #[inline(always)]
    fn from_text(word: u128) -> u128 {
        u128::from_le(word)
    }
}

#[inline(always)]
fn float(read: Read<u64>) -> Read<u64> {
    // Below 2^53, so that it is signed as well.
    Read { value: (read.value as i64 as f64).to_bits(), length: read.length, bad: read.bad }
}

#[inline(always)]
fn bits(read: Read<f64>) -> Read<u64> {
    Read { value: read.value.to_bits(), length: read.length, bad: read.bad }
}

/// # Safety
/// 17 bytes are readable.
#[inline(always)]
unsafe fn signed(from: *const u8) -> Read<f64> {
    // SAFETY: the caller's.
    unsafe {
        let minus = from.read() == b'-';
        let read = number::decimal16(load(from.add(usize::from(minus))));
        let value = if minus { -read.value } else { read.value };
        Read { value, length: read.length + usize::from(minus), bad: read.bad }
    }
}

/// # Safety
/// `LONG_NUMBER` + 1 bytes are readable.
#[inline(never)]
unsafe fn long_number(from: *const u8) -> Read<u64> {
    // SAFETY: the caller's.
    let text = unsafe { std::slice::from_raw_parts(from, LONG_NUMBER + 1) };
    let length = text.iter().take_while(|byte| is_numeric(**byte)).count();
    let value = text.get(..length).and_then(any_number).filter(|value| !number::is_packed(value.to_bits()));
    Read { value: value.unwrap_or_default().to_bits(), length, bad: flag(value.is_none()) }
}

/// # Safety
/// `LONG_NUMBER` + 1 bytes are readable.
#[inline(always)]
unsafe fn cell(from: *const u8, stop: u8) -> Read<u64> {
    // SAFETY: the caller's.
    unsafe {
        let first = from.read();
        if first == stop || first == b'\n' || first == b'\r' {
            return Read { value: f64::NAN.to_bits(), length: 0, bad: 0 };
        }
        long_number(from)
    }
}

/// # Safety
/// 17 bytes are readable.
#[inline(always)]
unsafe fn epoch(from: *const u8) -> Read<u64> {
    // SAFETY: the caller's.
    let read = unsafe { signed(from) };
    let time = Timestamp::from_epoch(read.value);
    let value = time.map_or(0, Timestamp::micros).cast_unsigned();
    Read { value, length: read.length, bad: read.bad | flag(time.is_none()) }
}

/// # Safety
/// 19 bytes are readable.
#[inline(always)]
unsafe fn moment(from: *const u8, step: &Step) -> Read<u64> {
    // SAFETY: the caller's.
    let (low, high, time) =
        unsafe { (load::<u64>(from), load::<u64>(from.add(3)), number::time_of_day(load(from.add(11)))) };
    let value = step.midnight.cast_unsigned().wrapping_add(time.value.wrapping_mul(1_000_000));
    Read { value, length: 19, bad: time.bad | flag((low ^ step.day[0]) | (high ^ step.day[1]) != 0) }
}

#[inline(always)]
fn word(text: u128, sink: &Sink<'_>) -> Read<u64> {
    const ONES: u128 = u128::MAX / 0xff;
    let ends = |byte: u8| {
        let word = text ^ (ONES * u128::from(byte));
        word.wrapping_sub(ONES) & !word & (ONES << 7)
    };
    // In CSV the last cell of a line ends with the line.
    // Up to what ends the word: in JSON with it.
    let (marks, beyond) =
        if sink.stop == b'"' { (ends(b'"'), 0) } else { (ends(sink.stop) | ends(b'\n') | ends(b'\r'), 8) };
    let length = marks.trailing_zeros() & !7;
    let key = text & ((marks ^ marks.wrapping_sub(1)) >> beyond);
    let (value, bad) = sink.words.find(key);
    Read { value, length: length as usize / 8, bad: bad | flag(length > 120) }
}

/// # Safety
/// 32 bytes are readable, and the machine has the instructions.
#[inline(always)]
unsafe fn name<M: Machine>(from: *const u8, sink: &Sink<'_>) -> Read<u64> {
    // SAFETY: the caller's.
    unsafe {
        let length = M::stops(from, sink.stop).trailing_zeros() as usize;
        let text = from.cast::<[u64; 4]>().read_unaligned();
        let kept = length.min(TEXT);
        let key = std::array::from_fn(|part| {
            let here = kept.saturating_sub(8 * part).min(8) as u32;
            let ones = if here == 8 { u64::MAX } else { (1u64 << (8 * here)) - 1 };
            u64::from_le(text[part]) & ones
        });
        let (value, bad) = sink.names.find(key);
        Read { value, length, bad: bad | flag(length > TEXT) }
    }
}

/// # Safety
/// 32 bytes are readable, and the machine has the instructions.
#[inline(always)]
unsafe fn text<M: Machine>(from: *const u8, stop: u8) -> Read<u64> {
    // SAFETY: the caller's.
    let length = unsafe { M::stops(from, stop) }.trailing_zeros() as usize;
    Read { value: 0, length, bad: flag(length > TEXT) }
}

/// # Safety
/// `LONG_TEXT` + `LITERAL` bytes are readable, and the machine has the instructions.
#[inline(always)]
unsafe fn long_text<M: Machine>(from: *const u8, stop: u8) -> Read<u64> {
    let mut length = 0;
    while length < LONG_TEXT {
        // SAFETY: the caller's; this begins before `LONG_TEXT`.
        let found = unsafe { M::stops(from.add(length), stop) };
        if found != 0 {
            return Read { value: 0, length: length + found.trailing_zeros() as usize, bad: 0 };
        }
        length += LITERAL;
    }
    Read { value: 0, length: 0, bad: flag(true) }
}

/// # Safety
/// `LONG_TEXT` + 2 * `LITERAL` bytes are readable, and the machine has the instructions.
#[inline(always)]
unsafe fn escaped_text<M: Machine>(from: *const u8) -> Read<u64> {
    let mut length = 0;
    while length < LONG_TEXT {
        // SAFETY: the caller's; this begins before `LONG_TEXT`.
        let found = unsafe { M::stops(from.add(length), b'"') };
        let skipped = found.trailing_zeros() as usize;
        length += skipped;
        if skipped == LITERAL {
            continue;
        }
        // SAFETY: the caller's; what stopped it is less than `LITERAL` behind `LONG_TEXT`, and so are the six bytes.
        let (stop, escaped) = unsafe { (from.add(length).read(), from.add(length + 1).cast::<[u8; 5]>().read()) };
        match (stop, escape(&escaped)) {
            (b'"', _) => return Read { value: 0, length, bad: 0 },
            (b'\\', Some(more)) => length += more,
            _ => break,
        }
    }
    Read { value: 0, length: 0, bad: flag(true) }
}

const _: () = assert!(AHEAD >= LITERAL && AHEAD > LONG_NUMBER && TEXT < LITERAL);
