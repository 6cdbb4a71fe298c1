use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Reached, Reading};
use crate::domain::{Episode, Phase, Severity, Timestamp};

/// How long an episode waits for a reading, in microseconds of the records' time: a day. No data is not healthy, but
/// what is gone for good must not be kept for ever.
const FORGOTTEN_AFTER: i64 = 24 * 3_600 * 1_000_000;

/// What must survive from window to window: episodes that are open, and stretches that have not lasted long enough yet.
/// No more than there are series that reached a band.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Episodes {
    /// By the anomaly's name.
    pub(super) tracked: BTreeMap<String, Tracked>,
}

/// An open episode, or a stretch that may become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracked {
    pub about: About,
    pub entity: Option<String>,
    pub first: Reading,
    pub worst: Reading,
    pub last: Reading,
    /// Windows that had readings since it opened; 0 where it has not.
    pub windows: u64,
    /// Time of the newest reading of the series, whether it reached a band or not.
    pub seen: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    Metric(String),
    Service(String),
}

impl Tracked {
    /// A stretch that has not lasted yet.
    pub fn pending(about: About, entity: Option<String>, first: Reading, seen: i64) -> Tracked {
        Tracked { about, entity, first, worst: first, last: first, windows: 0, seen }
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
    pub fn take(&mut self, reached: &Reached, severity: impl Fn(f64) -> Option<Severity>) -> Phase {
        let opens = !self.is_open();
        let worse = severity(reached.worst.value) > severity(self.worst.value);
        if opens || reached.worst.value > self.worst.value {
            self.worst = reached.worst;
        }
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
