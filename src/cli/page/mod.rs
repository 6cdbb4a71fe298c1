//! Reports to look at: `agent render`, and the page that `agent run --format` writes.

mod known;
mod written;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::render::page::{Known, Page, html, markdown};
use super::resume::read;
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Language, Report};
use crate::engine::{Entry, Event};
use crate::graph::language_of;
use crate::io::atomic::write_atomic;
use crate::io::state::{RunDir, StateDir};

pub use written::{add_charts, check, pages, withhold};

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The exact report, for programs.
    Json,
    /// One file to look at or to print, with charts: no script, nothing fetched.
    Html,
    /// Text for a chat or a ticket.
    Markdown,
}

impl Format {
    const ALL: [Format; 3] = [Format::Json, Format::Html, Format::Markdown];

    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
            Format::Markdown => "markdown",
        }
    }

    fn of_word(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.word() == word)
    }

    /// Of files.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
            Format::Markdown => "md",
        }
    }

    fn of_path(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?;
        Format::ALL.into_iter().find(|format| format.extension() == extension)
    }
}

/// The report in that form, as the text of a file.
pub fn shown(report: &Report, language: Language, known: &Known, format: Format) -> String {
    let page = Page { report, language, known };
    match format {
        Format::Json => serde_json::to_string_pretty(report).unwrap_or_default() + "\n", // our own type always serialises
        Format::Html => html::html(&page),
        Format::Markdown => markdown::markdown(&page),
    }
}

/// Show a report as a page to look at, or as text for a chat or a ticket.
///
/// Of a run that is kept everything is shown that is known of it: incidents, what was wrong with the input, and charts if it
/// was run with `--format html` or its graph has a `chart` node. Of the file of a report there is what the file says.
///
/// The page is one HTML file without script or anything to fetch; it prints, and follows the light or dark theme of who
/// looks at it. What comes from telemetry or from a model is shown as text, never as markup.
#[derive(Debug, clap::Args)]
pub struct RenderArguments {
    /// The file of a report, `-` for standard input; or a run id, a unique beginning of one, or `last`.
    #[arg(value_name = "REPORT|RUN")]
    what: String,
    /// Without it, what the name of the output says (`.html`, `.md`, `.json`), else a page.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The language of headings; without it that of the run's graph, and English for a file.
    #[arg(long, value_enum)]
    language: Option<Spoken>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Spoken {
    En,
    Fr,
}

impl From<Spoken> for Language {
    fn from(spoken: Spoken) -> Language {
        match spoken {
            Spoken::En => Language::En,
            Spoken::Fr => Language::Fr,
        }
    }
}

pub fn render(arguments: &RenderArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let path = Path::new(&arguments.what);
    let (report, language, known) = match arguments.what == "-" || path.is_file() {
        true => (of_file(path)?, Language::En, Known::default()),
        false => {
            let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
            let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
            let looks_like_a_path = arguments.what.contains(['/', '.']);
            let folder = state.resolve(&arguments.what).map_err(|fault| match looks_like_a_path {
                true => none(format!("there is no file `{}`, and no run of that name", arguments.what)),
                false => Failure::run(fault),
            })?;
            of_run(&state, &folder)?
        }
    };
    let output = arguments.output.as_deref().filter(|path| path.as_os_str() != "-");
    let format = arguments.format.or_else(|| Format::of_path(output?)).unwrap_or(Format::Html);
    let language = arguments.language.map_or(language, Language::from);
    let text = shown(&report, language, &known, format);
    match output {
        None => terminal::out(&text),
        Some(to) if load::is_same_file(to, path) => {
            let message = format!("--output would overwrite `{}`, which is shown", path.display());
            return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help("name another file")));
        }
        Some(to) => write_atomic(to, text.as_bytes()).map_err(|error| written::unwritable(to, &error))?,
    }
    Ok(Exit::Done)
}

fn none(message: String) -> Failure {
    Failure::run(Diagnostic::new(codes::run::NO_REPORT, message).help(codes::run::NO_REPORT.remedy))
}

fn of_file(path: &Path) -> Result<Report, Failure> {
    let name = if path.as_os_str() == "-" { "standard input".to_string() } else { format!("`{}`", path.display()) };
    let mut text = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut text).map(drop),
        false => std::fs::read(path).map(|read| text = read),
    };
    read.map_err(|error| none(format!("{name} cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| none(format!("{name} is not a report: {error}")))
}

fn of_run(state: &StateDir, folder: &RunDir) -> Result<(Report, Language, Known), Failure> {
    let json = |path: PathBuf| std::fs::read(path).ok();
    let report = json(folder.report()).and_then(|text| serde_json::from_slice(&text).ok());
    let report = report.ok_or_else(|| none(format!("run {} has no report", folder.id())))?;
    let entries: Vec<Entry> =
        std::fs::read_to_string(folder.events()).ok().and_then(|text| read(&text).ok()).unwrap_or_default();
    let values = entries.iter().flat_map(|entry| match &entry.event {
        Event::Cut { values, .. } => values.values().map(|value| &**value).collect(),
        Event::TaskEnded { output, .. } => vec![&**output],
        _ => Vec::new(),
    });
    let record = json(folder.record()).and_then(|text| serde_json::from_slice(&text).ok());
    let known = known::known(record, values);
    let source = entries.first().and_then(|entry| match &entry.event {
        Event::Started(header) => header.made.source.as_ref(),
        _ => None,
    });
    let text = source.and_then(|mark| Some(SourceFile::new(mark.name.as_str(), state.text(&mark.fingerprint)?)));
    Ok((report, text.map(|text| language_of(&text)).unwrap_or_default(), known))
}
