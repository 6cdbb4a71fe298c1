//! The page that a run writes beside its report, or instead of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use super::{Format, known, shown};
use crate::cli::exit::Failure;
use crate::cli::terminal;
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Report, RunRecord, Timestamp, WindowSpan};
use crate::engine::{Invocation, PageWanted, Run};
use crate::graph::{Override, Plan, Reference, outline, wired_so};
use crate::io::atomic::write_atomic;
use crate::io::output::file::Written;
use crate::node::{AnyTask, Cx, Fold, TaskError};
use crate::nodes::chart::Charting;
use crate::nodes::detect::Detect;
use crate::port::BoxFuture;

/// What adds a `chart` node for each `detect` node, as `+NODE.KEY=VALUE`; nothing where the graph has one.
pub fn add_charts(source: &SourceFile, sets: &[Override]) -> Vec<String> {
    let nodes = outline(source);
    if nodes.iter().any(|(_, kind)| kind == Charting::KIND) {
        return Vec::new();
    }
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default(); // a string always serialises
    let mut texts = Vec::new();
    let mut number = 0;
    for wired in wired_so(source, sets, Detect::KIND, Detect::PORT, "rules") {
        let name = loop {
            number += 1;
            let name = if number == 1 { "charts".to_string() } else { format!("charts-{number}") };
            if nodes.iter().all(|(known, _)| *known != name) {
                break name;
            }
        };
        let from: Vec<String> = wired.from.iter().map(|from| quoted(from)).collect();
        texts.push(format!("+{name}.kind={}", quoted(Charting::KIND)));
        texts.push(format!("+{name}.inputs.{}=[{}]", Detect::PORT, from.join(",")));
        texts.push(format!("+{name}.rules={}", quoted(&wired.value)));
    }
    texts
}

/// Whether the graph can have the page that is asked for.
///
/// # Errors
/// AG0315: there is no report, no place for the page, or one place for several.
pub fn check(plan: &Plan, invocation: &Invocation) -> Result<(), Failure> {
    let Some(PageWanted { format, instead }) = invocation.page.as_deref() else { return Ok(()) };
    let refuse = |message: String, help: &str| {
        Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help.to_string())))
    };
    let writers: Vec<(usize, String)> =
        plan.yielding::<Written>().filter_map(|at| Some((at, place(plan, at)?))).collect();
    if plan.yielding::<Report>().next().is_none() {
        return refuse(
            format!("--format {format} shows the report, and no node of the graph makes one"),
            "add a `merge` node",
        );
    }
    if writers.is_empty() {
        let help = "add an `output.file` node, or show the run afterwards: `agent render last`";
        return refuse(format!("--format {format} writes beside the report, and no node of the graph writes it"), help);
    }
    let to_stdout = writers.iter().any(|(_, path)| path == "-");
    if to_stdout && !instead {
        let help = "`--output PATH` says where; `--output -` writes it instead of the report";
        return refuse(format!("--format {format} writes beside the report, which goes to standard output"), help);
    }
    if to_stdout && plan.window.is_some() && format == Format::Html.word() {
        let help = "`--output reports/{window}.html` has a file for each";
        return refuse("standard output cannot hold a page for each window".to_string(), help);
    }
    let format = Format::of_word(format).unwrap_or(Format::Html);
    let mut taken: BTreeMap<PathBuf, Vec<Reference>> = BTreeMap::new();
    for (at, path) in writers.iter().filter(|_| !instead) {
        let from = plan.nodes.get(*at).and_then(|node| node.inputs.first()).map(|input| input.from.clone());
        let from = from.unwrap_or_default();
        let beside = Path::new(path).with_extension(format.extension());
        if taken.insert(beside.clone(), from.clone()).is_some_and(|other| other != from) {
            let message = format!("two reports would have their page at `{}`", beside.display());
            return refuse(message, "give the `output.file` nodes paths that differ before the extension");
        }
    }
    Ok(())
}

/// Where a node writes, as it is written.
fn place(plan: &Plan, at: usize) -> Option<String> {
    Some(plan.nodes.get(at)?.task.as_ref()?.writes()?.to_string())
}

