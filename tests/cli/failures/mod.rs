//! The table of failures: endpoints that break the wire, the protocol, the format and the content, each in a run of its
//! own over a real socket. Whatever they do, the run ends with 0 within its time, the report fits its schema, and all
//! of it but the words of recommendations is what `--offline` writes, byte for byte.
//!
//! The outcome is `docs/failures.md`, which this test holds to. `INSTA_UPDATE=always cargo test --test cli failures`
//! writes it anew; `FAILURES=part-of-a-name` runs some cases alone and shows what came of them.

mod content;
mod format;
mod french;
mod protocol;
mod server;
mod wire;

use std::fmt::Write;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::Value;

use crate::sandbox::{Ran, Sandbox, repository};
use server::{Act, Server};

const GRAPH: &str = "graphs/default.toml";
const INPUT: &str = "fixtures/sample.json";
const KEY: &str = "sk-canary-4b1d9f7e2c6a8035";
const TABLE: &str = "docs/failures.md";

/// Runs at one time: most of a run is waiting.
const AT_ONCE: usize = 8;
/// What a run may take beyond its deadline: start, client, detection, report, on a machine that does other things too.
const MARGIN: Duration = Duration::from_secs(6);
/// What a run may take beyond the one that takes least, in KiB: two answers of four megabytes at a time, each as a tree of
/// some fifty.
const MEMORY: u64 = 104 << 10;
/// More requests than any endpoint can make a run of two recommendations send.
const MOST_EXCHANGES: usize = 40;

/// Who words the recommendations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Worded {
    Model,
    Template,
    /// One by the model, one by the template.
    Both,
}

/// One failure.
pub struct Case {
    name: &'static str,
    /// What the endpoint does.
    does: &'static str,
    act: Arc<Act>,
    worded: Worded,
    /// A part of what the run record says of it; nothing where there is nothing to say.
    reason: &'static str,
    /// Of the report.
    language: &'static str,
    scheme: &'static str,
    timeout: &'static str,
    deadline: &'static str,
    /// What is wrong with what comes of it, where nobody has mended that yet: who words it is not held to then.
    open: Option<&'static str>,
    /// Whether the number of exchanges, or the words of the reason, depend on timing or on the system.
    varies: bool,
}

/// The endpoint answers in time, so nothing depends on how busy the machine is.
pub fn case(name: &'static str, does: &'static str, act: Act) -> Case {
    let act = Arc::new(act);
    let (worded, reason) = (Worded::Template, "");
    let (language, scheme, timeout, deadline) = ("en", "http", "10", "20");
    Case { name, does, act, worded, reason, language, scheme, timeout, deadline, open: None, varies: false }
}

impl Case {
    pub fn template(self, reason: &'static str) -> Case {
        Case { worded: Worded::Template, reason, ..self }
    }

    pub fn model(self, reason: &'static str) -> Case {
        Case { worded: Worded::Model, reason, ..self }
    }

    pub fn both(self, reason: &'static str) -> Case {
        Case { worded: Worded::Both, reason, ..self }
    }

    /// The run's time is what ends it.
    pub fn slow(self) -> Case {
        Case { timeout: "0.4", deadline: "6", ..self }
    }

    pub fn timeout(self, timeout: &'static str) -> Case {
        Case { timeout, ..self }
    }

    pub fn deadline(self, deadline: &'static str) -> Case {
        Case { deadline, ..self }
    }

    pub fn open(self, why: &'static str) -> Case {
        Case { open: Some(why), ..self }
    }

    pub fn french(self) -> Case {
        Case { language: "fr", ..self }
    }

    pub fn https(self) -> Case {
        Case { scheme: "https", ..self }
    }

    pub fn varies(self) -> Case {
        Case { varies: true, ..self }
    }
}

/// What came of it.
struct Outcome {
    /// `None` where it depends on which task learnt first what the endpoint takes.
    exchanges: Option<usize>,
    worded: Worded,
    /// The first that the run record has.
    reason: String,
    took: Duration,
    /// KiB; 0 where the system does not say.
    memory: u64,
}

