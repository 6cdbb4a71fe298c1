//! The kind `output.notify`.

mod change;
mod endpoint;
mod message;

use std::cmp::Reverse;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use toml::Spanned;

use self::change::{Change, Ledger, Phase};
use self::endpoint::{Endpoint, Limits, Posted};
use self::message::{Finding, Message};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Anomaly, Delivery, DeliveryOutcome, Note, Report, Span, Timestamp};
use crate::io::append::append_line;
use crate::io::files::WallClock;
use crate::node::{Assets, Cx, Task, TaskError};
use crate::port::Clock;

/// Posts to Slack or any webhook when an episode opens, gets worse or is over.
///
/// ```toml
/// [nodes.alert]
/// kind = "output.notify"
/// inputs = { report = "report", anomalies = "anomalies" } # of `detect` and `completeness`, as the report has them
/// url = "${ALERT_URL}"                                    # from the environment or `.env`: such an address is a secret
/// format = "slack"
/// ```
///
/// `when` says what is worth telling. `"change"`: an episode has opened, got worse than was told, or is over.
/// `"anomalies"`: every report that has some. `"always"`: every report.
///
/// Changes are those of episodes, which `anomalies` carry and a report does not: in a graph with a `[window]`, `"change"`
/// needs that input. What was told is remembered from window to window, also after a crash; a window that `agent resume`
/// makes up for tells only what those since have not told, and they do not know what it told. A series of which nothing is
/// heard is neither told nor forgotten: it is `resolved` once its episode is, in the first window whose values are all
/// below `clear`. Without a `[window]` there is nothing to compare with: every anomaly of a run is `opened`.
///
/// `format = "slack"` posts what an incoming webhook of Slack takes, one message for all changes of a window, in the
/// language of the graph: what changed first, as much as fits, and how many more there are. All texts are plain: names
/// of telemetry and words of a model become no markup, link or mention. `"json"` posts the report itself:
/// `{ "idempotency_key", "run", "window", "changes", "report" }`. A change is `{ "anomaly", "episode", "phase",
/// "severity" }`: by its `episode` a receiver can tell which alert a `resolved` ends. In windows there are none without
/// the input `anomalies`.
///
/// The header `Idempotency-Key` is `<run>/<task>`, the same however often it is tried, also after a crash; in the body it
/// is `idempotency_key`, in Slack's the id of the first block. An alert is posted at least once; by its key a receiver
/// can tell a repetition.
///
/// Tried again: no connection, no answer within 10 s, and the answers 408, 409, 425, 429 and 5xx; with pauses that
/// double from 0.2 to 10 s, or as long as `Retry-After` asks. Any other answer than 2xx is final, redirects too. After
/// `retries`, or where a pause would end after the `deadline`, the alert goes into the dead-letter file, one JSON object
/// a line with time, key, reason and payload; an error in the log, also with `-q`, and the run record say so, and the run
/// goes on. A change that was not told stays untold, and is told with the next window, whether that mentions it or not; but
/// an episode that was over before anybody could be told that it had opened is no news. A receiver that did not take the
/// last alert is tried once a window, for 2 s at most, until it takes one, so that windows do not pile up behind it. The
/// node's own `timeout`, if any, has to be longer than the `deadline`.
///
/// Of the address only scheme and host are ever shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to post to: `http` or `https`.
    #[schemars(with = "String")]
    pub url: Spanned<String>,
    /// What is posted: `json` (the default) or `slack`.
    #[serde(default)]
    pub format: Format,
    /// What is worth telling: `change` (the default), `anomalies` or `always`.
    #[serde(default)]
    pub when: When,
    /// Tries after the first.
    #[serde(default = "five")]
    pub retries: u32,
    /// For all tries and pauses together; 30 s by default.
    #[serde(default)]
    pub deadline: Option<Span>,
    /// What could not be delivered is added to this file, relative to the graph file.
    #[serde(default = "failed_alerts")]
    pub dead_letter: String,
}

