//! The kind `plan`: which action, on what, with which parameters. Deterministic; no model takes part. Knows nothing of
//! how anomalies are found, nor of how a model words what is decided here.

mod book;
mod check;
mod decide;
mod facts;
mod formula;
mod open;
mod others;
mod playbook;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use self::open::{Open, mentions};
use crate::detect::{incidents, one_per_series};
use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean};
use crate::domain::{Anomaly, Figure, Incident, Language, Note, Recommendation, Wait};
use crate::node::{AssetPath, Assets, Cx, Task, TaskError};

/// Decides what is to be done about anomalies: which action, on which host or service, with which parameters. No model
/// takes part; the sentences are the playbook's templates, which `draft` may have reworded.
///
/// A playbook is a TOML file with `[assumptions]` and an ordered list of `[[actions]]`.
///
/// ```toml
/// [assumptions.replicas]               # a number that no telemetry states; sentences that rest on it say so
/// value = 2
/// min = 1                              # least and greatest value that make sense, and whether it is a whole number;
/// max = 1000                           # each may be left out, and holds for the graph's own value too
/// integer = true
/// unit = "replicas"                    # written after the number; may be left out
/// meaning = { en = "replicas that run today", fr = "réplicas en service" }
///
/// [[actions]]
/// id = "scale-out"
/// trigger = ["cpu_usage"]              # at least one of these must be an anomaly that is not yet answered
/// covers = ["latency_ms"]              # same cause: answered along with it if it is of the same time
/// when = "cpu_usage.value >= 75"       # optional condition
/// target = "host"                      # host or service
/// prefer = ["*gateway*", "*api*"]      # services to choose first, `*` stands for any text
///
/// [actions.parameters.replicas]        # what the report states, computed
/// formula = "ceil(assumed.replicas * cpu_usage.value / 70)"
/// meaning = { en = "replicas to run", fr = "réplicas à prévoir" }
///
/// [actions.projections.cpu_usage]      # computed for the sentences only
/// formula = "round(cpu_usage.value * assumed.replicas / parameter.replicas, 1)"
/// unit = "%"
/// meaning = { en = "CPU usage afterwards", fr = "utilisation CPU ensuite" }
///
/// [actions.en]
/// action = "Scale {target} out to {parameter.replicas} replicas: CPU peaked at {cpu_usage.value}."
/// benefit_estimate = "From {assumed.replicas} today and with even load, CPU would peak at about {projected.cpu_usage}."
/// no_estimate = "No effect can be derived from the telemetry."
/// also = { latency_ms = "Latency was high too, up to {latency_ms.value}." }
///
/// [actions.fr]
/// action = "Porter {target} à {parameter.replicas} réplicas, le CPU ayant culminé à {cpu_usage.value}."
/// benefit_estimate = "Avec {assumed.replicas} aujourd'hui et une charge égale, le pic serait de {projected.cpu_usage}."
/// no_estimate = "Aucun effet ne peut être déduit de la télémétrie."
/// also = { latency_ms = "La latence était élevée aussi, jusqu'à {latency_ms.value}." }
///
/// [[actions]]
/// id = "investigate"
/// trigger = ["*"]                      # the last action takes whatever is left, one anomaly at a time
/// target = "host"
/// [actions.parameters.observed]
/// formula = "anomaly.value"
/// meaning = { en = "worst value", fr = "pire valeur" }
/// [actions.en]
/// action = "Investigate {anomaly.metric} on {target}."
/// benefit_estimate = "No effect can be derived from the telemetry."
/// no_estimate = "No effect can be derived from the telemetry."
/// [actions.fr]
/// action = "Rechercher la cause de {anomaly.metric} sur {target}."
/// benefit_estimate = "Aucun effet ne peut être déduit de la télémétrie."
/// no_estimate = "Aucun effet ne peut être déduit de la télémétrie."
/// ```
///
/// Anomalies that belong together are one *incident*: related are those of one host (or of records that name none), and
/// those of one service on whatever hosts, whose times overlap or lie at most `together` apart; and through them others. The
/// time of an anomaly is the stretch around its worst record: the records at or above the lowest threshold before and after
/// it, without one below in between (what comes late neither makes nor breaks one). So a mild hour on Monday has no part in
/// what happened on Friday. What began first likely came first; of equal times a service before a metric, then the worse. A
/// recommendation says which incident it answers, the run record lists the incidents, and `agent why` tells of an anomaly what
/// it belongs to. In a graph with `[window]` a stretch may have begun in a window before, and an incident keeps its id and what
/// came first as long as one of its episodes goes on; of several that meet the oldest goes on.
///
/// Actions are tried in their order, host by host; records that name no host count as one.
/// An anomaly is answered once; where several nodes found one of the same name, the worst of them counts.
/// `trigger` and `covers` name metrics; `service_status` is a service that was not online, `service_status:degraded` and
/// `service_status:offline` one whose worst status is that. An action answers one service at a time.
///
/// One cause means the same time: what an action answers along with its trigger overlaps it, from the first to the last
/// record at or above the lowest threshold, both included. The rest goes on to the actions that follow. An action is done
/// once, however often there was a reason: so it may answer anomalies that were at their worst in different incidents, and
/// the one that it names is that of the most urgent.
///
/// The target is the host where records name one and the action says so. Else it is a service: the one that triggers the
/// action; for an action that covers services one that was not online in the trigger's time, though another action may
/// have answered it (of several the first that `prefer` names, then the most severe); the first service that `prefer`
/// names; one that was not online in the trigger's time; the one with the worst status, newest before earlier ones, then
/// by name. Where the records name neither hosts nor services it is the word `host`. Of a
/// host with more than 32 services only those count that its anomalies carry (see `agent kinds detect`).
///
/// The id is `action:target`, `action:service@host` for a service of a named host (which then is the parameter `host`),
/// and `investigate.metric:target` for what is left.
///
/// Facts, as slots `{name}` of sentences: `target`; `host` (in `also.host` only); of each metric `m` that the action
/// answers `m.value`, `m.threshold`, `m.lowest` (the lowest threshold), `m.mean`, `m.records`, `m.reached` (records at or
/// above the lowest threshold), `m.newest`, and the times `m.first`, `m.last`, `m.worst_at`; the same without `lowest` and
/// `mean` of the service that the action is about (prefix `service_status`, with `service_status.service` its name) and,
/// of what is left, under the prefix `anomaly` (with `anomaly.metric`, and `anomaly.aspect`, which says in words what of it stands out: a high
/// value, a silence, an unusual value); `assumed.NAME`, `parameter.NAME`, `projected.NAME`.
///
/// Formulas are CEL over numbers: those of the facts, `+ - * /`, comparisons, `&& || !`, `? :`, `round(x, digits)`,
/// `ceil`, `floor`, `min`, `max`. A status counts as its level: 0 online, 1 degraded, 2 offline. `when` may use every
/// metric that the playbook names, and sees the anomalies of the host that overlap the trigger; what depends on an absent one
/// does not hold. Each action has a parameter that depends on a measured fact.
///
/// A figure that cannot be computed (an absent metric, a division by zero) is left out; a benefit that needs it is replaced
/// by `no_estimate`, and where the action itself needs it the anomalies go on to the next action. `also` adds a sentence to
/// the action where that metric is answered along, or where a host is named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Path of the playbook, relative to the graph file.
    pub playbook: AssetPath,
    /// Assumptions that differ from the playbook's: name = number.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, f64>")]
    pub assumptions: BTreeMap<Spanned<String>, Figure>,
    /// How long a pause there may be between anomalies of one incident; 5 minutes by default.
    #[serde(default = "five_minutes")]
    pub together: Wait,
}

