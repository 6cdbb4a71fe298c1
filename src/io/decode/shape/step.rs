use super::words::Words;
use crate::domain::Timestamp;

/// Bytes of literal text that are compared at once.
pub(super) const LITERAL: usize = 32;
/// Bytes that a kernel may read beyond the place it has come to.
pub(super) const AHEAD: usize = 64;
/// Longest text that is a name or skipped at once.
pub(super) const TEXT: usize = 31;
/// Longest text that is skipped in pieces.
pub(super) const LONG_TEXT: usize = 4096;
/// The score of a shape that was just learned: it is kept for a chunk or two.
pub(super) const FRESH: u64 = 3;
/// Longest number that is read at all.
pub(super) const LONG_NUMBER: usize = 31;

/// What stands at a place between two literals. The numbers are ordered so that each reads what those before it read,
/// save that neither of `Decimal8` and `Whole16` reads all of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nothing: a literal that goes on.
    Nothing,
    Whole8,
    Whole16,
    Decimal8,
    Decimal16,
    /// The same with a sign or without.
    Signed,
    /// Any number of JSON up to [`LONG_NUMBER`] bytes.
    Number,
    /// Of CSV: any number or an empty cell.
    Cell,
    /// Time since the epoch as a number.
    Epoch,
    /// `YYYY-MM-DDTHH:MM:SS`; the zone belongs to the literal.
    Moment,
    /// The decimals of the seconds before, one to nine.
    Fraction,
    /// The status of a service.
    Word,
    /// The entity, at most [`TEXT`] bytes.
    Name,
    /// A text that nobody reads, at most [`TEXT`] bytes.
    Text,
    /// The same up to [`LONG_TEXT`] bytes.
    LongText,
    /// The same with escapes or without.
    Escaped,
}

impl Kind {
    /// The kind that reads the numbers of both.
    pub fn join(self, other: Kind) -> Kind {
        match (self.min(other), self.max(other)) {
            (Kind::Whole16, Kind::Decimal8) => Kind::Decimal16,
            (_, higher) => higher,
        }
    }

    /// The least kind that reads this number.
    pub fn of_number(text: &[u8]) -> Option<Kind> {
        if text.is_empty() {
            return Some(Kind::Cell);
        }
        number(text)?;
        let (sign, digits) = match text.split_first() {
            Some((b'-', digits)) => (true, digits),
            _ => (false, text),
        };
        let decimal = digits.contains(&b'.');
        let whole: Option<u64> = digits.iter().filter(|byte| **byte != b'.').try_fold(0u64, |sum, byte| {
            byte.is_ascii_digit().then_some(sum.wrapping_mul(10).wrapping_add(u64::from(byte & 15)))
        });
        Some(match (whole, digits.len(), decimal) {
            (None, ..) | (_, 17.., _) => Kind::Number,
            (Some(mantissa), 16, _) if mantissa >> 53 != 0 => Kind::Number,
            _ if sign => Kind::Signed,
            (_, 0..=8, false) => Kind::Whole8,
            (_, 0..=8, true) => Kind::Decimal8,
            (_, _, false) => Kind::Whole16,
            (_, _, true) => Kind::Decimal16,
        })
    }

    /// Most bytes that a kernel goes on for the value, whatever stands there.
    fn longest(self) -> usize {
        match self {
            Kind::Nothing => 0,
            Kind::LongText => LONG_TEXT + LITERAL,
            Kind::Escaped => LONG_TEXT + 2 * LITERAL,
            _ => 32,
        }
    }

    /// Fewest bytes that it can have.
    fn shortest(self) -> usize {
        match self {
            Kind::Nothing | Kind::Cell | Kind::Word | Kind::Text | Kind::LongText | Kind::Escaped => 0,
            Kind::Moment => 19,
            _ => 1,
        }
    }
}

/// A number as JSON writes it, rounded as everyone rounds; finite.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(unsigned);
    if text.len() > LONG_NUMBER || whole == 0 || (whole > 1 && unsigned.first() == Some(&b'0')) {
        return None;
    }
    let mut rest = unsigned.get(whole..)?;
    if let Some(decimals) = rest.strip_prefix(b".") {
        let length = digits(decimals);
        rest = decimals.get(length..).filter(|_| length > 0)?;
    }
    if let [b'e' | b'E', power @ ..] = rest {
        let power = power.strip_prefix(b"-").or_else(|| power.strip_prefix(b"+")).unwrap_or(power);
        let length = digits(power);
        rest = power.get(length..).filter(|_| length > 0)?;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (rest.is_empty() && value.is_finite()).then_some(value)
}

