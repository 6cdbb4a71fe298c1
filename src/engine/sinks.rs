//! The sinks of a stream: records go in as they come, and are safe before anything says that they need not come again.

use super::intake::{Faulty, name_of};
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, Note, Stored};
use crate::graph::{Plan, StreamSink};
use crate::node::{Site, Writer};

/// Open sinks.
pub struct Sinks(Vec<Open>);

struct Open {
    node: String,
    /// The sources' nodes that it listens to.
    sources: Vec<usize>,
    /// Or why it could not be opened.
    writer: Result<Box<dyn Writer>, Diagnostic>,
}

impl Sinks {
    /// What cannot be opened is told by [`Sinks::commit`], which whoever cannot do without asks at once.
    pub fn open(plan: &Plan, sinks: Vec<StreamSink>, synced: bool) -> Sinks {
        let site = Site { graph: &plan.name, synced };
        let open = |sink: StreamSink| {
            let writer = sink.sink.open(&site);
            Open { node: name_of(plan, sink.node), sources: sink.sources, writer }
        };
        Sinks(sinks.into_iter().map(open).collect())
    }

    /// Gives records of a source to those that listen to it.
    pub fn push(&mut self, source: usize, batch: &Batch) {
        for sink in self.0.iter_mut().filter(|sink| sink.sources.contains(&source)) {
            if let Ok(writer) = &mut sink.writer {
                writer.push(batch);
            }
        }
    }

    /// Makes everything safe that was pushed.
    ///
    /// # Errors
    /// The first that is not.
    pub fn commit(&mut self) -> Faulty<Vec<Note>> {
        self.0.iter_mut().map(|sink| sink.commit().map(Note::Stored).map_err(Box::new)).collect()
    }

    /// The same at the end of a run that has a report all the same: what is not safe is part of what is told.
    pub fn finish(mut self) -> Vec<Note> {
        let told = |sink: &mut Open| match sink.commit() {
            Ok(stored) => stored,
            Err(fault) => Stored { node: sink.node.clone(), samples: 0, error: Some(fault.to_string()) },
        };
        self.0.iter_mut().map(|sink| Note::Stored(told(sink))).collect()
    }
}

impl Open {
    fn commit(&mut self) -> Result<Stored, Diagnostic> {
        let writer = self.writer.as_mut().map_err(|fault| fault.clone())?;
        writer.commit().map(|stored| Stored { node: self.node.clone(), ..stored })
    }
}
