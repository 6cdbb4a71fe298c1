use super::cell::Cell;
use super::escape::unescape;
use super::fields::{Field, Fields};
use super::glance::{blanks, has_control, is_spaced, special};
use super::numeral::{Number, TENS};
use super::shape::digits8;
use super::table::Table;

/// Levels of objects and arrays that are read here.
const DEPTH: u32 = 48;
/// What the keys of an object name.
#[derive(Clone, Copy)]
pub(super) enum Inside {
    /// Fields, by their path below this one.
    Field(usize),
    /// Services.
    Statuses,
}

/// Where a value belongs.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Field(usize, &'a Field),
    Service(usize),
}

/// Reads the JSON object that `text` begins with straight into the table, as long as it is plainly well-formed: then
/// with the same outcome as serde_json, and gives its length. `None` hands it over to serde_json, which says what is
/// wrong with it, if anything is.
///
/// On records of short keys and numbers this takes half the time of serde_json, sonic-rs or simd-json behind a
/// visitor: nothing is read twice, no key is copied, and a number is converted only if somebody wants it.
pub(super) fn read(text: &str, fields: &Fields, table: &mut Table) -> Option<usize> {
    let bytes = text.as_bytes();
    if !text.starts_with('{') {
        return None;
    }
    if is_spaced(bytes) {
        let mut plain = Plain::<true> { text, bytes, at: 1, fields, table };
        plain.members(Inside::Field(Fields::ROOT), DEPTH)?;
        return Some(plain.at).filter(|length| bytes.get(..*length).is_some_and(|read| !has_control(read)));
    }
    let mut plain = Plain::<false> { text, bytes, at: 1, fields, table };
    plain.members(Inside::Field(Fields::ROOT), DEPTH)?;
    Some(plain.at)
}

/// `SPACED`: there is white space of any length at any place, so that skipping it must not depend on guessing its
/// length. Then control characters are skipped with it, which must be looked for afterwards.
struct Plain<'a, 't, const SPACED: bool> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    fields: &'a Fields,
    table: &'t mut Table,
}

/// A string, its quotes left out.
struct Quoted {
    start: usize,
    end: usize,
    escaped: bool,
}

