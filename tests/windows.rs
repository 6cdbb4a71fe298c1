//! Streams in windows: which record is in which report, whatever the batches, and wherever the process dies.

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent::domain::Timestamp;
use agent::engine::{Begun, Cancel, Closed, Entry, Event, Kept, Outcome, Run, Shelf, Surroundings, live, rehearse};
use agent::graph::{Compiled, Plan};
use agent::port::{Clock, Model, Writing};
use proptest::prelude::*;
use support::{Memory, Nobody, compiled, header};

/// What would be on a disk, and the time at which.
#[derive(Clone, Default)]
struct Disk {
    runs: Vec<(String, Vec<String>)>,
    checkpoint: Option<Vec<u8>>,
    now: i64,
}

/// A clock that goes so many times as fast as ours.
struct Fast {
    begun: Instant,
    start: i64,
    times: i64,
}

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.start + self.begun.elapsed().as_micros() as i64 * self.times).unwrap()
    }
}

/// Keeps everything in memory, and a picture of the disk after each change.
#[derive(Default)]
struct Desk {
    journals: Mutex<Vec<(String, Memory)>>,
    checkpoint: Mutex<Option<Vec<u8>>>,
    pictures: Mutex<Vec<Disk>>,
    /// Drains after this many runs.
    drain: Option<(usize, Cancel)>,
    ended: Mutex<usize>,
    lingers: Duration,
    clock: Option<Arc<Fast>>,
}

impl Desk {
    fn disk(&self) -> Disk {
        let journals = self.journals.lock().unwrap();
        let runs = journals.iter().map(|(run, journal)| (run.clone(), journal.lines())).collect();
        let now = self.clock.as_ref().map_or(0, |clock| clock.now().micros());
        Disk { runs, checkpoint: self.checkpoint.lock().unwrap().clone(), now }
    }
    fn picture(&self) {
        let disk = self.disk();
        self.pictures.lock().unwrap().push(disk);
    }
}

impl Shelf for Desk {
    fn begin(&self) -> Begun {
        self.picture();
        let mut journals = self.journals.lock().unwrap();
        let run = format!("run-{}", journals.len());
        let journal = Memory::default();
        journals.push((run.clone(), journal.clone()));
        Begun { run, journal: Some(Box::new(journal)) }
    }
    fn save(&self, writing: &mut Writing<'_>) -> Result<(), String> {
        self.picture();
        let mut checkpoint = Vec::new();
        writing(&mut checkpoint).unwrap();
        *self.checkpoint.lock().unwrap() = Some(checkpoint);
        self.picture();
        Ok(())
    }
    fn folder(&self, _: &str) -> Option<PathBuf> {
        None
    }
    fn model(&self, _: &Run) -> Option<Arc<dyn Model>> {
        None
    }
    fn ended(&self, _: &Run, outcome: Outcome) {
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        self.picture();
        let mut ended = self.ended.lock().unwrap();
        *ended += 1;
        if let Some((after, drain)) = &self.drain
            && *ended >= *after
        {
            std::thread::sleep(self.lingers);
            drain.cancel();
        }
    }
}

/// The runs of a disk that a new process goes on with, and the others that count.
fn taken_up(disk: &Disk, plan: &Plan) -> (Kept, Vec<Closed>, Vec<(String, Memory)>) {
    let read = |bytes: &Vec<u8>| Kept::read(Cursor::new(bytes.clone())).unwrap();
    let mut kept = disk.checkpoint.as_ref().map_or(Kept::default(), read);
    let checkpoint = &mut kept.checkpoint;
    let (mut earlier, mut journals) = (Vec::new(), Vec::new());
    for (run, lines) in &disk.runs {
        let mut state = Run::default();
        let mut actions = Vec::new();
        for line in lines {
            let entry: Entry = serde_json::from_str(line).unwrap();
            state.apply(plan, &entry.event, &mut actions).unwrap();
        }
        let journal = Memory::default();
        *journal.0.lock().unwrap() = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
        if state.ended.is_some() {
            if checkpoint.pending.contains(run) {
                checkpoint.learn(&state);
            }
            journals.push((run.clone(), journal));
        } else if checkpoint.pending.contains(run) {
            journals.push((run.clone(), journal.clone()));
            earlier.push(Closed::new(state, Some(Box::new(journal)), true));
        } // else its records are read again
    }
    (kept, earlier, journals)
}

