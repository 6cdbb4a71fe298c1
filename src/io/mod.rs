pub mod atomic;
pub mod files;
pub mod journal;
pub mod llm;
pub mod output;
pub mod state;
