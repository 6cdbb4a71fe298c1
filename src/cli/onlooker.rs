//! Who looks on at the runs of a graph that is served.

use std::sync::Arc;

use crate::domain::{Report, RunRecord};
use crate::engine::{Cancel, Event, Run, Watcher};
use crate::graph::Plan;

/// What a graph that is served has of the server.
#[derive(Clone)]
pub struct Served {
    pub onlooker: Arc<dyn Onlooker>,
    /// Asks for a drain.
    pub drain: Cancel,
}

/// Looks on at the runs of a graph that is served.
pub trait Onlooker: Watcher {
    /// A run has ended, with these reports.
    fn on_end(&self, plan: &Plan, run: &Run, record: &RunRecord, reports: &[Report]);
}

/// Two that look on.
pub struct Both(pub Arc<dyn Watcher>, pub Arc<dyn Onlooker>);

impl Watcher for Both {
    fn on_event(&self, run: &str, event: &Event) {
        self.0.on_event(run, event);
        self.1.on_event(run, event);
    }
    fn on_read(&self, node: &str, read: u64, total: Option<u64>) {
        self.0.on_read(node, read, total);
        self.1.on_read(node, read, total);
    }
    fn on_journal_lost(&self, why: &str) {
        self.0.on_journal_lost(why);
        self.1.on_journal_lost(why);
    }
}
