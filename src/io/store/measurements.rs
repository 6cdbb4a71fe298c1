//! The kind `output.measurements`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::keeper::{Keeper, Plan};
use super::queue::Queue;
use super::{Place, open};
use crate::diagnostic::{Diagnostic, decode_file};
use crate::domain::Span;
use crate::node::{AssetPath, Assets, Sink, Site, Wanted, Writer};

/// Keeps the records of a stream as measurements in a store.
///
/// A series is one metric, or the status of one service, of one entity. Raw values are kept as long as `keep` says; the
/// count, sum, least and greatest of each hour and of the whole series are kept for ever. `agent query` and `agent export`
/// read them, and `agent serve` shows them.
///
/// ```toml
/// [nodes.measurements]
/// kind = "output.measurements"
/// inputs = { telemetry = "telemetry" }
/// database = "../telemetry.db"    # relative to the graph file; or postgres://agent:${DB_PASSWORD}@db/telemetry
/// keep = "30d"
/// metrics = ["cpu_usage"]         # beside those that other nodes of the graph read
/// units = { cpu_usage = "%" }
/// entities = "sensors.toml"       # [web-1]  zone = "north"
/// ```
///
/// What comes is safe before anything says that it need not come again: a source is acknowledged, and a live graph goes
/// on after a crash, without a record that is lost. A series has one value per moment, the first that came; so a record
/// that comes twice is there once. Records that came too late for their window's report are kept all the same.
///
/// In a graph without a `[window]` a store that fails does not keep the report from being written; the run record says
/// what is not safe, and the exit code is 1. A live graph ends, so that its sources keep what they have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file for SQLite, relative to the graph file, made if it is not there; or the URL of a PostgreSQL database, as in
    /// `postgres://agent@db.example.com/telemetry`.
    pub database: String,
    /// How long raw values are kept, by the time of the newest; without it for ever.
    #[serde(default)]
    pub keep: Option<Span>,
    /// Fields to keep beside those that other nodes of the graph read.
    #[serde(default)]
    pub metrics: BTreeSet<String>,
    /// Units of metrics.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// A TOML file with a table of attributes for each entity, such as `zone`, by which queries group.
    #[serde(default)]
    pub entities: Option<AssetPath>,
}

pub struct OutputMeasurements {
    place: Place,
    plan: Plan,
    metrics: BTreeSet<String>,
}

impl OutputMeasurements {
    /// One that no graph file names: it keeps what others read, and raw values for so long.
    pub fn at(place: Place, keep: Span) -> OutputMeasurements {
        let keep = Some(i64::try_from(keep.0.as_micros()).unwrap_or(i64::MAX));
        OutputMeasurements { place, plan: Plan { keep, ..Plan::default() }, metrics: BTreeSet::new() }
    }
}

impl Sink for OutputMeasurements {
    const KIND: &'static str = "output.measurements";
    const VERSION: u32 = 1;
    type Config = Config;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        let attributes = match &config.entities {
            None => BTreeMap::new(),
            Some(path) => decode_file(&assets.read(path).map_err(|fault| vec![fault])?)?,
        };
        let keep = config.keep.map(|keep| i64::try_from(keep.0.as_micros()).unwrap_or(i64::MAX));
        let plan = Plan { keep, units: config.units, attributes };
        Ok(OutputMeasurements { place: Place::new(&config.database, assets), plan, metrics: config.metrics })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.metrics.clone() }
    }

    fn open(&self, site: &Site<'_>) -> Result<Box<dyn Writer>, Diagnostic> {
        let database = open(&self.place, site.synced)?;
        let keeper = Keeper::new(database, site.graph, self.plan.clone())?;
        Ok(Box::new(Queue::new(keeper)?))
    }
}
