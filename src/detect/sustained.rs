use super::{Levels, Reached, Reading, Run, lanes};

/// What stayed at or above the lowest band as long as a rule with `for` wants: a *stretch* is readings of one series,
/// one after the other in time, that all reached it. A stretch may have begun in the window before and may go on in the
/// next, so the first and the last of a window are kept until both are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sustained {
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

    /// Takes the values of a run, of which `max` is the greatest; `lasts` is in microseconds. A reading that is older than
    /// one that came in an earlier batch is left out: it neither makes nor breaks a stretch.
    pub fn take(&mut self, run: &Run<'_, f64>, max: Option<f64>, levels: &Levels, lasts: i64) {
        if max.is_none_or(|max| max < levels.start) {
            // Nothing begins here, so the newest reading speaks for all.
            let newest = lanes::last(run.values, f64::is_finite);
            let newest = newest.and_then(|place| run.reading(place, *run.values.get(place)?));
            if let Some(newest) = newest.filter(|new| self.newest.is_none_or(|known| !new.is_before(&known))) {
                self.newest = Some(newest);
                self.end(lasts);
            }
            return;
        }
        for (place, value) in run.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let Some(reading) = run.reading(place, *value) else { continue };
            if self.newest.is_some_and(|newest| reading.is_before(&newest)) {
                continue;
            }
            let leads = self.newest.is_none();
            self.newest = Some(reading);
            let Some(severity) = levels.severity(*value) else {
                self.end(lasts);
                continue;
            };
            let one = Reached::one(reading, severity);
            match &mut self.current {
                Some((current, _)) => current.join(&one),
                None => self.current = Some((one, leads)),
            }
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
    pub fn close(&self, pending: Option<Reading>, lasts: i64) -> (Option<Reached>, Option<Reading>) {
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
    match lasted {
        Some(lasted) => lasted.join(&stretch),
        None => *lasted = Some(stretch),
    }
}
