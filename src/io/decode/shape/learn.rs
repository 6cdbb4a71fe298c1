//! Makes a shape of one line. Only a line that the general path takes without a fault is made one, so that whatever
//! depends on the literal text alone (its grammar, fields that come twice, types) is known to be well for every line
//! of the shape; the rest is what the values are asked for.

use super::stage::{ENTITY, METRIC, NOWHERE, Stage, TIME};
use super::step::{Kind, LITERAL, LONG_TEXT, Shape, TEXT, Value, escaped, is_numeric, is_stop};
use crate::io::decode::cell::is_name;
use crate::io::decode::escape::unescape;
use crate::io::decode::fields::{Field, Fields};
use crate::io::decode::text::{is_blank, trim};

/// Values that a shape may have.
const VALUES: usize = 512;

/// What the values of a line are, as it is read from its beginning.
struct Reader<'a> {
    rest: &'a [u8],
    fields: &'a Fields,
    stage: &'a mut Stage,
    before: Vec<u8>,
    values: Vec<Value>,
    zone: String,
    /// Rank of the field that names the entity so far, and its value.
    entity: Option<(usize, usize)>,
}

/// Where a value belongs.
#[derive(Clone, Copy)]
enum Target {
    Nobody,
    Field(usize),
    Service(usize),
}

/// What the keys of an object name.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Nobody,
    Field(usize),
    Statuses,
}

/// The shape of a line of JSON, which ends with a newline and is known to be well-formed and without a fault.
/// `comma`: one may stand behind the record.
pub(super) fn json(line: &[u8], comma: bool, fields: &Fields, stage: &mut Stage) -> Option<Shape> {
    let record = record(line, comma);
    let start = record.as_ptr() as usize - line.as_ptr() as usize;
    let (blank, text) = line.split_at_checked(start)?;
    let mut reader = Reader::new(text, fields, stage);
    reader.before.extend(blank);
    reader.object(Inside::Field(Fields::ROOT), 0)?;
    let behind = reader.rest;
    if !behind.iter().all(|byte| is_blank(*byte) || *byte == b',') {
        return None;
    }
    reader.literal(behind.len())?;
    reader.finish()
}

/// The record of a line, without what may stand around it.
pub(super) fn record(line: &[u8], comma: bool) -> &[u8] {
    let record = trim(line);
    if comma { record.strip_suffix(b",").map_or(record, trim) } else { record }
}

