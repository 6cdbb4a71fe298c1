//! What happens, on standard error: as text, or as JSON with one object a line and nothing else between.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::execute::Settings;
use super::render::safe;
use super::terminal;
use crate::diagnostic::Diagnostic;
use crate::domain::{Timestamp, WindowRecord};
use crate::io::files::WallClock;
use crate::io::llm::Environment;
use crate::port::Clock;

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    /// One object a line: time, level, target, message, fields.
    Json,
}

impl LogFormat {
    pub fn of(word: &str) -> Option<LogFormat> {
        [LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.word().eq_ignore_ascii_case(word))
    }

    pub fn word(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

/// Of the whole process, as standard error is.
static JSON: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The run that this thread is at.
    static WITHIN: RefCell<Map<String, Value>> = RefCell::default();
}

pub fn choose(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    if format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| put("ERROR", "agent", &panic.to_string(), Map::new())));
    }
}

pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Until this is dropped, what the thread logs as JSON names the run.
#[must_use]
pub struct Within(Map<String, Value>);

pub fn within(run: &str, window: Option<&WindowRecord>) -> Within {
    let window = window.map(|window| ("window".to_string(), window.span.label().into()));
    let fields = [("run".to_string(), run.into())].into_iter().chain(window).collect();
    Within(WITHIN.replace(fields))
}

impl Drop for Within {
    fn drop(&mut self) {
        WITHIN.set(std::mem::take(&mut self.0));
    }
}

/// Logs from now on, as RUST_LOG or else the flags say.
pub fn begin(settings: &Settings, environment: &Environment) {
    let default = match settings.verbose {
        0 if settings.quiet => "error",
        0 => "warn,agent::io::ingest::listen=info", // where a system-chosen port is to be found
        1 => "info",
        2 => "agent=debug,info",
        _ => "trace",
    };
    let asked = environment.get("RUST_LOG").map(|text| (text, EnvFilter::try_new(text)));
    let filter = match asked {
        Some((_, Ok(filter))) => filter,
        Some((text, Err(error))) => {
            terminal::err(&format!("warning: RUST_LOG is left out, `{}`: {error}\n", safe(text)));
            EnvFilter::new(default)
        }
        None => EnvFilter::new(default),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second initialisation in one process (tests) keeps the first.
    let _ = if is_json() {
        log.event_format(Json).try_init()
    } else {
        log.with_ansi(terminal::stderr_style().color).try_init()
    };
}

/// What the program would print for people: a line of the log for each `warning: ` or `note: `, and one for other text.
pub fn say(text: &str) {
    for (level, message) in told(text) {
        put(level, "agent", &message, Map::new());
    }
}

/// What went wrong.
pub fn fault(fault: &Diagnostic) {
    let help = fault.help.as_ref().map(|help| ("help".to_string(), help.as_str().into()));
    let fields = [("code".to_string(), fault.code.id.into())].into_iter().chain(help).collect();
    put("ERROR", "agent", &fault.to_string(), fields);
}

fn told(text: &str) -> Vec<(&'static str, String)> {
    let mut told: Vec<(&'static str, String)> = Vec::new();
    for line in text.lines() {
        let begins = [("warning: ", "WARN"), ("note: ", "INFO"), ("error: ", "ERROR")]
            .into_iter()
            .find_map(|(word, level)| Some((level, line.strip_prefix(word)?)));
        match (begins, told.last_mut()) {
            (Some((level, message)), _) => told.push((level, message.to_string())),
            (None, Some((_, message))) => *message += &format!("\n{line}"),
            (None, None) => told.push(("INFO", line.to_string())),
        }
    }
    told.iter_mut().for_each(|(_, message)| *message = message.trim().to_string());
    told.retain(|(_, message)| !message.is_empty());
    told
}

fn put(level: &str, target: &str, message: &str, fields: Map<String, Value>) {
    terminal::raw_err(&line(WallClock.now(), level, target, message, fields));
}

/// A line of the log. What telemetry or a model wrote stays on it: JSON escapes what would end one.
fn line(time: Timestamp, level: &str, target: &str, message: &str, fields: Map<String, Value>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: Timestamp,
        level: &'a str,
        target: &'a str,
        message: &'a str,
        fields: Map<String, Value>,
    }
    let mut all = WITHIN.try_with(|within| within.borrow().clone()).unwrap_or_default();
    all.extend(fields);
    let line = Line { time, level, target, message, fields: all };
    serde_json::to_string(&line).unwrap_or_default() + "\n" // text and numbers always serialise
}

/// The format of `tracing`'s events.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let about = event.metadata();
        writer.write_str(&line(WallClock.now(), about.level().as_str(), about.target(), &said.message, said.fields))
    }
}

#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_string(), value);
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_string(),
            _ => self.put(field, value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_the_level_that_its_first_word_says() {
        let text = "running\nwarning: a; b\nnote: c\n  goes on\n\nwarning: \nerror: d\n";
        let expected = [("INFO", "running"), ("WARN", "a; b"), ("INFO", "c\n  goes on"), ("ERROR", "d")];
        assert_eq!(told(text), expected.map(|(level, message)| (level, message.to_string())));
        assert_eq!(told("\n"), []);
    }

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let time = Timestamp::parse("2024-01-01T00:00:00.5Z").unwrap();
        let fields: Map<String, Value> = [("node".to_string(), "a\u{2028}\"b".into())].into_iter().collect();
        let _within = within("r1", None);
        let line = line(time, "WARN", "agent::io", "two\nlines \u{1b}[31m", fields);
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "time": "2024-01-01T00:00:00.5Z", "level": "WARN", "target": "agent::io", "message": "two\nlines \u{1b}[31m",
            "fields": { "run": "r1", "node": "a\u{2028}\"b" },
        });
        assert_eq!(read, expected);
    }
}