/// A value and the literal text behind it.
#[derive(Debug, Clone)]
#[repr(align(32))]
pub(super) struct Step {
    pub literal: [u64; 4],
    /// Ones over the literal.
    pub mask: [u64; 4],
    pub kind: Kind,
    /// Where the value goes.
    pub column: usize,
    /// Bytes of the literal.
    pub length: usize,
    /// Of a `Moment`: the first eight and the last eight bytes of the date and what separates it from the time, and
    /// its midnight in microseconds.
    pub day: [u64; 2],
    pub midnight: i64,
}

impl Step {
    fn new(kind: Kind, column: usize, literal: &[u8]) -> Step {
        let (mut text, mut ones) = ([0u8; LITERAL], [0u8; LITERAL]);
        for ((place, one), byte) in text.iter_mut().zip(&mut ones).zip(literal) {
            (*place, *one) = (*byte, 0xff);
        }
        let (literal, mask, length) = (words_of(text), words_of(ones), literal.len().min(LITERAL));
        Step { literal, mask, kind, column, length, day: [0; 2], midnight: 0 }
    }

    /// The literal.
    pub fn text(&self) -> Vec<u8> {
        self.literal.iter().flat_map(|word| word.to_le_bytes()).take(self.length).collect()
    }
}

fn words_of(bytes: [u8; LITERAL]) -> [u64; 4] {
    let (chunks, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|i| chunks.get(i).map_or(0, |chunk| u64::from_le_bytes(*chunk)))
}

/// The text as a key: zeros behind it.
pub(super) fn key_of(text: &[u8]) -> Option<[u64; 4]> {
    let mut bytes = [0; LITERAL];
    bytes.get_mut(..text.len()).filter(|_| text.len() <= TEXT)?.copy_from_slice(text);
    Some(words_of(bytes))
}

/// A value of a line, before the shape is made of it.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub kind: Kind,
    pub column: usize,
    /// Literal text between it and the next value, or the end of the line.
    pub behind: Vec<u8>,
}

/// What lines of one kind have in common: the literal text between their values.
#[derive(Debug)]
pub(super) struct Shape {
    pub steps: Vec<Step>,
    /// Columns that it fills.
    pub columns: Vec<usize>,
    /// What follows a `Moment`: the zone.
    pub zone: String,
    /// Bytes before the end of readable memory at which a line may still begin.
    pub reach: usize,
    /// Shortest line.
    pub shortest: usize,
    /// Lines taken lately.
    pub score: u64,
    /// Columns of it that the first shape lacks.
    pub extra: Vec<usize>,
    /// Columns in use that it does not fill.
    pub lacking: Vec<usize>,
}

impl Shape {
    pub fn new(before: &[u8], values: &[Value], zone: String) -> Shape {
        let mut steps = Vec::new();
        let mut add = |kind: Kind, column: usize, literal: &[u8]| {
            let (first, rest) = literal.split_at_checked(LITERAL).unwrap_or((literal, &[]));
            if kind != Kind::Nothing || !literal.is_empty() {
                steps.push(Step::new(kind, column, first));
            }
            steps.extend(rest.chunks(LITERAL).map(|part| Step::new(Kind::Nothing, 0, part)));
        };
        add(Kind::Nothing, 0, before);
        values.iter().for_each(|value| add(value.kind, value.column, &value.behind));
        let columns =
            values.iter().map(|value| value.column).filter(|column| *column != super::stage::NOWHERE).collect();
        let mut shape =
            Shape { steps, columns, zone, reach: 0, shortest: 0, score: 0, extra: Vec::new(), lacking: Vec::new() };
        shape.measure();
        shape
    }

    fn measure(&mut self) {
        self.reach = AHEAD + self.steps.iter().map(|step| step.kind.longest() + step.length).sum::<usize>();
        self.shortest = self.steps.iter().map(|step| step.kind.shortest() + step.length).sum();
    }

