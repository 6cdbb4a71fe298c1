//! The binary as a user meets it: arguments in; files, streams and exit codes out. Nobody's environment, state or `.env`
//! takes part, and no network but this machine's own.

mod backtest;
mod cassettes;
mod endpoint;
mod exits;
mod journal;
mod kills;
mod manuals;
mod outputs;
mod privacy;
mod refusals;
mod sandbox;
mod schemas;
mod shapes;
mod streams;
mod testing;
mod windows;
