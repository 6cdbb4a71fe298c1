//! A playbook that was checked: nothing downstream validates again. Only `check` makes one.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{Anomaly, Figure, Status};

use super::formula::Formula;
pub use super::playbook::Target;

pub const SERVICE_STATUS: &str = "service_status";

#[derive(Debug)]
pub struct Book {
    pub assumptions: Vec<Assumption>,
    /// In order of precedence; the last one takes whatever is left.
    pub actions: Vec<Action>,
}

#[derive(Debug)]
pub struct Assumption {
    pub name: String,
    pub value: Figure,
    pub range: Range,
    pub unit: Option<String>,
    pub meaning: String,
}

/// Which values of an assumption make sense.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub min: Option<Figure>,
    pub max: Option<Figure>,
    pub integer: bool,
}

impl Range {
    pub fn holds(&self, value: Figure) -> bool {
        let whole = !self.integer || value.get().fract() == 0.0;
        whole && self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

/// `a whole number from 1 to 100`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.integer { "a whole number" } else { "a number" })?;
        match (self.min, self.max) {
            (None, None) => Ok(()),
            (Some(min), None) => write!(f, " of {min} or more"),
            (None, Some(max)) => write!(f, " of {max} or less"),
            (Some(min), Some(max)) => write!(f, " from {min} to {max}"),
        }
    }
}

#[derive(Debug)]
pub struct Action {
    pub id: String,
    pub trigger: Vec<Cause>,
    /// Triggers first, then what else has the same cause; as written.
    pub covers: Vec<Cause>,
    pub when: Option<Formula>,
    pub target: Target,
    /// Globs of service names, the most wanted first.
    pub prefer: Vec<String>,
    /// Names of the assumptions that its formulas or sentences use; others would be strangers among its facts.
    pub assumes: BTreeSet<String>,
    /// In an order in which each uses only what stands before it.
    pub computed: Vec<Computed>,
    pub sentences: Sentences,
}

impl Action {
    /// Whether this is the one that takes whatever is left, one anomaly at a time.
    pub fn is_catch_all(&self) -> bool {
        self.trigger.contains(&Cause::Any)
    }
}

/// What an action answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Any,
    Metric(String),
    /// A service that was not online; only one whose worst status is this, where one is named.
    Service(Option<Status>),
}

impl Cause {
    /// What names of facts about it begin with.
    pub fn prefix(&self) -> &str {
        match self {
            Cause::Any => "anomaly",
            Cause::Metric(metric) => metric,
            Cause::Service(_) => SERVICE_STATUS,
        }
    }

    pub fn matches(&self, anomaly: &Anomaly) -> bool {
        match self {
            Cause::Any => true,
            // What helps against a high value need not help against a low one or a fast change.
            Cause::Metric(metric) => {
                anomaly.service.is_none() && anomaly.aspect.is_above() && anomaly.metric == *metric
            }
            Cause::Service(None) => anomaly.is_status(),
            Cause::Service(Some(status)) => anomaly.is_status() && anomaly.value.get() == f64::from(status.level()),
        }
    }
}

/// A parameter or projection.
#[derive(Debug)]
pub struct Computed {
    /// Name of its fact: `parameter.replicas`, `projected.cpu_usage`.
    pub fact: String,
    /// Name of the parameter; `None` for a projection.
    pub parameter: Option<String>,
    pub formula: Formula,
    pub unit: Option<String>,
    pub meaning: String,
}

/// The words of an action in the run's language.
#[derive(Debug)]
pub struct Sentences {
    pub action: String,
    pub benefit_estimate: String,
    /// Stands in for the benefit where a figure that it states could not be computed.
    pub no_estimate: String,
    /// What is added to the action where a fact with this prefix is there; in order.
    pub also: Vec<(String, String)>,
}
