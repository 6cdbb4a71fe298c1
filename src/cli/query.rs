use std::io::IsTerminal;

use super::exit::{Exit, Failure};
use super::sheet::{Form, Sheet, place};
use super::terminal;
use crate::diagnostic::{Diagnostic, codes};
use crate::io::store::open_to_read;

/// Ask a store something, in SQL; it is opened for reading only.
///
/// The tables and views are in docs/store.md: `reading`, `hourly_reading` and `series_reading` have names and readable times.
#[derive(Debug, clap::Args)]
pub struct QueryArguments {
    /// A SQLite file, the URL of a PostgreSQL database, or a graph file whose nodes name one.
    store: String,
    /// One query, as in "SELECT entity, metric, mean FROM `series_reading`".
    sql: String,
    /// How the answer is written; without it as a table on a terminal, and as CSV elsewhere.
    #[arg(long, value_enum)]
    format: Option<Form>,
}

pub fn query(arguments: &QueryArguments) -> Result<Exit, Failure> {
    let mut database = open_to_read(&place(&arguments.store)?).map_err(Failure::run)?;
    let is_terminal = std::io::stdout().is_terminal();
    let form = arguments.format.unwrap_or(if is_terminal { Form::Table } else { Form::Csv });
    let mut sheet = Sheet::new(form, terminal::stdout_style(), &[], anstream::stdout().lock());
    let question = database.question(&arguments.sql);
    let answered = database.rows(&question, &[], &mut |seen| sheet.see(seen));
    answered.map_err(|why| {
        let message = format!("the query cannot be answered: {why}");
        Failure::usage(Diagnostic::new(codes::output::QUERY, message).help(codes::output::QUERY.remedy))
    })?;
    sheet.end().map_err(|error| unwritable("standard output", &error))?;
    Ok(Exit::Done)
}

pub(super) fn unwritable(place: &str, error: &std::io::Error) -> Failure {
    let message = format!("`{place}` cannot be written: {error}");
    Failure::run(Diagnostic::new(codes::output::UNWRITABLE, message).help(codes::output::UNWRITABLE.remedy))
}
