//! Records on their way to a store, which a thread of its own writes: the stream goes on meanwhile.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::keeper::Keeper;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Batch, Stored};
use crate::node::Writer;

/// Batches that may wait to be written; then the stream waits.
const WAITING: usize = 4;

enum Message {
    Batch(Batch),
    Commit(Sender<Result<u64, Diagnostic>>),
}

/// Gives batches to a [`Keeper`].
pub struct Queue {
    /// `None` once it is dropped.
    to: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// # Errors
    /// There is no thread to be had.
    pub fn new(keeper: Keeper) -> Result<Queue, Diagnostic> {
        let (to, from) = sync_channel(WAITING);
        let thread = Builder::new().name("store".to_string()).spawn(move || write(keeper, &from));
        let thread = thread.map_err(|error| lost(&error.to_string()))?;
        Ok(Queue { to: Some(to), thread: Some(thread) })
    }
}

impl Writer for Queue {
    fn push(&mut self, batch: &Batch) {
        // Where nobody takes it any more, `commit` says so.
        let _ = self.to.as_ref().map(|to| to.send(Message::Batch(batch.clone())));
    }

    fn commit(&mut self) -> Result<Stored, Diagnostic> {
        let (to, answer) = channel();
        let _ = self.to.as_ref().map(|queue| queue.send(Message::Commit(to)));
        let samples = answer.recv().map_err(|_| lost("its thread has ended, which is a bug"))??;
        Ok(Stored { node: String::new(), samples, error: None })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic has been printed; nothing was acknowledged
        }
    }
}

/// Until nobody gives anything any more. After a fault nothing is written: what comes then would hide the gap.
fn write(mut keeper: Keeper, from: &Receiver<Message>) {
    let mut fault: Option<Diagnostic> = None;
    for message in from {
        match message {
            Message::Batch(batch) if fault.is_none() => fault = keeper.take(&batch).err(),
            Message::Batch(_) => {}
            Message::Commit(answer) => {
                let done = fault.clone().map_or_else(|| keeper.commit(), Err);
                fault = fault.or_else(|| done.as_ref().err().cloned());
                let _ = answer.send(done);
            }
        }
    }
}

fn lost(why: &str) -> Diagnostic {
    Diagnostic::new(codes::output::STORE, format!("measurements cannot be written: {why}"))
}
