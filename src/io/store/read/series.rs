//! Series and their measurements, raw and aggregated.

use super::{
    Bucket, Cell, Conditions, Group, Is, Page, Paging, ReadError, Row, Sample, Selection, Series, SeriesKind, Store,
    cursor,
};
use crate::domain::Timestamp;
use crate::io::store::sums::{HOUR, Sums, hour_of};

/// A series as it is looked through.
struct Found {
    id: i64,
    entity: String,
    metric: String,
    first: i64,
    last: i64,
}

impl Store {
    /// By id.
    ///
    /// # Errors
    /// See [`ReadError`], here and below.
    pub fn series(&mut self, selection: &Selection, paging: &Paging) -> Result<Page<Series>, ReadError> {
        let limit = paging.limit();
        let mut conditions = selection.conditions();
        if let Some(after) = paging.after(&[Is::Int])? {
            conditions.all("series.id > ?", after);
        }
        let Conditions { sql, parameters } = conditions;
        let sql = format!(
            "SELECT series.id, graph, entity.name, metric, kind, unit, count, (sum + sum_low) / count, min, max, \
             first, last, last_value FROM total JOIN series ON series.id = total.series \
             JOIN entity ON entity.id = series.entity{sql} ORDER BY series.id LIMIT {}",
            limit + 1
        );
        let (mut items, mut next) = (Vec::<Series>::new(), None);
        self.query(&sql, &parameters, &mut |row| {
            if items.len() == limit {
                next = items.last().map(|last| cursor(&[last.id.into()]));
            } else {
                items.extend(series(&mut Row::new(row)));
            }
        })?;
        Ok(Page { items, next })
    }

    /// By series and time, forwards.
    ///
    /// # Errors
    /// As above.
    pub fn measurements(&mut self, selection: &Selection, paging: &Paging) -> Result<Page<Sample>, ReadError> {
        let limit = paging.limit();
        let after = paging.after(&[Is::Int, Is::Int])?;
        let mut items = Vec::new();
        for found in self.found(selection, after.as_deref())? {
            let (from, to) = found.span(selection, after.as_deref(), 1);
            let sql = format!(
                "SELECT time, value FROM measurement WHERE series = $1 AND time >= $2 AND time < $3 \
                 ORDER BY time LIMIT {}",
                limit + 1 - items.len()
            );
            self.query(&sql, &[found.id.into(), from.into(), to.into()], &mut |row| {
                let mut row = Row::new(row);
                let (time, value) = (row.time(), row.real());
                let (entity, metric) = (found.entity.clone(), found.metric.clone());
                items.push(Sample { series: found.id, entity, metric, time, value });
            })?;
            if items.len() > limit {
                break;
            }
        }
        Ok(page(items, limit, |sample| (sample.series, sample.time)))
    }

    /// By series and time, forwards, in steps of microseconds that are counted from 1970. Whole hours are taken from what is
    /// kept of hours, so they are there and exact even where their raw values are gone; the rest is taken from these.
    ///
    /// # Errors
    /// As above.
    pub fn aggregates(&mut self, selection: &Selection, step: i64, paging: &Paging) -> Result<Page<Bucket>, ReadError> {
        let (limit, step) = (paging.limit(), step.max(1));
        let after = paging.after(&[Is::Int, Is::Int])?;
        let mut items = Vec::new();
        for found in self.found(selection, after.as_deref())? {
            let (from, to) = found.span(selection, after.as_deref(), step);
            // No more of a long series than a page holds.
            let room = i64::try_from(limit + 1 - items.len()).unwrap_or(i64::MAX).saturating_mul(step);
            let mut from = from;
            while from < to && items.len() <= limit {
                let to = to.min(bucket(from, step).saturating_add(room));
                let buckets = self.buckets(found.id, from, to, step)?;
                from = match buckets.is_empty() {
                    false => to,
                    // Over a gap at once, however long it is.
                    true => match self.next_after(found.id, to)? {
                        Some(next) => bucket(next, step).max(to),
                        None => break,
                    },
                };
                items.extend(buckets.into_iter().map(|(start, sums)| found.bucket(start, &sums)));
            }
            if items.len() > limit {
                break;
            }
        }
        Ok(page(items, limit, |bucket| (bucket.series, bucket.start)))
    }

    /// When a series has something again, from this time on: a value, or an hour that is known of.
    fn next_after(&mut self, series: i64, time: i64) -> Result<Option<i64>, ReadError> {
        let sql = "SELECT min(at) FROM (SELECT min(time) AS at FROM measurement WHERE series = $1 AND time >= $2 \
                   UNION ALL SELECT min(hour) FROM hourly WHERE series = $3 AND hour >= $4) AS next";
        let mut next = None;
        self.query(sql, &[series.into(), time.into(), series.into(), time.into()], &mut |row| {
            next = row.first().and_then(Cell::int);
        })?;
        Ok(next)
    }

    /// Entities by an attribute, and how a metric is on average in each group: the highest mean first.
    ///
    /// # Errors
    /// As above.
    pub fn ranking(&mut self, attribute: &str, selection: &Selection) -> Result<Vec<Group>, ReadError> {
        let mut conditions = selection.conditions();
        conditions.and("attribute.key = ?", Some(attribute));
        let Conditions { sql, parameters } = conditions;
        let sql = format!(
            "SELECT attribute.value, count(DISTINCT series.entity), CAST(sum(count) AS BIGINT), \
             (sum(sum) + sum(sum_low)) / CAST(sum(count) AS DOUBLE PRECISION) AS mean FROM series \
             JOIN entity ON entity.id = series.entity JOIN attribute ON attribute.entity = series.entity \
             JOIN total ON total.series = series.id{sql} \
             GROUP BY attribute.value ORDER BY mean DESC, attribute.value"
        );
        let mut groups = Vec::new();
        self.query(&sql, &parameters, &mut |row| {
            let mut row = Row::new(row);
            groups.push(Group { group: row.text(), entities: row.int(), count: row.int(), mean: row.real() });
        })?;
        Ok(groups)
    }

