//! The kind `ingest.prometheus`.

mod answer;
mod join;
mod rounds;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use self::rounds::{Grid, Rounds};
use super::remote::{Access, Caller, Pace, Remote, Terms, check_access, parse_url, shown};
use super::times::{Period, Start, now};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Timestamp, Wait};
use crate::io::llm::Environment;
use crate::node::{Assets, Pass, Reader, Source};

/// Reads telemetry from a Prometheus, or anything that answers its HTTP API, by range queries in PromQL.
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.prometheus"
/// url = "http://localhost:9090"
/// step = "15s"
/// token_env = "PROMETHEUS_TOKEN"     # or username = "…" and password_env = "…"; the names of variables
///
/// [nodes.telemetry.queries]          # one metric each
/// cpu_usage = '100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m])) * 100'
/// memory_usage = '100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)'
///
/// [nodes.telemetry.statuses]         # one service each: 1 is online, 0 offline, in between degraded
/// database = 'up{job="db"}'
/// ```
///
/// Each round asks for the steps that have passed since the one before, and joins what the queries give: a record has
/// the time of a step, the value of the label `entity`, and a metric from each query that has a sample there. Steps are
/// aligned to the epoch and asked for once, `delay` after their time, so that scrapes which are under way have arrived.
/// A query must give one series for each entity: of several the first counts, and the rest is noted. NaN and infinite
/// values are left out and noted.
///
/// Where a target disappears, Prometheus marks its series as stale and its records end; a series that is scraped more
/// seldom than `step` is repeated by Prometheus, for five minutes at most. Use `rate` over at least two scrapes.
///
/// A live source begins `start` ago, by default with the newest step, and goes on for ever. After a restart it goes on
/// where it stopped, and so it does after an outage, however long: what Prometheus kept is read later, 500 steps at a
/// time. It can be read again as long as Prometheus keeps the samples. With an `end` it is finite: it reads from `start`
/// to `end` and is done.
///
/// Prometheus down, an error, no answer in time: it is asked again for ever, with pauses that grow to a minute; the log
/// and the run record tell of the outage (AG0130). A query that is refused at the very first round ends the run; one
/// that is refused later is left out of the round and noted (AG0131). A consumer that is slow asks later, and loses
/// nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Prometheus is, without `/api/v1`: `http://localhost:9090`.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// PromQL by the name of the metric that it gives.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub queries: BTreeMap<Spanned<String>, String>,
    /// PromQL by the name of the service whose status it gives.
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
    /// The label that names the host, device or sensor. Samples without it belong to records that name none.
    #[serde(default = "instance")]
    pub entity: String,
    /// Distance of the records; `"15s"` by default.
    #[serde(default = "fifteen_seconds")]
    pub step: Period,
    /// How often to ask; by default each `step`.
    #[serde(default)]
    pub every: Option<Period>,
    /// How long a step is waited for before it is asked for; `"5s"` by default.
    #[serde(default = "five_seconds")]
    pub delay: Wait,
    /// Where to begin: a length of time before now, or a moment in ISO 8601.
    #[serde(default)]
    pub start: Option<Start>,
    /// Where to stop, in ISO 8601: a finite input.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub end: Option<Spanned<Timestamp>>,
    /// For basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// Name of the variable with the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Name of the variable with a bearer token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// How long one answer may take; `"30s"` by default.
    #[serde(default = "half_a_minute")]
    pub request_timeout: Period,
}

fn instance() -> String {
    "instance".to_string()
}

fn fifteen_seconds() -> Period {
    Period(Duration::from_secs(15))
}

fn five_seconds() -> Wait {
    Wait(Duration::from_secs(5))
}

fn half_a_minute() -> Period {
    Period(Duration::from_secs(30))
}

impl Config {
    fn access(&self) -> Access<'_> {
        Access {
            username: self.username.as_deref(),
            password_env: self.password_env.as_deref(),
            token_env: self.token_env.as_deref(),
        }
    }
}