fn five_minutes() -> Wait {
    Wait(Duration::from_secs(300))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub anomalies: Vec<Anomaly>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Most urgent first.
    pub recommendations: Vec<Recommendation>,
}

pub struct Planner {
    book: book::Book,
    machine: formula::Machine,
    together: Wait,
    language: Language,
}

impl Task for Planner {
    const KIND: &'static str = "plan";
    const VERSION: u32 = 5;
    type Config = Config;
    type Input = Input;
    type Output = Plan;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Planner, Vec<Diagnostic>> {
        let source = assets.read(&config.playbook).map_err(|fault| vec![fault])?;
        let written = playbook::read(&source)?;
        let mut book = check::check(&written, &source, assets.language)?;
        assume(&mut book, &config.assumptions, assets.source())?;
        Ok(Planner { book, machine: formula::Machine::new(), together: config.together, language: assets.language })
    }

    async fn run(&self, input: Input, cx: &Cx) -> Result<Plan, TaskError> {
        let (open, mentions) = (Open::recall(cx), mentions(&input.anomalies));
        let anomalies = one_per_series(input.anomalies);
        let found = incidents(&anomalies, self.together, &open.origins(&mentions));
        let recommendations = decide::decide(&self.book, &self.machine, &found, self.language);
        let incidents: Vec<Incident> = found.into_iter().map(|(incident, _)| incident).collect();
        open.keep(&mentions, &incidents, cx);
        incidents.into_iter().for_each(|incident| cx.note(Note::Incident(incident)));
        Ok(Plan { recommendations })
    }
}

/// Puts the graph's assumptions in the place of the playbook's.
fn assume(
    book: &mut book::Book,
    assumptions: &BTreeMap<Spanned<String>, Figure>,
    graph: &SourceFile,
) -> Result<(), Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for (name, value) in assumptions {
        if let Some(assumption) = book.assumptions.iter_mut().find(|a| a.name == *name.get_ref()) {
            if !assumption.range.holds(*value) {
                let message = format!("the assumption `{name}` cannot be {value}");
                let help = format!("the playbook wants {}", assumption.range);
                faults.push(Diagnostic::new(codes::graph::PLAYBOOK, message).at(graph, name.span()).help(help));
            }
            assumption.value = *value;
            continue;
        }
        let names: Vec<&str> = book.assumptions.iter().map(|a| a.name.as_str()).collect();
        let help = match did_you_mean(name.get_ref(), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the playbook assumes: {}", names.join(", ")),
        };
        let message = format!("the playbook has no assumption `{name}`");
        faults.push(Diagnostic::new(codes::graph::PLAYBOOK, message).at(graph, name.span()).help(help));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
