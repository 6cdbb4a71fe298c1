//! The binary as a user meets it: arguments in; files, streams and exit codes out. Nobody's environment, state or `.env`
//! takes part, and no network but this machine's own.

mod aspects;
mod backtest;
mod budget;
mod cassettes;
mod collector;
mod compare;
mod doctor;
mod endpoint;
mod exits;
mod failures;
mod fallbacks;
mod incidents;
mod journal;
mod kills;
mod logs;
mod manuals;
mod outputs;
mod pages;
mod privacy;
mod refusals;
mod rules;
mod sandbox;
mod schemas;
mod settings;
mod shapes;
mod spans;
mod stores;
mod streams;
mod testing;
mod tokens;
mod windows;
