//! The kind `ingest.file`.

use std::fs::File;
use std::io;
use std::sync::Arc;

use schemars::{JsonSchema, Schema as JsonSchemaText, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

use super::follow::{Follower, Pace};
use super::pipe::Pipe;
use super::several::{Several, matching};
use super::tally::add;
use super::unpack::{Garbage, MAGIC, Unpacked, is_packed, unpack};
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::{InputRecord, Rejected};
use crate::io::decode::{Format, Input, Limits, Options, Schema, Stream};
use crate::io::environment::Environment;
use crate::node::{Assets, Next, Pass, Reader, Source, Wanted};

/// Reads telemetry from files or from standard input: JSON, NDJSON or CSV with a header, of any size in constant
/// memory, once or for as long as it grows.
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
///
/// ## Several files, archives
///
/// `path = "logs/*.ndjson"` reads every file that matches, in the order of the names, as one input: `*` stands for any
/// characters, `?` for one, `[ab]` for one of these, `**` for folders at any depth. Rows count from 1 in each file, and the
/// run record names the file. With a `[window]`, names should sort as the times of the records do. A file that is empty or has
/// no valid record is noted, as long as another has one.
///
/// What begins as gzip or zstd does, whatever its name, is unpacked on the way, standard input too. An archive that is cut
/// off or damaged fails the run (AG0105): half of an input is not reported on as if it were all. Its parts (members, frames)
/// are read one after the other; zero bytes behind one are padding, and anything else behind the last is left out and noted
/// (AG0147).
///
/// ## Following
///
/// With `follow = true` the source is live: it reads what is there and waits for more, until the run is stopped.
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.file"
/// path = "/var/log/telemetry/*.ndjson"
/// follow = true
/// ```
///
/// - A record counts once its line has its newline; what is there of a last line is kept until then. A file is looked at
///   every 20 ms, a pattern every 250 ms for new files.
/// - A file that is **rotated** by renaming is read to its end, and let go when another is in its place and it has had
///   nothing new for 5 s; the new one is read from its beginning. It may be missing for a while, also at the start.
/// - A file that is **truncated** is read from its beginning, and this is noted (AG0141). With `copytruncate` the rest is
///   looked for in the copy, in the same folder, and so is what was copied away between two looks; a pattern must not match
///   such copies, or they are read twice. A copy is known by how it begins: when it had fewer than 256 bytes at the last
///   look, or the copy is packed or elsewhere, what came since then is lost. What is written between copying and truncating
///   is lost to everybody. Renaming loses nothing; both may be used on one path.
/// - After a **restart** reading goes on where the last checkpoint was, also in a file that was renamed since, if it is in
///   the same folder and not packed. What is not to be found is noted (AG0142), and the file at the path is read from its beginning.
/// - Of several files, that with the oldest next record is read on, so that one that has much to catch up with
///   makes the records of another no stragglers.
/// - `path = "-"` hands records on as they arrive and ends with its writer. Nobody can read them again after a crash.
///
/// Nobody can tell what share of a live input is bad, so `max_bad_ratio` does not count, and bad lines never end it. When the
/// run is slow, files wait where they are, and the writer at the other end of a pipe waits. Network file systems that
/// change inode numbers are not followed well.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Relative to the graph file; `-` is standard input. `*`, `?`, `[ab]` and `**` stand for any files that match.
    pub path: String,
    /// Whether to wait for more at the end: a live source.
    #[serde(default)]
    pub follow: bool,
    /// How records are written.
    #[serde(default)]
    pub format: FormatKey,
    /// Share of bad records, 0 to 1, above which the run fails; of no effect with `follow`.
    #[serde(default)]
    pub max_bad_ratio: Ratio,
    /// Which fields mean what.
    #[serde(default)]
    pub schema: Schema,
}

/// Bytes of a file that is short: some tens of records, or a few milliseconds' worth where it is packed.
const SHORT: u64 = 16 << 10;

impl Config {
    pub(super) fn max_bad_ratio(&self) -> f64 {
        self.max_bad_ratio.0
    }

    pub(super) fn options<'a>(&'a self, wanted: &'a Wanted) -> Options<'a> {
        Options {
            format: self.format.format(),
            schema: &self.schema,
            wanted,
            max_bad_ratio: self.max_bad_ratio.0,
            limits: Limits { threads: threads(), shapes: shapes(), ..Limits::default() },
        }
    }
}

