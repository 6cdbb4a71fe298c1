//! Rows of a store on their way out, one after another, in a form that the user chose; and which store he means.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;

use serde::Deserialize;

use super::exit::Failure;
use super::load;
use super::render::Style;
use super::render::rows::{csv, json, table, text};
use crate::diagnostic::{Diagnostic, codes};
use crate::graph::configs_of;
use crate::io::files::GraphFolder;
use crate::io::store::read::Holds;
use crate::io::store::{Cell, OutputMeasurements, OutputStore, Place, Seen};
use crate::node::{Sink, Task};
use crate::port::Files;

/// Rows of a table on a terminal; more are for a file.
const MOST: usize = 1000;

/// A node that has a store.
#[derive(Deserialize)]
struct HasStore {
    database: String,
}

/// The store that a user names: a path, a URL, or a graph file (`*.toml`) whose nodes name it.
///
/// # Errors
/// Exit 78: the graph file cannot be read. Exit 2: it names none, or several.
pub fn place(named: &str) -> Result<Place, Failure> {
    let path = Path::new(named);
    if named.contains("://") || path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(Place::at(named));
    }
    let source = load::read(path)?;
    let environment = load::environment()?;
    let lookup = |name: &str| environment.get(name).map(str::to_string);
    let mut places = BTreeSet::new();
    for kind in [OutputMeasurements::KIND, OutputStore::KIND] {
        let nodes: Vec<HasStore> = configs_of(&source, kind, Some(&lookup)).map_err(Failure::config)?;
        let locate = |node: HasStore| match node.database.contains("://") {
            true => node.database,
            false => GraphFolder::of(path).locate(&node.database),
        };
        places.extend(nodes.into_iter().map(locate));
    }
    let wrong = |message: String, help: &str| Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help));
    match places.len() {
        1 => Ok(Place::at(&places.into_iter().next().unwrap_or_default())),
        0 => Err(wrong(
            format!("`{named}` has no node that keeps anything in a store"),
            "name a store, or a graph with `output.measurements` or `output.store`",
        )),
        _ => {
            let shown: Vec<String> = places.iter().map(|place| format!("`{}`", Place::at(place).shown())).collect();
            Err(wrong(format!("`{named}` has several stores: {}", shown.join(", ")), "name one of them"))
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For the eye; the first 1000 rows.
    Table,
    /// With a line of names.
    Csv,
    /// One object a line.
    Ndjson,
    /// One array of objects.
    Json,
}

/// Takes rows and writes them.
pub struct Sheet<W: Write> {
    form: Form,
    style: Style,
    out: BufWriter<W>,
    columns: Vec<(String, Holds)>,
    /// Of a table.
    gathered: Vec<Vec<Cell>>,
    rows: u64,
    fault: Option<io::Error>,
}

impl<W: Write> Sheet<W> {
    /// `columns` where it is known what they hold.
    pub fn new(form: Form, style: Style, columns: &[(&str, Holds)], out: W) -> Sheet<W> {
        let columns = columns.iter().map(|(name, holds)| (name.to_string(), *holds)).collect();
        Sheet { form, style, out: BufWriter::new(out), columns, gathered: Vec::new(), rows: 0, fault: None }
    }

    /// Asks for more while there is somebody to read it.
    pub fn see(&mut self, seen: Seen<'_>) -> ControlFlow<()> {
        let written = match seen {
            Seen::Columns(names) => self.head(names),
            Seen::Row(cells) => self.row(cells),
        };
        match written {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                self.fault = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// # Errors
    /// Not all could be written. That nobody reads any more is none.
    pub fn end(mut self) -> io::Result<()> {
        let ended = match self.fault.take() {
            Some(error) => Err(error),
            None => self.tail(),
        };
        match ended {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            ended => ended,
        }
    }

    fn head(&mut self, names: &[&str]) -> io::Result<bool> {
        if self.columns.is_empty() {
            self.columns = names.iter().map(|name| (name.to_string(), Holds::Text)).collect();
        }
        if self.form == Form::Csv {
            self.out.write_all(csv(names.iter().copied())?.as_bytes())?;
        }
        Ok(true)
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<bool> {
        self.rows += 1;
        match self.form {
            Form::Table if self.gathered.len() == MOST => return Ok(false),
            Form::Table => self.gathered.push(cells.to_vec()),
            Form::Csv => {
                let texts: Vec<String> =
                    self.columns.iter().zip(cells).map(|((_, holds), cell)| text(cell, *holds)).collect();
                self.out.write_all(csv(texts.iter().map(String::as_str))?.as_bytes())?;
            }
            Form::Ndjson => writeln!(self.out, "{}", json(&self.columns, cells))?,
            Form::Json => {
                let before = if self.rows == 1 { "[\n" } else { ",\n" };
                write!(self.out, "{before}{}", json(&self.columns, cells))?;
            }
        }
        Ok(true)
    }

    fn tail(&mut self) -> io::Result<()> {
        match self.form {
            Form::Table => {
                self.out.write_all(table(&self.columns, &self.gathered, self.style).as_bytes())?;
                if self.rows > MOST as u64 {
                    writeln!(self.out, "… the first {MOST} rows; `--format csv` has all of them")?;
                }
            }
            Form::Json if self.rows == 0 => writeln!(self.out, "[]")?,
            Form::Json => writeln!(self.out, "\n]")?,
            Form::Csv | Form::Ndjson => {}
        }
        self.out.flush()
    }
}
