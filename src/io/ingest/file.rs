//! The kind `ingest.file`.

use std::fs::File;
use std::io;
use std::sync::Arc;

use schemars::{JsonSchema, Schema as JsonSchemaText, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::InputRecord;
use crate::io::decode::{Format, Limits, Options, Schema, Stream};
use crate::node::{Assets, Next, Pass, Reader, Source};

/// Reads telemetry from a file or from standard input: JSON, NDJSON or CSV with a header, of any size in constant
/// memory.
///
/// A record has a time, optionally the name of an entity (host, device, sensor), numbers and statuses:
///
/// ```json
/// { "timestamp": "2023-10-01T12:00:00Z", "host": "web-1", "cpu_usage": 85, "content": { "energy": 4.2 },
///   "service_status": { "database": "online", "api_gateway": "degraded" } }
/// ```
///
/// Every number is a metric by the name of its field; nested ones have dots (`content.energy`). A CSV file has the
/// same names as its columns (`service_status.database`); an empty field, `-`, `NA`, `N/A` and `null` mean that nothing
/// was measured. Its columns are separated by commas, semicolons or tabs, whichever the header has most of; numbers
/// have a decimal point in each. A quoted field may go over several lines. JSON is records one after the other or in
/// an array, on one line or many, and a comma after the last does no harm; an object around the array is refused.
///
/// Names are given under `schema` where they differ:
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.file"
/// path = "sensors.csv"
/// max_bad_ratio = 0.02
///
/// [nodes.telemetry.schema]
/// timestamp = "time"
/// entity = ["sensor"]
/// rename = { load = "cpu_usage" }
/// status_words = { up = "online", down = "offline" }
/// ```
///
/// The name of an entity or a service has at most 128 bytes, or 64 characters if there are blanks in it. Letters of any
/// script, digits and signs like `._:/@#+-()[]` may stand in it; quotes, a backslash, a back quote, `{ } < > |` and `://`
/// may not, since names get into reports, tickets and prompts. Such a name is left out and noted.
///
/// What is wrong with the input is counted and noted in the run record with the first places: a malformed line or
/// element is left out, and so is a record without a time; a field of the wrong type, a number that is not finite and
/// an unknown status word cost the field only; of keys or columns that occur twice the last counts; times out of order and duplicate times are kept. The run fails if
/// nothing is left, or if more records than `max_bad_ratio` could not be used.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Relative to the graph file; `-` is standard input.
    pub path: String,
    /// How records are written.
    #[serde(default)]
    pub format: FormatKey,
    /// Share of bad records, 0 to 1, above which the run fails.
    #[serde(default)]
    pub max_bad_ratio: Ratio,
    /// Which fields mean what.
    #[serde(default)]
    pub schema: Schema,
}

/// How records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatKey {
    /// As the text begins.
    #[default]
    Auto,
    /// An array of objects, or objects one after the other, over any number of lines.
    Json,
    /// One object a line.
    Ndjson,
    /// A header and one record a line.
    Csv,
}

impl FormatKey {
    fn format(self) -> Option<Format> {
        match self {
            FormatKey::Auto => None,
            FormatKey::Json => Some(Format::Json),
            FormatKey::Ndjson => Some(Format::Ndjson),
            FormatKey::Csv => Some(Format::Csv),
        }
    }
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Default for Ratio {
    fn default() -> Ratio {
        Ratio(0.1)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ratio, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&value) {
            Ok(Ratio(value))
        } else {
            Err(D::Error::custom(format!("{value} is no share: expected a number from 0 to 1")))
        }
    }
}

impl JsonSchema for Ratio {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaText {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1, "default": 0.1 })
    }
}

/// The source.
pub struct IngestFile {
    config: Config,
}

impl Source for IngestFile {
    const KIND: &'static str = "ingest.file";
    const VERSION: u32 = 2;
    type Config = Config;

    fn new(mut config: Config, assets: &Assets<'_>) -> Result<IngestFile, Vec<Diagnostic>> {
        config.path = assets.locate(&config.path);
        Ok(IngestFile { config })
    }

    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        let options = Options {
            format: self.config.format.format(),
            schema: &self.config.schema,
            wanted: pass.wanted,
            max_bad_ratio: self.config.max_bad_ratio.0,
            limits: Limits { threads: threads(), ..Limits::default() },
        };
        Ok(Box::new(FileReader::open(&self.config.path, pass.node, &options)?))
    }

    fn can_be_reread(&self) -> bool {
        self.config.path != "-"
    }
}

/// The file, and its size if it is one whose size is known.
fn open(path: &str) -> Result<(File, Option<u64>), Diagnostic> {
    let refuse =
        |why: &str| Diagnostic::new(input::MISSING, format!("cannot read `{path}`: {why}")).help(input::MISSING.remedy);
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => refuse("there is no such file"),
        io::ErrorKind::PermissionDenied => refuse("permission denied"),
        _ => refuse(&error.to_string()),
    };
    let file = File::open(path).map_err(explain)?;
    let about = file.metadata().map_err(explain)?;
    if about.is_dir() {
        return Err(refuse("it is a directory"));
    }
    let size = about.is_file().then_some(about.len());
    Ok((file, size))
}