/// What every run is held to.
struct Standard {
    /// The report without a model, in each language.
    offline: [(&'static str, String); 2],
    reports: Validator,
    records: Validator,
}

impl Standard {
    fn new() -> Standard {
        let sandbox = Sandbox::new();
        let schema = |of: &str| {
            let text = sandbox.agent(&["schema", of]).exits(0).stdout;
            jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        let (reports, records) = (schema("report"), schema("run"));
        let offline = ["en", "fr"].map(|language| {
            let sandbox = speaking(language);
            sandbox.agent(&["run", GRAPH, "-q", "--offline", "--input", INPUT]).exits(0);
            (language, sandbox.read("output.json"))
        });
        Standard { offline, reports, records }
    }

    fn offline(&self, case: &Case) -> &str {
        self.offline.iter().find(|(language, _)| *language == case.language).map_or("", |(_, report)| report)
    }
}

/// A project whose report is in this language.
fn speaking(language: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    if language != "en" {
        sandbox.edit(GRAPH, "language = \"en\"", &format!("language = \"{language}\""));
    }
    sandbox
}

#[test]
fn whatever_an_endpoint_does_the_report_is_true() {
    let all = [
        ("The wire", wire::cases()),
        ("The protocol", protocol::cases()),
        ("The format", format::cases()),
        ("The content", content::cases()),
        ("The content, in French", french::cases()),
    ];
    let only = std::env::var("FAILURES").unwrap_or_default();
    let mut names: Vec<&str> = all.iter().flat_map(|(_, cases)| cases).map(|case| case.name).collect();
    assert!(names.len() >= 80);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two cases of one name");

    let standard = Standard::new();
    let chosen: Vec<&Case> = all.iter().flat_map(|(_, cases)| cases).filter(|case| case.name.contains(&only)).collect();
    let outcomes = run_all(&chosen, &standard);
    let mut wrong = String::new();
    for (case, outcome) in chosen.iter().zip(&outcomes) {
        match outcome {
            Err(why) => writeln!(wrong, "{}: {why}", case.name).unwrap(),
            Ok(o) if !only.is_empty() => println!(
                "{}: {:?} exchanges, {:?}, {} KiB: {:?}: {}",
                case.name, o.exchanges, o.took, o.memory, o.worded, o.reason
            ),
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    if !only.is_empty() {
        return;
    }
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    let slowest = outcomes.iter().map(|o| o.took).max().unwrap_or_default();
    let largest = outcomes.iter().map(|o| o.memory).max().unwrap_or_default();
    let least = outcomes.iter().map(|o| o.memory).filter(|memory| *memory > 0).min().unwrap_or_default();
    for (case, outcome) in chosen.iter().zip(&outcomes) {
        assert!(outcome.memory <= least + MEMORY, "{} takes {} KiB, others {least}", case.name, outcome.memory);
    }
    println!("{} cases; the slowest took {slowest:?}, the largest {largest} KiB", chosen.len());
    let table = table(&all, &mut outcomes.into_iter());
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(repository().join(TABLE), &table).unwrap();
    }
    let committed = fs::read_to_string(repository().join(TABLE)).unwrap_or_default();
    let differing: Vec<&str> = table.lines().filter(|line| !committed.lines().any(|l| l == *line)).collect();
    assert!(table == committed, "{TABLE} says otherwise of\n{}", differing.join("\n"));
}

fn run_all(cases: &[&Case], standard: &Standard) -> Vec<Result<Outcome, String>> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Result<Outcome, String>>>> = cases.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < cases.len()) {
                    *outcomes[at].lock().unwrap() = Some(run(cases[at], standard));
                }
            });
        }
    });
    outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap().unwrap()).collect()
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// One run, and everything it is held to.
fn run(case: &Case, standard: &Standard) -> Result<Outcome, String> {
    let sandbox = speaking(case.language);
    let Played { ran, exchanges, taught, took, memory } = play(case, &sandbox)?;
    check(ran.code == Some(0), || format!("it exits with {:?}: {}", ran.code, ran.stderr))?;
    check(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY), || "the key stands on a stream".to_string())?;
    let with_key = sandbox.files_with(KEY);
    check(with_key.is_empty(), || format!("the key stands in {with_key:?}"))?;
    check(exchanges <= MOST_EXCHANGES, || format!("it sends {exchanges} requests"))?;

    let report = sandbox.read("output.json");
    let record = fs::read_to_string(sandbox.run_folder().join("run.json")).unwrap();
    fits("report", &standard.reports, &report)?;
    let record = fits("run record", &standard.records, &record)?;
    let same = decisions(&report) == decisions(standard.offline(case));
    check(same, || format!("more than words differs from the run without a model: {report}"))?;
    harmless(&report, standard.offline(case))?;

    let calls = record["calls"].as_array().unwrap();
    let attempts: u64 = calls.iter().map(|call| call["attempts"].as_u64().unwrap()).sum();
    check(calls.iter().all(|call| call["attempts"] != 0), || format!("a call took no exchange: {calls:?}"))?;
    // A try that ended before its connection was accepted is one too.
    check(attempts >= exchanges as u64, || format!("{exchanges} exchanges, and the record says {attempts}"))?;
    let mut wordings: Vec<&Value> = record["wordings"].as_array().unwrap().iter().collect();
    wordings.sort_by_key(|wording| wording["recommendation"].as_str()); // as tasks end, else
    let worded = match wordings.iter().filter(|wording| wording["source"] == "model").count() {
        0 => Worded::Template,
        n if n == wordings.len() => Worded::Model,
        _ => Worded::Both,
    };
    let by_templates = worded != Worded::Template || report == standard.offline(case);
    check(by_templates, || format!("the templates' words are not those of the run without a model: {report}"))?;
    let lists = wordings.iter().flat_map(|wording| [&wording["rejected"], &wording["ledger"]]);
    let said: Vec<&str> = lists.flat_map(|list| list.as_array().unwrap()).map(|text| text.as_str().unwrap()).collect();
    let expected = match case.reason {
        "" => said.is_empty(),
        reason => said.iter().any(|text| text.contains(reason)),
    };
    let as_expected = worded == case.worded && expected;
    let told = || format!("{worded:?}, and the record says {said:#?}");
    match case.open {
        None => check(as_expected, || format!("expected {:?} with `{}`, got {}", case.worded, case.reason, told()))?,
        Some(_) => check(!as_expected, || "is mended: take `.open(…)` away".to_string())?,
    }
    let reason = if case.varies { case.reason } else { said.first().copied().unwrap_or_default() };
    let exchanges = Some(exchanges).filter(|_| !case.varies && !taught);
    Ok(Outcome { exchanges, worded, reason: reason.to_string(), took, memory })
}

