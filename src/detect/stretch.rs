use serde::{Deserialize, Serialize};

use super::{Reading, Series, lanes};

/// Readings of one series, one after the other in time, that all reached the lowest band.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    pub from: Reading,
    /// Microseconds.
    pub to: i64,
}

impl Stretch {
    pub fn one(reading: Reading) -> Stretch {
        Stretch { from: reading, to: reading.time }
    }

    fn until(self, other: Stretch) -> Stretch {
        let from = if other.from.is_before(&self.from) { other.from } else { self.from };
        Stretch { from, to: self.to.max(other.to) }
    }

    fn holds(&self, time: i64) -> bool {
        (self.from.time..=self.to).contains(&time)
    }
}

/// What must be known of a part of a series to join it to what lies before or after it in time: the stretches that may go
/// on there, and the one that is asked for. Equal ones are the same: where the first is the last, nothing lies between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stretches {
    /// Of the first reading, if it reached a band.
    pub leading: Option<Stretch>,
    /// Of the last reading, if it reached a band.
    pub trailing: Option<Stretch>,
    /// Of the worst reading.
    pub worst: Stretch,
}

impl Stretches {
    /// A part that is one stretch.
    pub fn whole(stretch: Stretch) -> Stretches {
        Stretches { leading: Some(stretch), trailing: Some(stretch), worst: stretch }
    }

    /// Of two parts, of which the one ends before the other begins; `None` is one that has readings and none that reached a
    /// band. The worst reading is that of the later one or else that of the earlier one, where both have one.
    pub fn join(earlier: Option<&Stretches>, later: Option<&Stretches>, is_of_later: bool) -> Option<Stretches> {
        let (earlier, later) = match (earlier, later) {
            (Some(earlier), Some(later)) => (earlier, later),
            (Some(earlier), None) => return Some(Stretches { trailing: None, ..*earlier }),
            (None, later) => return later.map(|later| Stretches { leading: None, ..*later }),
        };
        let worst = if is_of_later { later.worst } else { earlier.worst };
        let Some((left, right)) = earlier.trailing.zip(later.leading) else {
            return Some(Stretches { leading: earlier.leading, trailing: later.trailing, worst });
        };
        let met = left.until(right);
        let grown = |stretch: Stretch| if stretch == left || stretch == right { met } else { stretch };
        Some(Stretches {
            leading: earlier.leading.map(grown),
            trailing: later.trailing.map(grown),
            worst: grown(worst),
        })
    }

    /// A reading that came late has become the worst: it is of the stretch in whose time it lies, as far as that is known.
    fn with_late(self, worst: Reading) -> Stretches {
        let known = [self.trailing, self.leading, Some(self.worst)];
        let of = known.into_iter().flatten().find(|stretch| stretch.holds(worst.time));
        Stretches { worst: of.unwrap_or(Stretch::one(worst)), ..self }
    }

    /// That of the worst reading, which is known to begin earlier than `all` say if it lasts to their end.
    pub fn within(self, all: &Stretches) -> Stretches {
        let lasts = |stretch: &Stretch| stretch.to == self.worst.to;
        let trailing = all.trailing.map(|of| if lasts(&of) { self.worst } else { of });
        Stretches { leading: None, trailing, worst: self.worst }
    }

    /// Whether what comes before or after may change them.
    pub fn may_go_on(&self) -> bool {
        self.leading.is_some() || self.trailing.is_some()
    }
}

/// A series while its readings come in the order of the input, whatever the batches. One that is neither newer nor older
/// than all before it has come late, and neither makes nor breaks a stretch.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    /// Times of the oldest and the newest reading; of none the wrong way round.
    pub oldest: i64,
    pub newest: i64,
    pub worst: Option<Reading>,
    pub stretches: Option<Stretches>,
}

impl Walk {
    pub fn of(series: &Series) -> Walk {
        let (oldest, newest) = series.newest.map_or((i64::MAX, i64::MIN), |newest| (series.oldest, newest.time));
        let reached = series.reached.as_deref();
        Walk { oldest, newest, worst: reached.map(|r| r.worst), stretches: reached.map(|r| r.stretches) }
    }

    /// The stretches with those of readings that are no older than any before.
    pub fn then(&self, later: Option<&Stretches>, is_worst: bool) -> Option<Stretches> {
        if self.oldest > self.newest {
            return later.copied();
        }
        Stretches::join(self.stretches.as_ref(), later, is_worst)
    }

    /// Takes the next reading.
    pub fn take(self, reading: Reading, reaches: bool) -> Walk {
        let Walk { oldest, newest, worst, stretches } = self;
        let one = reaches.then(|| Stretches::whole(Stretch::one(reading)));
        let is_worst = reaches && worst.is_none_or(|worst| reading.is_worse(&worst));
        let stretches = if reading.time >= newest {
            self.then(one.as_ref(), is_worst)
        } else if reading.time <= oldest {
            Stretches::join(one.as_ref(), stretches.as_ref(), !is_worst)
        } else {
            let alone = one.map(|one| Stretches { leading: None, trailing: None, ..one });
            stretches.map(|known| if is_worst { known.with_late(reading) } else { known }).or(alone)
        };
        let worst = if is_worst { Some(reading) } else { worst };
        Walk { oldest: oldest.min(reading.time), newest: newest.max(reading.time), worst, stretches }
    }
}

/// The stretches of values in the order of time, of which some reach the lowest band, that of place `worst` among them; `all`
/// if no other is there.
pub fn of_values<V: Copy>(
    values: &[V],
    is_there: impl Fn(V) -> bool,
    reaches: impl Fn(V) -> bool,
    reading: impl Fn(usize) -> Option<Reading>,
    (worst, all): (usize, bool),
) -> Option<Stretches> {
    let between = |from: usize, end: usize| {
        let first = from + lanes::first(values.get(from..end)?, &reaches)?;
        let last = lanes::last(values.get(..end)?, &reaches)?;
        Some(Stretch { from: reading(first)?, to: reading(last)?.time })
    };
    if all {
        return between(0, values.len()).map(Stretches::whole);
    }
    let breaks = |value: V| is_there(value) && !reaches(value);
    let around = |place: usize| {
        let from = lanes::last(values.get(..place)?, breaks).map_or(0, |before| before + 1);
        let end = lanes::first(values.get(place..)?, breaks).map_or(values.len(), |after| place + after);
        between(from, end)
    };
    let at_end = |place: Option<usize>| around(place.filter(|place| values.get(*place).is_some_and(|v| reaches(*v)))?);
    let worst = around(worst)?;
    let leading = at_end(lanes::first(values, &is_there));
    Some(Stretches { leading, trailing: at_end(lanes::last(values, &is_there)), worst })
}