/// The shape of a row of CSV without quotes, which ends with a newline. `cells` says what each column means.
pub(super) fn csv(
    line: &[u8],
    delimiter: u8,
    cells: &[super::Cell],
    fields: &Fields,
    stage: &mut Stage,
) -> Option<Shape> {
    let body = line.strip_suffix(b"\n")?;
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let found: Vec<&[u8]> = body.split(|byte| *byte == delimiter).collect();
    if found.len() != cells.len() || line.contains(&b'"') {
        return None;
    }
    let mut reader = Reader::new(line, fields, stage);
    for (place, (text, cell)) in found.iter().zip(cells).enumerate() {
        match cell {
            super::Cell::Nobody => reader.put(Kind::Text, NOWHERE, text.len())?,
            super::Cell::Service(name) => {
                let column = reader.stage.service(Some(name).filter(|name| is_name(name))?);
                reader.put(Kind::Word, column, text.len())?;
            }
            super::Cell::Field(id) => {
                let field = fields.get(*id)?;
                match (field.time, field.entity, field.metric, field.statuses) {
                    (_, _, _, true) | (true, Some(_), ..) | (true, _, Some(_), _) => return None,
                    (true, ..) => reader.time(text)?,
                    (_, Some(rank), ..) => reader.entity(rank, text.len())?,
                    (_, _, Some(metric), _) => reader.put(Kind::of_number(text)?, METRIC + metric, text.len())?,
                    _ => reader.put(Kind::Text, NOWHERE, text.len())?,
                }
            }
        }
        let last = place + 1 == cells.len();
        reader.literal(if last { reader.rest.len() } else { 1 })?;
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    fn new(rest: &'a [u8], fields: &'a Fields, stage: &'a mut Stage) -> Reader<'a> {
        Reader { rest, fields, stage, before: Vec::new(), values: Vec::new(), zone: String::new(), entity: None }
    }

    fn finish(self) -> Option<Shape> {
        let filled = |column: usize| self.values.iter().filter(move |value| value.column == column);
        let moments = filled(TIME).filter(|value| value.kind != Kind::Fraction).count();
        let twice = self.values.iter().any(|value| {
            let own = value.column != NOWHERE && value.column != TIME;
            own && filled(value.column).count() > 1
        });
        (moments == 1 && !twice).then(|| Shape::new(&self.before, &self.values, self.zone))
    }

    /// An object and the blanks before it.
    fn object(&mut self, inside: Inside, depth: usize) -> Option<()> {
        self.blanks();
        self.expect(b'{')?;
        loop {
            self.blanks();
            match self.rest.first()? {
                b'}' => return self.literal(1),
                b',' => self.literal(1)?,
                b'"' => {
                    let quoted = self.string()?;
                    let key = unescape(quoted)?;
                    let target = self.target(inside, &key);
                    self.literal(quoted.len())?;
                    self.blanks();
                    self.expect(b':')?;
                    self.value(target, depth + 1)?;
                }
                _ => return None,
            }
        }
    }

    fn target(&mut self, inside: Inside, key: &str) -> Target {
        let parent = match inside {
            Inside::Nobody => return Target::Nobody,
            Inside::Statuses => return Target::Service(self.stage.service(key)),
            Inside::Field(parent) => parent,
        };
        if let Some((id, _)) = self.fields.child(parent, key) {
            return Target::Field(id);
        }
        let service = key.strip_prefix(self.fields.status_prefix.as_str()).filter(|_| parent == Fields::ROOT);
        service.map_or(Target::Nobody, |name| Target::Service(self.stage.service(name)))
    }

    fn value(&mut self, target: Target, depth: usize) -> Option<()> {
        if depth > 127 || self.values.len() >= VALUES {
            return None;
        }
        self.blanks();
        let field = match target {
            Target::Field(id) => self.fields.get(id),
            Target::Nobody | Target::Service(_) => None,
        };
        match self.rest.first()? {
            b'{' => match (target, field) {
                (_, Some(field)) if field.statuses => self.object(Inside::Statuses, depth),
                (Target::Field(id), Some(field)) if !field.children.is_empty() => self.object(Inside::Field(id), depth),
                _ => self.object(Inside::Nobody, depth),
            },
            b'[' => self.array(depth),
            b'"' => self.text(target, field),
            b'0'..=b'9' | b'-' => self.number(target, field),
            // `true`, `false` and `null` are part of the literal.
            b'a'..=b'z' => self.literal(self.rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count()),
            _ => None,
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.expect(b'[')?;
        loop {
            self.blanks();
            match self.rest.first()? {
                b']' => return self.literal(1),
                b',' => self.literal(1)?,
                _ => self.value(Target::Nobody, depth + 1)?,
            }
        }
    }

    fn text(&mut self, target: Target, field: Option<&Field>) -> Option<()> {
        let length = self.rest.iter().skip(1).position(|byte| is_stop(*byte, b'"'))?;
        let text = self.rest.get(1..length + 1)?;
        if self.rest.get(length + 1) == Some(&b'\\') {
            let (kind, column) = match target {
                Target::Nobody => (Kind::Escaped, NOWHERE),
                Target::Service(column) => (Kind::Word, column),
                Target::Field(_) => return None,
            };
            let length = escaped(self.rest.get(1..)?).filter(|length| *length <= LONG_TEXT)?;
            self.literal(1)?;
            self.put(kind, column, length)?;
            return self.literal(1);
        }
        if self.rest.get(length + 1) != Some(&b'"') {
            return None;
        }
        self.literal(1)?;
        match (target, field) {
            (Target::Service(column), _) => self.put(Kind::Word, column, length)?,
            (_, Some(Field { time: true, entity: None, metric: None, statuses: false, .. })) => self.time(text)?,
            (_, Some(Field { time: false, entity: Some(rank), statuses: false, .. })) => self.entity(*rank, length)?,
            (_, Some(Field { time: false, entity: None, metric: None, statuses: false, .. })) | (_, None) => {
                self.put(Kind::Text, NOWHERE, length)?;
            }
            _ => return None,
        }
        self.literal(1)
    }

    fn number(&mut self, target: Target, field: Option<&Field>) -> Option<()> {
        let length = self.rest.iter().take_while(|byte| is_numeric(**byte)).count();
        let kind = Kind::of_number(self.rest.get(..length)?)?;
        let (kind, column) = match (target, field) {
            (_, Some(Field { time: true, entity: None, metric: None, statuses: false, .. })) => (Kind::Epoch, TIME),
            (_, Some(Field { time: false, entity: None, metric, statuses: false, .. })) => {
                (kind, metric.map_or(NOWHERE, |metric| METRIC + metric))
            }
            (Target::Nobody, None) => (kind, NOWHERE),
            _ => return None,
        };
        self.put(kind, column, length)
    }

    /// A time: a date with the time of day and a zone, or a number.
    fn time(&mut self, text: &[u8]) -> Option<()> {
        if text.iter().all(|byte| is_numeric(*byte)) {
            return self.put(Kind::Epoch, TIME, text.len());
        }
        let mut zone = text.get(19..)?;
        self.put(Kind::Moment, TIME, 19)?;
        if let Some(fraction) = zone.strip_prefix(b".") {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.literal(1)?;
            self.put(Kind::Fraction, TIME, digits)?;
            zone = fraction.get(digits..)?;
        }
        let is_offset = |zone: &[u8]| match zone {
            [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()),
            _ => matches!(zone, b"" | b"Z"),
        };
        self.zone = String::from_utf8(zone.to_vec()).ok().filter(|_| is_offset(zone))?;
        self.literal(zone.len())
    }

    /// A text that may name the entity: the field of the lowest rank does.
    fn entity(&mut self, rank: usize, length: usize) -> Option<()> {
        let first = self.entity.is_none_or(|(best, _)| rank < best);
        if let Some((_, former)) = self.entity.filter(|_| first)
            && let Some(value) = self.values.get_mut(former)
        {
            (value.kind, value.column) = (Kind::LongText, NOWHERE);
        }
        if first {
            self.entity = Some((rank, self.values.len()));
        }
        match first {
            true => self.put(Kind::Name, ENTITY, length),
            false => self.put(Kind::Text, NOWHERE, length),
        }
    }

    /// A value of so many bytes.
    fn put(&mut self, kind: Kind, column: usize, length: usize) -> Option<()> {
        let kind = match kind {
            Kind::Text if length > LONG_TEXT => return None,
            Kind::Text if length > TEXT => Kind::LongText,
            Kind::Name if length > TEXT => return None,
            kind => kind,
        };
        self.rest = self.rest.get(length..)?;
        self.values.push(Value { kind, column, behind: Vec::new() });
        Some(())
    }

    /// So many bytes are literal text.
    fn literal(&mut self, length: usize) -> Option<()> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.values.last_mut().map_or(&mut self.before, |value| &mut value.behind).extend(text);
        self.rest = rest;
        Some(())
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        if self.rest.first() == Some(&byte) { self.literal(1) } else { None }
    }

    fn blanks(&mut self) {
        let blanks = self.rest.iter().take_while(|byte| is_blank(**byte)).count();
        let _ = self.literal(blanks);
    }

    /// The string that begins here, with its quotes.
    fn string(&self) -> Option<&'a str> {
        let mut length = 1;
        loop {
            length += self.rest.get(length..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if self.rest.get(length) == Some(&b'"') {
                return std::str::from_utf8(self.rest.get(..length + 1)?).ok();
            }
            length += 2;
        }
    }
}

const _: () = assert!(LONG_TEXT.is_multiple_of(LITERAL));
