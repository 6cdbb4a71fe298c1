//! Node kinds, ports and a journal for tests that need no telemetry: the engine must know no particular kind.
#![allow(dead_code)]

pub mod script;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::diagnostic::{Diagnostic, SourceFile};
use agent::domain::{Batch, InputRecord, MetricColumn, ModelIdentity, NO_ENTITY, Note, Timestamp};
use agent::engine::{Cancel, Entry, Event, Header, Invocation, ModelMode, Outcome, Run, Watcher, World};
use agent::graph::{Compiled, Override, Plan, Surroundings, compile};
use agent::node::{Assets, Cx, Fold, Kind, Next, Pass, Reader, Source, Task, TaskError, Wanted, Window};
use agent::port::{BoxFuture, Clock, Files, Journal, Model, ModelError, ModelReply, ModelRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub static KINDS: [Kind; 11] = [
    Kind::source::<Numbers>(),
    Kind::source::<script::Script>(),
    Kind::fold::<Sum>(),
    Kind::fold::<Items>(),
    Kind::fold::<Heed>(),
    Kind::task::<Add>(),
    Kind::task::<Square>(),
    Kind::task::<Collect>(),
    Kind::task::<Sleep>(),
    Kind::task::<Pair>(),
    Kind::task::<First>(),
];

/// How often tasks ran, by the name of the task.
pub static RUNS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// Which item of `test.sleep` began, and which went on; of all tests, so that each looks for its own numbers.
pub static POLLS: Mutex<Vec<(u64, bool)>> = Mutex::new(Vec::new());

fn count(cx: &Cx, tag: &str) {
    *RUNS.lock().unwrap().entry(format!("{tag}/{}", cx.task)).or_default() += 1;
}

/// Numbers out of nowhere.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumbersConfig {
    values: Vec<f64>,
    #[serde(default)]
    broken: bool,
}

pub struct Numbers(NumbersConfig);

impl Source for Numbers {
    const KIND: &'static str = "test.numbers";
    const VERSION: u32 = 1;
    type Config = NumbersConfig;
    fn new(config: NumbersConfig, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Numbers(config))
    }
    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        if self.0.broken {
            return Err(Diagnostic::new(agent::diagnostic::codes::input::MISSING, "nothing there"));
        }
        Ok(Box::new(NumbersReader { node: pass.node.to_string(), left: Some(self.0.values.clone()) }))
    }
}

struct NumbersReader {
    node: String,
    left: Option<Vec<f64>>,
}

impl Reader for NumbersReader {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        Ok(self.left.take().map_or(Next::End, |values| {
            Next::Batch(Batch {
                rows: (1..=values.len() as u64).collect(),
                times: (0..values.len() as i64).collect(),
                entities: vec![],
                entity: vec![NO_ENTITY; values.len()],
                lanes: vec![],
                metrics: vec![MetricColumn { name: "v".into(), values }],
                services: vec![],
            })
        }))
    }
    fn record(&self) -> InputRecord {
        InputRecord { node: self.node.clone(), ..InputRecord::default() }
    }
    fn progress(&self) -> (u64, Option<u64>) {
        (0, None)
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Total {
    pub total: f64,
    pub items: Vec<Item>,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    pub n: f64,
}

#[derive(Default)]
pub struct Sum;

impl Fold for Sum {
    const KIND: &'static str = "test.sum";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Output = Total;
    type Gathered = Total;
    type State = ();
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Sum)
    }
    fn wants(&self) -> Wanted {
        Wanted { metrics: ["v".to_string()].into() }
    }
    fn open(&self, _: Option<Timestamp>) -> Total {
        Total::default()
    }
    fn push(&self, gathered: &mut Total, batch: &Batch) {
        for v in &batch.metrics[0].values {
            gathered.total += v;
            gathered.items.push(Item { n: *v });
        }
    }
    fn close(&self, gathered: Total, _: &mut (), _: &Window, _: &mut Vec<Note>) -> Total {
        gathered
    }
}

#[derive(Default)]
pub struct Items;

impl Fold for Items {
    const KIND: &'static str = "test.items";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Output = Vec<Item>;
    type Gathered = Vec<Item>;
    type State = ();
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Items)
    }
    fn wants(&self) -> Wanted {
        Wanted::default()
    }
    fn open(&self, _: Option<Timestamp>) -> Vec<Item> {
        Vec::new()
    }
    fn push(&self, gathered: &mut Vec<Item>, batch: &Batch) {
        gathered.extend(batch.metrics[0].values.iter().map(|n| Item { n: *n }));
    }
    fn close(&self, gathered: Vec<Item>, _: &mut (), _: &Window, _: &mut Vec<Note>) -> Vec<Item> {
        gathered
    }
}

