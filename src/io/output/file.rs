//! The kind `output.file`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Report, WindowRecord, WindowSpan};
use crate::io::append::append_line;
use crate::io::atomic::{write_atomic, write_synced};
use crate::node::{Assets, Cx, Task, TaskError};

/// Writes each report as JSON to a file.
///
/// The report is written to a temporary file beside the target, which then takes its place: a reader never sees half a
/// report, and a failed run leaves the old one. Writing the same report again changes nothing.
///
/// ```toml
/// [nodes.output]
/// kind = "output.file"
/// inputs = { report = "report" }
/// path = "../output.json"     # relative to the graph file; "-" is standard output
/// ```
///
/// In a graph with a `[window]` every window has a report. `{window}` in the path stands for the start of the window, as
/// in `reports/20231001T120000Z.json` of `path = "reports/{window}.json"`, and the folders of such a path are made. A
/// path without it always holds the newest report. In a graph without a `[window]`, `{window}` is the time of the
/// report: that of its newest record.
///
/// `append = true` writes one line per report, as compact JSON, to the end of the file (NDJSON). A report that is the
/// last line already is not written again, and where a run is resumed the whole file is looked through for it: so each is
/// there once, also after a crash. A line that a crash has torn is cut off first. The lines are in the order of the
/// windows, but for one that `agent resume` makes up for later: it comes last, so that whoever follows the file sees it.
///
/// Standard output gets one line per report where there are windows (`agent run live.toml --output - | jq .insights`) or
/// with `append = true`, and an indented report else. After a crash its reader may see the last one again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Path of the file, relative to the graph file; `-` is standard output. `--output` overrides it.
    pub path: String,
    /// Add a line to the file instead of replacing it.
    #[serde(default)]
    pub append: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub report: Report,
}

/// Where a report went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Path of the file, or `-`.
    pub path: String,
    pub bytes: u64,
}

pub struct OutputFile {
    /// May hold [`WINDOW`].
    path: String,
    append: bool,
}

/// Stands in a path for the window.
const WINDOW: &str = "{window}";

impl Task for OutputFile {
    const KIND: &'static str = "output.file";
    const VERSION: u32 = 2;
    type Config = Config;
    type Input = Input;
    type Output = Written;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(OutputFile { path: assets.locate(&config.path), append: config.append })
    }

    async fn run(&self, Input { report }: Input, cx: &Cx) -> Result<Written, TaskError> {
        let by_line = self.append || (self.path == "-" && cx.window.is_some());
        let text = if by_line { serde_json::to_string(&report) } else { serde_json::to_string_pretty(&report) };
        let text = text.map_err(|e| TaskError::Permanent(e.to_string()))?;
        let path = self.path_of(&report, cx.window.as_ref());
        self.write(&path, &text, cx)
            .map(|()| Written { path: path.clone(), bytes: text.len() as u64 + 1 })
            .map_err(|error| TaskError::Diagnosed(Box::new(unwritable(&path, &error))))
    }

    fn writes(&self) -> Option<&str> {
        Some(&self.path)
    }
}

impl OutputFile {
    fn path_of(&self, report: &Report, window: Option<&WindowRecord>) -> String {
        let start = window.map_or(report.timestamp, |window| window.span.start);
        self.path.replace(WINDOW, &WindowSpan { start, end: start }.label())
    }

    fn write(&self, path: &str, text: &str, cx: &Cx) -> io::Result<()> {
        if path == "-" {
            let mut out = io::stdout().lock();
            return match out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush()) {
                // A reader that has had enough (`| head`) is no failure.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written,
            };
        }
        let path = Path::new(path);
        if let (true, Some(folder)) = (self.path.contains(WINDOW), path.parent()) {
            fs::create_dir_all(folder)?;
        }
        let whole = || format!("{text}\n");
        match self.append {
            true => append_line(path, text, cx.resumed, cx.synced),
            false if cx.synced => write_synced(path, whole().as_bytes()),
            false => write_atomic(path, whole().as_bytes()),
        }
    }
}

