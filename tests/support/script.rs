//! A source that gives the records of its config, in batches of any size, from any place on.

use std::time::Duration;

use agent::diagnostic::Diagnostic;
use agent::domain::{Batch, InputRecord, MetricColumn, NO_ENTITY, Position};
use agent::node::{Assets, Next, PATIENCE, Pass, Reader, Source};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptConfig {
    /// Seconds of each record. Its value is its number.
    times: Vec<i64>,
    /// Added to the numbers, to tell sources apart.
    #[serde(default)]
    base: f64,
    #[serde(default = "one")]
    batch: usize,
    /// Does not end.
    #[serde(default)]
    live: bool,
    /// Milliseconds to wait before each batch.
    #[serde(default)]
    pause: u64,
}

fn one() -> usize {
    1
}

pub struct Script(ScriptConfig);

impl Source for Script {
    const KIND: &'static str = "test.script";
    const VERSION: u32 = 1;
    type Config = ScriptConfig;
    fn new(config: ScriptConfig, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Script(config))
    }
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        let at = pass.from.map_or(0, |position| position.0.parse().unwrap());
        Ok(Box::new(ScriptReader { node: pass.node.to_string(), config: self.0.clone(), at }))
    }
    fn is_live(&self) -> bool {
        self.0.live
    }
}

struct ScriptReader {
    node: String,
    config: ScriptConfig,
    at: usize,
}

impl Reader for ScriptReader {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let ScriptConfig { times, base, batch, live, pause } = &self.config;
        std::thread::sleep(Duration::from_millis(*pause));
        let from = self.at;
        let to = (from + batch).min(times.len());
        if from == to {
            if *live {
                std::thread::sleep(PATIENCE);
            }
            return Ok(if *live { Next::Idle } else { Next::End });
        }
        self.at = to;
        Ok(Next::Batch(Batch {
            rows: (from as u64 + 1..=to as u64).collect(),
            times: times[from..to].iter().map(|second| second * 1_000_000).collect(),
            entities: vec![],
            entity: vec![NO_ENTITY; to - from],
            lanes: vec![],
            metrics: vec![MetricColumn { name: "v".into(), values: (from..to).map(|n| base + n as f64).collect() }],
            services: vec![],
        }))
    }
    fn record(&self) -> InputRecord {
        InputRecord { node: self.node.clone(), records: self.at as u64, ..InputRecord::default() }
    }
    fn progress(&self) -> (u64, Option<u64>) {
        (self.at as u64, None)
    }
    fn position(&self) -> Option<Position> {
        Some(Position(self.at.to_string()))
    }
}
