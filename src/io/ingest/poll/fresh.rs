use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{NO_ENTITY, Timestamp};
use crate::io::decode::{Records, Schema};
use crate::node::Wanted;

/// Records after which a part may end.
const PART: usize = 4096;

/// The newest times so far, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Of all records; at first where to begin.
    last: i64,
    entities: BTreeMap<Arc<str>, i64>,
    /// Of the records that name no entity.
    unnamed: Option<i64>,
}

impl Seen {
    pub fn since(start: Timestamp) -> Seen {
        Seen { last: start.micros(), ..Seen::default() }
    }

    /// The newest time, so much earlier.
    pub fn last(&self, overlap: i64) -> Option<Timestamp> {
        Timestamp::from_micros(self.last.saturating_sub(overlap))
    }

    fn is_new(&self, entity: Option<&Arc<str>>, time: i64) -> bool {
        let newest = match entity {
            Some(entity) => self.entities.get(entity).copied(),
            None => self.unnamed,
        };
        newest.is_none_or(|newest| newest < time)
    }

    fn observe(&mut self, entity: Option<&Arc<str>>, time: i64) {
        self.last = self.last.max(time);
        match entity {
            Some(entity) => {
                let newest = self.entities.entry(entity.clone()).or_insert(time);
                *newest = time.max(*newest);
            }
            None => self.unnamed = self.unnamed.max(Some(time)),
        }
    }
}

/// Some records of a round, and what has been seen after them.
pub(super) struct Part {
    pub lines: Vec<u8>,
    pub seen: Seen,
}

/// Time and entity of a record.
type Known = (i64, Option<Arc<str>>);

/// Sorts the records of a round by time, leaves out what is not new, and parts them between two moments. What cannot be
/// used comes first, as it is.
pub(super) fn sort(records: &[Vec<u8>], schema: &Schema, seen: &Seen, only_new: bool) -> Vec<Part> {
    let mut order: Vec<(Option<Known>, &Vec<u8>)> = look(records, schema).into_iter().zip(records).collect();
    order.sort_by_key(|(known, _)| known.as_ref().map(|(time, _)| *time)); // stable
    let mut parts = Vec::new();
    let (mut after, mut lines, mut count, mut moment) = (seen.clone(), Vec::new(), 0, None);
    for (known, line) in order {
        let time = known.as_ref().map(|(time, _)| *time);
        if count >= PART && time != moment {
            parts.push(Part { lines: std::mem::take(&mut lines), seen: after.clone() });
            count = 0;
        }
        if let Some((time, entity)) = &known {
            if only_new && !seen.is_new(entity.as_ref(), *time) {
                continue;
            }
            after.observe(entity.as_ref(), *time);
        }
        moment = time;
        lines.extend_from_slice(line);
        lines.push(b'\n');
        count += 1;
    }
    if count > 0 {
        parts.push(Part { lines, seen: after });
    }
    parts
}

/// Reads times and entities alone, by the same rules as the records are read by later; `None` of what cannot be used.
fn look(records: &[Vec<u8>], schema: &Schema) -> Vec<Option<Known>> {
    let mut reader = Records::new(schema, &Wanted::default());
    let mut known: Vec<Option<Known>> = vec![None; records.len()];
    let mut note = |reader: &mut Records| {
        while let Some(batch) = reader.take() {
            for ((row, time), entity) in batch.rows.iter().zip(&batch.times).zip(&batch.entity) {
                let named = Some(*entity).filter(|entity| *entity != NO_ENTITY);
                let name = named.and_then(|entity| batch.entities.get(entity as usize).cloned());
                let index = usize::try_from(*row).ok().and_then(|row| row.checked_sub(1)); // a record a line
                if let Some(place) = index.and_then(|index| known.get_mut(index)) {
                    *place = Some((*time, name));
                }
            }
        }
    };
    for record in records {
        reader.push(record);
        if reader.is_full() {
            note(&mut reader);
        }
    }
    note(&mut reader);
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    fn text(parts: &[Part]) -> Vec<String> {
        parts
            .iter()
            .flat_map(|p| String::from_utf8(p.lines.clone()).unwrap().lines().map(String::from).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn only_what_is_newer_than_its_entitys_newest_counts() {
        let schema = Schema::default();
        let first = lines(&[
            "{\"timestamp\":30,\"host\":\"a\"}",
            "{\"timestamp\":10,\"host\":\"a\"}",
            "nonsense",
            "{\"timestamp\":20,\"host\":\"b\"}",
            "{\"timestamp\":20}",
        ]);
        let parts = sort(&first, &schema, &Seen::default(), true);
        assert_eq!(
            text(&parts),
            [
                "nonsense",
                "{\"timestamp\":10,\"host\":\"a\"}",
                "{\"timestamp\":20,\"host\":\"b\"}",
                "{\"timestamp\":20}",
                "{\"timestamp\":30,\"host\":\"a\"}"
            ]
        );
        let seen = &parts.last().unwrap().seen;
        assert_eq!(seen.last(0).unwrap().to_string(), "1970-01-01T00:00:30Z");
        assert_eq!(seen.last(5_000_000).unwrap().to_string(), "1970-01-01T00:00:25Z");
        let second = lines(&[
            "{\"timestamp\":31,\"host\":\"a\"}",
            "{\"timestamp\":31,\"host\":\"a\",\"x\":2}",
            "{\"timestamp\":30,\"host\":\"a\"}",
            "{\"timestamp\":21,\"host\":\"b\"}",
            "{\"timestamp\":20}",
            "{\"timestamp\":1,\"host\":\"c\"}",
        ]);
        let parts = sort(&second, &schema, seen, true);
        assert_eq!(
            text(&parts),
            [
                "{\"timestamp\":1,\"host\":\"c\"}",
                "{\"timestamp\":21,\"host\":\"b\"}",
                "{\"timestamp\":31,\"host\":\"a\"}",
                "{\"timestamp\":31,\"host\":\"a\",\"x\":2}"
            ]
        );
        assert_eq!(text(&sort(&second, &schema, seen, false)).len(), 6);
        assert!(sort(&second, &schema, &parts.last().unwrap().seen, true).is_empty());
    }

    #[test]
    fn a_part_ends_between_two_moments_and_reading_goes_on_after_it() {
        let schema = Schema::default();
        let all: Vec<Vec<u8>> = (0..20_000)
            .rev()
            .map(|i| format!("{{\"timestamp\":{},\"host\":\"h{}\"}}", 100 + i / 3, i % 3).into_bytes())
            .collect();
        let parts = sort(&all, &schema, &Seen::default(), true);
        assert_eq!(parts.len(), 5);
        let mut before = 0;
        for part in &parts {
            // Whoever stops after this part gets exactly the rest.
            before += text(std::slice::from_ref(part)).len();
            let rest = text(&sort(&all, &schema, &part.seen, true)).len();
            assert_eq!(before + rest, all.len());
        }
    }
}