/// Lets the nodes that write reports write nothing where a page stands instead.
pub fn withhold(plan: &mut Plan, invocation: &Invocation) {
    if !invocation.page.as_ref().is_some_and(|page| page.instead) {
        return;
    }
    let writers: Vec<usize> = plan.yielding::<Written>().collect();
    for at in writers {
        let Some((node, path)) = place(plan, at).and_then(|path| Some((plan.nodes.get_mut(at)?, path))) else {
            continue;
        };
        node.task = node.task.take().map(|task| Arc::new(Withheld { task, path }) as Arc<dyn AnyTask>);
    }
}

/// Says where the report would be, and writes nothing.
struct Withheld {
    task: Arc<dyn AnyTask>,
    /// May hold `{window}`.
    path: String,
}

impl AnyTask for Withheld {
    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>> {
        #[derive(serde::Deserialize)]
        struct Timed {
            timestamp: Timestamp,
        }
        #[derive(serde::Deserialize)]
        struct Input {
            report: Timed,
        }
        let written = serde_json::from_str::<Input>(input.get()).and_then(|Input { report }| {
            let start = cx.window.as_ref().map_or(report.timestamp, |window| window.span.start);
            let path = self.path.replace("{window}", &WindowSpan { start, end: start }.label());
            to_raw_value(&Written { path, bytes: 0 })
        });
        Box::pin(std::future::ready(written.map_err(|error| TaskError::Permanent(error.to_string()))))
    }
    fn fallback(&self, input: &RawValue) -> Option<Box<RawValue>> {
        self.task.fallback(input)
    }
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        self.task.needs_in_windows()
    }
    fn writes(&self) -> Option<&str> {
        self.task.writes()
    }
}

/// Writes the pages of a run that is done; gives where they went.
///
/// # Errors
/// AG0401: one could not be written.
pub fn pages(plan: &Plan, run: &Run, record: &RunRecord, invocation: &Invocation) -> Result<Vec<String>, Failure> {
    let Some(PageWanted { format, instead }) = invocation.page.as_deref() else { return Ok(Vec::new()) };
    let Some(format) = Format::of_word(format) else { return Ok(Vec::new()) };
    let known = known::known(Some(record.clone()), (0..plan.nodes.len()).filter_map(|node| run.value(node)));
    let mut places: Vec<String> = Vec::new();
    for at in plan.yielding::<Written>() {
        let Some(Written { path, .. }) = run.value(at).and_then(|value| serde_json::from_str(value.get()).ok()) else {
            continue;
        };
        let Some(report) = report_of(plan, run, at) else { continue };
        let text = shown(&report, plan.language, &known, format);
        if path == "-" {
            terminal::out(&text);
            continue;
        }
        let to = if *instead { PathBuf::from(path) } else { Path::new(&path).with_extension(format.extension()) };
        let place = to.to_string_lossy().into_owned();
        if places.contains(&place) {
            continue;
        }
        let folder = to.parent().filter(|_| is_of_window(plan, at));
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| write_atomic(&to, text.as_bytes())).map_err(|error| unwritable(&to, &error))?;
        places.push(place);
    }
    Ok(places)
}

/// Whether the path of a node has a place for the window: then its folders are made.
fn is_of_window(plan: &Plan, at: usize) -> bool {
    place(plan, at).is_some_and(|path| path.contains("{window}"))
}

/// The report that a node writes.
fn report_of(plan: &Plan, run: &Run, writer: usize) -> Option<Report> {
    let input = plan.nodes.get(writer)?.inputs.iter().find(|input| input.port == "report")?;
    let Reference { node, field } = input.from.first()?;
    let value = run.value(*node)?;
    match field {
        None => serde_json::from_str(value.get()).ok(),
        Some(field) => {
            let mut fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(value.get()).ok()?;
            serde_json::from_value(fields.remove(field)?).ok()
        }
    }
}

pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write the page to `{}`: {error}", path.display());
    Failure::run(Diagnostic::new(codes::output::UNWRITABLE, message).help("an older one at that place is untouched"))
}