async fn run(graph: &str, disk: &Disk, drain_after: Option<usize>) -> Arc<Desk> {
    run_by(1, graph, disk, drain_after, Duration::ZERO).await
}

/// The same by a clock that goes so many times as fast as ours, from a second before the time of the disk on. The last run before the drain
/// takes so long.
async fn run_by(times: i64, graph: &str, disk: &Disk, drain_after: Option<usize>, lingers: Duration) -> Arc<Desk> {
    let Compiled { plan, stream } = compiled(graph);
    let plan = Arc::new(plan);
    let (kept, earlier, journals) = taken_up(disk, &plan);
    let drain = Cancel::default();
    let clock = Arc::new(Fast { begun: Instant::now(), start: disk.now - 1_000_000, times });
    let desk = Desk {
        clock: Some(clock.clone()),
        lingers,
        journals: Mutex::new(journals),
        checkpoint: Mutex::new(disk.checkpoint.clone()),
        drain: drain_after.map(|after| (after, drain.clone())),
        ..Desk::default()
    };
    let desk = Arc::new(desk);
    let around = Surroundings { clock, watcher: Arc::new(Nobody), shelf: desk.clone(), drain: drain.clone() };
    live(plan.clone(), stream, header(&plan), around, kept, earlier).await.unwrap();
    desk
}

/// The same in step.
async fn rehearsed(graph: &str) -> Arc<Desk> {
    let Compiled { plan, stream } = compiled(graph);
    let (plan, desk) = (Arc::new(plan), Arc::new(Desk::default()));
    rehearse(plan.clone(), stream, header(&plan), Arc::new(Nobody), desk.clone(), None).await.unwrap();
    desk
}

/// `start..end by: values` of each run in the order of time, with what else its record says; seconds.
fn reports(desk: &Desk, node: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, journal) in desk.journals.lock().unwrap().iter() {
        let (mut line, mut values, mut done) = (String::new(), String::from("-"), false);
        for text in journal.lines() {
            match serde_json::from_str::<Entry>(&text).unwrap().event {
                Event::Started(header) => {
                    let w = header.window.unwrap();
                    let second = |t: agent::domain::Timestamp| t.micros() as f64 / 1e6;
                    line = format!("{}..{} {:?}", second(w.span.start), second(w.span.end), w.closed_by).to_lowercase();
                    for (what, count) in [("late", w.late), ("carried", w.carried)] {
                        if count > 0 {
                            line.push_str(&format!(" {what} {count}"));
                        }
                    }
                    if w.partial {
                        line.push_str(" partial");
                    }
                }
                Event::TaskEnded { node: of, output, .. } if of == node => {
                    let total: support::Total = serde_json::from_str(output.get()).unwrap();
                    // In which order two sources are read is no part of what a window is.
                    let mut numbers: Vec<f64> = total.items.iter().map(|item| item.n).collect();
                    numbers.sort_by(f64::total_cmp);
                    values = numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
                }
                Event::Ended { .. } => done = true,
                _ => {}
            }
        }
        assert!(done, "a run was not finished: {line}");
        lines.push((line.split("..").next().unwrap().parse::<f64>().unwrap(), format!("{line}: {values}")));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.into_iter().map(|(_, line)| line).collect()
}

const TAIL: &str = "
[nodes.items]
kind = 'test.items'
inputs = { telemetry = SOURCES }
[nodes.squares]
kind = 'test.square'
each = 'item'
inputs = { item = 'items' }
[nodes.end]
kind = 'test.collect'
inputs = { items = 'items' }
";

fn graph(window: &str, sources: &[&str]) -> String {
    let names: Vec<String> = (0..sources.len()).map(|at| format!("'s{at}'")).collect();
    let nodes: Vec<String> =
        sources.iter().enumerate().map(|(at, s)| format!("[nodes.s{at}]\nkind = 'test.script'\n{s}\n")).collect();
    let tail = TAIL.replace("SOURCES", &format!("[{}]", names.join(", ")));
    format!("[window]\n{window}\n{}{tail}", nodes.concat())
}

async fn check(window: &str, sources: &[&str], expected: &[&str]) {
    let desk = run(&graph(window, sources), &Disk::default(), None).await;
    assert_eq!(reports(&desk, "end"), expected, "{window} {sources:?}");
}

