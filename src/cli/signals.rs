//! SIGINT and SIGTERM: the first asks a run to stop, the second ends the process.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use super::terminal;
use crate::engine::Cancel;

/// Signals that are caught from the moment this is made, and heard whenever somebody listens.
pub struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    /// Catches them before there is a runtime to listen. Takes about 50 µs, for a runtime that is not used any further:
    /// tokio wants one to begin with.
    pub fn early() -> Option<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let _inside = runtime.enter();
        Signals::caught()
    }

    #[cfg(unix)]
    fn caught() -> Option<Signals> {
        let caught = |kind| signal(kind).ok();
        Some(Signals { interrupt: caught(SignalKind::interrupt())?, terminate: caught(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn caught() -> Option<Signals> {
        Some(Signals {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }

    /// The first signal stops the run where it is, the second ends the process. `early` are those that were caught
    /// before.
    pub async fn heed(early: Option<Signals>, cancel: Cancel, notice: Option<&'static str>) {
        let Some(mut signals) = early.or_else(Signals::caught) else { return };
        signals.next().await;
        cancel.cancel();
        notice.iter().for_each(|notice| terminal::err(notice));
        signals.next().await;
        std::process::exit(Exit::Interrupted as i32)
    }
}
