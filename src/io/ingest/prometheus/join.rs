use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::answer::Series;
use crate::diagnostic::{Code, codes::input};
use crate::domain::Timestamp;
use crate::io::decode::Schema;
use crate::io::ingest::remote::Step;

const TIME: &str = "timestamp";
const ENTITY: &str = "entity";
const STATUSES: &str = "service_status";

/// How the records that are made here are to be read.
pub(super) fn schema() -> Schema {
    Schema {
        timestamp: TIME.to_string(),
        entity: vec![ENTITY.to_string()],
        statuses: STATUSES.to_string(),
        ..Schema::default()
    }
}

/// Names that mean something else in these records.
pub(super) fn is_reserved(metric: &str) -> bool {
    metric == TIME || metric == ENTITY || metric.split('.').next() == Some(STATUSES)
}

/// What a query gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gives<'a> {
    Metric(&'a str),
    Status(&'a str),
}

/// The series of several queries, joined by time and entity.
#[derive(Default)]
pub(super) struct Join {
    /// By milliseconds and entity.
    records: BTreeMap<i64, BTreeMap<Option<String>, Record>>,
    pub notes: Vec<(&'static Code, String)>,
}

#[derive(Default)]
struct Record {
    metrics: Map<String, Value>,
    statuses: Map<String, Value>,
}

impl Join {
    /// Takes in what one query gave. `label` names the entity.
    pub fn add(&mut self, gives: Gives<'_>, series: Vec<Series>, label: &str) {
        let mut seen = BTreeSet::new();
        for Series { mut metric, values } in series {
            let entity = metric.remove(label).filter(|name| !name.is_empty());
            let (Gives::Metric(name) | Gives::Status(name)) = gives;
            if !seen.insert(entity.clone()) {
                let of = entity.map_or(format!("no {label}"), |entity| format!("{label} `{entity}`"));
                self.notes.push((input::SEVERAL_SERIES, format!("`{name}` for {of}")));
                continue;
            }
            for (seconds, text) in values {
                let millis = (seconds * 1e3).round() as i64;
                let (statuses, value) = match (gives, text.parse::<f64>().unwrap_or(f64::NAN)) {
                    (_, value) if !value.is_finite() => {
                        self.notes.push((input::NOT_FINITE, format!("`{name}` is {text}")));
                        continue;
                    }
                    (Gives::Metric(_), value) => (false, Value::from(value)),
                    (Gives::Status(_), value) => match word(value) {
                        Some(word) => (true, Value::from(word)),
                        None => {
                            self.notes.push((input::STATUS_WORD, format!("`{name}` is {text}, not 0 to 1")));
                            continue;
                        }
                    },
                };
                let record = self.records.entry(millis).or_default().entry(entity.clone()).or_default();
                let cells = if statuses { &mut record.statuses } else { &mut record.metrics };
                cells.insert(name.to_string(), value);
            }
        }
    }

    /// A step for each moment, in the order of time, its records in that of the entities' names.
    pub fn into_steps(self) -> Vec<Step> {
        let steps = self.records.into_iter().filter_map(|(millis, records)| {
            let time = Timestamp::from_micros(millis.checked_mul(1000)?)?.to_string();
            let mut lines = Vec::new();
            for (entity, Record { metrics: mut record, statuses }) in records {
                record.insert(TIME.to_string(), time.clone().into());
                if let Some(entity) = entity {
                    record.insert(ENTITY.to_string(), entity.into());
                }
                if !statuses.is_empty() {
                    record.insert(STATUSES.to_string(), statuses.into());
                }
                lines.extend_from_slice(Value::from(record).to_string().as_bytes());
                lines.push(b'\n');
            }
            Some(Step { lines, position: time })
        });
        steps.collect()
    }
}

/// The status that an `up`-like value means.
fn word(value: f64) -> Option<&'static str> {
    match value {
        1.0 => Some("online"),
        0.0 => Some("offline"),
        value if value > 0.0 && value < 1.0 => Some("degraded"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(entity: &str, values: &[(f64, &str)]) -> Series {
        Series {
            metric: [("instance".to_string(), entity.to_string())].into(),
            values: values.iter().map(|(at, value)| (*at, value.to_string())).collect(),
        }
    }

    #[test]
    fn queries_are_joined_by_time_and_entity() {
        let mut join = Join::default();
        join.add(
            Gives::Metric("cpu"),
            vec![series("b", &[(15.0, "1"), (30.0, "NaN")]), series("a", &[(15.0, "2")])],
            "instance",
        );
        join.add(
            Gives::Metric("a.b"),
            vec![series("b", &[(15.0, "3"), (45.0, "+Inf")]), series("b", &[(15.0, "4")])],
            "instance",
        );
        join.add(
            Gives::Status("db"),
            vec![series("", &[(15.0, "0.5"), (30.0, "2")]), series("a", &[(30.0, "1")])],
            "instance",
        );
        let notes: Vec<String> = join.notes.iter().map(|(code, detail)| format!("{} {detail}", code.id)).collect();
        assert_eq!(
            notes,
            [
                "AG0114 `cpu` is NaN",
                "AG0114 `a.b` is +Inf",
                "AG0134 `a.b` for instance `b`",
                "AG0115 `db` is 2, not 0 to 1"
            ]
        );
        let steps = join.into_steps();
        let shown: Vec<String> = steps.iter().map(|step| String::from_utf8(step.lines.clone()).unwrap()).collect();
        assert_eq!(
            shown,
            [
                concat!(
                    "{\"service_status\":{\"db\":\"degraded\"},\"timestamp\":\"1970-01-01T00:00:15Z\"}\n",
                    "{\"cpu\":2.0,\"entity\":\"a\",\"timestamp\":\"1970-01-01T00:00:15Z\"}\n",
                    "{\"a.b\":3.0,\"cpu\":1.0,\"entity\":\"b\",\"timestamp\":\"1970-01-01T00:00:15Z\"}\n",
                ),
                "{\"entity\":\"a\",\"service_status\":{\"db\":\"online\"},\"timestamp\":\"1970-01-01T00:00:30Z\"}\n",
            ]
        );
        assert_eq!(
            steps.iter().map(|s| s.position.as_str()).collect::<Vec<_>>(),
            ["1970-01-01T00:00:15Z", "1970-01-01T00:00:30Z"]
        );
    }
}
