//! One try of a task: bounded in time, and begun on another thread where this one has more to do.

use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, pending};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::event::Event;
use super::pass::Passed;
use super::state::Action;
use crate::diagnostic::Diagnostic;
use crate::domain::TaskOutcome;
use crate::node::{AnyTask, Cx, TaskError};

/// What a future of the driver ends in.
pub enum Step {
    Passed(Passed),
    /// The pause before another try is over.
    Due(Action),
    Ended(Event, Option<Box<Diagnostic>>),
}

/// Tries that are handed to another thread together at most.
const HANDFUL: usize = 8;

/// Other threads, which do what tries do before they first wait.
#[derive(Default)]
pub struct Hands(Arc<()>);

impl Hands {
    /// How many of the waiting tries another thread should be given now; none where each core has enough to do.
    pub fn want(&self, waiting: usize) -> usize {
        static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, NonZero::get));
        let busy = Arc::strong_count(&self.0); // this thread being one
        if busy < *CORES { waiting.div_ceil(*CORES).min(HANDFUL) } else { 0 }
    }

    /// Begins the tries on another thread, one after the other; whoever asks goes on with them.
    pub fn begin(&self, tries: Vec<BoxFuture<'static, Step>>) -> impl Iterator<Item = BoxFuture<'static, Step>> {
        let (begun, tries): (Vec<_>, Vec<_>) = tries
            .into_iter()
            .map(|run| (run, oneshot::channel()))
            .map(|(run, (tell, told))| (told, (run, tell)))
            .unzip();
        let hand = self.0.clone();
        tokio::task::spawn_blocking(move || {
            for (mut run, tell) in tries {
                let step = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                let _ = tell.send((step, run)); // nobody asks any more when the run was interrupted
            }
            drop(hand);
        });
        begun.into_iter().map(|begun| {
            let whole = async move {
                match begun.await {
                    Ok((Poll::Ready(step), _)) => step,
                    Ok((Poll::Pending, run)) => run.await,
                    Err(_) => pending().await, // the runtime ends, and with it whoever asks
                }
            };
            whole.boxed()
        })
    }
}

/// One try of a task, bounded in time; a panic is an error of the task, not of the run.
pub async fn attempt_task(
    task: Arc<dyn AnyTask>,
    cx: Cx,
    input: Arc<RawValue>,
    limit: Option<Duration>,
    (node, item, attempt): (String, Option<u32>, u32),
) -> Step {
    let begun = Instant::now();
    let run = AssertUnwindSafe(task.run(&input, &cx)).catch_unwind();
    let result = match limit {
        None => run.await,
        Some(limit) => match tokio::time::timeout(limit, run).await {
            Ok(result) => result,
            Err(_) => Ok(Err(TaskError::Transient(format!("it took longer than its timeout of {limit:?}")))),
        },
    };
    let result = result.unwrap_or_else(|_| Err(TaskError::Permanent("it panicked, which is a bug".into())));
    let elapsed_ms = begun.elapsed().as_millis() as u64;
    match result {
        Ok(output) => {
            let (outcome, error, notes, recalled) = (TaskOutcome::Done, None, cx.take_notes(), cx.take_recalled());
            let ended = Event::TaskEnded { node, item, attempt, outcome, output, error, notes, elapsed_ms, recalled };
            Step::Ended(ended, None)
        }
        Err(error) => {
            let transient = matches!(error, TaskError::Transient(_));
            let text = error.to_string();
            let fault = if let TaskError::Diagnosed(fault) = error { Some(fault) } else { None };
            Step::Ended(Event::TaskFailed { node, item, attempt, error: text, transient }, fault)
        }
    }
}