/// Threads that decode a file: `AGENT_THREADS`, for measurements; else as many as there are cores.
fn threads() -> usize {
    std::env::var("AGENT_THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(0)
}

/// One file, or standard input, from its beginning to its end.
struct FileReader {
    stream: Stream,
    node: String,
    path: String,
    size: Option<u64>,
}

impl FileReader {
    /// `-` is standard input. A regular file is decoded by several threads.
    ///
    /// # Errors
    /// It cannot be read, is empty, or is no text.
    fn open(path: &str, node: &str, options: &Options<'_>) -> Result<FileReader, Diagnostic> {
        let (stream, size) = match path {
            "-" => (Stream::open(Box::new(io::stdin()), "standard input", options)?, None),
            path => match open(path)? {
                (file, Some(size)) => (Stream::open_file(Arc::new(file), size, path, options)?, Some(size)),
                (file, None) => (Stream::open(Box::new(file), path, options)?, None),
            },
        };
        Ok(FileReader { stream, node: node.to_string(), path: path.to_string(), size })
    }
}

impl Reader for FileReader {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        Ok(self.stream.next_batch()?.map_or(Next::End, Next::Batch))
    }

    fn record(&self) -> InputRecord {
        InputRecord { node: self.node.clone(), path: self.path.clone(), ..self.stream.record() }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.stream.bytes(), self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use toml::Spanned;
    use toml::de::DeValue;

    use super::*;
    use crate::diagnostic::{SourceFile, decode, parse_toml};
    use crate::node::Wanted;

    fn config(text: &str) -> Result<Config, Vec<String>> {
        let source = SourceFile::new("g.toml", text);
        let table = parse_toml(&source).unwrap();
        let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        decode(value, &source).map_err(|faults| faults.iter().map(|fault| fault.to_string()).collect())
    }

    #[test]
    fn the_config_has_defaults_and_is_checked() {
        let plain = config("path = '-'").unwrap();
        assert_eq!((plain.format, plain.max_bad_ratio.0), (FormatKey::Auto, 0.1));
        assert_eq!(plain.schema, Schema::default());
        assert_eq!(config("path = '-'\nmax_bad_ratio = 0").unwrap().max_bad_ratio.0, 0.0);
        assert_eq!(
            config(
                "path = '-'\nformat = 'xml'\nmax_bad_ratio = 10\nschema = { time = 'x', status_words = { up = 'on' } }"
            )
            .unwrap_err(),
            [
                "g.toml:2:10: AG0005: `xml` is not known here",
                "g.toml:3:17: AG0005: 10 is no share: expected a number from 0 to 1",
                "g.toml:4:46: AG0005: `on` is not known here",
                "g.toml:4:12: AG0003: unknown key `time`",
            ]
        );
    }

    /// Reads `path` to its end: the rows, and the record or the error.
    fn read(path: &str) -> (usize, Result<InputRecord, Diagnostic>) {
        let source = IngestFile { config: config(&format!("path = '{path}'")).unwrap() };
        let wanted = Wanted::default();
        let mut rows = 0;
        let record = Source::open(&source, &Pass::anew("telemetry", &wanted)).and_then(|mut reader| {
            while let Next::Batch(batch) = reader.next()? {
                rows += batch.len();
            }
            let record = reader.record();
            assert_eq!(reader.progress(), (record.bytes, Some(record.bytes)));
            Ok(record)
        });
        (rows, record)
    }

    #[test]
    fn a_file_is_read_to_its_end_and_accounted_for() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        // More than one block.
        for second in 0..20_000u64 {
            writeln!(
                file,
                "{{\"timestamp\": {}, \"host\": \"h{}\", \"cpu\": 1, \"text\": \"{}\"}}",
                1_696_161_600 + second,
                second % 3,
                "x".repeat(60)
            )
            .unwrap();
        }
        writeln!(file, "{{").unwrap();
        let path = file.path().to_str().unwrap();
        let (rows, record) = read(path);
        let record = record.unwrap();
        assert_eq!((rows, record.records, record.bad, record.entities), (20_000, 20_000, 1, 3));
        assert_eq!((record.node.as_str(), record.path.as_str(), record.format.as_str()), ("telemetry", path, "ndjson"));
        assert_eq!(record.bytes, file.as_file().metadata().unwrap().len());
        assert_eq!(record.faults.first().map(|fault| (fault.code.as_str(), fault.count)), Some(("AG0108", 1)));
    }

    #[test]
    fn what_cannot_be_opened_is_said_clearly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let error = |path: &str| read(path).1.unwrap_err().to_string();
        assert_eq!(error(path), format!("AG0101: cannot read `{path}`: it is a directory"));
        let missing = format!("{path}/telemetry.json");
        assert_eq!(error(&missing), format!("AG0101: cannot read `{missing}`: there is no such file"));
        std::fs::write(&missing, " \n").unwrap();
        assert_eq!(error(&missing), format!("AG0102: {missing} is empty"));
        std::fs::write(&missing, "not, a, record\n").unwrap();
        let found = "a record must be a JSON object, or a row of CSV under a header; found `not, a, record`";
        assert_eq!(error(&missing), format!("AG0103: {missing}:1: {found}"));
    }

    #[test]
    fn the_manual_describes_every_key() {
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        assert!(schema["description"].as_str().unwrap().contains("kind = \"ingest.file\""));
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{key}");
        }
    }
}
