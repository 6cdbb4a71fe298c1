//! What the sources share that ask a server again and again: one reader, which waits, asks, tries again when the server
//! has gone away, and hands out what came in batches that begin and end between two moments.
//!
//! The requests run while [`Reader::next`] waits, on a small runtime of the reader's own: a consumer that is slow asks
//! seldom, so nothing piles up.

mod caller;
mod check;
mod outages;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use self::outages::Outages;
use super::times::now;
use crate::diagnostic::{Code, Diagnostic, codes::input};
use crate::domain::{Batch, InputRecord, Position};
use crate::io::decode::{Records, Schema};
use crate::io::http;
use crate::node::{Next, PATIENCE, Pass, Reader};

pub(super) use caller::{Access, Caller, Reply, shown};
pub(super) use check::{check_access, parse_url};

/// Records after which a batch is handed out.
const ENOUGH: u64 = 2048;
/// How often a source that ends asks in vain before the run fails.
const TRIES: u32 = 5;

/// What asks a server.
pub(super) trait Service: Send + 'static {
    /// Asks for what is new. Must change nothing when it fails, and is dropped half-way when the run stops.
    fn ask(&mut self) -> impl Future<Output = Result<Round, Trouble>> + Send;
}

/// What one round of requests brought.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// In the order in which they are handed out.
    pub steps: Vec<Step>,
    /// Where the next round begins, also when nothing came.
    pub position: Option<String>,
    pub notes: Vec<(&'static Code, String)>,
    /// Of the answers.
    pub bytes: u64,
    /// How long to wait before the next round; `None` where there is none.
    pub wait: Option<Duration>,
}

/// Records that are never torn apart by a position, mostly those of one moment.
#[derive(Debug)]
pub(super) struct Step {
    /// NDJSON.
    pub lines: Vec<u8>,
    /// Where reading goes on after them.
    pub position: String,
}

/// Why a round brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server has gone away, or asks to wait.
    Passing { why: String, wait: Option<Duration> },
    /// Another try does not mend it. At the very first round it ends the run; a server that has answered before is
    /// asked again like one that has gone away.
    Lasting(Diagnostic),
    /// Lasting, unless less is asked for at once.
    TooLarge(Diagnostic),
}

impl Trouble {
    pub fn passing(why: impl Into<String>) -> Trouble {
        Trouble::Passing { why: why.into(), wait: None }
    }
}

/// The pauses between tries that fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// How a source is read.
pub(super) struct Terms<'a> {
    /// The address, as messages name it.
    pub reads: String,
    /// As the run record names it.
    pub format: &'static str,
    pub schema: &'a Schema,
    /// Goes on for ever.
    pub live: bool,
    /// What to do about records none of which can be used.
    pub help: &'static str,
    pub pace: Pace,
}

/// The reader of every source that asks a server.
pub(super) struct Remote<S> {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    turn: Turn<S>,
    ready: VecDeque<Step>,
    records: Records,
    /// After what was handed to `records`.
    reached: Option<String>,
    position: Option<String>,
    /// Of the round, once its steps are handed out.
    after: Option<String>,
    outages: Outages,
    about: InputRecord,
    /// Rounds, and those of them that were answered.
    rounds: u64,
    answers: u64,
    /// An earlier process has read from the server.
    resumed: bool,
    help: &'static str,
    live: bool,
    pace: Pace,
    seed: String,
}

enum Turn<S> {
    Waiting(S, Instant),
    Asking(Asking<S>),
    Ended,
}

/// A round that is under way; gives the service back.
type Asking<S> = Pin<Box<dyn Future<Output = (S, Result<Round, Trouble>)> + Send>>;

