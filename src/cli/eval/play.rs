//! One graph, read once; worded again by each model.

use std::path::Path;
use std::sync::Arc;

use super::candidate::Candidate;
use crate::cli::apart::{self, With};
use crate::cli::execute::{fault, keep, outputs};
use crate::cli::exit::Failure;
use crate::cli::run::{absolute, files_of, header_of, keep_texts, new_folder};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Completeness, ModelIdentity, Report, RunRecord, Summary, Timestamp};
use crate::engine::{Entry, Event, Header, Invocation, ModelMode, Outcome, Run, run_record};
use crate::graph::{Compiled, Plan};
use crate::io::files::WallClock;
use crate::io::journal::FileJournal;
use crate::io::llm::{Environment, Mode, connect};
use crate::io::state::{RunDir, RunLock, StateDir};
use crate::port::{Clock, Journal};

pub struct Stage {
    plan: Arc<Plan>,
    header: Header,
    /// What was read, and the cut.
    cut: Vec<Event>,
    keep: bool,
}

impl Stage {
    /// Reads the input.
    ///
    /// # Errors
    /// The input cannot be used, or a node fails whatever the model says.
    pub fn set(mut compiled: Compiled, path: &Path, overrides: Vec<String>, keep: bool) -> Result<Stage, Failure> {
        // One report of the whole input: what is evaluated is the wording.
        compiled.plan.window = None;
        apart::hush(&mut compiled.plan);
        let invocation =
            Invocation { path: absolute(path), overrides, model: ModelMode::Live, run_record: None, page: None };
        let header = header_of(&compiled, &invocation, None);
        let Compiled { plan, stream } = compiled;
        let plan = Arc::new(plan);
        let first = Event::Started(header.clone());
        let (_, outcome, mut events) = apart::run(&plan, Some(stream), Run::default(), With::default(), Some(first))?;
        ended(outcome)?;
        events.retain(|event| matches!(event, Event::Read { .. } | Event::Cut { .. }));
        Ok(Stage { plan, header, cut: events, keep })
    }

    pub fn graph(&self) -> &str {
        &self.plan.name
    }

    /// Has a model word everything.
    ///
    /// # Errors
    /// A node fails, or a run that is to be kept cannot be.
    pub fn play(&mut self, candidate: &Candidate, environment: &Environment) -> Result<RunRecord, Failure> {
        let connected = connect(candidate.environment(), Mode::Live).map_err(Failure::run)?;
        let begun = WallClock.now();
        let mut header = self.header.clone();
        header.made.model = Some(candidate.identity.clone());
        let mut kept = if self.keep { Some(Shelf::make(&self.plan, &mut header, environment)?) } else { None };
        let start: Vec<Event> = std::iter::once(Event::Started(header)).chain(self.cut.iter().cloned()).collect();
        let run = apart::after(&self.plan, &start).map_err(|diverged| fault(diverged.to_string()))?;
        let journal = kept.as_mut().map(|kept| kept.journal(&start, begun)).transpose()?;
        let model = connected.model.map(|model| match &kept {
            Some(shelf) => crate::cli::execute::kept(model, Some(&shelf.folder)),
            None => model,
        });
        let (run, outcome, _) = apart::run(&self.plan, None, run, With { model, journal, memory: None }, None)?;
        let record = record(&self.plan, &run, begun, &candidate.identity);
        if let Some(kept) = kept {
            kept.finish(&self.plan, &run, &record);
        }
        ended(outcome)?;
        Ok(record)
    }
}

fn ended(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Failed(fault) => Err(Failure::run(*fault)),
        Outcome::Interrupted => Err(fault("the run was interrupted".to_string())),
    }
}

fn record(plan: &Plan, run: &Run, begun: Timestamp, identity: &ModelIdentity) -> RunRecord {
    let mut record = run_record(run, begun, Some(WallClock.now()));
    record.model = Some(identity.clone());
    record.coverage = outputs::<Summary>(plan, run).into_iter().flat_map(|s| s.coverage).collect();
    record.completeness = outputs::<Completeness>(plan, run);
    record
}

/// Where a run of `--keep` goes.
struct Shelf {
    folder: RunDir,
    journal: Option<FileJournal>,
    _lock: RunLock,
}

impl Shelf {
    fn make(plan: &Plan, header: &mut Header, environment: &Environment) -> Result<Shelf, Failure> {
        let unusable = |why: String| Failure::run(Diagnostic::new(codes::run::STATE_UNUSABLE, why));
        let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unusable)?;
        keep_texts(&state, &files_of(plan));
        let (folder, lock, journal) = new_folder(&state, &header.invocation.path).map_err(unusable)?;
        header.run = folder.id().to_string();
        Ok(Shelf { folder, journal: Some(journal), _lock: lock })
    }

    /// The journal, with what has happened before the model was asked.
    fn journal(&mut self, start: &[Event], at: Timestamp) -> Result<Box<dyn Journal>, Failure> {
        let lines = start.iter().filter_map(|event| serde_json::to_string(&Entry { at, event }).ok()); // our own types
        let text: String = lines.map(|line| line + "\n").collect();
        let unusable = |why: String| Failure::run(Diagnostic::new(codes::run::STATE_UNUSABLE, why));
        let mut journal = self.journal.take().ok_or_else(|| unusable("the journal was begun twice".to_string()))?;
        journal.append(text.as_bytes()).map_err(unusable)?;
        Ok(Box::new(journal))
    }

    fn finish(self, plan: &Plan, run: &Run, record: &RunRecord) {
        keep(&self.folder.record(), record);
        if let Some(report) = outputs::<Report>(plan, run).first() {
            keep(&self.folder.report(), report);
        }
    }
}