/// Threads that decode a file: `AGENT_THREADS`, for measurements; else as many as there are cores.
fn threads() -> usize {
    Environment::load().0.get("AGENT_THREADS").and_then(|threads| threads.trim().parse().ok()).unwrap_or(0)
}

/// Whether lines are read by their shape: not with `AGENT_SCANNER=off`, for measurements beside the general path.
fn shapes() -> bool {
    Environment::load().0.get("AGENT_SCANNER").is_none_or(|scanner| scanner.trim() != "off")
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
            Err(D::Error::invalid_value(Unexpected::Float(value), &"a share: a number from 0 to 1"))
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
        let config = &self.config;
        let path = config.path.as_str();
        if config.follow {
            return Ok(match path {
                "-" => Box::new(Pipe::open(config, pass)),
                _ => Box::new(Follower::open(config, pass, Pace::default())?),
            });
        }
        if let Some(files) = matching(path)? {
            return Ok(Box::new(Several::open(files, config, pass)?));
        }
        let text = Text::open(path, config, (pass.wanted, pass.rejected), config.max_bad_ratio())?;
        Ok(Box::new(FileReader { text, node: pass.node.to_string(), path: path.to_string() }))
    }

    fn can_be_reread(&self) -> bool {
        self.config.path != "-"
    }

    fn is_live(&self) -> bool {
        self.config.follow
    }

    fn is_short(&self) -> bool {
        let about = std::fs::metadata(&self.config.path); // of no file where the path is a pattern or `-`
        about.is_ok_and(|about| about.is_file() && about.len() <= SHORT)
    }
}

/// What a file or standard input holds, unpacked.
pub(super) struct Text {
    pub stream: Stream,
    garbage: Garbage,
    /// If that is known.
    size: Option<u64>,
}

impl Text {
    /// # Errors
    /// See [`Stream::open`].
    pub fn open(path: &str, config: &Config, asked: (&Wanted, bool), max_bad_ratio: f64) -> Result<Text, Diagnostic> {
        let (wanted, rejected) = asked;
        let options = config.options(wanted);
        let options = Options { max_bad_ratio, limits: Limits { rejected, ..options.limits }, ..options };
        let (input, name) = match path {
            "-" => (
                Opened::Stream(unpack(io::stdin()).map_err(|error| refuse("standard input", &error))?),
                "standard input",
            ),
            path => (open(path)?, path),
        };
        Ok(match input {
            Opened::Regular(file, size) => {
                let stream = Stream::open_file(Arc::new(file), size, name, &options)?;
                Text { stream, garbage: Garbage::default(), size: Some(size) }
            }
            Opened::Stream(Unpacked { text, garbage }) => {
                Text { stream: Stream::open(text, name, &options)?, garbage, size: None }
            }
        })
    }

    /// What was read so far; `node` and `path` are left empty.
    pub fn record(&self) -> InputRecord {
        let mut record = self.stream.record();
        self.garbage.fault().into_iter().for_each(|fault| add(&mut record.faults, fault, None));
        record
    }
}

/// A file that was opened.
enum Opened {
    /// Text of this size, which several threads can read at once.
    Regular(File, u64),
    /// A pipe, a device, an archive: its text, from the beginning to the end.
    Stream(Unpacked),
}

fn open(path: &str) -> Result<Opened, Diagnostic> {
    let file = File::open(path).map_err(|error| refuse(path, &error))?;
    let about = file.metadata().map_err(|error| refuse(path, &error))?;
    if about.is_dir() {
        return Err(refuse(path, &io::ErrorKind::IsADirectory.into()));
    }
    let mut head = [0; MAGIC];
    let packed = !about.is_file() || {
        let read = Input::read_at(&file, &mut head, 0).map_err(|error| refuse(path, &error))?;
        is_packed(head.get(..read).unwrap_or_default())
    };
    match packed {
        true => Ok(Opened::Stream(unpack(file).map_err(|error| refuse(path, &error))?)),
        false => Ok(Opened::Regular(file, about.len())),
    }
}

/// Why a file cannot be opened.
pub(super) fn refuse(path: &str, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::IsADirectory => "it is a directory".to_string(),
        _ => error.to_string(),
    };
    Diagnostic::new(input::MISSING, format!("cannot read `{path}`: {why}")).help(input::MISSING.remedy)
}

