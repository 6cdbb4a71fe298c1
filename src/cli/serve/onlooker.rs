//! Keeps what graphs make, and tells the board.

use std::sync::Arc;

use crate::api::GraphBoard;
use crate::cli::execute::outputs;
use crate::cli::onlooker::Onlooker;
use crate::domain::{Anomaly, Report, RunRecord};
use crate::engine::{Event, Run, Watcher};
use crate::graph::Plan;
use crate::io::files::WallClock;
use crate::io::store::{OutputStore, StoreInput};
use crate::node::{Cx, Task};
use crate::port::Clock;

/// Looks on at the runs of one graph.
pub struct Keeping {
    pub board: Arc<GraphBoard>,
    pub store: Arc<OutputStore>,
    /// What is kept survives a power cut.
    pub synced: bool,
    /// Somebody tries records of their own: no report of the graph's.
    pub is_trial: bool,
}

impl Watcher for Keeping {
    fn on_event(&self, run: &str, event: &Event) {
        self.board.on_event(run, event);
    }

    fn on_read(&self, node: &str, read: u64, total: Option<u64>) {
        self.board.on_read(node, read, total);
    }
}

impl Onlooker for Keeping {
    fn on_end(&self, plan: &Plan, run: &Run, record: &RunRecord, reports: &[Report]) {
        let anomalies: Option<Vec<Anomaly>> = outputs(plan, run).into_iter().next();
        let cx = Cx::new("serve".to_string(), plan.language, None);
        let mut cx = cx.within(record.run.clone(), record.window.clone(), None);
        cx.graph.clone_from(&plan.name);
        cx.synced = self.synced;
        // Of several reports of one run the first is the run's, as in its folder.
        if let Some(report) = reports.first().filter(|_| !self.is_trial) {
            let input = StoreInput { report: report.clone(), anomalies };
            if let Err(fault) = self.store.keep(input, &cx) {
                tracing::error!("a report is not in the store: {fault}");
            }
            self.board.reported(Some(&record.run), report);
        }
        if let Err(fault) = self.store.ended(record) {
            tracing::error!("a run record is not in the store: {fault}");
        }
        self.board.ended(record, WallClock.now());
    }
}
