use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::{Detector, Rules};
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Batch, Language};
use crate::node::{AssetPath, Assets, Fold, Wanted, Window};
use crate::wording::describe;

/// Finds what reached a threshold: one anomaly per metric, or per metric and entity where records name one, and one
/// per service that was not online.
///
/// The rules file has a table per metric, with one to three bands that rise. A value that equals a band has reached it:
///
/// ```toml
/// [metrics.cpu_usage]
/// label = { en = "CPU usage", fr = "l'utilisation du processeur" }   # for sentences; optional
/// unit = "%"                                                         # optional
/// low = 70
/// medium = 80
/// high = 90
///
/// [status]                                                           # services; optional
/// degraded = "medium"
/// offline = "high"
/// ```
///
/// An anomaly states the worst value, the highest band that it reached and how many records reached the lowest one.
/// `service_status.NAME` stands for a service: its value and threshold are the worst level (online 0, degraded 1,
/// offline 2). A status that `[status]` leaves out is no anomaly; `offline` is never milder than `degraded`, also where
/// only `degraded` is named. Records without an entity are a series of their own.
///
/// Order: severity, then |value − threshold| / |threshold|, both falling, then name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "detect")]
pub struct Config {
    /// The rules file, relative to the graph file.
    pub rules: AssetPath,
}

pub struct Detect {
    rules: Arc<Rules>,
    language: Language,
    detector: Detector,
}

impl Fold for Detect {
    const KIND: &'static str = "detect";
    const VERSION: u32 = 1;
    type Config = Config;
    type Output = Vec<Anomaly>;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Detect, Vec<Diagnostic>> {
        let file = assets.read(&config.rules).map_err(|fault| vec![fault])?;
        let rules = Arc::new(Rules::parse(&file)?);
        Ok(Detect { detector: Detector::new(rules.clone()), rules, language: assets.language })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.rules.metrics().iter().map(|rule| rule.metric.clone()).collect() }
    }

    fn push(&mut self, batch: &Batch) {
        self.detector.push(batch);
    }

    fn close(&mut self, _window: &Window) -> Vec<Anomaly> {
        let closed = std::mem::replace(&mut self.detector, Detector::new(self.rules.clone()));
        let mut anomalies = closed.anomalies();
        for anomaly in &mut anomalies {
            let label = self.rules.rule(&anomaly.metric).and_then(|rule| rule.label.get(self.language));
            anomaly.description = describe(anomaly, label, self.language);
        }
        anomalies
    }
}
