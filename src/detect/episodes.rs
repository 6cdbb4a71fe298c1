use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::column::Witness;
use super::judge::{Judge, Standing};
use super::{Reached, Reading, Stretch, Stretches, Sustained};
use crate::domain::{Anomaly, Aspect, Episode, Evidence, Phase, Severity, Timestamp};

/// How long an episode waits for a reading, in microseconds of the records' time: a day. No data is not healthy, but
/// what is gone for good must not be kept for ever.
const FORGOTTEN_AFTER: i64 = 24 * 3_600 * 1_000_000;

/// What must survive from window to window: episodes that are open, and stretches that have not lasted long enough yet.
/// No more than there are series that reached a band.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Episodes {
    /// By the anomaly's name.
    tracked: BTreeMap<String, Tracked>,
}

impl Episodes {
    /// Begins a window. Windows come in the order of their time.
    pub fn turn(&mut self, start: Timestamp) -> Turn<'_> {
        let mut before = std::mem::take(&mut self.tracked);
        before.retain(|_, tracked| !tracked.is_forgotten(start));
        Turn { before, tracked: &mut self.tracked }
    }

    /// Forgets the episodes of all other entities, and says nothing of them.
    pub fn retain(&mut self, keep: impl Fn(Option<&str>) -> bool) {
        self.tracked.retain(|_, tracked| keep(tracked.entity.as_deref()));
    }
}

/// One window of episodes: first every series that reached a band, then the rest.
#[derive(Debug)]
pub struct Turn<'a> {
    /// As the window before left them, less those that were seen in this one.
    before: BTreeMap<String, Tracked>,
    tracked: &'a mut BTreeMap<String, Tracked>,
}

impl Turn<'_> {
    /// A series that reached a band: its anomaly, if there is an episode or one begins. `sustained` is there where values
    /// must last, `witnesses` say what is known of readings.
    pub fn reached(
        &mut self,
        judge: &Judge<'_>,
        entity: Option<&str>,
        standing: &Standing,
        reached: &Reached,
        (sustained, witnesses): (Option<&Sustained>, &[Witness]),
    ) -> Option<Anomaly> {
        let (name, levels) = (judge.name(entity), &judge.measure.levels);
        let seen = standing.newest.time;
        let begin = |first| Tracked::pending(judge.about(), entity.map(str::to_string), first, seen);
        let (of_window, mut tracked) = match (self.before.remove(&name), judge.measure.lasts.zip(sustained)) {
            (Some(open), None) if open.is_open() => (Some(*reached), open),
            (_, None) => (Some(*reached), begin(judge.began(entity, reached.first))),
            (before, Some((lasts, sustained))) => {
                let pending = before.as_ref().and_then(|before| before.pending);
                let seen = before.as_ref().map_or(seen, |before| before.seen.max(seen));
                let (lasted, left) = sustained.close(pending, levels, lasts);
                let lasted =
                    lasted.map(|lasted| Reached { stretches: lasted.stretches.within(&reached.stretches), ..lasted });
                let tracked = match before.filter(Tracked::is_open) {
                    Some(open) => Tracked { pending: left, ..open },
                    None => Tracked { pending: left, ..begin(lasted.map(|lasted| lasted.first).or(left)?) },
                };
                (lasted, Tracked { seen, ..tracked })
            }
        };
        if of_window.is_none() && tracked.is_open() {
            // Nothing lasted, and yet it was not well: the episode goes on, and this window says nothing of it.
            tracked.goes_on(seen);
            tracked.stretches.trailing = None;
        }
        let anomaly = of_window.and_then(|reached| {
            let before = tracked.is_open().then_some(tracked.stretches);
            let evidence = Witness::among(witnesses, &reached.worst);
            let phase = tracked.take(&reached, evidence.as_ref(), |value| levels.severity(value));
            let whole = before.and_then(|before| Stretches::join(Some(&before), Some(&reached.stretches), true));
            let reached = Reached { stretches: whole.unwrap_or(reached.stretches), ..reached };
            tracked.goes_on(seen);
            judge.of_window(entity, standing, &reached, evidence, (&tracked, phase))
        });
        self.tracked.insert(name, tracked);
        anomaly
    }

    /// What becomes of episodes and stretches of which nothing reached a band: the anomalies of those that are over. `look`
    /// says how a series is judged and where it stands; `None` where it has no reading in this window.
    pub fn rest<'j>(self, look: impl Fn(&Tracked) -> Option<(Judge<'j>, Standing)>) -> Vec<Anomaly> {
        let mut over = Vec::new();
        for (name, mut tracked) in self.before {
            let Some((judge, standing)) = look(&tracked) else {
                self.tracked.insert(name, tracked); // nothing was sent, which is not healthy
                continue;
            };
            if standing.newest.time < tracked.seen {
                self.tracked.insert(name, tracked); // what came late says nothing of now
                continue;
            }
            if !tracked.is_open() {
                continue; // the stretch broke off
            }
            tracked.goes_on(standing.newest.time);
            (tracked.stretches.trailing, tracked.pending) = (None, None);
            if standing.highest >= judge.measure.clear {
                self.tracked.insert(name, tracked);
            } else {
                over.extend(judge.resolved(tracked.entity.as_deref(), &standing, &tracked));
            }
        }
        over
    }
}

