use std::io::Write;
use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::query::unwritable;
use super::sheet::{Form, Sheet, place};
use super::terminal;
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::Timestamp;
use crate::io::atomic::write_whole;
use crate::io::store::read::{ReadError, Selection, Store, What};

/// Write what a store keeps to a file or standard output, as it is read: memory stays flat however much it is.
#[derive(Debug, clap::Args)]
pub struct ExportArguments {
    /// A SQLite file, the URL of a PostgreSQL database, or a graph file whose nodes name one.
    store: String,
    #[arg(long, value_enum, default_value = "csv")]
    format: ExportForm,
    #[arg(long, value_enum, default_value = "measurements")]
    what: Whole,
    /// Only from this time on, as in 2024-01-01T00:00:00Z.
    #[arg(long, value_parser = time)]
    from: Option<Timestamp>,
    /// Only before this time.
    #[arg(long, value_parser = time)]
    to: Option<Timestamp>,
    /// Only of this graph.
    #[arg(long)]
    graph: Option<String>,
    /// Only of this host, device or sensor.
    #[arg(long)]
    entity: Option<String>,
    /// Only of this metric.
    #[arg(long)]
    metric: Option<String>,
    /// A file to write, all of it or nothing; without it standard output.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExportForm {
    Csv,
    Ndjson,
    #[cfg(feature = "parquet")]
    Parquet,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Whole {
    Measurements,
    Hourly,
    Reports,
    Anomalies,
    Episodes,
    Runs,
}

impl From<Whole> for What {
    fn from(whole: Whole) -> What {
        match whole {
            Whole::Measurements => What::Measurements,
            Whole::Hourly => What::Hourly,
            Whole::Reports => What::Reports,
            Whole::Anomalies => What::Anomalies,
            Whole::Episodes => What::Episodes,
            Whole::Runs => What::Runs,
        }
    }
}

pub fn export(arguments: &ExportArguments) -> Result<Exit, Failure> {
    let what = What::from(arguments.what);
    if !what.has_metrics() && (arguments.entity.is_some() || arguments.metric.is_some()) {
        let message = "`--entity` and `--metric` are not for reports and runs, which are of all of them";
        return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message)));
    }
    let selection = Selection {
        graph: arguments.graph.clone(),
        entity: arguments.entity.clone(),
        metric: arguments.metric.clone(),
        kind: None,
        from: arguments.from,
        to: arguments.to,
    };
    let mut store = Store::open(&place(&arguments.store)?).map_err(Failure::run)?;
    let mut refused = None;
    let mut write = |out: &mut dyn Write| match copy(&mut store, what, &selection, arguments.format, out) {
        Ok(written) => written,
        Err(error) => {
            refused = Some(error);
            Err(std::io::Error::other("the store cannot be read to its end"))
        }
    };
    let (shown, written) = match &arguments.output {
        None => ("standard output".to_string(), write(&mut std::io::stdout().lock())),
        Some(path) => (path.display().to_string(), write_whole(path, false, &mut write)),
    };
    match (refused, written) {
        (Some(ReadError::Store(fault)), _) => Err(Failure::run(fault)),
        (Some(ReadError::Cursor), _) | (None, Ok(())) => Ok(Exit::Done), // an export has no cursor
        (None, Err(error)) => Err(unwritable(&shown, &error)),
    }
}

/// What cannot be read, and within what cannot be written.
fn copy(
    store: &mut Store,
    what: What,
    selection: &Selection,
    form: ExportForm,
    out: &mut dyn Write,
) -> Result<std::io::Result<()>, ReadError> {
    let form = match form {
        ExportForm::Csv => Form::Csv,
        ExportForm::Ndjson => Form::Ndjson,
        #[cfg(feature = "parquet")]
        ExportForm::Parquet => return super::parquet::copy(store, what, selection, out),
    };
    let mut sheet = Sheet::new(form, terminal::stdout_style(), what.columns(), out);
    store.export(what, selection, &mut |seen| sheet.see(seen))?;
    Ok(sheet.end())
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is written as in 2024-01-01T00:00:00Z".to_string())
}
