//! The table of kept runs.

use super::text::{align_right, counted, duration, grid, print, space};
use super::{Style, safe};
use crate::domain::{Report, RunRecord, RunStatus, Severity, Timestamp};

/// One kept run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub run: String,
    pub started: Timestamp,
    /// `None` while it runs, and for a run that was interrupted.
    pub ended: Option<Timestamp>,
    pub graph: String,
    /// Start of its window; `None` where the whole input is one.
    pub window: Option<Timestamp>,
    pub status: RunStatus,
    /// Whether a process works on it now.
    pub alive: bool,
    /// Whether `agent resume` would go on with it, were it interrupted.
    pub resumable: bool,
    /// Anomalies of its report, low, medium, high; `None` where there is no report.
    pub anomalies: Option<[usize; 3]>,
}

impl RunRow {
    pub fn new(record: &RunRecord, report: Option<&Report>, alive: bool, resumable: bool) -> RunRow {
        let count =
            |severity| move |report: &Report| report.anomalies.iter().filter(|a| a.severity == severity).count();
        RunRow {
            run: record.run.clone(),
            started: record.started,
            ended: record.ended,
            graph: record.graph.clone(),
            window: record.window.as_ref().map(|window| window.span.start),
            status: record.status,
            alive,
            resumable,
            anomalies: report.map(|report| Severity::ALL.map(|severity| count(severity)(report))),
        }
    }

    fn interrupted(&self) -> bool {
        self.status == RunStatus::Running && !self.alive
    }

    fn state(&self) -> &'static str {
        match self.status {
            // Also where the record says that it failed: it has been taken up again.
            _ if self.alive => "running",
            RunStatus::Running => "interrupted",
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
        }
    }
}

/// The rows as given, a line each however long: the table is for reading and for `grep`.
pub fn runs(rows: &[RunRow]) -> String {
    if rows.is_empty() {
        return "no runs are kept\n".to_string();
    }
    let mut table = grid(u16::MAX);
    // Only where it says something.
    let has_windows = rows.iter().any(|row| row.window.is_some());
    let window = |cell: String| has_windows.then_some(cell);
    let rest = ["status", "high", "medium", "low", "took"].map(String::from);
    table.set_header(
        ["run", "started", "graph"].map(String::from).into_iter().chain(window("window".into())).chain(rest),
    );
    for row in rows {
        let count = |at: usize| match row.anomalies {
            Some(counts) => counts.get(at).copied().unwrap_or(0).to_string(),
            None => "-".to_string(),
        };
        let of = [safe(&row.run).into_owned(), second(row.started).to_string(), safe(&row.graph).into_owned()];
        let start = row.window.map_or_else(|| "-".to_string(), |start| start.to_string());
        let rest = [
            row.state().to_string(),
            count(2),
            count(1),
            count(0),
            row.ended.map_or_else(|| "-".to_string(), |ended| duration(row.started, ended)),
        ];
        table.add_row(of.into_iter().chain(window(start)).chain(rest));
    }
    space(&mut table);
    let first = if has_windows { 5 } else { 4 };
    align_right(&mut table, first..first + 4);
    let mut printed = print(&table, 0, Style { color: false, width: usize::MAX }, |_| None);
    let interrupted = rows.iter().filter(|row| row.interrupted() && row.resumable).count() as u64;
    if interrupted > 0 {
        let what = counted(interrupted, "run");
        printed.push_str(&format!(
            "\n{what} interrupted: `agent resume RUN` continues without repeating finished tasks\n"
        ));
    }
    printed
}

/// Without the fraction.
fn second(time: Timestamp) -> Timestamp {
    const MICROS: i64 = 1_000_000;
    Timestamp::from_micros(time.micros().div_euclid(MICROS) * MICROS).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, status: RunStatus, took_ms: Option<i64>, anomalies: Option<[usize; 3]>) -> RunRow {
        let started = Timestamp::parse("2023-10-01T12:00:00Z").unwrap();
        RunRow {
            run: run.into(),
            started,
            ended: took_ms.and_then(|ms| Timestamp::from_micros(started.micros() + ms * 1000)),
            graph: "infrastructure".into(),
            window: None,
            status,
            alive: false,
            resumable: true,
            anomalies,
        }
    }

    #[test]
    fn a_line_each_with_counts_by_severity() {
        let mut live = row("20231001-120100-00ff", RunStatus::Running, None, None);
        live.alive = true;
        let mut odd = row("20231001-120000-0001", RunStatus::Failed, Some(700), None);
        odd.graph = "\u{1b}[31mred".into();
        let mut again = row("20231001-115900-0003", RunStatus::Failed, None, None);
        again.alive = true;
        again.started = Timestamp::parse("2023-10-01T11:59:00.123456Z").unwrap();
        let rows = [
            live,
            row("20231001-120030-beef", RunStatus::Running, None, None),
            row("20231001-120010-0002", RunStatus::Done, Some(61_000), Some([12, 3, 1])),
            odd,
            again,
        ];
        insta::assert_snapshot!(runs(&rows), @r#"
        run                   started               graph           status       high  medium  low        took
        20231001-120100-00ff  2023-10-01T12:00:00Z  infrastructure  running         -       -    -           -
        20231001-120030-beef  2023-10-01T12:00:00Z  infrastructure  interrupted     -       -    -           -
        20231001-120010-0002  2023-10-01T12:00:00Z  infrastructure  done            1       3   12  1 min 01 s
        20231001-120000-0001  2023-10-01T12:00:00Z  \u{1b}[31mred   failed          -       -    -      700 ms
        20231001-115900-0003  2023-10-01T11:59:00Z  infrastructure  running         -       -    -           -

        1 run interrupted: `agent resume RUN` continues without repeating finished tasks
        "#);
        let mut lost = row("20231001-120030-beef", RunStatus::Running, None, None);
        lost.resumable = false;
        let listed = runs(&[lost]);
        assert!(listed.contains("  interrupted  ") && !listed.contains("agent resume"), "{listed}");
        assert_eq!(runs(&[]), "no runs are kept\n");
        let mut of_window = row("20231001-120100-00ff", RunStatus::Done, Some(5), Some([0, 0, 1]));
        of_window.window = Timestamp::parse("2023-10-01T11:59:50Z");
        insta::assert_snapshot!(runs(&[of_window, row("20231001-120000-0001", RunStatus::Failed, None, None)]), @r"
        run                   started               graph           window                status  high  medium  low  took
        20231001-120100-00ff  2023-10-01T12:00:00Z  infrastructure  2023-10-01T11:59:50Z  done       1       0    0  5 ms
        20231001-120000-0001  2023-10-01T12:00:00Z  infrastructure  -                     failed     -       -    -     -
        ");
    }
}
