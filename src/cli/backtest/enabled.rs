//! When a rule judges, over a history: within its hours, and outside maintenance.

use crate::detect::{Hours, Maintenance};

/// Spans of time in microseconds that rise and do not overlap.
pub struct Enabled {
    spans: Vec<(i64, i64)>,
}

impl Enabled {
    /// The hours of a rule.
    pub fn new(hours: Option<&Hours>, (from, to): (i64, i64)) -> Enabled {
        Enabled { spans: hours.map_or_else(|| vec![(from, to)], |hours| hours.open(from, to)) }
    }

    /// The same without the maintenance of an entity; without one, that of all of them.
    pub fn without(&self, maintenance: &[Maintenance], entity: Option<&str>) -> Enabled {
        let mut spans = self.spans.clone();
        for (begin, end) in Maintenance::of(maintenance, entity) {
            let without = |(from, to): (i64, i64)| {
                let (before, after) = ((from, to.min(begin)), (from.max(end), to));
                [before, after].into_iter().filter(|(from, to)| from < to)
            };
            spans = spans.into_iter().flat_map(without).collect();
        }
        Enabled { spans }
    }

    pub fn total(&self) -> i64 {
        self.spans.iter().map(|(from, to)| to.saturating_sub(*from)).sum()
    }

    /// What of a time is in it.
    pub fn within(&self, (from, to): (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
        let first = self.spans.partition_point(|(_, end)| *end <= from);
        let spans = self.spans.iter().skip(first).take_while(move |(begin, _)| *begin < to);
        spans.map(move |(begin, end)| ((*begin).max(from), (*end).min(to)))
    }
}

/// The time that spans take together; where some overlap it counts once.
pub fn covered(mut spans: Vec<(i64, i64)>) -> i64 {
    spans.sort_unstable();
    let (mut total, mut reached) = (0_i64, i64::MIN);
    for (since, until) in spans {
        total = total.saturating_add(until.saturating_sub(since.max(reached)).max(0));
        reached = reached.max(until);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Rules;
    use crate::diagnostic::SourceFile;

    #[test]
    fn hours_less_maintenance() {
        let text = "[metrics.m]\nlow = 1\nhours = '08:00-10:00'\n[[maintenance]]\nfrom = 1970-01-01T09:00:00Z\n\
                    to = 1970-01-01T09:30:00Z\n[[maintenance]]\nfrom = 1970-01-02T00:00:00Z\nto = 1970-01-02T08:15:00Z\n\
                    entities = ['db-*']";
        let rules = Rules::parse(&SourceFile::new("r.toml", text)).unwrap();
        let minutes = |minutes: i64| minutes * 60_000_000;
        let whole = (0, minutes(2 * 1440));
        let hours = rules.metrics()[0].hours.as_ref();
        let enabled = |entity| Enabled::new(hours, whole).without(rules.maintenance(), entity);
        let spans =
            |spans: &[(i64, i64)]| spans.iter().map(|(a, b)| (a / minutes(1), b / minutes(1))).collect::<Vec<_>>();
        assert_eq!(spans(&enabled(None).spans), [(480, 540), (570, 600), (1920, 2040)]);
        let of_db = enabled(Some("db-1"));
        assert_eq!(spans(&of_db.spans), [(480, 540), (570, 600), (1935, 2040)]);
        assert_eq!(of_db.total(), minutes(195));
        let within = |from, to| spans(&of_db.within((minutes(from), minutes(to))).collect::<Vec<_>>());
        assert_eq!(within(0, 480), []);
        assert_eq!(within(500, 580), [(500, 540), (570, 580)]);
        assert_eq!(within(540, 570), []);
        assert_eq!(within(590, 3000), [(590, 600), (1935, 2040)]);
        assert_eq!(spans(&Enabled::new(None, whole).within((minutes(3), minutes(4))).collect::<Vec<_>>()), [(3, 4)]);
        assert_eq!(covered(vec![(5, 9), (0, 3), (2, 6), (20, 21)]), 10);
        assert_eq!(covered(vec![]), 0);
    }
}