fn unwritable(path: &str, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".to_string(),
        io::ErrorKind::IsADirectory => "it is a folder".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::StorageFull => "the disk is full".to_string(),
        _ => error.to_string(),
    };
    let (message, help) = match path {
        "-" => (format!("cannot write the report to standard output: {why}"), "`--output PATH` writes it to a file"),
        path => (
            format!("cannot write the report to `{path}`: {why}"),
            "an older report at that place is untouched; `--output PATH` writes elsewhere",
        ),
    };
    Diagnostic::new(codes::output::UNWRITABLE, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::domain::{ClosedBy, Language, Timestamp};
    use crate::port::Files;

    struct Beside(std::path::PathBuf);

    impl Files for Beside {
        fn read(&self, _: &str) -> Result<SourceFile, String> {
            Err("no file".to_string())
        }
        fn locate(&self, path: &str) -> String {
            self.0.join(path).to_string_lossy().into_owned()
        }
    }

    fn report(time: &str) -> Report {
        let text = format!(
            r#"{{"timestamp":"{time}","insights":{{"max_cpu":9}},"anomalies":[],"recommendations":[],
            "service_status_summary":{{"online":[],"degraded":[],"offline":[]}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// The window of a minute that has this time in it.
    fn window(time: &str) -> WindowRecord {
        let start = Timestamp::parse(time).unwrap().micros() / 60_000_000 * 60_000_000;
        let [start, end] = [start, start + 60_000_000].map(|at| Timestamp::from_micros(at).unwrap());
        let closed_by = ClosedBy::Watermark;
        WindowRecord { span: WindowSpan { start, end }, closed_by, partial: false, late: 0, carried: 0 }
    }

    /// Writes reports of these times and gives the path of each and what the files hold in the end.
    async fn written(path: &str, append: bool, windows: bool, times: &[&str]) -> (Vec<String>, String) {
        let folder = tempfile::tempdir().unwrap();
        let files = Beside(folder.path().to_path_buf());
        let source = SourceFile::new("g.toml", "");
        let config = Config { path: path.to_string(), append };
        let node = OutputFile::new(config, &Assets::new(Language::En, &source, &files)).unwrap();
        assert_eq!(Task::writes(&node), Some(files.locate(path).as_str()));
        let mut paths = Vec::new();
        for time in times {
            let window = windows.then(|| window(time));
            let cx = Cx::new("output".to_string(), Language::En, None).within("run".to_string(), window, None);
            let written = Task::run(&node, Input { report: report(time) }, &cx).await.unwrap();
            let inside = Path::new(&written.path).strip_prefix(folder.path()).unwrap();
            paths.push(inside.to_str().unwrap().to_string());
        }
        let newest = fs::read_to_string(folder.path().join(paths.last().unwrap())).unwrap();
        (paths, newest)
    }

    fn pretty(time: &str) -> String {
        serde_json::to_string_pretty(&report(time)).unwrap() + "\n"
    }

    fn line(time: &str) -> String {
        serde_json::to_string(&report(time)).unwrap() + "\n"
    }

    #[tokio::test]
    async fn every_window_has_a_file_where_the_path_says_so() {
        let times = ["2023-10-01T12:00:58Z", "2023-10-01T12:01:03.5Z"];
        let (paths, newest) = written("reports/{window}/r.json", false, true, &times).await;
        assert_eq!(paths, ["reports/20231001T120000Z/r.json", "reports/20231001T120100Z/r.json"]);
        assert_eq!(newest, pretty(times[1]));
        let (paths, newest) = written("r.json", false, true, &times).await;
        assert_eq!((paths, newest), (vec!["r.json".to_string(); 2], pretty(times[1])));
        // Without windows: the time of the report.
        let (paths, _) = written("reports/{window}.json", false, false, &times).await;
        assert_eq!(paths, ["reports/20231001T120058Z.json", "reports/20231001T120103.5Z.json"]);
    }

    #[tokio::test]
    async fn appended_reports_are_one_line_each_and_there_once() {
        let [first, second] = ["2023-10-01T12:00:58Z", "2023-10-01T12:01:03Z"];
        let (_, text) = written("r.ndjson", true, true, &[first, first, second, second]).await;
        assert_eq!(text, line(first) + &line(second));
        let (paths, text) = written("{window}.ndjson", true, true, &[first, second]).await;
        assert_eq!((paths[1].as_str(), text), ("20231001T120100Z.ndjson", line(second)));
    }

    /// Other windows have been written since it was; only a run that was taken up again looks for it.
    #[tokio::test]
    async fn a_run_that_is_resumed_does_not_repeat_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.ndjson").to_string_lossy().into_owned();
        let node = OutputFile { path: path.clone(), append: true };
        let [first, second] = ["2023-10-01T12:00:58Z", "2023-10-01T12:01:03Z"];
        for (time, resumed) in [(first, false), (second, false), (first, true), (second, true)] {
            let mut cx = Cx::new("log".to_string(), Language::En, None);
            cx.resumed = resumed;
            Task::run(&node, Input { report: report(time) }, &cx).await.unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), line(first) + &line(second));
    }

    #[tokio::test]
    async fn a_folder_is_made_only_for_the_path_of_a_window() {
        let folder = tempfile::tempdir().unwrap();
        for append in [false, true] {
            let path = folder.path().join("no/such.json").to_string_lossy().into_owned();
            let node = OutputFile { path, append };
            let cx = Cx::new("output".to_string(), Language::En, None);
            let Err(TaskError::Diagnosed(fault)) = Task::run(&node, Input { report: report("2024-01-01") }, &cx).await
            else {
                panic!("written")
            };
            assert_eq!(fault.code, codes::output::UNWRITABLE);
            assert!(fault.message.ends_with("its folder does not exist"), "{fault}");
        }
    }
}
