pub mod atomic;
pub mod state;
