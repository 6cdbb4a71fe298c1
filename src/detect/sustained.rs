use super::past::{HELD, InOrder};
use super::{Levels, Reached, Reading, Run, Stretch, Stretches};

/// What stayed at or above the lowest band as long as a rule with `for` wants: a *stretch* is readings of one series,
/// one after the other in time, that all reached it. A stretch may have begun in the window before and may go on in the
/// next, so the first and the last of a window are kept until both are known.
///
/// What comes of it depends on the readings and their order in the input, not on the batches that they came in; and not on
/// that order either, as long as no reading comes after more than [`HELD`] newer ones.
#[derive(Debug, Clone, Default)]
pub struct Sustained {
    order: InOrder,
    /// The newest of those that were taken.
    newest: Option<Reading>,
    /// The stretch of the window's first reading, once it has ended.
    leading: Option<Reached>,
    /// The stretch of the newest reading, and whether it is that of the first one too.
    current: Option<(Reached, bool)>,
    /// All stretches between that lasted, as one.
    lasted: Option<Reached>,
}

impl Sustained {
    /// A window that is one stretch from its first reading to its last.
    pub fn one(stretch: Reached) -> Sustained {
        Sustained { newest: Some(stretch.last), current: Some((stretch, true)), ..Sustained::default() }
    }

    /// Takes the values of a run, of which `max` is the greatest; `lasts` is in microseconds. A reading that comes too late to
    /// be put in order, or is older than `start`, where the window begins, neither makes nor breaks a stretch.
    pub fn take(&mut self, run: &Run<'_, f64>, max: Option<f64>, levels: &Levels, lasts: i64, start: i64) {
        if !run.is_in_order() {
            for place in run.by_input() {
                self.take_place(run, place, levels, lasts, start);
            }
            return;
        }
        let begins_nothing = max.is_none_or(|max| max < levels.start);
        let rest = if begins_nothing { self.skip(run, levels, lasts, start) } else { 0 };
        for place in rest..run.values.len() {
            self.take_place(run, place, levels, lasts, start);
        }
    }

    /// Takes all but the newest of a run at once, in which nothing begins: one of them speaks for all. Gives the place of
    /// the first that is left, 0 where nothing could be skipped.
    fn skip(&mut self, run: &Run<'_, f64>, levels: &Levels, lasts: i64, start: i64) -> usize {
        let there = || run.values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let Some((rest, _)) = there().rev().nth(HELD - 1) else { return 0 };
        let first = there().next().and_then(|(place, value)| run.reading(place, *value));
        let follows =
            |first: Reading| first.time >= start && self.order.latest().is_none_or(|held| held.is_before(&first));
        if !first.is_some_and(follows) {
            return 0;
        }
        let before = there().take_while(|(place, _)| *place < rest).last();
        let Some(before) = before.and_then(|(place, value)| run.reading(place, *value)) else { return 0 };
        for held in self.order.skip_to(before) {
            self.pass(held, levels, lasts);
        }
        self.pass(before, levels, lasts);
        rest
    }

    fn take_place(&mut self, run: &Run<'_, f64>, place: usize, levels: &Levels, lasts: i64, start: i64) {
        let value = run.values.get(place).copied().filter(|value| value.is_finite());
        let Some(reading) = value.and_then(|value| run.reading(place, value)) else { return };
        if reading.time < start {
            return;
        }
        if let Some(next) = self.order.take(reading) {
            self.pass(next, levels, lasts);
        }
    }

    /// Takes the next reading in the order of time.
    fn pass(&mut self, reading: Reading, levels: &Levels, lasts: i64) {
        let leads = self.newest.is_none();
        self.newest = Some(reading);
        let Some(severity) = levels.severity(reading.value) else { return self.end(lasts) };
        let one = Reached::one(reading, severity);
        match &mut self.current {
            Some((current, _)) => current.join(&one),
            None => self.current = Some((one, leads)),
        }
    }

    fn end(&mut self, lasts: i64) {
        match self.current.take() {
            Some((ended, true)) => self.leading = Some(ended),
            Some((ended, false)) => join(&mut self.lasted, ended, lasts),
            None => {}
        }
    }

    /// All that lasted, and the first reading of a stretch that may go on in the next window. `pending` is that of the
    /// window before.
    pub fn close(&self, pending: Option<Reading>, levels: &Levels, lasts: i64) -> (Option<Reached>, Option<Reading>) {
        let mut all = self.clone();
        for held in std::mem::take(&mut all.order).rest() {
            all.pass(held, levels, lasts);
        }
        all.ended(pending, lasts)
    }

    /// The worst readings of its stretches, and those that are held back and may be the worst of one.
    pub fn awaited(&self, levels: &Levels) -> impl Iterator<Item = Reading> {
        let stretches = [self.leading, self.current.map(|(current, _)| current), self.lasted];
        let held = self.order.held().filter(|reading| levels.severity(reading.value).is_some());
        stretches.into_iter().flatten().map(|stretch| stretch.worst).chain(held.copied())
    }

    fn ended(&self, pending: Option<Reading>, lasts: i64) -> (Option<Reached>, Option<Reading>) {
        if self.newest.is_none() {
            return (None, pending);
        }
        let continued = |stretch: Reached| Reached { first: pending.unwrap_or(stretch.first), ..stretch };
        let mut lasted = self.lasted;
        if let Some(leading) = self.leading {
            join(&mut lasted, continued(leading), lasts);
        }
        let current = self.current.map(|(current, leads)| if leads { continued(current) } else { current });
        if let Some(current) = current {
            join(&mut lasted, current, lasts);
        }
        (lasted, current.map(|current| current.first))
    }
}

/// Adds a stretch if it lasted.
fn join(lasted: &mut Option<Reached>, stretch: Reached, lasts: i64) {
    if stretch.last.time.saturating_sub(stretch.first.time) < lasts {
        return;
    }
    let stretches = Stretches::whole(Stretch { from: stretch.first, to: stretch.last.time });
    let stretch = Reached { stretches, ..stretch };
    match lasted {
        Some(lasted) => lasted.join(&stretch),
        None => *lasted = Some(stretch),
    }
}
