//! The command line: the only place that sees everything and wires it. One file per subcommand; what is printed is
//! made in `render`, by functions that touch nothing.

mod apart;
mod backtest;
mod check;
mod config;
mod diff;
mod doctor;
mod draw;
mod eval;
mod execute;
mod exit;
mod explain;
mod export;
mod kinds;
mod live;
mod load;
mod log;
mod models;
mod onlooker;
mod page;
#[cfg(feature = "parquet")]
mod parquet;
mod progress;
mod query;
pub mod render;
mod replay;
mod resume;
mod run;
mod runs;
mod schema;
mod serve;
mod sheet;
mod signals;
mod spans;
mod stand_in;
mod supervisor;
mod terminal;
mod test;
mod token;
mod why;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::{Exit, Failure};

/// Turns operations telemetry into an exact, grounded report.
///
/// A graph file says how: nodes read records, detect, plan, word, validate and write. A language model, if one is
/// configured, words the recommendations; it never touches a figure.
#[derive(Debug, Parser)]
#[command(name = "agent", version, max_term_width = 100)]
struct Arguments {
    /// Write standard error as text or as JSON, one object a line; AGENT_LOG_FORMAT says the same.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<log::LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Serve(serve::ServeArguments),
    Backtest(backtest::BacktestArguments),
    Check(check::CheckArguments),
    Test(test::TestArguments),
    Draw(draw::DrawArguments),
    Eval(eval::EvalArguments),
    Kinds(kinds::KindsArguments),
    Schema(schema::SchemaArguments),
    Render(page::RenderArguments),
    Runs(runs::RunsArguments),
    Resume(resume::ResumeArguments),
    Why(why::WhyArguments),
    Config(config::ConfigArguments),
    Query(query::QueryArguments),
    Export(export::ExportArguments),
    Doctor(doctor::DoctorArguments),
    Models(models::ModelsArguments),
    Token(token::TokenArguments),
    Diff(diff::DiffArguments),
    Replay(replay::ReplayArguments),
    Explain(explain::ExplainArguments),
    Completions(CompletionsArguments),
}

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
struct CompletionsArguments {
    shell: clap_complete::Shell,
}

/// Parses the arguments, runs the subcommand and says how the process ends.
pub fn main() -> ExitCode {
    match parsed().and_then(|arguments| dispatch(arguments.command)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::faults(&failure.diagnostics);
            failure.exit.into()
        }
    }
}

/// The arguments. Prints help and usage errors itself, and ends the process with 0 or 2.
fn parsed() -> Result<Arguments, Failure> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && load::begin(None).is_ok() && log::is_json() => {
            terminal::err(&error.render().to_string());
            std::process::exit(error.exit_code())
        }
        Err(error) => error.exit(),
    };
    load::begin(arguments.log_format)?;
    Ok(arguments)
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Backtest(arguments) => backtest::backtest(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Draw(arguments) => draw::draw(&arguments),
        Command::Kinds(arguments) => kinds::kinds(&arguments),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Render(arguments) => page::render(&arguments),
        Command::Runs(arguments) => runs::runs(&arguments),
        Command::Resume(arguments) => resume::resume(&arguments),
        Command::Why(arguments) => why::why(&arguments),
        Command::Config(arguments) => config::config(&arguments),
        Command::Query(arguments) => query::query(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Models(arguments) => models::models(&arguments),
        Command::Token(arguments) => token::token(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Eval(arguments) => eval::eval(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Completions(arguments) => {
            // Into memory first: generating panics where it cannot write, as into `| head`.
            let mut script = Vec::new();
            clap_complete::generate(arguments.shell, &mut Arguments::command(), "agent", &mut script);
            terminal::out(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
    }
}
