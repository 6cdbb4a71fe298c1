//! Numbers from the bytes at a place, without branches: the length of a run of digits by a carry, its value by three
//! multiplications. Whole numbers below 2^53 and powers of ten to 10^22 are exact as floats, so that one division
//! rounds a decimal right (W. Clinger, How to Read Floating Point Numbers Accurately, 1990).
//!
//! A word holds the bytes of the text with the first one lowest.

pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;
pub(super) const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Carries a byte above nine into its highest bit.
pub(super) const ABOVE_NINE: u64 = 0x7676_7676_7676_7676;
/// A point, as it looks once the zeros are taken off.
const POINT: u64 = (b'.' ^ b'0') as u64;

/// Powers of ten by the number of decimals.
pub(super) const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// What was read at a place.
#[derive(Clone, Copy)]
pub(super) struct Read<T> {
    pub value: T,
    /// Bytes.
    pub length: usize,
    /// Its highest bit is set where nothing could be read, or not exactly; the value means nothing then.
    pub bad: u64,
}

impl Read<f64> {
    /// The same with the value by its bits.
    #[inline(always)]
    pub fn bits(self) -> Read<u64> {
        Read { value: self.value.to_bits(), length: self.length, bad: self.bad }
    }
}

/// A whole number of one to eight digits, packed: the digits as they are written, the last of them highest. They are
/// made a float by `unpack`, many at once.
#[inline(always)]
pub(super) fn whole8(word: u64) -> Read<u64> {
    let digits = word ^ ZEROS;
    let bits = first(not_digits(digits));
    Read { value: word.wrapping_shl(64 - bits), length: bits as usize / 8, bad: not_one_number(digits, bits) }
}

/// Bytes of what [`whole8`] reads.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn whole8_length(word: u64) -> usize {
    first(not_digits(word ^ ZEROS)) as usize / 8
}

/// Whether a cell holds packed digits. So would a float from 2^-255 to 2^-95, which therefore must not be in a cell.
#[inline(always)]
pub(super) fn is_packed(cell: u64) -> bool {
    cell.wrapping_sub(0x30 << 56) < 0x0a << 56
}

/// The float in a cell: packed digits or a float by its bits. Written so that compilers make it vectors.
#[inline(always)]
pub(super) fn unpack(cell: u64) -> f64 {
    // What is below 2^52 is a float once the bits of that are put before it.
    const WHOLE: u64 = 0x4330_0000_0000_0000;
    let digits = cell & (HIGHS / 0x80 * 0x0f);
    let pairs = ((digits << 3) + (digits << 1) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs << 6).wrapping_add(pairs << 5).wrapping_add(pairs << 2).wrapping_add(pairs >> 16);
    let value = (fours & 0xffff) * 10_000 + ((fours >> 32) & 0xffff);
    let float = f64::from_bits(value | WHOLE) - f64::from_bits(WHOLE);
    f64::from_bits(if is_packed(cell) { float.to_bits() } else { cell })
}

/// A number of one to eight bytes with or without a point, no sign.
#[inline(always)]
pub(super) fn decimal8(word: u64) -> Read<f64> {
    let digits = word ^ ZEROS;
    let others = not_digits(digits);
    let whole = first(others);
    let point = (digits.wrapping_shr(whole) & 0xff == POINT) & (whole < 64);
    let end = if point { first(others & others.wrapping_sub(1)) } else { whole };
    let before = 1u64.wrapping_shl(whole).wrapping_sub(1);
    let joined = if point { (digits & before) | ((digits >> 8) & !before) } else { digits };
    let bits = end.wrapping_sub(8 * u32::from(point));
    let decimals = bits.wrapping_sub(whole) / 8;
    let bad = not_one_number(digits, whole) | flag(point & (decimals == 0));
    let value = eight(joined.wrapping_shl(64u32.wrapping_sub(bits))) as f64 / POWERS[decimals as usize & 15];
    Read { value, length: end as usize / 8, bad }
}

/// A whole number of one to sixteen digits, below 2^53.
#[inline(always)]
pub(super) fn whole16(word: u128) -> Read<u64> {
    let digits = word ^ wide(ZEROS);
    let bits = first_wide(not_digits_wide(digits));
    let value = sixteen(digits.wrapping_shl(128 - bits));
    let bad = not_one_number(digits as u64, bits) | too_large(value);
    Read { value, length: bits as usize / 8, bad }
}

/// The value of the digits that a word begins with, and how many they are: none to eight.
#[inline(always)]
pub(in crate::io::decode) fn digits8(word: u64) -> (u64, usize) {
    let digits = word ^ ZEROS;
    let bits = first(not_digits(digits));
    (eight(digits.checked_shl(64 - bits).unwrap_or(0)), bits as usize / 8)
}