    /// Widens the kinds of values and learns the day until the shape takes this line, the newline at its end
    /// included; whether it does. `stop` ends a text, `words` may learn another spelling, `name` tells whether an entity is known or can be.
    pub fn adapt(&mut self, line: &[u8], stop: u8, words: &mut Words, mut name: impl FnMut(&[u8]) -> bool) -> bool {
        let mut rest = line;
        let mut changes = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let length = match step.kind {
                Kind::Nothing => 0,
                Kind::Moment => 19,
                Kind::Fraction => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
                Kind::Word if stop == b'"' => escaped(rest).unwrap_or(rest.len()),
                Kind::Word | Kind::Name | Kind::Text | Kind::LongText => {
                    rest.iter().position(|byte| is_stop(*byte, stop)).unwrap_or(rest.len())
                }
                Kind::Escaped => escaped(rest).unwrap_or(rest.len()),
                _ => rest.iter().take_while(|byte| is_numeric(**byte)).count(),
            };
            let Some((value, after)) = rest.split_at_checked(length) else { return false };
            let Some(behind) = after.strip_prefix(step.text().as_slice()) else { return false };
            let fits = match step.kind {
                Kind::Nothing | Kind::Fraction => true,
                Kind::Escaped => length <= LONG_TEXT,
                Kind::Moment => match day(value, &self.zone) {
                    Some((day, midnight)) => {
                        changes.push((place, step.kind, day, midnight));
                        true
                    }
                    None => false,
                },
                Kind::Epoch => number(value).is_some(),
                Kind::Word => words.learn(value),
                Kind::Name => name(value),
                Kind::Text | Kind::LongText => {
                    if length > TEXT {
                        changes.push((place, Kind::LongText, step.day, 0));
                    }
                    length <= LONG_TEXT
                }
                _ => match Kind::of_number(value).filter(|kind| *kind != Kind::Cell || stop != b'"') {
                    Some(kind) => {
                        changes.push((place, step.kind.join(kind), step.day, 0));
                        true
                    }
                    None => false,
                },
            };
            if !fits {
                return false;
            }
            rest = behind;
        }
        if !rest.is_empty() {
            return false;
        }
        for (place, kind, day, midnight) in changes {
            if let Some(step) = self.steps.get_mut(place) {
                (step.kind, step.day, step.midnight) = (kind, day, midnight);
            }
        }
        self.measure();
        true
    }
}

/// Bytes that may stand in a number.
pub(super) fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// What ends a text that is read as it stands: its end, a quote or a backslash, control characters, what is not ASCII.
pub(super) fn is_stop(byte: u8, stop: u8) -> bool {
    byte == stop || byte == b'"' || byte == b'\\' || !(0x20..0x80).contains(&byte)
}

/// The length of a text up to its quote, if its escapes are well-formed. What they mean is not looked at, so that it
/// must be one that nobody reads: then nor does serde_json.
pub(super) fn escaped(text: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let rest = text.get(length..)?;
        length += rest.iter().position(|byte| is_stop(*byte, b'"'))?;
        match text.get(length)? {
            b'"' => return Some(length),
            b'\\' => length += escape(text.get(length + 1..)?)?,
            _ => return None,
        }
    }
}

/// The length of an escape, of which this text follows the backslash.
#[inline(always)]
pub(super) fn escape(text: &[u8]) -> Option<usize> {
    match text {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', rest @ ..] => rest.first_chunk::<4>()?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Of `YYYY-MM-DDTHH:MM:SS`: the bytes up to the time, and the day's midnight, if every time of this day can be read.
fn day(moment: &[u8], zone: &str) -> Option<([u64; 2], i64)> {
    let (date, _) = moment.split_first_chunk::<11>()?;
    let is_usual = date.iter().zip(b"0000-00-00T").all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b' '),
        _ => byte == like,
    });
    let date = std::str::from_utf8(date).ok().filter(|_| is_usual)?;
    let first = Timestamp::parse(&format!("{date}00:00:00{zone}"))?.micros();
    let last = Timestamp::parse(&format!("{date}23:59:59{zone}"))?.micros();
    if last - first != 86_399_000_000 {
        return None;
    }
    let key = key_of(date.as_bytes())?;
    let [low, high, ..] = key;
    Some(([low, (low >> 24) | (high << 40)], first))
}