/// The source.
pub struct IngestPrometheus {
    config: Config,
    /// Of range queries.
    endpoint: Url,
    reads: String,
    pace: Pace,
}

impl Source for IngestPrometheus {
    const KIND: &'static str = "ingest.prometheus";
    const VERSION: u32 = 1;
    type Config = Config;

    fn new(config: Config, assets: &Assets<'_>) -> Result<IngestPrometheus, Vec<Diagnostic>> {
        let url = parse_url(&config.url, config.url.get_ref(), assets);
        let mut faults: Vec<Diagnostic> = url.as_ref().err().cloned().into_iter().collect();
        faults.extend(check_access(&config.access(), &config.url, assets).err());
        let wrong = |what: String, span| Diagnostic::new(codes::graph::WRONG_TYPE, what).at(assets.source(), span);
        if config.queries.is_empty() && config.statuses.is_empty() {
            let what = "nothing is asked of it: neither `queries` nor `statuses` has an entry";
            faults.push(wrong(what.to_string(), config.url.span()));
        }
        for name in config.queries.keys().filter(|name| join::is_reserved(name.get_ref())) {
            faults.push(wrong(format!("`{}` cannot be the name of a metric", name.get_ref()), name.span()));
        }
        if let Some(end) = &config.end {
            match config.start {
                None => faults.push(wrong("`end` needs a `start`".to_string(), end.span())),
                Some(Start::At(start)) if start > *end.get_ref() => {
                    faults.push(wrong("`end` lies before `start`".to_string(), end.span()));
                }
                _ => {}
            }
        }
        let Ok(mut endpoint) = url else { return Err(faults) };
        if !faults.is_empty() {
            return Err(faults);
        }
        let reads = shown(&endpoint).trim_end_matches('/').to_string();
        endpoint.set_path(&format!("{}/api/v1/query_range", endpoint.path().trim_end_matches('/')));
        Ok(IngestPrometheus { config, endpoint, reads, pace: Pace::default() })
    }

    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        // What is wrong with `.env` is told when the run begins.
        self.open_with(pass, &Environment::load().0)
    }

    fn is_live(&self) -> bool {
        self.config.end.is_none()
    }
}

impl IngestPrometheus {
    fn open_with(&self, pass: &Pass<'_>, variables: &Environment) -> Result<Box<dyn Reader>, Diagnostic> {
        let Config { step, every, delay, start, end, request_timeout, .. } = &self.config;
        let caller =
            Caller::new(&self.endpoint, &self.config.access(), variables, HeaderMap::new(), request_timeout.0)?;
        let grid = Grid { step: *step, delay: *delay, end: end.as_ref().map(|end| *end.get_ref()) };
        let from = pass.from.and_then(|position| Timestamp::parse(&position.0));
        let last = match from {
            Some(last) => grid.at_or_before(last),
            None => match start {
                Some(start) => grid.before(start.resolve(now())),
                None => grid.horizon(now()).saturating_sub(step.millis()),
            },
        };
        let metrics = self.config.queries.iter().map(|(name, query)| (name.get_ref().clone(), query.clone()));
        let rounds = Rounds {
            caller,
            endpoint: self.endpoint.clone(),
            metrics: metrics.collect(),
            statuses: self.config.statuses.clone().into_iter().collect(),
            entity: self.config.entity.clone(),
            every: every.unwrap_or(*step),
            grid,
            last,
            answered: from.is_some(),
            at_once: rounds::AT_ONCE,
        };
        let schema = join::schema();
        let terms = Terms {
            reads: self.reads.clone(),
            format: "prometheus",
            schema: &schema,
            live: self.is_live(),
            help: "check the label that `entity` names",
            pace: self.pace,
        };
        Ok(Box::new(Remote::new(rounds, pass, terms)?))
    }
}

#[cfg(test)]
mod tests;