fn five() -> u32 {
    5
}

fn failed_alerts() -> String {
    "alerts-failed.ndjson".to_string()
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Block Kit.
    Slack,
    /// The report, with its run and window.
    #[default]
    Json,
}

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Every report.
    Always,
    /// Every report that has anomalies.
    Anomalies,
    /// An episode has opened, is worse than was told, or is over.
    #[default]
    Change,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub report: Report,
    /// Stand in for those of the report, and tell of their episodes.
    #[serde(default)]
    pub anomalies: Option<Vec<Anomaly>>,
}

pub struct Notify {
    endpoint: Endpoint,
    format: Format,
    when: When,
    dead_letter: String,
}

impl Task for Notify {
    const KIND: &'static str = "output.notify";
    const VERSION: u32 = 2;
    type Config = Config;
    type Input = Input;
    type Output = Delivery;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        let deadline = config.deadline.map_or(Duration::from_secs(30), |span| span.0);
        let limits = Limits { retries: config.retries, deadline, first_pause: Duration::from_millis(200) };
        let endpoint = Endpoint::new(config.url.get_ref(), limits).map_err(|why| {
            // The address itself is not quoted: most often it comes from a variable and is a secret.
            let message = format!("the address of the webhook cannot be used: {why}");
            let fault = Diagnostic::new(codes::graph::WRONG_TYPE, message).at(assets.source(), config.url.span());
            vec![fault.help("write `url = \"${VARIABLE}\"`, and in the variable the whole address with its https://")]
        })?;
        let dead_letter = assets.locate(&config.dead_letter);
        Ok(Notify { endpoint, format: config.format, when: config.when, dead_letter })
    }

    async fn run(&self, input: Input, cx: &Cx) -> Result<Delivery, TaskError> {
        let Input { report, anomalies } = input;
        let memory = format!("{}/episodes", cx.task);
        let ledger = cx.window.as_ref().map(|_| {
            let before = cx.recall(&memory).and_then(|text| serde_json::from_str(&text).ok());
            Ledger::next(before, anomalies.as_deref().unwrap_or_default())
        });
        let findings = findings(&report, anomalies);
        let changes = ledger.as_ref().map_or_else(|| all_new(&findings), Ledger::changes);
        let mut delivery = Delivery {
            task: cx.task.clone(),
            endpoint: self.endpoint.shown(),
            key: format!("{}/{}", cx.run, cx.task),
            outcome: DeliveryOutcome::Quiet,
            attempts: 0,
            reason: None,
            dead_letter: None,
        };
        let keep = |ledger: Option<Ledger>| -> Result<(), TaskError> {
            let Some(ledger) = ledger else { return Ok(()) };
            // Also where nothing has changed: what was kept long ago may have made room for other things.
            let value = serde_json::to_string(&ledger).map_err(unwritten)?;
            cx.note(Note::Keep { key: memory, value });
            Ok(())
        };
        if !self.is_worth_telling(&findings, &changes) {
            keep(ledger)?;
            return Ok(delivery);
        }
        let payload = self.payload(&delivery.key, cx, &report, &findings, &changes).map_err(unwritten)?;
        let Posted { attempts, failure } = self.endpoint.post(payload.get().as_bytes(), &delivery.key).await;
        delivery.attempts = attempts;
        match failure {
            None => {
                delivery.outcome = DeliveryOutcome::Delivered;
                keep(ledger.map(Ledger::told))?;
            }
            Some(reason) => {
                self.bury(&mut delivery, reason, cx, &payload)?;
                keep(ledger)?;
            }
        }
        cx.note(Note::Delivery(delivery.clone()));
        Ok(delivery)
    }

    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        let help = "wire the lists that `merge` gets, as in `anomalies = [\"anomalies\", \"completeness.anomalies\"]`: they \
                    tell what has opened and what is over, and a report does not; or write `when = \"anomalies\"`";
        (self.when == When::Change).then_some(("anomalies", help))
    }
}

