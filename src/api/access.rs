//! Who may ask what.

use axum::routing::MethodRouter;

use super::App;
use super::document::Needs;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Whoever reaches the address.
    #[default]
    Everybody,
}

/// The same handler for those who have what it takes.
pub fn guarded(handler: MethodRouter<App>, _needs: Needs) -> MethodRouter<App> {
    handler
}
