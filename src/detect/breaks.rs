use std::sync::Arc;

use super::rules::{Hours, Maintenance};

/// When silence does not count: outside the hours of a rule, and during maintenance.
#[derive(Debug, Clone, Default)]
pub struct Breaks {
    hours: Option<Hours>,
    /// By entity, in microseconds, in the order of their beginnings; empty where there is none.
    maintenance: Vec<Vec<(i64, i64)>>,
}

impl Breaks {
    pub fn new(hours: Option<Hours>) -> Breaks {
        Breaks { hours, maintenance: Vec::new() }
    }

    /// Learns the maintenance of entities that are new; `names` are those of all so far, by number.
    pub fn meet(&mut self, names: &[Option<Arc<str>>], maintenance: &[Maintenance]) {
        let known = self.maintenance.len();
        let of = |name: &Option<Arc<str>>| Maintenance::of(maintenance, name.as_deref());
        self.maintenance.extend(names.iter().skip(known).map(of));
    }

    fn of(&self, entity: u32) -> &[(i64, i64)] {
        self.maintenance.get(entity as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many microseconds count of the silence between two times.
    pub fn counted(&self, entity: u32, from: i64, to: i64) -> i64 {
        stretches(self.hours.as_ref(), self.of(entity), (from, to))
            .into_iter()
            .map(|(from, to)| to.saturating_sub(from))
            .sum()
    }
}

/// What counts of the silence between two times, in microseconds: what is within the hours and outside of maintenance, whose
/// times come in the order of their beginnings.
pub fn stretches(hours: Option<&Hours>, maintenance: &[(i64, i64)], (from, to): (i64, i64)) -> Vec<(i64, i64)> {
    let open = hours.map_or_else(|| vec![(from, to)], |hours| hours.open(from, to));
    let mut counted = Vec::new();
    for (from, to) in open {
        let mut at = from;
        for (begin, end) in maintenance.iter().filter(|(begin, end)| *begin < to && *end > from) {
            counted.push((at, *begin));
            at = at.max(*end);
        }
        counted.push((at, to));
    }
    counted.retain(|(from, to)| from < to);
    counted
}

/// Since when `span` microseconds count of a silence that goes on up to `end`; looked for within a year.
pub fn back(hours: Option<&Hours>, maintenance: &[(i64, i64)], end: i64, span: i64) -> i64 {
    const YEAR: i64 = 366 * 24 * 3_600 * 1_000_000;
    let mut reach = span.max(1);
    loop {
        let mut left = span;
        for (from, to) in stretches(hours, maintenance, (end.saturating_sub(reach), end)).into_iter().rev() {
            if to - from >= left {
                return to - left;
            }
            left -= to - from;
        }
        if reach > YEAR {
            return end.saturating_sub(span);
        }
        reach = reach.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_followed_back_over_what_does_not_count() {
        let maintenance = [(10, 20), (30, 40)];
        for (end, span, since) in [(25, 5, 20), (25, 7, 8), (45, 5, 40), (45, 16, 9), (35, 3, 27), (9, 4, 5)] {
            assert_eq!(back(None, &maintenance, end, span), since, "{span} up to {end}");
            let counted: i64 = stretches(None, &maintenance, (since, end)).iter().map(|(from, to)| to - from).sum();
            assert_eq!(counted, span);
        }
    }
}