impl<'a, const SPACED: bool> Plain<'a, '_, SPACED> {
    /// The next byte that is no blank.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        if SPACED && let Some(word) = self.word() {
            let gap = blanks(word);
            if gap < 8 {
                self.at += gap + 1;
                return Some((word >> (8 * gap)) as u8);
            }
        }
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => {}
                _ => return Some(byte),
            }
        }
    }

    /// The next eight bytes, the first of them lowest, if there are as many.
    #[inline(always)]
    fn word(&self) -> Option<u64> {
        self.bytes.get(self.at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
    }

    /// Reads what follows `{`, its `}` included.
    fn members(&mut self, of: Inside, depth: u32) -> Option<()> {
        let mut token = self.token()?;
        if token == b'}' {
            return Some(());
        }
        let depth = depth.checked_sub(1)?;
        loop {
            if token != b'"' {
                return None;
            }
            let key = self.string()?;
            let target = self.target(of, &key)?;
            if self.token()? != b':' {
                return None;
            }
            match target {
                Some(target) => self.value(target, depth)?,
                None => self.skip(depth)?,
            }
            match self.token()? {
                b',' => token = self.token()?,
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Where the value of a key belongs; `Some(None)` where nobody reads it.
    fn target(&mut self, of: Inside, key: &Quoted) -> Option<Option<Target<'a>>> {
        if key.escaped {
            let key = self.unescape(key)?;
            return Some(target(of, &key, self.fields, self.table));
        }
        Some(target(of, self.text.get(key.start..key.end)?, self.fields, self.table))
    }

    fn value(&mut self, target: Target<'a>, depth: u32) -> Option<()> {
        let cell = match self.token()? {
            b'"' => {
                let string = self.string()?;
                if string.escaped {
                    let text = self.unescape(&string)?;
                    put(target, Cell::Text(&text), self.table);
                    return Some(());
                }
                Cell::Text(self.text.get(string.start..string.end)?)
            }
            first @ (b'-' | b'0'..=b'9') => {
                let number = self.number(first)?;
                if let Target::Field(_, Field { time: false, entity: None, metric: Some(metric), statuses: false, .. }) =
                    target
                    && number.exact().is_some_and(|value| self.table.push(*metric, value))
                {
                    return Some(());
                }
                self.convert(&number)?
            }
            b't' => self.literal(b"rue", Cell::Other("true"))?,
            b'f' => self.literal(b"alse", Cell::Other("false"))?,
            b'n' => self.literal(b"ull", Cell::Absent)?,
            b'{' => match inside(target) {
                Some(of) => return self.members(of, depth),
                None => {
                    self.skip_value(b'{', depth)?;
                    Cell::Other("an object")
                }
            },
            b'[' => {
                self.skip_value(b'[', depth)?;
                Cell::Other("an array")
            }
            _ => return None,
        };
        put(target, cell, self.table);
        Some(())
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        let first = self.token()?;
        self.skip_value(first, depth)
    }

    /// Reads the value that begins with `first`, for nobody.
    fn skip_value(&mut self, first: u8, depth: u32) -> Option<()> {
        match first {
            b'"' => self.string().map(|_| ())?,
            b'-' | b'0'..=b'9' => self.number(first).map(|_| ())?,
            b't' => self.literal(b"rue", Cell::Absent).map(|_| ())?,
            b'f' => self.literal(b"alse", Cell::Absent).map(|_| ())?,
            b'n' => self.literal(b"ull", Cell::Absent).map(|_| ())?,
            b'{' => {
                let depth = depth.checked_sub(1)?;
                let mut token = self.token()?;
                if token == b'}' {
                    return Some(());
                }
                loop {
                    if token != b'"' {
                        return None;
                    }
                    self.string()?;
                    if self.token()? != b':' {
                        return None;
                    }
                    self.skip(depth)?;
                    match self.token()? {
                        b',' => token = self.token()?,
                        b'}' => return Some(()),
                        _ => return None,
                    }
                }
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                let mut token = self.token()?;
                if token == b']' {
                    return Some(());
                }
                loop {
                    self.skip_value(token, depth)?;
                    match self.token()? {
                        b',' => token = self.token()?,
                        b']' => return Some(()),
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn literal(&mut self, rest: &[u8], cell: Cell<'static>) -> Option<Cell<'static>> {
        let found = self.bytes.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        found.then_some(cell)
    }

    /// Reads what follows a quote, the closing one included. Halves of surrogate pairs are not looked for.
    #[inline(always)]
    fn string(&mut self) -> Option<Quoted> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += special(self.bytes.get(self.at..)?);
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Some(Quoted { start, end: self.at - 1, escaped }),
                b'\\' => {
                    escaped = true;
                    let escape = *self.bytes.get(self.at)?;
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let hex = self.bytes.get(self.at..self.at + 4)?;
                            if !hex.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => return None, // a control character
            }
        }
    }

    /// What a string with escapes means.
    fn unescape(&self, string: &Quoted) -> Option<String> {
        unescape(self.text.get(string.start.checked_sub(1)?..=string.end)?)
    }

    /// Reads the number whose first byte was `first`.
    #[inline(always)]
    fn number(&mut self, first: u8) -> Option<Number> {
        let negative = first == b'-';
        let start = self.at - 1;
        let mut number = Number { start, negative, digits: 0, count: 0, fraction: 0, point: false, exponent: false };
        self.at = start + usize::from(negative);
        let leads = self.bytes.get(self.at) == Some(&b'0');
        self.digits(&mut number);
        if number.count == 0 || (leads && number.count > 1) {
            return None;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            number.point = true;
            let whole = number.count;
            self.digits(&mut number);
            number.fraction = number.count - whole;
            if number.fraction == 0 {
                return None;
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            number.exponent = true;
            let mut power = Number { count: 0, ..number };
            self.digits(&mut power);
            if power.count == 0 {
                return None;
            }
        }
        Some(number)
    }

    #[inline(always)]
    fn digits(&mut self, number: &mut Number) {
        while let Some(word) = self.word() {
            let (value, count) = digits8(word);
            let scale = TENS.get(count).copied().unwrap_or_default();
            number.digits = number.digits.wrapping_mul(scale).wrapping_add(value);
            number.count += count;
            self.at += count;
            if count < 8 {
                return;
            }
        }
        while let Some(byte) = self.bytes.get(self.at) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return;
            }
            number.digits = number.digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            number.count += 1;
            self.at += 1;
        }
    }

    /// The number's value, which is exact.
    #[inline]
    fn convert(&self, number: &Number) -> Option<Cell<'static>> {
        let text = || self.text.get(number.start..self.at);
        let integer = !number.point && !number.exponent;
        if integer && number.count <= 18 && !(number.negative && number.digits == 0) {
            let whole = i128::from(number.digits);
            return Some(Cell::Whole(if number.negative { -whole } else { whole }));
        }
        if let Some(value) = number.exact() {
            return Some(Cell::Number(value));
        }
        if integer {
            let whole = match number.negative {
                true => text()?.parse::<i64>().ok().filter(|whole| *whole != 0).map(i128::from),
                false => text()?.parse::<u64>().ok().map(i128::from),
            };
            if let Some(whole) = whole {
                return Some(Cell::Whole(whole));
            }
        }
        text()?.parse().ok().filter(|value: &f64| value.is_finite()).map(Cell::Number)
    }
}

/// What the value of this key belongs to; `None` where nobody reads it.
#[inline(always)]
pub(super) fn target<'a>(of: Inside, key: &str, fields: &'a Fields, table: &mut Table) -> Option<Target<'a>> {
    let Inside::Field(parent) = of else { return table.service(key).map(Target::Service) };
    if let Some((id, field)) = fields.child(parent, key) {
        table.arrive(fields, id);
        return Some(Target::Field(id, field));
    }
    // A status may be written flat: `"service_status.cache"`.
    let service = key.strip_prefix(fields.status_prefix.as_str()).filter(|_| parent == Fields::ROOT);
    service.and_then(|name| table.service(name)).map(Target::Service)
}

/// What the keys of an object name that is a value; `None` where objects are not expected.
pub(super) fn inside(target: Target<'_>) -> Option<Inside> {
    match target {
        Target::Field(_, field) if field.statuses => Some(Inside::Statuses),
        Target::Field(id, field) if !field.children.is_empty() => Some(Inside::Field(id)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn put(target: Target<'_>, cell: Cell<'_>, table: &mut Table) {
    match target {
        Target::Field(_, field) => table.put(field, cell),
        Target::Service(service) => table.put_status(service, cell),
    }
}
