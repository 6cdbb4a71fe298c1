//! One source of a stream in windows: where it stands, and what came of it.

use super::checkpoint::{Account, Checkpoint};
use super::live::Surroundings;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Batch, Fault, FaultExample, InputRecord, Timestamp};
use crate::graph::{Plan, StreamSource};
use crate::node::{Pass, Reader, Wanted};

/// Records of the future that a window's run record shows.
const EXAMPLES: usize = 3;

/// What the stream part gives, or why it cannot.
pub type Faulty<T> = Result<T, Box<Diagnostic>>;

/// One source and what came of it.
pub struct Intake {
    pub node: usize,
    pub name: String,
    pub live: bool,
    pub account: Account,
    pub ended: bool,
    pub record: InputRecord,
    /// The record as of the last window that closed.
    told: InputRecord,
    /// Records beyond `max_ahead`, since the last window closed.
    ahead: u64,
    /// The first few of them.
    examples: Vec<FaultExample>,
}

impl Intake {
    /// What it brought to a window, and what was noted since the last one.
    pub fn tell(&mut self, tally: &Tally) -> InputRecord {
        let told = std::mem::replace(&mut self.told, self.record.clone());
        let mut since = since(&self.record, &told);
        since.records = tally.records;
        since.first = tally.first.map(Timestamp::nearest);
        since.last = tally.last.map(Timestamp::nearest);
        let ahead = std::mem::take(&mut self.ahead);
        if ahead > 0 {
            let code = codes::input::AHEAD;
            let (what, examples) = (code.title.to_string(), std::mem::take(&mut self.examples));
            since.faults.push(Fault { code: code.id.to_string(), what, count: ahead, examples });
        }
        since
    }

    /// Takes note of a record that is too far ahead of the clock, which says `now`.
    pub fn note_ahead(&mut self, batch: &Batch, place: usize, now: Timestamp) {
        self.ahead += 1;
        if self.examples.len() == EXAMPLES {
            return;
        }
        let time = Timestamp::nearest(batch.times.get(place).copied().unwrap_or_default());
        let code = batch.entity.get(place).and_then(|code| usize::try_from(*code).ok());
        let of = code.and_then(|code| batch.entities.get(code)).map_or(String::new(), |name| format!(" of `{name}`"));
        let row = batch.rows.get(place).copied().unwrap_or_default();
        self.examples.push(FaultExample { row, detail: format!("{time}{of} came when the clock said {now}") });
    }
}

/// What a source brought to a window.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub records: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
}

impl Tally {
    pub fn take(&mut self, batch: &Batch) {
        self.records += batch.len() as u64;
        let first = batch.times.iter().copied().min();
        self.first = self.first.map_or(first, |known| Some(first.map_or(known, |first| known.min(first))));
        self.last = self.last.max(batch.times.iter().copied().max());
    }
}

pub fn name_of(plan: &Plan, node: usize) -> String {
    plan.nodes.get(node).map(|n| n.name.clone()).unwrap_or_default()
}

pub fn fingerprint_of(plan: &Plan, node: usize) -> String {
    plan.nodes.get(node).map(|n| n.fingerprint.clone()).unwrap_or_default()
}

/// Opens a source where it was left; `None` where it had ended.
pub fn open(
    plan: &Plan,
    source: &StreamSource,
    wanted: &Wanted,
    checkpoint: &Checkpoint,
    around: &Surroundings,
) -> Faulty<(Intake, Option<Box<dyn Reader>>)> {
    let name = name_of(plan, source.node);
    let mark = checkpoint.sources.get(&name).filter(|mark| mark.fingerprint == fingerprint_of(plan, source.node));
    if mark.is_none() && checkpoint.sources.contains_key(&name) {
        tracing::warn!("source `{name}` has changed since the graph last ran; it is read from its beginning");
    }
    let ended = mark.is_some_and(|mark| mark.ended && mark.taken.is_empty());
    let mut account = match mark.filter(|_| source.source.can_be_reread()) {
        Some(mark) => Account::resume(mark),
        None => Account::default(),
    };
    let folder = around.shelf.folder(&name);
    let from = mark.and_then(|mark| mark.position.as_ref());
    let seen = mark.and_then(|mark| mark.seen.as_ref());
    let pass = Pass { node: &name, wanted, from, seen, folder: folder.as_deref(), rejected: false };
    let reader = if ended { None } else { Some(source.source.open(&pass).map_err(Box::new)?) };
    account.begin(reader.as_ref().and_then(|reader| reader.position()));
    let record = InputRecord { node: name.clone(), ..InputRecord::default() };
    let live = source.source.is_live();
    let (told, ahead, examples) = (record.clone(), 0, Vec::new());
    let input = Intake { node: source.node, name, live, account, ended, told, record, ahead, examples };
    Ok((input, reader))
}

/// What a source noted between two records of it.
fn since(now: &InputRecord, before: &InputRecord) -> InputRecord {
    let known = |code: &str| before.faults.iter().find(|fault| fault.code == code);
    let fault = |fault: &Fault| {
        let (count, told) = known(&fault.code).map_or((0, 0), |known| (known.count, known.examples.len()));
        let examples = fault.examples.iter().skip(told).cloned().collect();
        let count = fault.count.saturating_sub(count);
        (count > 0).then(|| Fault { count, examples, code: fault.code.clone(), what: fault.what.clone() })
    };
    InputRecord {
        bytes: now.bytes.saturating_sub(before.bytes),
        bad: now.bad.saturating_sub(before.bad),
        faults: now.faults.iter().filter_map(fault).collect(),
        ..now.clone()
    }
}
