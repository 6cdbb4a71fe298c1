//! Rows of a store as text.

use std::io;

use serde_json::Value;
use serde_json::value::RawValue;

use super::safe;
use super::text::{Style, grid, space};
use crate::domain::Timestamp;
use crate::io::store::Cell;
use crate::io::store::read::Holds;

/// One value as a reader sees it; nothing is empty.
pub fn text(cell: &Cell, holds: Holds) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Int(micros) if holds == Holds::Time => Timestamp::nearest(*micros).to_string(),
        Cell::Int(value) => value.to_string(),
        // As JSON has it: the shortest text that gives the same number.
        Cell::Real(value) => serde_json::Number::from_f64(*value).map_or(value.to_string(), |n| n.to_string()),
        Cell::Text(text) => text.clone(),
    }
}

/// A line of CSV.
///
/// # Errors
/// None, into memory.
pub fn csv<'a>(cells: impl IntoIterator<Item = &'a str>) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells)?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A row as a JSON object, without a line feed.
pub fn json(names: &[(String, Holds)], cells: &[Cell]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let value = |cell: &Cell, holds| match cell {
        Cell::Null => "null".to_string(),
        Cell::Int(_) if holds == Holds::Time => quoted(&text(cell, holds)),
        Cell::Int(value) => value.to_string(),
        Cell::Real(value) => Value::from(*value).to_string(), // null where JSON has no such number
        Cell::Text(text) if holds == Holds::Json && serde_json::from_str::<&RawValue>(text).is_ok() => text.clone(),
        Cell::Text(text) => quoted(text),
    };
    let pair = |((name, holds), cell): (&(String, Holds), _)| format!("{}:{}", quoted(name), value(cell, *holds));
    format!("{{{}}}", names.iter().zip(cells).map(pair).collect::<Vec<_>>().join(","))
}

/// All rows under their names.
pub fn table(names: &[(String, Holds)], rows: &[Vec<Cell>], style: Style) -> String {
    let mut table = grid(style.columns());
    table.set_header(names.iter().map(|(name, _)| style.bold(&safe(name))));
    for row in rows {
        table.add_row(names.iter().zip(row).map(|((_, holds), cell)| safe(&text(cell, *holds)).into_owned()));
    }
    space(&mut table);
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_string()).collect();
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<(String, Holds)> {
        [("name", Holds::Text), ("time", Holds::Time), ("value", Holds::Real), ("facts", Holds::Json)]
            .map(|(name, holds)| (name.to_string(), holds))
            .to_vec()
    }

    fn row() -> Vec<Cell> {
        vec!["a\u{1b}[1m,\"b\"".into(), 1_500_000.into(), Cell::Real(1e300), r#"{"b":1,"a":[2]}"#.into()]
    }

    #[test]
    fn a_row_is_told_in_each_form() {
        assert_eq!(
            json(&names(), &row()),
            r#"{"name":"a\u001b[1m,\"b\"","time":"1970-01-01T00:00:01.5Z","value":1e+300,"facts":{"b":1,"a":[2]}}"#
        );
        let texts: Vec<String> = names().iter().zip(&row()).map(|((_, holds), cell)| text(cell, *holds)).collect();
        let line = csv(texts.iter().map(String::as_str)).unwrap();
        assert_eq!(line, "\"a\u{1b}[1m,\"\"b\"\"\",1970-01-01T00:00:01.5Z,1e+300,\"{\"\"b\"\":1,\"\"a\"\":[2]}\"\n");
        let shown = table(&names(), &[row()], Style { color: false, width: 100 });
        assert!(!shown.contains('\u{1b}') && shown.contains("\\u{1b}[1m"), "{shown}");
        assert_eq!(text(&Cell::Real(0.1), Holds::Real), "0.1");
        assert_eq!(text(&Cell::Real(f64::INFINITY), Holds::Real), "inf");
        assert_eq!(json(&names()[2..3], &[Cell::Real(f64::NAN)]), r#"{"value":null}"#);
    }
}