#[tokio::test]
async fn records_are_in_the_window_of_their_time() {
    for batch in [1, 2, 3, 100] {
        let source = |times: &str| format!("times = {times}\nbatch = {batch}");
        let check =
            async |window: &str, times: &str, expected: &[&str]| check(window, &[&source(times)], expected).await;
        check(
            "every = '10s'",
            "[1, 5, 12, 19, 20, 41, 42]",
            &[
                "0..10 watermark: 0 1",
                "10..20 watermark: 2 3",
                "20..30 watermark: 4",
                "30..40 end: -",
                "40..50 end: 5 6",
            ],
        )
        .await;
        // Late by the records before it, not by its batch.
        check("every = '10s'", "[8, 11, 9, 12, 3]", &["0..10 watermark: 0", "10..20 end late 2: 1 3"]).await;
        check(
            "every = '10s'\ngrace = '2s'",
            "[8, 11, 9, 12, 3, 15]",
            &["0..10 watermark: 0 2", "10..20 end late 1: 1 3 5"],
        )
        .await;
        check(
            "every = '10s'\nmax_lateness = '5s'",
            "[8, 11, 9, 12, 3, 7]",
            &["0..10 watermark: 0", "10..20 end late 1 carried 2: 1 2 3 5"],
        )
        .await;
        check("every = '10s'", "[-5, 5]", &["-10..0 watermark: 0", "0..10 end: 1"]).await;
    }
}

#[tokio::test]
async fn a_window_waits_for_the_slowest_source() {
    // Records are merged by time, whichever thread is faster.
    for (slow, fast) in [(0, 3), (3, 0)] {
        let a = format!("times = [1, 11, 21]\npause = {slow}");
        let b = format!("times = [2, 3, 12, 29]\nbase = 100\npause = {fast}");
        let expected = ["0..10 watermark: 0 100 101", "10..20 watermark: 1 102", "20..30 end: 2 103"];
        check("every = '10s'", &[&a, &b], &expected).await;
    }
}

#[tokio::test]
async fn a_silent_source_is_not_waited_for() {
    // The live source says nothing; the other's windows close all the same, and the last one when time has gone by.
    let window = "every = '1s'\nidle = '200ms'\nmax_ahead = '99999999s'";
    let text = graph(window, &["times = []\nlive = true", "times = [1, 2]\nlive = true\nbase = 100"]);
    let desk = run(&text, &Disk::default(), Some(2)).await;
    assert_eq!(reports(&desk, "end"), ["1..2 idle: 100", "2..3 idle: 101"]);
}

#[tokio::test]
async fn records_of_the_future_close_no_window() {
    // The clock of these tests begins a second before zero.
    let text = graph("every = '10s'\nmax_ahead = '20s'\nidle = '100ms'", &["times = [1, 500, 2, 11]\nlive = true"]);
    let desk = run(&text, &Disk::default(), Some(1)).await;
    assert_eq!(reports(&desk, "end")[0], "0..10 watermark: 0 2");
    // It is said of when it was, and what the clock said.
    let journals = desk.journals.lock().unwrap();
    let inputs = journals[0].1.lines().into_iter().find_map(|text| {
        let event = serde_json::from_str::<Entry>(&text).unwrap().event;
        if let Event::Read { inputs } = event { Some(inputs) } else { None }
    });
    let [fault] = &inputs.unwrap()[0].faults[..] else { panic!("one fault") };
    let detail = &fault.examples[0].detail;
    assert_eq!((fault.code.as_str(), fault.count, fault.examples.len()), ("AG0122", 1, 1));
    assert!(detail.starts_with("1970-01-01T00:08:20Z") && detail.contains(" came when the clock said 19"), "{detail}");
}

#[tokio::test]
async fn a_drain_reports_the_open_window_and_the_rest_of_it_is_one_of_its_own() {
    let times = "times = [1, 5, 12, 13, 14, 25]\nlive = true\nbatch = 2\npause = 400";
    let text = graph("every = '10s'\nidle = '100h'\nmax_ahead = '100h'", &[times]);
    let desk = run(&text, &Disk::default(), Some(1)).await; // while 12 and 13 are there
    let first = reports(&desk, "end");
    assert_eq!(first[0], "0..10 watermark: 0 1");
    assert!(first[1].starts_with("10..13.000001 drain partial: 2 3"), "{first:?}");
    let desk = run(&text, &desk.disk(), Some(1)).await;
    let all = reports(&desk, "end");
    assert_eq!(all[..2], first[..2]);
    assert_eq!(all[2], "13.000001..20 watermark partial: 4");
}