/// Counts the windows in a row that had no record: an alarm from the second on.
pub struct Heed;

impl Fold for Heed {
    const KIND: &'static str = "test.heed";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Output = Total;
    type Gathered = u64;
    type State = u64;
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Heed)
    }
    fn wants(&self) -> Wanted {
        Wanted::default()
    }
    fn open(&self, _: Option<Timestamp>) -> u64 {
        0
    }
    fn push(&self, gathered: &mut u64, batch: &Batch) {
        *gathered += batch.len() as u64;
    }
    fn expects_records(&self) -> bool {
        true
    }
    fn is_alarm(&self, output: &Total) -> bool {
        output.total >= 2.0
    }
    fn close(&self, gathered: u64, silent: &mut u64, _: &Window, _: &mut Vec<Note>) -> Total {
        *silent = if gathered > 0 { 0 } else { *silent + 1 };
        Total { total: *silent as f64, items: vec![] }
    }
}

#[derive(Deserialize, JsonSchema)]
pub struct AddInput {
    a: Total,
    b: Option<Total>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddConfig {
    /// Tries that fail transiently before one succeeds.
    #[serde(default)]
    flaky: u32,
    #[serde(default)]
    tag: String,
}

pub struct Add(AddConfig, AtomicU32);

impl Task for Add {
    const KIND: &'static str = "test.add";
    const VERSION: u32 = 1;
    type Config = AddConfig;
    type Input = AddInput;
    type Output = Total;
    fn new(config: AddConfig, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Add(config, AtomicU32::new(0)))
    }
    async fn run(&self, input: AddInput, cx: &Cx) -> Result<Total, TaskError> {
        count(cx, &self.0.tag);
        if self.1.fetch_add(1, Ordering::Relaxed) < self.0.flaky {
            return Err(TaskError::Transient("flaky".into()));
        }
        Ok(Total { total: input.a.total + input.b.map_or(0.0, |b| b.total), items: vec![] })
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SquareConfig {
    #[serde(default)]
    refuses: Option<f64>,
    #[serde(default)]
    panics: Option<f64>,
    #[serde(default)]
    tag: String,
}

#[derive(Deserialize, JsonSchema)]
pub struct SquareInput {
    item: Item,
}

pub struct Square(SquareConfig);

impl Task for Square {
    const KIND: &'static str = "test.square";
    const VERSION: u32 = 1;
    const HAS_FALLBACK: bool = true;
    type Config = SquareConfig;
    type Input = SquareInput;
    type Output = Item;
    fn new(config: SquareConfig, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Square(config))
    }
    async fn run(&self, input: SquareInput, cx: &Cx) -> Result<Item, TaskError> {
        count(cx, &self.0.tag);
        assert!(self.0.panics != Some(input.item.n), "asked to panic");
        if self.0.refuses == Some(input.item.n) {
            return Err(TaskError::Permanent(format!("{} is refused", input.item.n)));
        }
        Ok(Item { n: input.item.n * input.item.n })
    }
    fn fallback(&self, _: SquareInput) -> Option<Item> {
        Some(Item { n: -1.0 })
    }
}

#[derive(Deserialize, JsonSchema)]
pub struct CollectInput {
    items: Vec<Option<Item>>,
}

pub struct Collect;

impl Task for Collect {
    const KIND: &'static str = "test.collect";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Input = CollectInput;
    type Output = Total;
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Collect)
    }
    async fn run(&self, input: CollectInput, _: &Cx) -> Result<Total, TaskError> {
        let items: Vec<Item> = input.items.into_iter().map(|i| i.unwrap_or(Item { n: 1000.0 })).collect();
        Ok(Total { total: items.iter().map(|i| i.n).sum(), items })
    }
}

/// Sleeps, so that time-outs and concurrency can be seen.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SleepConfig {
    ms: u64,
    /// As often as the item's number.
    #[serde(default)]
    times: bool,
}

pub struct Sleep(SleepConfig);

impl Task for Sleep {
    const KIND: &'static str = "test.sleep";
    const VERSION: u32 = 1;
    const USES_MODEL: bool = true;
    type Config = SleepConfig;
    type Input = SquareInput;
    type Output = Item;
    fn new(config: SleepConfig, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Sleep(config))
    }
    async fn run(&self, input: SquareInput, _: &Cx) -> Result<Item, TaskError> {
        POLLS.lock().unwrap().push((input.item.n as u64, false));
        let times = if self.0.times { input.item.n as u64 } else { 1 };
        tokio::time::sleep(Duration::from_millis(self.0.ms * times)).await;
        POLLS.lock().unwrap().push((input.item.n as u64, true));
        Ok(input.item)
    }
}

