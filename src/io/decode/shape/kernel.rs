//! Runs a shape over lines. Loads at places that the text has come to, and stores to cells, are without a check of bounds
//! per value. What each of them rests on:
//!
//! - A line begins at least `Shape::reach` bytes before the end of readable memory. No step goes on by more than its
//!   kind's longest value and its literal, whatever it finds, and none looks further than `AHEAD` from where it is.
//! - Cells are at `column * stride + at`, and the caller has checked that for every column of the shape.

use super::machine::Machine;
use super::names::Names;
use super::number::{self, Read, flag};
use super::step::{AHEAD, Kind, LITERAL, LONG_NUMBER, LONG_TEXT, Step, TEXT, escape, is_numeric, number as any_number};
use super::words::{Usual, Words};
use crate::domain::Timestamp;

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
    let mut bad_short = [0u64; N]; // of numbers that are read at once, and nothing else, lest it be taken apart
    let mut differ = [M::SAME; N];
    let usual = sink.words.usual;
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
        macro_rules! all {
            ($read:expr) => {{
                // SAFETY: as above.
                let words: [u64; N] = std::array::from_fn(|lane| unsafe { load(place[lane]) });
                // SAFETY: the machine has the instructions.
                let (values, lengths) = unsafe { $read(words, &mut bad_short) };
                for lane in 0..N {
                    // SAFETY: as above.
                    unsafe {
                        column.add(at[lane]).write(values[lane]);
                        place[lane] = place[lane].add(lengths[lane]);
                    }
                }
            }};
        }
        match step.kind {
            Kind::Nothing => {}
            Kind::Whole8 => all!(M::whole8),
            Kind::Decimal8 => all!(M::decimal8),
            Kind::Whole16 => each!(|from| float(number::whole16(load(from)))),
            Kind::Decimal16 => each!(|from| number::decimal16(load(from)).bits()),
            Kind::Signed => each!(|from| signed(from).bits()),
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
            Kind::Word => {
                // SAFETY: as above.
                let texts: [u128; N] = std::array::from_fn(|lane| unsafe { load(place[lane]) });
                match usual.filter(|usual| usual.begins(texts)) {
                    Some(Usual { length, level, .. }) => each!(|_| Read { value: level, length, bad: 0 }),
                    None => each!(|from| word::<M>(from, sink)),
                }
            }
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
        if N == 1 && ((bad[0] | bad_short[0]) >> 63 | unsafe { M::sum(differ[0]) }) != 0 {
            return (place, [1; N]);
        }
    }
    for lane in 0..N {
        // SAFETY: the machine has the instructions.
        bad[lane] = (bad[lane] | bad_short[lane]) >> 63 | unsafe { M::sum(differ[lane]) };
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

/// # Safety
/// 16 bytes are readable, and the machine has the instructions.
#[inline(always)]
unsafe fn word<M: Machine>(from: *const u8, sink: &Sink<'_>) -> Read<u64> {
    /// Ones over the first bytes.
    const FIRST: [u128; 17] = {
        let (mut ones, mut bytes) = ([0; 17], 1);
        while bytes < 17 {
            ones[bytes] = ones[bytes - 1] << 8 | 0xff;
            bytes += 1;
        }
        ones
    };
    // SAFETY: the caller's.
    let (length, text) = unsafe { (M::word(from, sink.stop), load::<u128>(from)) };
    // In JSON the quote that ends the word belongs to the key.
    let kept = length % 16 + usize::from(sink.stop == b'"');
    let (value, bad) = sink.words.find(text & FIRST[kept]); // at most 16
    Read { value, length, bad: bad | flag(length > 15) }
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