const HEEDING: &str = "
[nodes.heed]
kind = 'test.heed'
inputs = { telemetry = 'SOURCE' }
[nodes.twice]
kind = 'test.add'
inputs = { a = 'heed', b = 'heed' }
";

/// `start..end by: value` of each run, where `-` is a run without a report.
fn silences(desk: &Desk) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, journal) in desk.journals.lock().unwrap().iter() {
        let (mut line, mut value, mut start) = (String::new(), String::from("-"), 0);
        for text in journal.lines() {
            match serde_json::from_str::<Entry>(&text).unwrap().event {
                Event::Started(header) => {
                    let w = header.window.unwrap();
                    start = w.span.start.micros();
                    let end = w.span.end.micros();
                    line = format!("{}..{} {:?}", start / 1_000_000, end / 1_000_000, w.closed_by).to_lowercase();
                }
                Event::TaskEnded { node, output, .. } if node == "twice" => {
                    value = serde_json::from_str::<support::Total>(output.get()).unwrap().total.to_string();
                }
                _ => {}
            }
        }
        lines.push((start, format!("{line}: {value}")));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn heeding(source: &str) -> String {
    let window = "every = '10s'\nidle = '50ms'";
    format!("[window]\n{window}\n[nodes.s0]\nkind = 'test.script'\n{source}\n{}", HEEDING.replace("SOURCE", "s0"))
}

/// Of a stream of now; seconds of its clock go by in milliseconds.
#[tokio::test]
async fn when_all_is_silent_windows_go_on_with_the_clock_and_a_crash_changes_nothing() {
    let text = heeding("times = [1, 5, 12]\nlive = true");
    let whole = run_by(100, &text, &Disk::default(), Some(7), Duration::ZERO).await;
    let expected = [
        "0..10 watermark: 0",
        "10..20 idle: 0",
        "20..30 idle: -", // the first silent one is no alarm
        "30..40 idle: 4",
        "40..50 idle: 6",
        "50..60 idle: 8",
        "60..70 idle: 10",
    ];
    assert_eq!(silences(&whole)[..7], expected);
    let pictures = whole.pictures.lock().unwrap().clone();
    assert!(pictures.len() > 20);
    for disk in pictures.iter().step_by(2) {
        let ended = ended_runs(disk);
        let after = run_by(100, &text, disk, Some(7usize.saturating_sub(ended).max(1)), Duration::ZERO).await;
        assert_eq!(silences(&after)[..7], expected);
    }
}

/// Whether a fold expects records or not.
fn both(window: &str, source: &str) -> [String; 2] {
    let plain = graph(window, &[source]);
    let heeding = plain.clone() + &HEEDING.replace("SOURCE", "s0");
    [plain, heeding]
}

/// Three records together, as old as the pause between: the source is not silent, though `idle` is shorter.
#[tokio::test]
async fn who_sends_every_so_often_what_it_held_back_is_not_silent() {
    let source = "times = [0, 1, 2, 3, 4, 5, 6, 7, 8]\nbatch = 3\npause = 300\nlive = true";
    for text in both("every = '2s'\nidle = '100ms'", source) {
        let desk = run_by(10, &text, &Disk::default(), Some(5), Duration::ZERO).await;
        let expected = [
            "0..2 watermark: 0 1",
            "2..4 watermark: 2 3",
            "4..6 watermark: 4 5",
            "6..8 watermark: 6 7",
            "8..10 idle: 8",
        ];
        assert_eq!(reports(&desk, "end")[..5], expected);
    }
}

/// The first records are ahead of the clock, so that nothing says that the source holds any back.
#[tokio::test]
async fn what_comes_after_a_silence_is_carried_and_never_late() {
    let source = "times = [8, 8, 8, 9, 11, 12]\nbatch = 3\npause = 600\nlive = true";
    let soon = Disk { now: 1_000_000, ..Disk::default() };
    let [plain, heeding] = both("every = '2s'\nidle = '100ms'", source);
    let plain = run_by(10, &plain, &soon, Some(3), Duration::ZERO).await;
    assert_eq!(reports(&plain, "end"), ["8..10 idle: 0 1 2", "10..12 watermark carried 1: 3 4", "12..14 idle: 5"]);
    let heeding = run_by(10, &heeding, &soon, Some(5), Duration::ZERO).await;
    let heeding = reports(&heeding, "end");
    assert_eq!(heeding[..2], ["8..10 idle: 0 1 2", "10..12 idle: -"]);
    let carried: Vec<&String> = heeding.iter().filter(|line| line.contains(" carried ")).collect();
    assert!(carried.len() == 1 && carried[0].ends_with(": 3 4 5"), "{heeding:?}");
    assert!(!heeding.iter().any(|line| line.contains("late")), "{heeding:?}");
}

/// Runs of a disk that have ended.
fn ended_runs(disk: &Disk) -> usize {
    let ended = |line: &String| matches!(serde_json::from_str::<Entry>(line).unwrap().event, Event::Ended { .. });
    disk.runs.iter().filter(|(_, lines)| lines.iter().any(ended)).count()
}

#[tokio::test]
async fn what_was_missed_while_the_process_was_down_is_a_gap() {
    let text = heeding("times = [1, 5, 12]\nlive = true");
    let mut disk = run_by(100, &text, &Disk::default(), Some(3), Duration::ZERO).await.disk();
    disk.now = 10_000_000_000;
    let after = run_by(1, &text, &disk, Some(67), Duration::ZERO).await;
    let after = silences(&after);
    // 64 windows up to now, and before them one.
    let gap = after.iter().position(|line| line.contains("..93")).unwrap_or_else(|| panic!("{after:?}"));
    assert!(after[gap].ends_with(" idle: -") && !after[gap].starts_with("93"), "{after:?}");
    assert!((64..67).contains(&(after.len() - gap - 1)), "{after:?}");
    assert!(after[gap + 1].starts_with("93") && !after[gap + 1].ends_with('-'), "{after:?}");
}

/// The past, however fast it is read, ends with its last record.
#[tokio::test]
async fn silence_after_the_past_is_no_silence() {
    let text = heeding("times = [1, 5, 12, 3000, 3012]\nlive = true\npause = 20");
    let past = Disk { now: 3_400_000_000, ..Disk::default() };
    let desk = run_by(1_000, &text, &past, Some(5), Duration::from_millis(400)).await;
    assert_eq!(
        silences(&desk),
        [
            "0..10 watermark: 0",
            "10..20 watermark: 0",
            "20..3000 watermark: -",
            "3000..3010 watermark: 0",
            "3010..3020 idle: 0"
        ]
    );
}

/// Records by value over all runs.
fn counts(desk: &Desk) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for line in reports(desk, "end") {
        for value in line.rsplit(": ").next().unwrap().split_whitespace().filter(|v| *v != "-") {
            *counts.entry(value.to_string()).or_default() += 1;
        }
    }
    counts
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Wherever the process dies and whatever the batches are afterwards, the reports are those of a process that lives.
    #[test]
    fn every_record_is_in_one_report_wherever_the_process_dies(
        times in prop::collection::vec(0i64..60, 1..25),
        batch in 1usize..6,
        grace in prop::sample::select(vec!["", "grace = '3s'", "max_lateness = '15s'"]),
        second in prop::option::of(prop::collection::vec(0i64..60, 1..10)),
    ) {
        let text = |batch: usize| {
            let mut sources = vec![format!("times = {times:?}\nbatch = {batch}")];
            sources.extend(second.as_ref().map(|times| format!("times = {times:?}\nbase = 1000\nbatch = {batch}")));
            graph(&format!("every = '10s'\n{grace}"), &sources.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let whole = block_on(run(&text(batch), &Disk::default(), None));
        let expected = reports(&whole, "end");
        prop_assert!(counts(&whole).values().all(|count| *count == 1));
        let rehearsed = block_on(rehearsed(&text(batch)));
        prop_assert_eq!(&reports(&rehearsed, "end"), &expected);
        let pictures = whole.pictures.lock().unwrap().clone();
        for disk in pictures {
            let after = block_on(run(&text(batch), &disk, None));
            let got = reports(&after, "end");
            prop_assert_eq!(&got, &expected);
        }
    }
}