struct Played {
    ran: Ran,
    exchanges: usize,
    taught: bool,
    took: Duration,
    memory: u64,
}

/// Runs the graph against the case's endpoint.
fn play(case: &Case, sandbox: &Sandbox) -> Result<Played, String> {
    let server = Server::start(case.act.clone());
    let url = format!("{}://{}/v1", case.scheme, server.address());
    let variables = [
        ("LLM_BASE_URL", url.as_str()),
        ("LLM_MODEL", "m"),
        ("LLM_API_KEY", KEY),
        ("LLM_TIMEOUT", case.timeout),
        ("LLM_DEADLINE", case.deadline),
    ];
    let begun = Instant::now();
    // Verbose, so that much is said that can be looked through for the key.
    let mut command = sandbox.command(&["run", GRAPH, "-v", "--input", INPUT]);
    let mut child = command.envs(variables).env("RUST_LOG", "debug").spawn().unwrap();
    let (stdout, stderr) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
    let longest = Duration::from_secs_f64(case.deadline.parse().unwrap()) + MARGIN;
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > longest {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("it takes longer than {longest:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (took, exchanges, taught) = (begun.elapsed(), server.exchanges(), server.taught());
    let ran = Ran { code: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    Ok(Played { ran, exchanges, taught, took, memory })
}

/// The text as JSON, if it fits the schema.
fn fits(what: &str, schema: &Validator, text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the {what} is no JSON: {error}"))?;
    let misfit = schema.iter_errors(&value).next().map(|error| format!("{}: {error}", error.instance_path()));
    misfit.map_or(Ok(()), |error| Err(format!("the {what} does not fit its schema: {error}")))?;
    Ok(value)
}

fn drain(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).expect("what the program prints is UTF-8")
    })
}