/// One file, or standard input, from its beginning to its end.
struct FileReader {
    text: Text,
    node: String,
    path: String,
}

impl Reader for FileReader {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        Ok(self.text.stream.next_batch()?.map_or(Next::End, Next::Batch))
    }

    fn rejected(&mut self, before: u64) -> Vec<Rejected> {
        self.text.stream.rejected(before)
    }

    fn record(&self) -> InputRecord {
        InputRecord { node: self.node.clone(), path: self.path.clone(), ..self.text.record() }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.text.stream.bytes(), self.text.size)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use toml::Spanned;
    use toml::de::DeValue;

    use super::*;
    use crate::diagnostic::{SourceFile, decode, parse_toml};
    use crate::node::Wanted;

    pub fn config(text: &str) -> Result<Config, Vec<String>> {
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
                "g.toml:3:17: AG0005: `max_bad_ratio` cannot be the number `10`",
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
            let (read, size) = reader.progress();
            assert!(read == record.bytes && size.is_none_or(|size| size == read));
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

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn records(times: std::ops::Range<u32>) -> String {
        times.map(|time| format!("{{\"timestamp\": {time}, \"host\": \"h{}\"}}\n", time % 3)).collect()
    }

    #[test]
    fn archives_are_unpacked_and_never_read_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telemetry");
        let path = path.to_str().unwrap();
        let text = records(0..5000);
        let zst = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        for packed in [gz(text.as_bytes()), zst] {
            std::fs::write(path, &packed).unwrap();
            let record = read(path).1.unwrap();
            assert_eq!((record.records, record.bytes, record.entities), (5000, text.len() as u64, 3));
            for length in [packed.len() - 1, packed.len() / 2, 6] {
                std::fs::write(path, &packed[..length]).unwrap();
                let fault = read(path).1.unwrap_err();
                assert_eq!(fault.code, input::BROKEN_OFF, "{fault}");
                assert!(fault.message.contains("the archive ends too soon"), "{fault}");
            }
        }
    }

    #[test]
    fn files_of_a_pattern_are_one_input() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        std::fs::write(at("b.csv"), "timestamp,host\n98,h1\n99,h9\n").unwrap();
        std::fs::write(at("a.ndjson"), records(0..60) + "nonsense\n").unwrap();
        std::fs::write(at("c.gz"), gz(records(3..5).as_bytes())).unwrap();
        std::fs::write(at("d"), "").unwrap();
        std::fs::write(at("e"), "{broken\n").unwrap();
        std::fs::create_dir(at("f")).unwrap();
        let (rows, record) = read(&at("*"));
        let record = record.unwrap();
        assert_eq!((rows, record.records, record.bad, record.entities), (64, 64, 2, 4));
        assert_eq!((record.format.as_str(), record.path), ("ndjson, csv, json", at("*")));
        let second = |seconds: i64| crate::domain::Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!((record.first, record.last), (second(0), second(99)));
        let malformed = record.faults.iter().find(|fault| fault.code == "AG0108").unwrap();
        let details: Vec<&str> = malformed.examples.iter().map(|example| example.detail.as_str()).collect();
        assert!(details[0].starts_with(&at("a.ndjson: ")) && details[1].starts_with(&at("e: ")), "{details:?}");
        let noted: Vec<&str> = record.faults.iter().map(|fault| fault.code.as_str()).collect();
        assert!(noted.contains(&"AG0102") && noted.contains(&"AG0103"), "{noted:?}");

        std::fs::write(at("e"), "{broken\n".repeat(30)).unwrap();
        let fault = read(&at("[a-e]*")).1.unwrap_err().to_string();
        assert!(
            fault.starts_with(&format!("AG0104: 31 of 95 records of `{}` could not be used", at("[a-e]*"))),
            "{fault}"
        );
        assert_eq!(read(&at("x*")).1.unwrap_err().to_string(), format!("AG0101: no file matches `{}`", at("x*")));
        assert!(read(&at("d*")).1.unwrap_err().to_string().starts_with("AG0103: no file of"));
        assert!(read(&at("[")).1.unwrap_err().to_string().contains("is no pattern of files"));
        // A file may be named like a pattern.
        std::fs::write(at("[a]"), records(0..2)).unwrap();
        assert_eq!(read(&at("[a]")).0, 2);
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
