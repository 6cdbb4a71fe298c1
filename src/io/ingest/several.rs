//! Files of a pattern as one finite input.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{Config, Text};
use super::tally::{absorb, add};
use crate::diagnostic::{Code, Diagnostic, codes::input};
use crate::domain::{Fault, FaultExample, InputRecord, Rejected};
use crate::node::{Next, Pass, Reader, Wanted};

/// What makes a record one that cannot be used.
const COSTS_A_RECORD: [&Code; 5] =
    [input::MALFORMED, input::NO_TIME, input::TOO_LONG, input::TOO_DEEP, input::FIELD_COUNT];

/// The files that a pattern names, in the order of their names; folders are left out. `None` where `path` is no
/// pattern, or the name of a file that is there.
///
/// # Errors
/// AG0101: what is wrong with the pattern.
pub fn matching(path: &str) -> Result<Option<Vec<PathBuf>>, Diagnostic> {
    if !path.contains(['*', '?', '[']) || Path::new(path).exists() {
        return Ok(None);
    }
    let found = glob::glob(path).map_err(|error| {
        Diagnostic::new(input::MISSING, format!("`{path}` is no pattern of files: {}", error.msg))
            .help("`*` stands for any characters, `?` for one, `[ab]` for one of these, `**` for folders at any depth")
    })?;
    // What cannot be looked into is as if it were not there.
    Ok(Some(found.flatten().filter(|path| !path.is_dir()).collect()))
}

/// Reads one file after the other; rows count from 1 in each, and examples of faults name the file.
pub struct Several {
    node: String,
    pattern: String,
    config: Config,
    wanted: Wanted,
    /// Whether records that cannot be used are asked for, and those of the files before the current one.
    keeps_rejected: bool,
    rejected: Vec<Rejected>,
    waiting: VecDeque<PathBuf>,
    current: Option<(String, Text)>,
    /// Of the files before the current one.
    past: InputRecord,
    entities: HashSet<Arc<str>>,
    /// Bytes of all files; `None` where one is packed.
    size: Option<u64>,
}

impl Several {
    /// # Errors
    /// AG0101: there is no file.
    pub fn open(files: Vec<PathBuf>, config: &Config, pass: &Pass<'_>) -> Result<Several, Diagnostic> {
        let pattern = config.path.clone();
        if files.is_empty() {
            let what = format!("no file matches `{pattern}`");
            return Err(Diagnostic::new(input::MISSING, what).help(input::MISSING.remedy));
        }
        let size = |path: &PathBuf| {
            let packed = path.extension().is_some_and(|extension| extension == "gz" || extension == "zst");
            std::fs::metadata(path).ok().filter(|_| !packed).map(|about| about.len())
        };
        Ok(Several {
            node: pass.node.to_string(),
            pattern,
            config: config.clone(),
            wanted: pass.wanted.clone(),
            keeps_rejected: pass.rejected,
            rejected: Vec::new(),
            size: files.iter().map(size).sum(),
            waiting: files.into(),
            current: None,
            past: InputRecord::default(),
            entities: HashSet::new(),
        })
    }

    /// Opens the next file that is not empty; `None` after the last.
    fn advance(&mut self) -> Result<Option<&mut (String, Text)>, Diagnostic> {
        while self.current.is_none()
            && let Some(path) = self.waiting.pop_front()
        {
            let name = path.to_string_lossy().into_owned();
            // What is bad is counted over all files.
            match Text::open(&name, &self.config, (&self.wanted, self.keeps_rejected), 1.0) {
                Ok(text) => self.current = Some((name, text)),
                Err(fault) if fault.code == input::EMPTY => self.note(&fault),
                Err(fault) => return Err(fault),
            }
        }
        Ok(self.current.as_mut())
    }

    /// A file that nothing can be made of, where others may have something.
    fn note(&mut self, fault: &Diagnostic) {
        let example = FaultExample { row: 1, detail: fault.message.clone() };
        let (code, what) = (fault.code.id.to_string(), fault.code.title.to_string());
        add(&mut self.past.faults, Fault { code, what, count: 1, examples: vec![example] }, None);
    }

    fn close(&mut self) {
        if let Some((name, mut text)) = self.current.take() {
            let rest = text.stream.rejected(u64::MAX).into_iter();
            self.rejected.extend(rest.map(|one| Rejected { row: 0, ..one }));
            absorb(&mut self.past, text.record(), &name);
        }
    }

    /// Whether what was read can stand for the input.
    fn verdict(&self) -> Result<(), Diagnostic> {
        let InputRecord { records, bad, faults, .. } = &self.past;
        let (all, limit, pattern) = (records + bad, self.config.max_bad_ratio(), &self.pattern);
        if *records > 0 && *bad as f64 / all as f64 <= limit {
            return Ok(());
        }
        let costs_a_record = |fault: &&Fault| COSTS_A_RECORD.iter().any(|code| code.id == fault.code);
        let fault = faults.iter().find(costs_a_record).or(faults.first());
        let example = fault.and_then(|fault| Some((fault, fault.examples.first()?)));
        let example = example.map_or_else(String::new, |(fault, example)| {
            format!("; for example {} ({}), row {}: {}", fault.what, fault.code, example.row, example.detail)
        });
        let (code, what) = match records {
            0 => (input::NO_RECORD, format!("no file of `{pattern}` has a valid record{example}")),
            _ => {
                let what = format!("{bad} of {all} records of `{pattern}` could not be used");
                (input::TOO_MANY_BAD, format!("{what}, more than max_bad_ratio = {limit} permits{example}"))
            }
        };
        Err(Diagnostic::new(code, what).help(code.remedy))
    }
}

impl Reader for Several {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        while let Some((_, text)) = self.advance()? {
            let batch = text.stream.next_batch();
            match batch {
                Ok(Some(batch)) => {
                    for name in &batch.entities {
                        if !self.entities.contains(name) {
                            self.entities.insert(name.clone());
                        }
                    }
                    return Ok(Next::Batch(batch));
                }
                Ok(None) => self.close(),
                Err(fault) if fault.code == input::NO_RECORD => {
                    self.close();
                    self.note(&fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        self.verdict().map(|()| Next::End)
    }

    fn rejected(&mut self, before: u64) -> Vec<Rejected> {
        let mut rejected = std::mem::take(&mut self.rejected);
        rejected.extend(self.current.iter_mut().flat_map(|(_, text)| text.stream.rejected(before)));
        rejected
    }

    fn record(&self) -> InputRecord {
        let mut all = self.past.clone();
        if let Some((name, text)) = &self.current {
            absorb(&mut all, text.record(), name);
        }
        let entities = self.entities.len() as u64;
        InputRecord { node: self.node.clone(), path: self.pattern.clone(), entities, ..all }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.past.bytes + self.current.as_ref().map_or(0, |(_, text)| text.stream.bytes()), self.size)
    }
}