/// One to sixteen digits, of which the first may be zero.
#[inline(always)]
pub(super) fn digits16(word: u128) -> Read<u64> {
    let digits = word ^ wide(ZEROS);
    let bits = first_wide(not_digits_wide(digits));
    Read { value: sixteen(digits.wrapping_shl(128 - bits)), length: bits as usize / 8, bad: flag(bits == 0) }
}

/// The decimals of a second in microseconds; what is finer is cut off, as of times since 1970 the parser does it.
#[inline(always)]
pub(super) fn fraction(word: u128) -> Read<u64> {
    const SCALE: [u64; 10] = [1, 100_000, 10_000, 1_000, 100, 10, 1, 10, 100, 1000];
    let read = digits16(word);
    let scale = SCALE[read.length.min(9)];
    let value = if read.length <= 6 { read.value.wrapping_mul(scale) } else { read.value / scale };
    Read { value, length: read.length, bad: read.bad | flag(read.length > 9) }
}

/// A number of one to sixteen bytes with or without a point, no sign, its digits below 2^53.
#[inline(always)]
pub(super) fn decimal16(word: u128) -> Read<f64> {
    let digits = word ^ wide(ZEROS);
    let others = not_digits_wide(digits);
    let whole = first_wide(others);
    let point = ((digits.wrapping_shr(whole) as u64) & 0xff == POINT) & (whole < 128);
    let end = if point { first_wide(others & others.wrapping_sub(1)) } else { whole };
    let before = 1u128.wrapping_shl(whole).wrapping_sub(1);
    let joined = if point { (digits & before) | ((digits >> 8) & !before) } else { digits };
    let bits = end.wrapping_sub(8 * u32::from(point));
    let decimals = bits.wrapping_sub(whole) / 8;
    let mantissa = sixteen(joined.wrapping_shl(128u32.wrapping_sub(bits)));
    let bad = not_one_number(digits as u64, whole) | flag(point & (decimals == 0)) | too_large(mantissa);
    Read { value: mantissa as f64 / POWERS[decimals as usize & 15], length: end as usize / 8, bad }
}

/// The time of day, `HH:MM:SS`, in seconds.
#[inline(always)]
pub(super) fn time_of_day(word: u64) -> Read<u64> {
    // What each byte may be at most above that of `00:00:00` carries into the highest bit: 2 9 0 5 9 0 5 9.
    const ABOVE: u64 = u64::from_le_bytes([0x7d, 0x76, 0x7f, 0x7a, 0x76, 0x7f, 0x7a, 0x76]);
    let digits = word ^ u64::from_le_bytes(*b"00:00:00");
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let (hours, minutes, seconds) = (pairs & 0xff, (pairs >> 24) & 0xff, (pairs >> 48) & 0xff);
    let bad = flag((digits.wrapping_add(ABOVE) | digits) & HIGHS != 0) | flag(hours > 23);
    Read { value: hours * 3600 + minutes * 60 + seconds, length: 8, bad }
}

/// The highest bit of every byte that is no digit; exact up to the first of them, and to the second if that is a point.
#[inline(always)]
fn not_digits(digits: u64) -> u64 {
    (digits.wrapping_add(ABOVE_NINE) | digits) & HIGHS
}

#[inline(always)]
fn not_digits_wide(digits: u128) -> u128 {
    (digits.wrapping_add(wide(ABOVE_NINE)) | digits) & wide(HIGHS)
}

/// Bits before the first marked byte.
#[inline(always)]
fn first(marks: u64) -> u32 {
    marks.trailing_zeros() & !7
}

#[inline(always)]
fn first_wide(marks: u128) -> u32 {
    marks.trailing_zeros() & !7
}

#[inline(always)]
fn wide(word: u64) -> u128 {
    (word as u128) << 64 | word as u128
}

/// Sets the highest bit if there is no digit, or a zero before others, which JSON does not have.
#[inline(always)]
fn not_one_number(digits: u64, bits: u32) -> u64 {
    let more = u64::from(bits).wrapping_sub(8);
    let first = (digits & 0xff).wrapping_sub(1);
    more | (first & more.wrapping_neg())
}

/// Sets the highest bit of what is no exact float.
#[inline(always)]
fn too_large(mantissa: u64) -> u64 {
    ((1u64 << 53) - 1).wrapping_sub(mantissa)
}

/// The highest bit.
#[inline(always)]
pub(super) fn flag(set: bool) -> u64 {
    u64::from(set) << 63
}

/// The value of eight digits.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIR).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

/// The value of sixteen digits.
#[inline(always)]
fn sixteen(digits: u128) -> u64 {
    eight(digits as u64).wrapping_mul(100_000_000).wrapping_add(eight((digits >> 64) as u64))
}
