//! A test file as written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::json::{Json, Moment, Time};
use crate::domain::{Severity, Span, Timestamp, Wait};

/// `NAME.test.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    #[serde(default)]
    pub test: Vec<Spanned<Test>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub name: Spanned<String>,
    /// Relative to the test file, as every path here.
    #[serde(default)]
    pub graph: Option<Spanned<String>>,
    /// As `--set`.
    #[serde(default)]
    pub set: Vec<Spanned<String>>,
    /// All that the graph sees of the environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Answers for the model.
    #[serde(default)]
    pub cassette: Option<Spanned<String>>,
    /// Time of the first value of each series.
    #[serde(default = "start")]
    pub start: Time,
    /// Time between two values.
    #[serde(default = "every")]
    pub every: Span,
    /// How far the clock goes on after the last record, in a live graph.
    #[serde(default)]
    pub until: Option<Spanned<Time>>,
    #[serde(default)]
    pub series: Vec<Spanned<Series>>,
    /// Files of telemetry instead.
    #[serde(default)]
    pub input: Option<Spanned<Inputs>>,
    /// Values of nodes, by name, instead of what they would make.
    #[serde(default)]
    pub given: BTreeMap<Spanned<String>, Spanned<Json>>,
    pub expect: Spanned<Expect>,
}

fn start() -> Time {
    Time(Timestamp::nearest(1_704_067_200_000_000)) // 2024-01-01T00:00:00Z
}

fn every() -> Span {
    Span(std::time::Duration::from_secs(60))
}

/// The values of one metric, or one service, of one entity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The source that brings it; needed where there are several.
    #[serde(default)]
    pub node: Option<Spanned<String>>,
    #[serde(default)]
    pub entity: Option<String>,
    #[serde(default)]
    pub metric: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    pub values: Spanned<String>,
    #[serde(default)]
    pub start: Option<Time>,
    #[serde(default)]
    pub every: Option<Span>,
    /// How long after their time its records come.
    #[serde(default)]
    pub delay: Wait,
}

/// A file for the one source, or files by source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs(pub Vec<(Option<String>, String)>);

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Inputs;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a path, or a table of paths by source")
            }
            fn visit_str<E: Error>(self, path: &str) -> Result<Inputs, E> {
                Ok(Inputs(vec![(None, path.to_string())]))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inputs, A::Error> {
                let mut inputs = Vec::new();
                while let Some((node, path)) = map.next_entry()? {
                    inputs.push((Some(node), path));
                }
                Ok(Inputs(inputs))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What has to come of it. Without `[window]` there is one window, which is everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    #[serde(default)]
    pub no_anomalies: Option<Spanned<bool>>,
    /// All of them, unless `more_anomalies`.
    #[serde(default)]
    pub anomalies: Vec<Spanned<ExpectedAnomaly>>,
    #[serde(default)]
    pub more_anomalies: bool,
    /// Part of the report of the one window that has one.
    #[serde(default)]
    pub report: Option<Spanned<Json>>,
    /// Part of the run record.
    #[serde(default)]
    pub record: Option<Spanned<Json>>,
    /// Parts of nodes' outputs: `node` or `node.field`.
    #[serde(default)]
    pub values: BTreeMap<Spanned<String>, Spanned<Json>>,
    #[serde(default)]
    pub windows: Vec<Spanned<ExpectedWindow>>,
    /// Code of the fault that ends the run.
    #[serde(default)]
    pub fails: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAnomaly {
    pub name: Spanned<String>,
    #[serde(default)]
    pub severity: Option<Spanned<Severity>>,
    #[serde(default)]
    pub value: Option<Spanned<f64>>,
    /// How far from `value` it may be.
    #[serde(default)]
    pub tolerance: f64,
    /// Time of its first record.
    #[serde(default)]
    pub since: Option<Spanned<Time>>,
    /// Start of the window in which it opened; the others likewise.
    #[serde(default)]
    pub opened: Option<Spanned<Time>>,
    #[serde(default)]
    pub escalated: Option<Spanned<Moment>>,
    #[serde(default)]
    pub resolved: Option<Spanned<Moment>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedWindow {
    pub start: Spanned<Time>,
    /// Nothing came, and nothing is to be told.
    #[serde(default)]
    pub no_report: Option<Spanned<bool>>,
    #[serde(default)]
    pub report: Option<Spanned<Json>>,
    #[serde(default)]
    pub record: Option<Spanned<Json>>,
    #[serde(default)]
    pub values: BTreeMap<Spanned<String>, Spanned<Json>>,
}

impl Expect {
    /// Nodes whose values somebody looks at.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
        let windows = self.windows.iter().map(|window| &window.get_ref().values);
        let keys = std::iter::once(&self.values).chain(windows).flat_map(BTreeMap::keys);
        keys.map(|key| (key.get_ref().split('.').next().unwrap_or_default(), key.span()))
    }

    /// Whether it says anything at all.
    pub fn is_empty(&self) -> bool {
        let Expect { no_anomalies, anomalies, more_anomalies: _, report, record, values, windows, fails } = self;
        no_anomalies.is_none()
            && anomalies.is_empty()
            && (report.is_none() && record.is_none() && fails.is_none())
            && (values.is_empty() && windows.is_empty())
    }
}
