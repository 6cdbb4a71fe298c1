//! What the engine itself costs: 1,000 tasks that do nothing, so that a run's milliseconds are a task's microseconds.
//!
//! `chain`: each task waits for the one before. `fan_out`: one producer, 1,000 consumers, one collector. `each`: one
//! node over a list of 1,000 items. Each without a journal, with one in memory, with one in a file, unsynced, as
//! `agent run` keeps it, and with one that is synced (`AGENT_JOURNAL=synced`): what that takes is the disk's to say.

use std::fmt::Write;
use std::sync::Arc;

use agent::diagnostic::{Diagnostic, SourceFile};
use agent::engine::{Cancel, Event, Header, Invocation, ModelMode, Outcome, Run, Watcher, World, drive};
use agent::graph::{Compiled, Plan, Stream, Surroundings, compile};
use agent::io::files::WallClock;
use agent::io::journal::FileJournal;
use agent::node::{Assets, Cx, Kind, Task, TaskError};
use agent::port::{Files, Journal};
use divan::Bencher;
use divan::counter::ItemsCount;
use schemars::JsonSchema;
use serde::Deserialize;

const TASKS: usize = 1000;

static KINDS: [Kind; 5] =
    [Kind::task::<One>(), Kind::task::<Range>(), Kind::task::<Next>(), Kind::task::<Listed>(), Kind::task::<Sum>()];

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Number {
    x: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    items: Vec<i64>,
}

/// A kind whose whole work is one expression.
macro_rules! kind {
    ($name:ident, $kind:literal, $input:ident -> $output:ty, $work:expr) => {
        struct $name;
        impl Task for $name {
            const KIND: &'static str = $kind;
            const VERSION: u32 = 1;
            type Config = Nothing;
            type Input = $input;
            type Output = $output;
            fn new(_: Nothing, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
                Ok($name)
            }
            async fn run(&self, input: $input, _: &Cx) -> Result<$output, TaskError> {
                let work: fn($input) -> $output = $work;
                Ok(work(input))
            }
        }
    };
}

kind!(One, "bench.one", Nothing -> i64, |_| 1);
kind!(Range, "bench.range", Nothing -> Vec<i64>, |_| (0..TASKS as i64).collect());
kind!(Next, "bench.next", Number -> i64, |input| input.x + 1);
kind!(Listed, "bench.listed", Number -> Vec<i64>, |input| vec![input.x]);
kind!(Sum, "bench.sum", Numbers -> i64, |input| input.items.iter().sum());

/// A graph file, and what its node `end` must say.
struct Shape {
    text: String,
    end: String,
}

fn chain() -> Shape {
    let mut text = String::from("[nodes.n0]\nkind = 'bench.one'\n");
    for i in 1..TASKS - 1 {
        let _ = writeln!(text, "[nodes.n{i}]\nkind = 'bench.next'\ninputs = {{ x = 'n{}' }}", i - 1);
    }
    let _ = writeln!(text, "[nodes.end]\nkind = 'bench.next'\ninputs = {{ x = 'n{}' }}", TASKS - 2);
    Shape { text, end: TASKS.to_string() }
}

fn fan_out() -> Shape {
    let mut text = String::from("[nodes.one]\nkind = 'bench.one'\n");
    let mut names = Vec::new();
    for i in 0..TASKS {
        let _ = writeln!(text, "[nodes.n{i}]\nkind = 'bench.listed'\ninputs = {{ x = 'one' }}");
        names.push(format!("'n{i}'"));
    }
    let _ = writeln!(text, "[nodes.end]\nkind = 'bench.sum'\ninputs = {{ items = [{}] }}", names.join(", "));
    Shape { text, end: TASKS.to_string() }
}

fn each() -> Shape {
    let text = "[nodes.range]\nkind = 'bench.range'\n[nodes.n]\nkind = 'bench.next'\neach = 'x'\n\
                inputs = { x = 'range' }\n[nodes.end]\nkind = 'bench.sum'\ninputs = { items = 'n' }\n";
    Shape { text: text.into(), end: (TASKS * (TASKS + 1) / 2).to_string() }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<SourceFile, String> {
        Err("there are no files here".into())
    }
}

struct Nobody;
impl Watcher for Nobody {}

/// A journal that only grows.
struct InMemory(Vec<u8>);

impl Journal for InMemory {
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        self.0.extend_from_slice(lines);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Kept {
    Nowhere,
    InMemory,
    InFile,
    Synced,
}

const KEPT: [Kept; 3] = [Kept::Nowhere, Kept::InMemory, Kept::InFile];

fn plan(shape: &Shape) -> Arc<Plan> {
    let kinds: Vec<&'static Kind> = KINDS.iter().collect();
    let around = Surroundings { kinds: &kinds, files: &NoFiles, variables: &|_| None };
    let Compiled { plan, .. } = compile(&SourceFile::new("bench.toml", &*shape.text), "bench", &[], &around)
        .unwrap_or_else(|faults| panic!("{faults:#?}"));
    Arc::new(plan)
}

fn header(plan: &Plan) -> Header {
    let invocation = Invocation {
        path: "bench.toml".into(),
        overrides: vec![],
        model: ModelMode::Offline,
        run_record: None,
        page: None,
    };
    Header::new(plan, "bench".into(), true, invocation)
}

fn measure(bencher: Bencher<'_, '_>, shape: &Shape, kept: Kept) {
    let plan = plan(shape);
    let end = plan.find("end").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    // As `agent run` has it: driven from the thread that waits for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let prepare = || {
        let journal: Option<Box<dyn Journal>> = match kept {
            Kept::Nowhere => None,
            Kept::InMemory => Some(Box::new(InMemory(Vec::new()))),
            Kept::InFile | Kept::Synced => {
                let _ = std::fs::remove_file(&path);
                Some(Box::new(FileJournal::open(&path, matches!(kept, Kept::Synced)).unwrap().0))
            }
        };
        let world = World {
            journal,
            clock: Arc::new(WallClock),
            model: None,
            memory: None,
            watcher: Arc::new(Nobody),
            cancel: Cancel::default(),
        };
        (world, Event::Started(header(&plan)))
    };
    bencher.counter(ItemsCount::new(TASKS)).with_inputs(prepare).bench_local_values(|(world, first)| {
        let stream = Stream { sources: vec![], folds: vec![], sinks: vec![] };
        let (run, outcome) = runtime.block_on(drive(plan.clone(), Some(stream), Run::default(), world, Some(first)));
        assert!(matches!(outcome, Outcome::Done));
        assert_eq!(run.value(end).map(|v| v.get()), Some(shape.end.as_str()));
        run
    });
}

#[divan::bench(args = KEPT, name = "chain")]
fn bench_chain(bencher: Bencher<'_, '_>, kept: Kept) {
    measure(bencher, &chain(), kept);
}

#[divan::bench(args = KEPT, name = "fan_out")]
fn bench_fan_out(bencher: Bencher<'_, '_>, kept: Kept) {
    measure(bencher, &fan_out(), kept);
}

#[divan::bench(args = KEPT, name = "each")]
fn bench_each(bencher: Bencher<'_, '_>, kept: Kept) {
    measure(bencher, &each(), kept);
}

/// Few samples: a chain is a thousand waits for the disk.
#[divan::bench(args = ["chain", "fan_out", "each"], sample_count = 5, name = "synced")]
fn bench_synced(bencher: Bencher<'_, '_>, shape: &str) {
    let shape = match shape {
        "chain" => chain(),
        "fan_out" => fan_out(),
        _ => each(),
    };
    measure(bencher, &shape, Kept::Synced);
}

fn main() {
    divan::main();
}
