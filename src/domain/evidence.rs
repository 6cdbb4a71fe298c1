use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Figure, Sample, Status, Timestamp};

/// What stands behind the worst record of an anomaly, where its value alone does not say it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The figures of that record which a condition compares, or which a ratio is of, in the order in which they stand
    /// there; then those that ratios of a condition are of.
    Operands(Vec<Operand>),
    Unusual(Deviation),
    /// The two readings that a change, or the increase of a counter, is between.
    Change {
        before: Sample,
        after: Sample,
    },
    /// The reading that a silence is counted from. It lasted until `until`: that is a reading of the record `ended_by`, or,
    /// where nothing came any more, the end of what was read.
    Silence {
        before: Sample,
        until: Timestamp,
        ended_by: Option<u64>,
    },
    /// The changes of a status that make its count.
    Changes {
        /// The newest ones, the oldest of them first.
        newest: Vec<StatusChange>,
        /// Those before them, which count as well.
        earlier: u64,
    },
}

/// A record whose status is another one than that of the record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    pub time: Timestamp,
    pub row: u64,
    pub from: Status,
    pub to: Status,
}

/// A metric of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operand {
    pub metric: String,
    pub value: Figure,
    /// The ratio of a condition that it is part of, where the condition itself does not name it.
    #[serde(default)]
    pub of: Option<String>,
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
    /// How the surprise is counted; `None` in what an earlier program kept.
    #[serde(default)]
    pub reckoning: Option<Reckoning>,
}

/// What a surprise is counted from: `agent kinds detect` has the formulas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reckoning {
    /// The mean |difference| of one value and the next, and the range of values; the usual step is made of them.
    pub change: Figure,
    pub range: Figure,
    pub step: Figure,
    /// How many views the surprise is the mean of.
    pub views: u8,
    /// Whether the series only ever rose: then nothing but its steps counts.
    pub rises: bool,
    /// What was left of the surprises before, which this one must be half as great again as.
    pub held: Figure,
    /// What adds to the surprise; and of each view in which nothing does, how the last reading lies in it.
    pub margins: Vec<Margin>,
}

/// How far the last readings lie outside of what was seen, in one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    pub view: View,
    /// What the view takes off a value: the level of the hour, the value before; nothing off the value itself.
    pub level: Figure,
    /// The last so many readings: 1, 2, 4 or 8. The least of them is compared with `high`, the greatest with `low`.
    pub samples: u8,
    pub least: Figure,
    pub greatest: Figure,
    /// The lowest greatest and the highest least of as many readings in a row before.
    pub low: Figure,
    pub high: Figure,
    /// How far outside; 0 inside, and on a side that is not judged.
    pub beyond: Figure,
    /// The same in usual steps, no more than ten.
    pub margin: Figure,
}

/// How a series is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    Value,
    HourOfWeek,
    HourOfDay,
    Step,
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
