//! `--scores`: how unusual each reading is, in the order of the input.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::detect::Rules;
use crate::detect::unusual::{Settings, Unusual};
use crate::domain::{Batch, Figure, NO_ENTITY, Rejected, Timestamp};

/// Scores the readings of a metric, series by series, each by those before it only.
pub trait Scorer {
    /// 0 to 1. `time` is in microseconds; `entity` is `None` for records that name none.
    fn score(&mut self, entity: Option<&str>, time: i64, value: f64) -> f64;
}

/// The metric whose rule is `unusual`, and its scorer; `None` where no rule is.
pub fn scorer(rules: &Rules) -> Option<(String, Box<dyn Scorer>)> {
    let (metric, settings) = rules.metrics().iter().find_map(|rule| Some((rule.metric.clone(), rule.unusual()?)))?;
    Some((metric, Box::new(OfEach { settings, series: HashMap::new() })))
}

/// The rule's own scores, of each series.
struct OfEach {
    settings: Settings,
    /// By entity; the empty name is that of records without one.
    series: HashMap<String, Unusual>,
}

impl Scorer for OfEach {
    fn score(&mut self, entity: Option<&str>, time: i64, value: f64) -> f64 {
        let name = entity.unwrap_or_default();
        let series = match self.series.get_mut(name) {
            Some(series) => series,
            None => self.series.entry(name.to_string()).or_default(),
        };
        series.step(self.settings, time, value).score
    }
}

/// Writes `timestamp,value,anomaly_score`, a line for each record: times as RFC 3339 in UTC, and nothing for the value and
/// the score of a record that lacks the metric. A record that cannot be used has its text in the place of the time, and no more.
/// Where records name entities, `entity` is a fourth column.
pub struct Scores<W: Write> {
    writer: csv::Writer<W>,
    metric: String,
    scorer: Box<dyn Scorer>,
    with_entity: bool,
}

impl<W: Write> Scores<W> {
    /// # Errors
    /// The header cannot be written.
    pub fn new(writer: W, metric: String, scorer: Box<dyn Scorer>, with_entity: bool) -> io::Result<Scores<W>> {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(writer);
        let columns = ["timestamp", "value", "anomaly_score", "entity"];
        writer.write_record(columns.iter().take(if with_entity { 4 } else { 3 }))?;
        Ok(Scores { writer, metric, scorer, with_entity })
    }

    /// Takes the next records: a batch, and the bad ones before its last row.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub fn take(&mut self, batch: &Batch, rejected: &[Rejected]) -> io::Result<()> {
        let mut rejected = rejected.iter().peekable();
        let column = batch.metrics.iter().find(|column| *column.name == *self.metric);
        for (row, &time) in batch.times.iter().enumerate() {
            while let Some(bad) = rejected.next_if(|bad| batch.rows.get(row).is_some_and(|row| bad.row < *row)) {
                self.bad(bad)?;
            }
            let entity = batch.entity.get(row).filter(|entity| **entity != NO_ENTITY);
            let entity = entity.and_then(|entity| batch.entities.get(*entity as usize)).map(|name| &**name);
            let value = column.and_then(|column| column.values.get(row)).filter(|value| value.is_finite());
            let score = value.map(|value| self.scorer.score(entity, time, *value));
            let text = |figure: Option<f64>| figure.and_then(Figure::new).map(|f| f.to_string()).unwrap_or_default();
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            let cells = [Timestamp::nearest(time).to_string(), value, text(score)];
            let entity = self.with_entity.then(|| entity.unwrap_or_default());
            self.writer.write_record(cells.iter().map(String::as_str).chain(entity))?;
        }
        rejected.try_for_each(|bad| self.bad(bad))
    }

    fn bad(&mut self, record: &Rejected) -> io::Result<()> {
        let cells = [record.text.as_str(), "", "", ""];
        Ok(self.writer.write_record(cells.iter().take(if self.with_entity { 4 } else { 3 }))?)
    }

    /// # Errors
    /// The last lines cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{batch, records};

    /// How many readings of the series came before.
    #[derive(Default)]
    struct Count(std::collections::HashMap<String, u32>);

    impl Scorer for Count {
        fn score(&mut self, entity: Option<&str>, _: i64, _: f64) -> f64 {
            let count = self.0.entry(entity.unwrap_or_default().to_string()).or_default();
            *count += 1;
            1.0 - 1.0 / f64::from(*count)
        }
    }

    #[test]
    fn a_line_for_each_record_in_the_order_of_the_input() {
        let text = "0 a cpu=1.5 \n 2 b cpu=2 \n 1 a mem=3 \n 1 a cpu=0.1 \n 3 - cpu=4";
        let mut out = Vec::new();
        let mut scores = Scores::new(&mut out, "cpu".to_string(), Box::new(Count::default()), true).unwrap();
        for record in records(text).chunks(2) {
            scores.take(&batch(record), &[]).unwrap();
        }
        let bad = |row, text: &str| Rejected { row, text: text.to_string() };
        let rows = Batch { rows: vec![3, 5], ..batch(&records("4 - cpu=1 \n 5 - cpu=2")) };
        scores.take(&rows, &[bad(0, "of a file before"), bad(1, "a,\"b"), bad(2, "x"), bad(4, "{")]).unwrap();
        scores.take(&Batch::default(), &[bad(7, "the last")]).unwrap();
        scores.finish().unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        timestamp,value,anomaly_score,entity
        2023-11-14T22:13:00Z,1.5,0,a
        2023-11-14T22:15:00Z,2,0,b
        2023-11-14T22:14:00Z,,,a
        2023-11-14T22:14:00Z,0.1,0.5,a
        2023-11-14T22:16:00Z,4,0,
        of a file before,,,
        "a,""b",,,
        x,,,
        2023-11-14T22:17:00Z,1,0.5,
        {,,,
        2023-11-14T22:18:00Z,2,0.666666667,
        the last,,,
        "#);
    }
}