    /// The series of a selection that have values in its time, by id, from that of a cursor on.
    fn found(&mut self, selection: &Selection, after: Option<&[Cell]>) -> Result<Vec<Found>, ReadError> {
        let mut conditions = selection.conditions();
        conditions.and("series.id >= ?", after.and_then(|cells| cells.first()).and_then(Cell::int));
        conditions.and("total.last >= ?", selection.from.map(Timestamp::micros));
        conditions.and("total.first < ?", selection.to.map(Timestamp::micros));
        let Conditions { sql, parameters } = conditions;
        let sql = format!(
            "SELECT series.id, entity.name, metric, first, last FROM total JOIN series ON series.id = total.series \
             JOIN entity ON entity.id = series.entity{sql} ORDER BY series.id"
        );
        let mut all = Vec::new();
        self.query(&sql, &parameters, &mut |row| {
            let mut row = Row::new(row);
            let (id, entity, metric) = (row.int(), row.text(), row.text());
            all.push(Found { id, entity, metric, first: row.int(), last: row.int() });
        })?;
        Ok(all)
    }

    /// What is known of one series from one time to another.
    fn buckets(&mut self, series: i64, from: i64, to: i64, step: i64) -> Result<Vec<(i64, Sums)>, ReadError> {
        let mut buckets: Vec<(i64, Sums)> = Vec::new();
        let mut add = |time: i64, sums: Sums| {
            let start = bucket(time, step);
            match buckets.last_mut().filter(|(last, _)| *last == start) {
                Some((_, all)) => all.add(&sums),
                None => buckets.push((start, sums)),
            }
        };
        // Whole hours, where an hour is in one bucket.
        let (head, tail) = match step % HOUR {
            0 => (hour_of(from.saturating_add(HOUR - 1)), hour_of(to)),
            _ => (to, to),
        };
        let head = head.min(to);
        for (from, to, is_hourly) in [(from, head, false), (head, tail, true), (tail.max(head), to, false)] {
            if from >= to {
                continue;
            }
            let sql = if is_hourly { HOURS } else { VALUES };
            self.query(sql, &[series.into(), from.into(), to.into()], &mut |row| {
                let mut row = Row::new(row);
                let time = row.int();
                let sums = match is_hourly {
                    true => {
                        Sums { count: row.int(), sum: row.real(), low: row.real(), min: row.real(), max: row.real() }
                    }
                    false => Sums::one(row.real()),
                };
                add(time, sums);
            })?;
        }
        Ok(buckets)
    }
}

const HOURS: &str = "SELECT hour, count, sum, sum_low, min, max FROM hourly \
                     WHERE series = $1 AND hour >= $2 AND hour < $3 ORDER BY hour";
const VALUES: &str = "SELECT time, value FROM measurement \
                      WHERE series = $1 AND time >= $2 AND time < $3 ORDER BY time";

/// Start of the bucket of a time.
fn bucket(time: i64, step: i64) -> i64 {
    time.div_euclid(step).saturating_mul(step)
}

impl Selection {
    pub(super) fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.and("series.graph = ?", self.graph.as_deref());
        conditions.and("entity.name = ?", self.entity.as_deref());
        conditions.and("series.metric = ?", self.metric.as_deref());
        let kind = self.kind.map(|kind| match kind {
            SeriesKind::Metric => "metric",
            SeriesKind::Status => "status",
        });
        conditions.and("series.kind = ?", kind);
        conditions
    }
}

impl Found {
    /// The time to look through: after that of a cursor which is of this series.
    fn span(&self, selection: &Selection, after: Option<&[Cell]>, step: i64) -> (i64, i64) {
        // Whole hours where all is asked for: their raw values may be gone.
        let (first, end) = (hour_of(self.first), hour_of(self.last).saturating_add(HOUR));
        let from = selection.from.map_or(first, |from| if from.micros() > self.first { from.micros() } else { first });
        let to = selection.to.map_or(end, |to| if to.micros() <= self.last { to.micros() } else { end });
        match after {
            Some([Cell::Int(series), Cell::Int(time)]) if *series == self.id => {
                (from.max(time.saturating_add(step)), to)
            }
            _ => (from, to),
        }
    }

    fn bucket(&self, start: i64, sums: &Sums) -> Bucket {
        Bucket {
            series: self.id,
            entity: self.entity.clone(),
            metric: self.metric.clone(),
            start: Timestamp::nearest(start),
            count: sums.count,
            mean: sums.mean(),
            min: sums.min,
            max: sums.max,
        }
    }
}

/// Cuts what is one more than a page off.
fn page<T>(mut items: Vec<T>, limit: usize, place: impl Fn(&T) -> (i64, Timestamp)) -> Page<T> {
    let is_more = items.len() > limit;
    items.truncate(limit);
    let at = |item: &T| {
        let (series, time) = place(item);
        cursor(&[series.into(), time.micros().into()])
    };
    Page { next: items.last().map(at).filter(|_| is_more), items }
}

fn series(row: &mut Row<'_>) -> Option<Series> {
    Some(Series {
        id: row.int(),
        graph: row.text(),
        entity: row.text(),
        metric: row.text(),
        kind: row.word()?,
        unit: row.some_text(),
        count: row.int(),
        mean: row.real(),
        min: row.real(),
        max: row.real(),
        first: row.time(),
        last: row.time(),
        last_value: row.real(),
    })
}