impl Notify {
    fn is_worth_telling(&self, findings: &[Finding], changes: &[Change]) -> bool {
        match self.when {
            When::Always => true,
            When::Anomalies => !findings.is_empty(),
            When::Change => !changes.is_empty(),
        }
    }

    fn payload(
        &self,
        key: &str,
        cx: &Cx,
        report: &Report,
        findings: &[Finding],
        changes: &[Change],
    ) -> Result<Box<RawValue>, serde_json::Error> {
        let (run, window, language) = (cx.run.as_str(), cx.window.as_ref(), cx.language);
        let message = Message { key, run, window, language, changes, findings, report };
        match self.format {
            Format::Slack => to_raw_value(&message.slack()),
            Format::Json => to_raw_value(&message),
        }
    }

    /// Puts what could not be delivered into the dead-letter file.
    fn bury(&self, delivery: &mut Delivery, reason: String, cx: &Cx, payload: &RawValue) -> Result<(), TaskError> {
        let (endpoint, path) = (&delivery.endpoint, &self.dead_letter);
        let time = WallClock.now();
        let Delivery { task, key, attempts, .. } = &*delivery;
        let letter =
            DeadLetter { time, run: &cx.run, task, key, endpoint, attempts: *attempts, reason: &reason, payload };
        let line = serde_json::to_string(&letter).map_err(unwritten)?;
        append_line(Path::new(path), &line, false, cx.synced).map_err(|error| {
            let message =
                format!("the alert could not be delivered to {endpoint}: {reason}; nor kept in `{path}`: {error}");
            TaskError::Diagnosed(Box::new(
                Diagnostic::new(codes::output::LOST, message).help(codes::output::LOST.remedy),
            ))
        })?;
        let code = codes::output::DEAD_LETTER.id;
        // A lost alert is an error, though the run goes on.
        tracing::error!(
            run = cx.run,
            node = cx.task,
            key = delivery.key,
            "{code}: {endpoint} did not get an alert: {reason}; it is kept in `{path}`"
        );
        delivery.outcome = DeliveryOutcome::DeadLettered;
        delivery.reason = Some(reason);
        delivery.dead_letter = Some(path.clone());
        Ok(())
    }
}

/// A line of the dead-letter file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    time: Timestamp,
    run: &'a str,
    task: &'a str,
    key: &'a str,
    endpoint: &'a str,
    attempts: u32,
    reason: &'a str,
    payload: &'a RawValue,
}

/// Our own types always serialise; if one does not, it is a bug to be told of.
fn unwritten(error: serde_json::Error) -> TaskError {
    TaskError::Permanent(error.to_string())
}

/// Where nothing was told before, everything is new.
fn all_new(findings: &[Finding]) -> Vec<Change> {
    let change = |Finding { name, severity, .. }: &Finding| Change {
        anomaly: name.clone(),
        episode: None,
        phase: Phase::Opened,
        severity: *severity,
    };
    findings.iter().map(change).collect()
}

fn findings(report: &Report, anomalies: Option<Vec<Anomaly>>) -> Vec<Finding> {
    match anomalies {
        Some(anomalies) => {
            let mut findings: Vec<Finding> = anomalies
                .into_iter()
                .filter(|anomaly| !anomaly.is_over())
                .map(|Anomaly { name, severity, description, .. }| Finding { name, severity, description })
                .collect();
            findings.sort_by_key(|finding| Reverse(finding.severity)); // each detector's are in order already
            findings
        }
        None => {
            let finding = |a: &crate::domain::ReportAnomaly| Finding {
                name: a.metric.clone(),
                severity: a.severity,
                description: a.description.clone(),
            };
            report.anomalies.iter().map(finding).collect()
        }
    }
}

#[cfg(test)]
mod tests;