impl<S: Service> Remote<S> {
    /// # Errors
    /// The system has no means for a runtime.
    pub fn new(service: S, pass: &Pass<'_>, terms: Terms<'_>) -> Result<Remote<S>, Diagnostic> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Diagnostic::new(input::MISSING, format!("{} cannot be read: {error}", terms.reads)).help(
                "the system refuses a resource that every network connection takes: check its limit of open files",
            )
        })?;
        let seed = format!("{} {} {}", pass.node, terms.reads, std::process::id());
        Ok(Remote {
            runtime: Some(runtime),
            turn: Turn::Waiting(service, Instant::now()),
            ready: VecDeque::new(),
            records: Records::new(terms.schema, pass.wanted),
            reached: None,
            position: pass.from.map(|position| position.0.clone()),
            after: None,
            outages: Outages::new(pass.node, &terms.reads),
            about: InputRecord {
                node: pass.node.to_string(),
                path: terms.reads,
                format: terms.format.to_string(),
                ..InputRecord::default()
            },
            rounds: 0,
            answers: 0,
            resumed: pass.from.is_some(),
            help: terms.help,
            live: terms.live,
            pace: terms.pace,
            seed,
        })
    }

    /// The next batch of what is there already. It ends between two steps, so that there is a position for it.
    fn batch(&mut self) -> Option<Batch> {
        while self.records.rows() < ENOUGH
            && !self.records.is_full()
            && let Some(step) = self.ready.pop_front()
        {
            self.records.push(&step.lines);
            self.reached = Some(step.position);
        }
        let batch = self.records.take();
        // What more records than a batch holds came of has a position at its end only.
        if self.records.rows() == 0 && !self.records.is_full() {
            let after = if self.ready.is_empty() { self.after.take() } else { None };
            self.position = after.or(self.reached.take()).or(self.position.take());
        }
        batch
    }

    fn take_in(&mut self, service: S, answer: Result<Round, Trouble>) -> Result<(), Diagnostic> {
        self.rounds += 1;
        let (why, asked) = match answer {
            Ok(round) => {
                self.answers += 1;
                self.outages.over();
                self.about.bytes += round.bytes;
                for (code, detail) in round.notes {
                    self.records.note(self.rounds, code, &detail);
                }
                self.ready = round.steps.into();
                self.after = round.position;
                self.turn = match round.wait {
                    Some(wait) => Turn::Waiting(service, Instant::now() + wait),
                    None => Turn::Ended,
                };
                return Ok(());
            }
            Err(Trouble::Lasting(fault) | Trouble::TooLarge(fault)) if self.answers == 0 && !self.resumed => {
                return Err(fault);
            }
            Err(Trouble::Lasting(fault) | Trouble::TooLarge(fault)) => (fault.message, None),
            Err(Trouble::Passing { why, wait }) => (why, wait),
        };
        let tries = self.outages.failed(&why, now());
        if !self.live && tries >= TRIES {
            let what = format!("{} could not be read, tried {tries} times: {why}", self.about.path);
            return Err(Diagnostic::new(input::OUTAGE, what).help(input::OUTAGE.remedy));
        }
        let wait = asked.map(|asked| asked.max(self.pace.first));
        let wait = wait.unwrap_or_else(|| http::pause(tries, self.pace.first, self.pace.longest, &self.seed));
        self.turn = Turn::Waiting(service, Instant::now() + wait);
        Ok(())
    }

    /// Nothing that could be used in the very first answer, or in any of an input that has ended.
    fn verdict(&self) -> Result<(), Diagnostic> {
        let record = self.records.record();
        let reads = &self.about.path;
        let ended = !self.live && matches!(self.turn, Turn::Ended);
        match self.records.first_bad() {
            _ if record.records > 0 => Ok(()),
            Some(first) if ended || (self.answers == 1 && !self.resumed) => {
                let what = format!("{reads} has no valid record; {} could not be used, the first: {first}", record.bad);
                Err(Diagnostic::new(input::NO_RECORD, what).help(self.help))
            }
            None if ended && !self.resumed => {
                let what = format!("{reads} has no record for what it was asked");
                Err(Diagnostic::new(input::NO_RECORD, what).help("check the span of time and what is asked for"))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Service> Reader for Remote<S> {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(batch) = self.batch() {
                return Ok(Next::Batch(batch));
            }
            self.verdict()?;
            let Some(runtime) = &self.runtime else { return Ok(Next::End) };
            let until = |due: Instant| if self.live { due.min(patience) } else { due };
            match std::mem::replace(&mut self.turn, Turn::Ended) {
                Turn::Ended => return Ok(Next::End),
                Turn::Waiting(mut service, due) if due <= Instant::now() => {
                    self.turn = Turn::Asking(Box::pin(async move {
                        let answer = service.ask().await;
                        (service, answer)
                    }));
                }
                Turn::Waiting(service, due) => {
                    let until = until(due);
                    // In the runtime, so that connections that are kept open are looked after.
                    runtime.block_on(async { tokio::time::sleep_until(until.into()).await });
                    self.turn = Turn::Waiting(service, due);
                }
                Turn::Asking(mut asking) => {
                    let asked = runtime.block_on(async {
                        match self.live {
                            true => tokio::time::timeout_at(patience.into(), &mut asking).await.ok(),
                            false => Some((&mut asking).await),
                        }
                    });
                    match asked {
                        Some((service, answer)) => self.take_in(service, answer)?,
                        None => self.turn = Turn::Asking(asking),
                    }
                }
            }
            if self.live && Instant::now() >= patience && self.ready.is_empty() {
                return Ok(Next::Idle);
            }
        }
    }

    fn position(&self) -> Option<Position> {
        self.position.clone().map(Position)
    }

    fn record(&self) -> InputRecord {
        let InputRecord { node, path, format, bytes, .. } = self.about.clone();
        let mut record = InputRecord { node, path, format, bytes, ..self.records.record() };
        record.faults.extend(self.outages.fault());
        record.faults.sort_by(|a, b| a.code.cmp(&b.code));
        record
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.about.bytes, None)
    }
}

impl<S> Drop for Remote<S> {
    fn drop(&mut self) {
        self.turn = Turn::Ended;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // a name that is being looked up must hold nobody up
        }
    }
}