/// Adds two items, for zipping.
#[derive(Deserialize, JsonSchema)]
pub struct PairInput {
    left: Item,
    right: Item,
}

pub struct Pair;

impl Task for Pair {
    const KIND: &'static str = "test.pair";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Input = PairInput;
    type Output = Item;
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(Pair)
    }
    async fn run(&self, input: PairInput, _: &Cx) -> Result<Item, TaskError> {
        Ok(Item { n: 10.0 * input.left.n + input.right.n })
    }
}

/// The first of some items.
#[derive(Deserialize, JsonSchema)]
pub struct FirstInput {
    items: Vec<Item>,
}

pub struct First;

impl Task for First {
    const KIND: &'static str = "test.first";
    const VERSION: u32 = 1;
    type Config = Empty;
    type Input = FirstInput;
    type Output = Item;
    fn new(_: Empty, _: &Assets<'_>) -> Result<Self, Vec<Diagnostic>> {
        Ok(First)
    }
    async fn run(&self, input: FirstInput, _: &Cx) -> Result<Item, TaskError> {
        Ok(input.items.into_iter().next().unwrap_or_default())
    }
}

/// A model that nobody asks.
pub struct Silent {
    pub in_order: bool,
}

impl Model for Silent {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { provider: "p".into(), model: "m".into(), base_url: "u".into() }
    }
    fn complete<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(std::future::ready(Err(ModelError::Declined("no".into()))))
    }
    fn is_in_order(&self) -> bool {
        self.in_order
    }
}

/// No files at all.
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<SourceFile, String> {
        Err("there are no files in this test".into())
    }
    fn locate(&self, path: &str) -> String {
        path.to_string()
    }
}

pub struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).unwrap()
    }
}

/// A journal in memory.
#[derive(Clone, Default)]
pub struct Memory(pub Arc<Mutex<Vec<u8>>>);

impl Journal for Memory {
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        self.0.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }
}

impl Memory {
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_string).collect()
    }
}

pub struct Nobody;
impl Watcher for Nobody {}

pub fn try_compile(text: &str, overrides: &[Override]) -> Result<Compiled, Vec<Diagnostic>> {
    let kinds: Vec<&'static Kind> = KINDS.iter().collect();
    let variables = |name: &str| (name == "SECRET").then(|| "hunter2".to_string());
    let around = Surroundings { kinds: &kinds, files: &NoFiles, variables: &variables };
    compile(&SourceFile::new("t.toml", text), "t", overrides, &around)
}

pub fn compiled(text: &str) -> Compiled {
    try_compile(text, &[]).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub fn header(plan: &Plan) -> Header {
    let invocation = Invocation {
        path: "t.toml".into(),
        overrides: vec![],
        model: ModelMode::Offline,
        run_record: None,
        page: None,
    };
    Header::new(plan, "r".into(), true, invocation)
}

/// Runs a graph, or goes on from the first lines of a journal.
pub async fn run(text: &str, from: &[String], cancel: Cancel) -> (Run, Outcome, Plan, Vec<String>) {
    run_with(text, from, cancel, None).await
}

/// The same, with a model that tasks may ask.
pub async fn run_with(
    text: &str,
    from: &[String],
    cancel: Cancel,
    model: Option<Arc<dyn Model>>,
) -> (Run, Outcome, Plan, Vec<String>) {
    let Compiled { plan, stream } = compiled(text);
    let plan = Arc::new(plan);
    let journal = Memory::default();
    let mut state = Run::default();
    let mut actions = Vec::new();
    for line in from {
        let entry: Entry = serde_json::from_str(line).unwrap();
        state.apply(&plan, &entry.event, &mut actions).unwrap();
    }
    let first = if from.is_empty() { Event::Started(header(&plan)) } else { Event::Resumed {} };
    let world = World {
        journal: Some(Box::new(journal.clone())),
        clock: Arc::new(Epoch),
        model,
        memory: None,
        watcher: Arc::new(Nobody),
        cancel,
    };
    let (state, outcome) = agent::engine::drive(plan.clone(), Some(stream), state, world, Some(first)).await;
    let plan = Arc::try_unwrap(plan).unwrap_or_else(|_| panic!("the plan is still held"));
    (state, outcome, plan, journal.lines())
}
