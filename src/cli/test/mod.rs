//! `agent test`: tests of graphs, written in TOML by the people who write the graphs.

mod anomalies;
mod case;
mod discover;
mod episodes;
mod feed;
mod file;
mod inputs;
mod json;
mod judge;
mod junit;
mod notation;
mod play;
mod stage;
mod subset;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use case::Case;
use file::{Expect, TestFile};

use super::exit::{Exit, Failure};
use super::render::test as render;
use super::terminal;
use crate::diagnostic::{Diagnostic, SourceFile, codes, decode_file};
use crate::graph::Compiled;
use crate::io::atomic::write_atomic;
use crate::io::files::read_text;

/// Test graphs: run them on made-up or recorded telemetry and hold what comes to what is expected.
///
/// Tests are written in TOML, beside their graphs; `agent test --help` describes them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = include_str!("manual.txt"))]
pub struct TestArguments {
    /// Test files, graphs that have one beside them, or folders with test files at any depth.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Run only the tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write the results to this file too, as JUnit XML.
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
    /// Print only what failed.
    #[arg(short, long)]
    quiet: bool,
}

/// What came of a test.
pub struct Verdict {
    /// Why it did not pass; one that could not be run has other codes than AG0501.
    pub faults: Vec<Diagnostic>,
    /// What is worth knowing all the same.
    pub notes: Vec<String>,
    pub took: Duration,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

/// A test file that was read.
struct Loaded {
    path: PathBuf,
    source: SourceFile,
    file: TestFile,
}

pub fn test(arguments: &TestArguments) -> Result<Exit, Failure> {
    let files = load(&discover::test_files(&arguments.paths)?)?;
    let cases: Vec<Case<'_>> = files.iter().flat_map(cases).filter(|case| is_wanted(case, arguments)).collect();
    if cases.is_empty() {
        let message = match &arguments.filter {
            Some(filter) => format!("no test has `{filter}` in its name"),
            None => "the files have no tests".to_string(),
        };
        return Err(Failure::usage(Diagnostic::new(codes::test::NO_TESTS, message).help(codes::test::NO_TESTS.remedy)));
    }
    let verdicts = run_all(&cases);
    let results: Vec<(&str, &str, &Verdict)> =
        cases.iter().zip(&verdicts).map(|(case, verdict)| (&*case.source.name, case.name(), verdict)).collect();
    terminal::out(&render::results(&results, arguments.quiet, terminal::stdout_style()));
    if let Some(path) = &arguments.junit {
        write_atomic(path, junit::document(&results).as_bytes()).map_err(|error| {
            let message = format!("cannot write {}: {error}", path.display());
            Failure::run(Diagnostic::new(codes::test::JUNIT, message).help(codes::test::JUNIT.remedy))
        })?;
    }
    Ok(if verdicts.iter().all(Verdict::passed) { Exit::Done } else { Exit::Failed })
}

pub use discover::is_test_file;

/// Reads a test file and compiles the graphs of its tests, without running them; how many tests it has.
///
/// # Errors
/// Exit 78: all that is wrong with it.
pub fn check(path: &Path) -> Result<usize, Failure> {
    let files = load(&[path.to_path_buf()])?;
    let cases: Vec<Case<'_>> = files.iter().flat_map(cases).collect();
    let faults: Vec<Diagnostic> = cases.iter().filter_map(|case| staged(case).err()).flatten().collect();
    if faults.is_empty() { Ok(cases.len()) } else { Err(Failure::config(faults)) }
}

/// Reads all the files, and says all that is wrong with them.
fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>, Failure> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        let read = read_text(path).map_err(|why| {
            let message = format!("cannot read the test file `{}`: {why}", path.display());
            vec![Diagnostic::new(codes::graph::UNREADABLE, message).help("check the path and its permissions")]
        });
        match read.and_then(|source| decode_file(&source).map(|file| (source, file))) {
            Ok((source, file)) => files.push(Loaded { path: path.clone(), source, file }),
            Err(mut found) => {
                found.sort_by_key(|fault| fault.place.as_ref().map(|(_, span)| span.start));
                faults.extend(found.into_iter().map(with_help));
            }
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(Failure::config(faults)) }
}

/// The remedies of codes of graphs speak of graphs.
fn with_help(fault: Diagnostic) -> Diagnostic {
    if fault.help.is_some() { fault } else { fault.help("`agent test --help` describes test files") }
}

fn cases(loaded: &Loaded) -> impl Iterator<Item = Case<'_>> {
    let Loaded { path, source, file } = loaded;
    file.test.iter().map(move |written| Case { path, source, written })
}

fn is_wanted(case: &Case<'_>, arguments: &TestArguments) -> bool {
    arguments.filter.as_ref().is_none_or(|filter| case.name().contains(filter.as_str()))
}

/// Several at a time; what comes of them is in their order.
fn run_all(cases: &[Case<'_>]) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts: Vec<Mutex<Option<Verdict>>> = cases.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some((case, slot)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            cases.get(at).zip(verdicts.get(at))
        } {
            *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(run(case));
        }
    };
    std::thread::scope(|scope| {
        let others = std::thread::available_parallelism().map_or(1, NonZero::get).min(cases.len());
        let workers: Vec<_> = (1..others).map(|_| scope.spawn(work)).collect();
        work();
        workers.into_iter().for_each(|worker| drop(worker.join())); // what panicked has no verdict
    });
    let verdict = |(slot, case): (Mutex<Option<Verdict>>, &Case<'_>)| {
        slot.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).unwrap_or_else(|| Verdict {
            faults: vec![case.fault(case.test().name.span(), "the test panicked, which is a bug".to_string())],
            notes: Vec::new(),
            took: Duration::ZERO,
        })
    };
    verdicts.into_iter().zip(cases).map(verdict).collect()
}

fn run(case: &Case<'_>) -> Verdict {
    let begun = Instant::now();
    let (faults, notes) = match played(case) {
        Ok(played) => (judge::judge(case, &played), notes(&played)),
        Err(faults) => (faults, Vec::new()),
    };
    Verdict { faults, notes, took: begun.elapsed() }
}

fn played(case: &Case<'_>) -> Result<play::Played, stage::Faults> {
    play::play(case, staged(case)?)
}

fn staged(case: &Case<'_>) -> Result<Compiled, stage::Faults> {
    let expect = &case.test().expect;
    if expect.get_ref().is_empty() {
        let fault = case.fault(expect.span(), "the test expects nothing, so it could never fail".to_string());
        return Err(vec![fault.help("write `no_anomalies = true`, `[[test.expect.anomalies]]` or another key")]);
    }
    let Expect { no_anomalies, anomalies, more_anomalies, .. } = expect.get_ref();
    if let Some(none) = no_anomalies.as_ref().filter(|none| *none.get_ref())
        && (!anomalies.is_empty() || *more_anomalies)
    {
        let fault = case.fault(none.span(), "no anomaly is expected here, and some are below".to_string());
        return Err(vec![fault.help("leave out `no_anomalies`, or `more_anomalies` and the list")]);
    }
    stage::stage(case)
}

fn notes(played: &play::Played) -> Vec<String> {
    let note = |left: &String| format!("the cassette has an interaction that nothing asked for: {left}");
    played.left_over.iter().map(note).collect()
}