/// Most memory that the process has held so far, in KiB.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// The report's text without the words of recommendations. A string of JSON has no line breaks.
fn decisions(report: &str) -> String {
    let is_words =
        |line: &&str| ["\"action\": ", "\"benefit_estimate\": "].iter().any(|key| line.trim().starts_with(key));
    report.lines().filter(|line| !is_words(line)).collect::<Vec<_>>().join("\n")
}

/// Whoever worded it: no sign that acts, no slot, no address, and no figure that the words without a model lack.
fn harmless(report: &str, offline: &str) -> Result<(), String> {
    let report: Value = serde_json::from_str(report).unwrap();
    for recommendation in report["recommendations"].as_array().unwrap() {
        for words in [&recommendation["action"], &recommendation["benefit_estimate"]] {
            let words = words.as_str().unwrap();
            let acts = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            };
            if words.trim().is_empty()
                || words.contains(acts)
                || words.contains(['{', '}', '<', '`'])
                || words.contains("://")
            {
                return Err(format!("published: {words:?}"));
            }
            let mut figures = words.split(|c: char| !c.is_numeric()).filter(|figure| !figure.is_empty());
            if let Some(figure) = figures.find(|figure| !offline.contains(*figure)) {
                return Err(format!("the figure {figure} is nobody's: {words:?}"));
            }
        }
    }
    Ok(())
}

/// The page that users read.
fn table(all: &[(&str, Vec<Case>)], outcomes: &mut dyn Iterator<Item = Outcome>) -> String {
    let count: usize = all.iter().map(|(_, cases)| cases.len()).sum();
    let mut page = format!(
        "# What a model's endpoint can do wrong, and what a run makes of it\n\n\
         {count} failures, each of which is played by a real server on a real socket against `agent run` by\n\
         `tests/cli/failures`, which writes this page and holds to it. In every one of them the exit code is 0, the report\n\
         and the run record fit their schemas, the report is byte for byte that of `--offline` except for words that the\n\
         model was allowed to write, no figure is in it that is not in that one's, the key is in no file and on no stream, the run\n\
         ends within `LLM_DEADLINE` and {} seconds, and takes at most {} MiB of memory more than any other.\n\n\
         - *Exchanges*: connections that the run made, for two recommendations. A request is tried 3 times at most, and a\n  \
           rejected draft is asked for twice more. `…` where the number depends on timing, or\n  \
           on which of them learns first what the endpoint takes.\n\
         - *Worded by*: who words the report in the end: the model, or the templates that word it without one.\n\
         - *Reason*: the first thing that the run record says of it; only the part that does not depend on the machine where it\n  \
           ends in `…`.\n",
        MARGIN.as_secs(),
        MEMORY >> 10
    );
    for (title, cases) in all {
        write!(
            page,
            "\n## {title}\n\n| Case | The endpoint | Exchanges | Worded by | Reason |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for case in cases {
            let Outcome { exchanges, worded, reason, .. } = outcomes.next().expect("one for each case");
            let exchanges = exchanges.map_or("…".to_string(), |exchanges| exchanges.to_string());
            let worded = match worded {
                Worded::Model => "model",
                Worded::Template => "templates",
                Worded::Both => "both",
            };
            let more = if case.varies && !reason.is_empty() { "…" } else { "" };
            let short: String = reason.chars().take(160).collect();
            let cut = if short.len() < reason.len() { "…" } else { "" };
            let reason = short.replace('\\', "\\\\").replace('|', "\\|").replace('<', "\\<").replace('*', "\\*");
            writeln!(page, "| {} | {} | {exchanges} | {worded} | {reason}{cut}{more} |", case.name, case.does).unwrap();
        }
    }
    let mut open = all.iter().flat_map(|(_, cases)| cases).filter_map(|case| Some((case.name, case.open?))).peekable();
    if open.peek().is_some() {
        page += "\n## Open\n\nThe words of these should not have been published; nothing else is wrong with them.\n\n";
    }
    open.for_each(|(name, why)| writeln!(page, "- {name}: {why}").unwrap());
    page
}
