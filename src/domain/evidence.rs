use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Figure, Sample};

/// What stands behind the worst record of an anomaly, where its value alone does not say it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The figures of that record which a condition compares, or which a ratio is of, in the order in which they stand there.
    Operands(Vec<Operand>),
    Unusual(Deviation),
    /// The two readings that a change, or the increase of a counter, is between.
    Change {
        before: Sample,
        after: Sample,
    },
}

/// A metric of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operand {
    pub metric: String,
    pub value: Figure,
}

/// A value that is unusual for its series, and what would have been usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The metric's value.
    pub value: Figure,
    /// Of the metric, as the rule states it.
    pub unit: Option<String>,
    /// The usual range at that moment, as `cause` sees it; the value is outside of it.
    pub low: Figure,
    pub high: Figure,
    pub cause: Cause,
    /// Above the usual range, or else below.
    pub up: bool,
    /// How many samples in a row, up to this one, were so far out: 1, 2, 4 or 8.
    pub samples: u8,
    /// How much it surprises, in usual steps on the average of the views, and the greatest surprise before it: the score is
    /// made of these two.
    pub surprise: Figure,
    pub peak: Figure,
}

/// What gave most of a surprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The value is outside of all values seen.
    Outside,
    /// The last values stayed where as many never stayed before.
    Stays,
    /// The value is unusual for this hour of the week.
    HourOfWeek,
    /// The value is unusual for this hour of the day.
    HourOfDay,
    /// The step from the value before is greater than any seen.
    Jump,
}