/// An open episode, or a stretch that may become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracked {
    pub about: About,
    pub entity: Option<String>,
    pub first: Reading,
    pub worst: Reading,
    /// Of the worst.
    pub evidence: Option<Evidence>,
    pub last: Reading,
    pub stretches: Stretches,
    /// Windows that had readings since it opened; 0 where it has not.
    pub windows: u64,
    /// Time of the newest reading of the series, whether it reached a band or not.
    pub seen: i64,
    /// Where values must last: the first reading of the stretch that the newest window ended in.
    pub pending: Option<Reading>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    Metric(String, Aspect),
    Service(String, Aspect),
}

impl Tracked {
    /// A stretch that has not lasted yet.
    pub fn pending(about: About, entity: Option<String>, first: Reading, seen: i64) -> Tracked {
        let stretches = Stretches::whole(Stretch::one(first));
        Tracked {
            about,
            entity,
            first,
            worst: first,
            evidence: None,
            last: first,
            stretches,
            windows: 0,
            seen,
            pending: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.windows > 0
    }

    /// Whether it has waited too long where a window begins.
    pub fn is_forgotten(&self, start: Timestamp) -> bool {
        start.micros().saturating_sub(self.seen) > FORGOTTEN_AFTER
    }

    /// One more window with readings.
    pub fn goes_on(&mut self, seen: i64) {
        self.windows += 1;
        self.seen = self.seen.max(seen);
    }

    /// What reached a band in one more window, and the phase that follows. Where the episode began stays, whatever comes
    /// late: its id must not change.
    pub fn take(
        &mut self,
        reached: &Reached,
        evidence: Option<&Evidence>,
        severity: impl Fn(f64) -> Option<Severity>,
    ) -> Phase {
        let opens = !self.is_open();
        let worse = severity(reached.worst.value) > severity(self.worst.value);
        let renews = opens || reached.worst.value > self.worst.value;
        if renews {
            self.worst = reached.worst;
            self.evidence = evidence.cloned();
        }
        let joined = Stretches::join(Some(&self.stretches).filter(|_| !opens), Some(&reached.stretches), renews);
        self.stretches = joined.unwrap_or(reached.stretches);
        self.last = reached.last;
        match (opens, worse) {
            (true, _) => Phase::Opened,
            (false, true) => Phase::Escalated,
            (false, false) => Phase::Ongoing,
        }
    }

    /// As an anomaly of this name tells it.
    pub fn episode(&self, name: &str, phase: Phase, worst_severity: Severity) -> Option<Episode> {
        let since = Timestamp::from_micros(self.first.time)?;
        let id = format!("{name}/{}", since.label());
        Some(Episode { id, phase, since, worst_severity, windows: self.windows })
    }
}
