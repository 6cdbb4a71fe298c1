//! A run as its journal tells it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::outcome::Side;
use crate::cli::exit::Failure;
use crate::cli::resume::{journal_of, read};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{InputRecord, ModelIdentity, Note, Report, RunRecord, RunStatus, Timestamp};
use crate::engine::{Event, Header};
use crate::io::state::RunDir;
use crate::nodes::draft::Draft;
use crate::wording::Prompt;

pub struct Told {
    pub header: Header,
    pub inputs: Vec<InputRecord>,
    /// Values of the folds, by node.
    pub cut: BTreeMap<String, Box<RawValue>>,
    /// By node.
    pub reports: BTreeMap<String, Report>,
    pub notes: Vec<Note>,
    /// What the model was asked first, by recommendation.
    pub prompts: BTreeMap<String, Prompt>,
    id: String,
    started: Timestamp,
    ended: Option<(RunStatus, Option<String>)>,
    /// As the run record has it, for journals of before headers had it.
    model: Option<ModelIdentity>,
}

impl Told {
    /// # Errors
    /// AG0318, AG0313, AG0311: there is no journal, or none that can be read.
    pub fn of(folder: &RunDir) -> Result<Told, Failure> {
        let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
        let text = std::fs::read_to_string(journal_of(folder)?).map_err(|e| unreadable(e.to_string()))?;
        let mut entries = read(&text)?.into_iter();
        let Some((started, Event::Started(header))) = entries.next().map(|first| (first.at, first.event)) else {
            return Err(unreadable(format!("run {} was killed before its journal began", folder.id())));
        };
        let record = std::fs::read(folder.record()).ok();
        let model = record.and_then(|json| serde_json::from_slice::<RunRecord>(&json).ok()).and_then(|r| r.model);
        let mut told = Told {
            header,
            inputs: Vec::new(),
            cut: BTreeMap::new(),
            reports: BTreeMap::new(),
            notes: Vec::new(),
            prompts: BTreeMap::new(),
            id: folder.id().to_string(),
            started,
            ended: None,
            model,
        };
        entries.for_each(|entry| told.take(entry.event));
        Ok(told)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Resumed {} => self.ended = None,
            Event::Read { inputs } => self.inputs = inputs,
            Event::Cut { values, notes } => {
                self.cut = values;
                self.notes.extend(notes);
            }
            Event::TaskEnded { node, output, notes, .. } => {
                self.notes.extend(notes);
                if let Ok(report) = serde_json::from_str::<Report>(output.get()) {
                    self.reports.insert(node, report);
                } else if let Ok(Draft { recommendation, prompt: Some(prompt), .. }) =
                    serde_json::from_str::<Draft>(output.get())
                {
                    self.prompts.insert(recommendation.id, prompt);
                }
            }
            Event::Ended { status, error } => self.ended = Some((status, error)),
            Event::Started(_) | Event::TaskStarted { .. } | Event::TaskFailed { .. } => {}
        }
    }

    pub fn model(&self) -> Option<&ModelIdentity> {
        self.header.made.model.as_ref().or(self.model.as_ref())
    }

    pub fn side(&self) -> Side {
        Side {
            run: self.id.clone(),
            graph: self.header.graph.clone(),
            started: self.started,
            status: self.ended.as_ref().map_or(RunStatus::Running, |(status, _)| *status),
            error: self.ended.as_ref().and_then(|(_, error)| error.clone()),
            window: self.header.window.as_ref().map(|window| window.span.start),
        }
    }
}
