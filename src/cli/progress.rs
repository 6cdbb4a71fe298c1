//! What a terminal shows while a run goes on: a bar for long reads, events in the log.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use crate::engine::{Event, Watcher};

/// Reads that take longer than this get a bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// Shows progress on standard error.
pub struct Progress {
    begun: Instant,
    /// Whether standard error is a terminal that wants to be drawn on.
    draws: bool,
    bar: Mutex<Bar>,
}

/// The bar, where one is shown.
enum Bar {
    None,
    Shown(ProgressBar),
    /// Nothing is shown any more: a pass that was interrupted may still read on for a moment.
    Over,
}

impl Progress {
    pub fn new(draws: bool) -> Progress {
        Progress { begun: Instant::now(), draws, bar: Mutex::new(Bar::None) }
    }

    /// Leaves the terminal to what is printed next.
    pub fn finish(&self) {
        self.put(Bar::Over);
    }

    fn clear(&self) {
        self.put(Bar::None);
    }

    fn put(&self, next: Bar) {
        let mut bar = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Bar::Shown(bar) = std::mem::replace(&mut *bar, next) {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Progress {
    fn on_read(&self, node: &str, read: u64, total: Option<u64>) {
        if !self.draws || self.begun.elapsed() < PATIENCE {
            return;
        }
        let mut bar = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*bar {
            Bar::Over => return,
            Bar::Shown(shown) if shown.message() == message(node) => return shown.set_position(read),
            Bar::Shown(of_another) => of_another.finish_and_clear(),
            Bar::None => {}
        }
        let new = reading(node, total);
        new.set_position(read);
        *bar = Bar::Shown(new);
    }

    fn on_event(&self, run: &str, event: &Event) {
        match event {
            Event::Started(header) => {
                let window = header.window.as_ref().map(|window| window.span.label());
                tracing::info!(run, graph = header.graph, window, "run started");
            }
            Event::Resumed {} => tracing::info!(run, "run resumed"),
            Event::Read { inputs } => {
                self.clear();
                for input in inputs {
                    tracing::info!(
                        run,
                        node = input.node,
                        path = input.path,
                        records = input.records,
                        bad = input.bad,
                        "read"
                    );
                }
            }
            Event::Cut { .. } => tracing::info!(run, "stream part done"),
            Event::TaskStarted { node, item, attempt } => tracing::debug!(run, node, item, attempt, "task started"),
            Event::TaskFailed { node, item, attempt, error, transient } => {
                tracing::info!(run, node, item, attempt, error, transient, "task failed");
            }
            Event::TaskEnded { node, item, outcome, elapsed_ms, .. } => {
                tracing::info!(run, node, item, ?outcome, elapsed_ms, "task ended");
            }
            Event::Ended { status, .. } => {
                self.clear();
                tracing::info!(run, ?status, "run ended");
            }
        }
    }

    fn on_journal_lost(&self, why: &str) {
        self.clear();
        terminal::err(&format!(
            "warning: the journal cannot be written ({why}); the run goes on, but cannot be resumed\n"
        ));
    }
}

fn reading(node: &str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::no_length(), "{msg} {spinner} {bytes} {bytes_per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(message(node));
    bar
}

fn message(node: &str) -> String {
    format!("reading {node}")
}
