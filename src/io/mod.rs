pub mod atomic;
pub mod state;
pub mod files;
pub mod journal;
pub mod output;
