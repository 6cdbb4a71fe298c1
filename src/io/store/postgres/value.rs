//! Values on their way to the server and back, in its binary format.

use std::error::Error;

use tokio_postgres::Column;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::io::store::Cell;

/// Whether a column of it can be read as it is.
pub fn is_known(of: &Type) -> bool {
    [
        Type::INT8,
        Type::INT4,
        Type::INT2,
        Type::FLOAT8,
        Type::FLOAT4,
        Type::BOOL,
        Type::TEXT,
        Type::VARCHAR,
        Type::BPCHAR,
        Type::NAME,
        Type::UNKNOWN,
    ]
    .contains(of)
}

/// The same query, with columns of other types as text; `numeric`, which sums and means of whole numbers are, as a number.
pub fn as_text(sql: &str, columns: &[Column]) -> String {
    let columns = columns.iter().enumerate().map(|(at, column)| {
        let cast = match column.type_() {
            known if is_known(known) => "",
            &Type::NUMERIC => "::double precision",
            _ => "::text",
        };
        let name = column.name().replace('"', "\"\"");
        (format!("c{at}"), format!("c{at}{cast} AS \"{name}\""))
    });
    let (names, selected): (Vec<String>, Vec<String>) = columns.unzip();
    format!("SELECT {} FROM (\n{sql}\n) AS answer ({})", selected.join(", "), names.join(", "))
}

impl ToSql for Cell {
    fn to_sql(&self, to: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Int(value) if *to == Type::FLOAT8 => (*value as f64).to_sql(to, out),
            Cell::Int(value) => value.to_sql(to, out),
            Cell::Real(value) => value.to_sql(to, out),
            Cell::Text(value) => value.to_sql(to, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(of)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Cell, Box<dyn Error + Sync + Send>> {
        Ok(match *of {
            Type::INT8 => Cell::Int(i64::from_sql(of, raw)?),
            Type::INT4 => Cell::Int(i32::from_sql(of, raw)?.into()),
            Type::INT2 => Cell::Int(i16::from_sql(of, raw)?.into()),
            Type::FLOAT8 => Cell::Real(f64::from_sql(of, raw)?),
            Type::FLOAT4 => Cell::Real(f32::from_sql(of, raw)?.into()),
            Type::BOOL => Cell::Int(bool::from_sql(of, raw)?.into()),
            _ => Cell::Text(std::str::from_utf8(raw)?.to_string()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Cell, Box<dyn Error + Sync + Send>> {
        Ok(Cell::Null)
    }

    fn accepts(of: &Type) -> bool {
        is_known(of)
    }
}
