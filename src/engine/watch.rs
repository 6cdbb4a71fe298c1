//! Who looks on at a run, and who may stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event::Event;

/// Somebody who looks on.
pub trait Watcher: Send + Sync {
    /// What has just been journaled of this run. In windows the runs of several may be told of in turn.
    fn on_event(&self, _run: &str, _event: &Event) {}
    /// Bytes that a source has read, and how many there are where that is known.
    fn on_read(&self, _node: &str, _read: u64, _total: Option<u64>) {}
    /// The journal cannot be written any further; the run goes on without.
    fn on_journal_lost(&self, _why: &str) {}
}

/// Asks a run to stop where it is. Its journal stays resumable.
#[derive(Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    flag: AtomicBool,
    wake: tokio::sync::Notify,
}

impl Cancel {
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::Relaxed);
        self.0.wake.notify_waiters();
        self.0.wake.notify_one();
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed)
    }

    /// Waits until the run is asked to stop.
    pub async fn cancelled(&self) {
        // Made before the flag is looked at: several may wait, and none must miss it in between.
        let woken = self.0.wake.notified();
        if !self.is_cancelled() {
            woken.await;
        }
    }
}
