//! Decoding as a whole: bytes in; rows, faults and verdict out, the same for blocks of every size.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::domain::{Batch, InputRecord, NO_ENTITY, Status, Timestamp};
use crate::node::Wanted;

mod agreement;

/// An input and how it is read.
struct Case {
    schema: Schema,
    wanted: &'static [&'static str],
    format: Option<Format>,
    max_bad_ratio: f64,
    limits: Limits,
}

/// Reads `cpu`, `mem` and `content.energy`, and puts up with any share of bad records.
fn case() -> Case {
    Case {
        schema: Schema::default(),
        wanted: &["content.energy", "cpu", "mem"],
        format: None,
        max_bad_ratio: 1.0,
        limits: Limits { block: 1 << 16, record: 400, rows: 1000, threads: 1, shapes: true, rejected: false },
    }
}

impl Case {
    /// From the beginning to the end.
    fn read(&self, bytes: &[u8], block: usize) -> (Vec<Batch>, Result<InputRecord, Diagnostic>) {
        let input = Box::new(io::Cursor::new(bytes.to_vec()));
        self.read_by(bytes, block, 1, |name, options| Stream::open(input, name, options))
    }

    /// As a file, in blocks by so many threads.
    fn split(&self, bytes: &[u8], block: usize, threads: usize) -> (Vec<Batch>, Result<InputRecord, Diagnostic>) {
        let input = Arc::new(Bytes(bytes.to_vec()));
        self.read_by(bytes, block, threads, |name, options| Stream::open_file(input, bytes.len() as u64, name, options))
    }

    /// Record by record, never by the shape of lines; and without a verdict.
    fn fed(&self, bytes: &[u8]) -> (Vec<Batch>, Result<InputRecord, Diagnostic>) {
        let mut batches = Vec::new();
        let options = Options {
            format: self.format,
            schema: &self.schema,
            wanted: &Wanted { metrics: self.wanted.iter().map(|name| name.to_string()).collect() },
            max_bad_ratio: self.max_bad_ratio,
            limits: self.limits,
        };
        let mut feed = Feed::new(&options);
        let mut strand = feed.strand("input", false);
        feed.push(&mut strand, bytes);
        while let Some(batch) = feed.take(&mut strand, true).unwrap() {
            batches.push(batch);
        }
        (batches, Ok(feed.record()))
    }

    fn read_by(
        &self,
        bytes: &[u8],
        block: usize,
        threads: usize,
        open: impl FnOnce(&str, &Options<'_>) -> Result<Stream, Diagnostic>,
    ) -> (Vec<Batch>, Result<InputRecord, Diagnostic>) {
        let wanted = Wanted { metrics: self.wanted.iter().map(|name| name.to_string()).collect() };
        let options = Options {
            format: self.format,
            schema: &self.schema,
            wanted: &wanted,
            max_bad_ratio: self.max_bad_ratio,
            limits: Limits { block, threads, ..self.limits },
        };
        let mut batches = Vec::new();
        let record = open("input", &options).and_then(|mut stream| {
            while let Some(batch) = stream.next_batch()? {
                batches.push(batch);
            }
            assert!(stream.next_batch().unwrap().is_none(), "the end is the end");
            assert_eq!(stream.bytes(), bytes.len() as u64);
            Ok(stream.record())
        });
        (batches, record)
    }

    /// See [`told`].
    fn lines(&self, bytes: &[u8], block: usize) -> Vec<String> {
        told(self.read(bytes, block))
    }

    fn check(&self, bytes: impl AsRef<[u8]>, expected: &[&str]) {
        let bytes = bytes.as_ref();
        for block in [1 << 16, 1, 2, 3, 5, 8, 13, 34, 89] {
            let got = self.lines(bytes, block);
            assert_eq!(got, expected, "by {block}: {}", String::from_utf8_lossy(bytes));
            let got = told(self.split(bytes, block, 2));
            assert_eq!(got, expected, "split by {block}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

/// What can be read at any place.
struct Bytes(Vec<u8>);

impl Input for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut rest = self.0.get(offset as usize..).unwrap_or_default();
        rest.read(buffer)
    }
}

/// Rows as `row time entity metric=value service:status`, then faults as `code×count row detail`, then the error.
fn told((batches, record): (Vec<Batch>, Result<InputRecord, Diagnostic>)) -> Vec<String> {
    let mut lines: Vec<String> = batches.iter().flat_map(rows).collect();
    match record {
        Ok(record) => {
            assert_eq!(record.records as usize, lines.len());
            for fault in &record.faults {
                for (i, example) in fault.examples.iter().enumerate() {
                    let count = if i == 0 { format!("×{}", fault.count) } else { String::new() };
                    lines.push(format!("{}{count} {}: {}", fault.code, example.row, example.detail));
                }
            }
        }
        Err(error) => lines.push(error.to_string()),
    }
    lines
}

/// The rows of a batch, in full; checks its shape on the way.
fn rows(batch: &Batch) -> Vec<String> {
    assert!(!batch.is_empty());
    let has_all = |length: usize| assert_eq!(length, batch.len());
    has_all(batch.rows.len());
    has_all(batch.entity.len());
    batch.metrics.iter().for_each(|column| has_all(column.values.len()));
    batch.services.iter().for_each(|column| has_all(column.levels.len()));
    (0..batch.len())
        .map(|i| {
            let time = Timestamp::from_micros(batch.times[i]).unwrap().to_string();
            let mut row = format!("{} {}", batch.rows[i], time.trim_start_matches("2023-10-01T"));
            if batch.entity[i] != NO_ENTITY {
                row += &format!(" {}", batch.entities[batch.entity[i] as usize]);
            }
            for column in batch.metrics.iter().filter(|column| !column.values[i].is_nan()) {
                row += &format!(" {}={}", column.name, column.values[i]);
            }
            let mut statuses: BTreeMap<&str, Status> = BTreeMap::new();
            for column in &batch.services {
                statuses.extend(Status::from_level(column.levels[i]).map(|status| (&*column.name, status)));
            }
            for (service, status) in statuses {
                row += &format!(" {service}:{}", status.word());
            }
            row
        })
        .collect()
}

const A: &str = r#"{"timestamp":"2023-10-01T12:00:00Z","cpu":1}"#;
const B: &str = r#"{"timestamp":"2023-10-01T12:00:01Z","cpu":2}"#;
const ROW_A: &str = "1 12:00:00Z cpu=1";

#[test]
fn formats_and_their_harmless_variations() {
    for text in [
        format!("{A}\n{B}"),
        format!("{A}\n{B}\n"),
        format!("\u{feff}{A}\r\n{B}\r\n\0\0\0"),
        format!("{A}\n{B}\n\0\0"),
        format!("{A} \t\n {B}\0"),
        format!("[{A},{B}]"),
        format!("\u{feff}\r\n [\r\n{A}\r\n,\r\n{B}\r\n]\r\n\0"),
        format!("[{A},{B},]"),
        format!("[\n{A},\n{B},\n]\n"),
        format!("{A}\r{B}\r"),
        format!("[\r{A},\r{B}\r]\r"),
        format!("[\n  {},\n  {B}\n]", A.replace(',', ",\n    ")),
        format!("{}\n{}", A.replace(',', ",\n "), B.replace('{', "{\n")),
        format!("{A}{B}"),
        "timestamp,cpu\n2023-10-01T12:00:00Z,1\n2023-10-01T12:00:01Z,2".to_string(),
        "timestamp;cpu\r\n2023-10-01T12:00:00Z;1\r\n2023-10-01T12:00:01Z;2\r\n".to_string(),
        "timestamp\tcpu\n2023-10-01T12:00:00Z\t1\n2023-10-01T12:00:01Z\t2\n".to_string(),
        "timestamp,cpu\r2023-10-01T12:00:00Z,1\r2023-10-01T12:00:01Z,2\r".to_string(),
    ] {
        let rows: &[&str] = match text.starts_with('t') {
            true => &["2 12:00:00Z cpu=1", "3 12:00:01Z cpu=2"],
            false => &[ROW_A, "2 12:00:01Z cpu=2"],
        };
        case().check(&text, rows);
    }
    let csv = ["2 12:00:00Z web-1 cpu=1.5 db:online", "4 12:00:01Z web-2 db:degraded", "6 12:00:02Z web-1 cpu=3"];
    for text in [
        "timestamp,host,cpu,service_status.db,x\n2023-10-01 12:00:00,web-1,1.5,online,5\n\n2023-10-01T12:00:01Z,web-2,,degraded,\n  \n1696161602,web-1,3,-,\n",
        "\u{feff}\"timestamp\", host ,cpu,service_status.db,x\r\n2023-10-01 12:00:00,\"web-1\",\"1.5\",online,\"a, b\"\r\n\r\n2023-10-01T12:00:01Z,web-2,N/A,degraded,null\r\n\r\n1696161602.0,web-1,3,NULL,na\0\0",
    ] {
        case().check(text, &csv);
    }
    let mut blank = case();
    blank.limits.block = 4;
    let nuls = "\0".repeat(500);
    blank.check(format!("{nuls}\n{A}\n{nuls}{B}\n\n{nuls}"), &["2 12:00:00Z cpu=1", "3 12:00:01Z cpu=2"]);
    blank.check(format!("{nuls}\ntimestamp\n\n{nuls}1696161600\n{nuls}"), &["4 12:00:00Z"]);
}

#[test]
fn a_record_has_a_time_an_entity_metrics_and_statuses() {
    case().check(
        r#"{"timestamp": 1696161600.5, "instance": "i", "host": "h", "cpu": -1e-3, "mem": 7, "other": 1, "note": "x",
            "content": {"energy": 4, "power": [1, {}]}, "service_status": {"db": "offline", "web": "online", "no": null}}"#,
        &["1 12:00:00.5Z h content.energy=4 cpu=-0.001 mem=7 db:offline web:online"],
    );
    case().check(
        r#"{"timestamp":"1696161600","device":17,"content.energy":1,"service_status.db":"online","cpu":null}
           {"timestamp":"2023-10-01T12:00:00Z","entity":1.5,"device":null,"mem":9007199254740993}"#,
        &["1 12:00:00Z 17 content.energy=1 db:online", "2 12:00:00Z 1.5 mem=9007199254740992"],
    );
    let mut named = case();
    named.schema = Schema {
        timestamp: "meta.at".to_string(),
        entity: vec!["meta.id".to_string()],
        statuses: "meta.up".to_string(),
        rename: [("load.avg", "cpu"), ("cpu", "temp")].map(|(a, b)| (a.to_string(), b.to_string())).into(),
        status_words: [("1".to_string(), Status::Online), ("down".to_string(), Status::Offline)].into(),
    };
    let rows = ["1 12:00:00Z x cpu=4 a:online b:offline c:degraded"];
    named.check(
        r#"{"meta":{"at":1696161600,"id":"x","up":{"a":"1","b":"down","c":"degraded"}},"load":{"avg":4},"cpu":9}"#,
        &rows,
    );
    named.check(
        "meta.at,meta.id,meta.up.a,meta.up.b,meta.up.c,load.avg,cpu\n1696161600,x,1,down,degraded,4,9",
        &[&rows[0].replacen('1', "2", 1)],
    );
}

#[test]
fn a_record_that_cannot_be_used_is_left_out_and_counted() {
    let deep = format!(r#"{{"timestamp":"2023-10-01T12:00:00Z","x":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    let deeper = format!(r#"{{"timestamp":"2023-10-01T12:00:00Z","x":{}"#, "[".repeat(160));
    let long = format!(r#"{{"timestamp":"2023-10-01T12:00:00Z","x":"{}"}}"#, "y".repeat(400));
    let quoted = format!("`{}…`", &long[..64]);
    for (bad, fault) in [
        (
            r#"{"timestamp":"2023-10-01T12:00:00Z","cpu":"#,
            "AG0108×1 2: EOF while parsing a value at `-10-01T12:00:00Z\",\"cpu\":`",
        ),
        (
            r#"{"timestamp":"2023-10-01T12:00:00Z","cpu":1]"#,
            "AG0108×1 2: expected `,` or `}` at `0-01T12:00:00Z\",\"cpu\":1]`",
        ),
        ("\"text\"", "AG0108×1 2: invalid type: string \"text\", expected an object at `\"text\"`"),
        ("[1]", "AG0108×1 2: invalid type: sequence, expected an object at `[1]`"),
        (r#"{"cpu":1}"#, "AG0109×1 2: no `timestamp`"),
        (r#"{"timestamp":null}"#, "AG0109×1 2: no `timestamp`"),
        (r#"{"timestamp":"noon"}"#, "AG0109×1 2: `timestamp` is `noon`"),
        (r#"{"timestamp":[1]}"#, "AG0109×1 2: `timestamp` is an array"),
        (
            r#"{"timestamp":1e30}"#,
            "AG0109×1 2: `timestamp` is 1000000000000000000000000000000, beyond the times from the year -9999 to 9999-12-30 that can be read",
        ),
        (
            r#"{"timestamp":"9999-12-31T23:59:59Z"}"#,
            "AG0109×1 2: `timestamp` is `9999-12-31T23:59:59Z`, beyond the times from the year -9999 to 9999-12-30 that can be read",
        ),
        (r#"{"timestamp":"2023-13-01T00:00:00Z"}"#, "AG0109×1 2: `timestamp` is `2023-13-01T00:00:00Z`"),
        (&long, &format!("AG0110×1 2: {quoted}")),
    ] {
        let good = r#"{"timestamp":"2023-10-01T12:00:01Z"}"#;
        case().check(format!("{A}\n{bad}\n{good}\n"), &[ROW_A, "3 12:00:01Z", fault]);
        if bad.ends_with(['}', '"']) {
            case().check(format!("[{A},\n{bad},{good}]"), &[ROW_A, "3 12:00:01Z", fault]);
        }
    }
    let mut roomy = case();
    roomy.limits.record = 2000;
    let shown = |text: &str| format!("AG0111×1 2: `{}…`", &text[..64]);
    roomy.check(
        format!("{A}\n{deep}\n{deeper}\n"),
        &[ROW_A, &shown(&deep).replace("×1", "×2"), &shown(&deeper).replace("×1 2", " 3")],
    );
    roomy.check(
        format!("{A}\n{}\n", deep.replacen('[', "1,\"y\":", 1).replacen("]}", "}", 1)),
        &[ROW_A, "2 12:00:00Z", "AG0120×1 2: 2023-10-01T12:00:00Z"],
    );
}

#[test]
fn elements_after_a_malformed_one_are_read() {
    let rows = [ROW_A, "3 12:00:01Z cpu=2"];
    let faults = |bad: &str, fault: &str| {
        let expected = [rows[0], rows[1], fault];
        case().check(format!("[{A},{bad},{B}]"), &expected);
        case().check(format!("[\n{A},\n{bad},\n{B}\n]"), &expected);
    };
    faults("{\"cpu\":}", "AG0108×1 2: expected value at `{\"cpu\":}`");
    faults("{\"cpu\":{\"a\":1}", "AG0108×1 2: EOF while parsing a value at `{\"cpu\":{\"a\":1},`");
    faults("{\"cpu\":\"1,\"mem\":2}", "AG0108×1 2: expected `,` or `}` at `{\"cpu\":\"1,\"mem\":2}`");
    faults("17", "AG0108×1 2: invalid type: integer `17`, expected an object at `17`");
    case().check(
        format!("[{A},{{\"cpu\":1"),
        &[ROW_A, "AG0108×1 2: EOF while parsing an object at `{\"cpu\":1`", "AG0121×1 2: the input ends before `]`"],
    );
    case().check(format!("[{A},"), &[ROW_A, "AG0121×1 1: the input ends before `]`"]);
    case().check(format!("[{A},{{\"cpu\":1]"), &[ROW_A, "AG0108×1 2: EOF while parsing an object at `{\"cpu\":1`"]);
}

#[test]
fn a_field_that_cannot_be_used_costs_the_field_only() {
    let kept = |field: &str, row: &str, faults: &[&str]| {
        let record = format!(r#"{{"timestamp":"2023-10-01T12:00:00Z",{field},"mem":7}}"#);
        let row = if row.is_empty() { "mem=7".to_string() } else { row.to_string() };
        let row = format!("1 12:00:00Z {row}");
        let expected: Vec<&str> = std::iter::once(row.as_str()).chain(faults.iter().copied()).collect();
        case().check(&record, &expected);
        case().check(format!("[{record}]"), &expected);
    };
    kept(r#""cpu":null"#, "", &[]);
    kept(r#""cpu":"85%""#, "", &["AG0113×1 1: `cpu` is `85%`"]);
    kept(r#""cpu":true"#, "", &["AG0113×1 1: `cpu` is true"]);
    kept(r#""cpu":[1]"#, "", &["AG0113×1 1: `cpu` is an array"]);
    kept(r#""cpu":{"a":1}"#, "", &["AG0113×1 1: `cpu` is an object"]);
    kept(r#""unread":{"a":"x"},"extra":"y""#, "", &[]);
    kept(r#""cpu":NaN"#, "", &["AG0114×1 1: `cpu` is `NaN`"]);
    kept(r#""cpu":-Infinity"#, "", &["AG0114×1 1: `cpu` is `-Infinity`"]);
    kept(r#""cpu":1e400"#, "", &["AG0114×1 1: `cpu` is `1e400`"]);
    kept(r#""note":"NaN\n1e400","cpu":1e-400"#, "cpu=0 mem=7", &[]);
    kept(
        r#""service_status":{"db":"up","web":"online","x":3}"#,
        "mem=7 web:online",
        &["AG0115×2 1: `db` is `up`", "AG0115 1: `x` is 3"],
    );
    kept(r#""service_status":"online""#, "", &["AG0113×1 1: `service_status` is `online`"]);
    kept(r#""service_status":null"#, "", &[]);
    kept(r#""cpu":1,"cpu":2"#, "cpu=2 mem=7", &["AG0117×1 1: `cpu`"]);
    kept(r#""cpu":1,"cpu":"x""#, "", &["AG0113×1 1: `cpu` is `x`", "AG0117×1 1: `cpu`"]);
    kept(
        r#""service_status":{"a":"online"},"service_status":{"b":"online","b":"offline"}"#,
        "mem=7 b:offline",
        &["AG0117×2 1: `service_status`", "AG0117 1: `b`"],
    );
    kept(r#""content":{"energy":1},"content":{"power":2}"#, "", &["AG0117×1 1: `content`"]);
    kept(r#""host":"""#, "", &["AG0118×1 1: ``"]);
    kept(r#""host":"a\u001b[2J""#, "", &["AG0118×1 1: `a\\u{1b}[2J`"]);
    kept(r#""host":{"name":"a"}"#, "", &["AG0118×1 1: `host` is an object"]);
    kept(r#""host":{"name":"a"},"instance":"b""#, "b mem=7", &[]);
    kept(r#""host":"x\ud800""#, "x\u{fffd} mem=7", &["AG0116×1 1: `\\ud800`"]);
    let mut roomy = case();
    roomy.limits.record = 1000;
    kept(r#""host":"{cpu.value}""#, "", &["AG0118×1 1: `{cpu.value}`"]);
    kept(r#""service_status":{"<b>":"online","web 1":"online"}"#, "mem=7 web 1:online", &["AG0118×1 1: service `<b>`"]);
    let long = "n".repeat(129);
    roomy.check(
        format!(r#"{{"timestamp":1696161600,"host":"{long}"}}"#),
        &["1 12:00:00Z", &format!("AG0118×1 1: `{}…`", &long[..64])],
    );
    for text in
        [&b"{\"timestamp\":1696161600,\"host\":\"a\xff\",\"cpu\":1}"[..], b"timestamp,host,cpu\n1696161600,a\xff,1"]
    {
        let row = if text[0] == b'{' { 1 } else { 2 };
        let got = case().lines(text, 1);
        assert_eq!(got[0], format!("{row} 12:00:00Z a\u{fffd} cpu=1"));
        assert!(got.len() == 2 && got[1].starts_with(&format!("AG0116×1 {row}: `")), "{got:?}");
    }
}

#[test]
fn times_out_of_order_and_twice_are_kept_by_entity() {
    let text: String = [("a", 2), ("b", 1), ("a", 1), ("a", 2), ("b", 2), ("", 0), ("", 0)]
        .map(|(host, second)| match host {
            "" => format!("{{\"timestamp\":\"2023-10-01T12:00:0{second}Z\"}}\n"),
            host => format!("{{\"timestamp\":\"2023-10-01T12:00:0{second}Z\",\"host\":\"{host}\"}}\n"),
        })
        .concat();
    let expected = [
        "1 12:00:02Z a",
        "2 12:00:01Z b",
        "3 12:00:01Z a",
        "4 12:00:02Z a",
        "5 12:00:02Z b",
        "6 12:00:00Z",
        "7 12:00:00Z",
        "AG0119×1 3: 2023-10-01T12:00:01Z of `a` comes after 2023-10-01T12:00:02Z",
        "AG0120×2 4: 2023-10-01T12:00:02Z of `a`",
        "AG0120 7: 2023-10-01T12:00:00Z",
    ];
    case().check(&text, &expected);
    let (_, record) = case().read(text.as_bytes(), 64);
    let record = record.unwrap();
    let times = (record.first.unwrap().to_string(), record.last.unwrap().to_string());
    assert_eq!(times, ("2023-10-01T12:00:00Z".to_string(), "2023-10-01T12:00:02Z".to_string()));
    assert_eq!((record.entities, record.format.as_str(), record.bad), (2, "ndjson", 0));
}

#[test]
fn csv_rows_that_do_not_fit() {
    let head = "timestamp,cpu,note\n2023-10-01T12:00:00Z,1,\n";
    let check = |rows: &str, expected: &[&str]| {
        let expected: Vec<&str> = std::iter::once("2 12:00:00Z cpu=1").chain(expected.iter().copied()).collect();
        case().check(format!("{head}{rows}"), &expected);
        case().check(format!("{head}{rows}").replace('\n', "\r\n"), &expected);
    };
    check(
        "2023-10-01T12:00:01Z,2\n1,2,3,4\n",
        &["AG0112×2 3: 2 fields, not 3: `2023-10-01T12:00:01Z,2`", "AG0112 4: 4 fields, not 3: `1,2,3,4`"],
    );
    check(" \"2023-10-01T12:00:01Z\",2,\n", &["3 12:00:01Z cpu=2"]);
    check("soon,2,\n,3,", &["AG0109×2 3: `timestamp` is `soon`", "AG0109 4: no `timestamp`"]);
    check("2023-10-01T12:00:01Z,85%,\n", &["3 12:00:01Z", "AG0113×1 3: `cpu` is `85%`"]);
    check(
        "2023-10-01T12:00:01Z,NaN,\n2023-10-01T12:00:02Z,1e999,\n",
        &["3 12:00:01Z", "4 12:00:02Z", "AG0114×2 3: `cpu` is NaN", "AG0114 4: `cpu` is inf"],
    );
    // A quoted text over two lines is one row; a quote that is not closed costs one line.
    check(
        "2023-10-01T12:00:01Z,2,\"a \"\"b\"\"\n c\"\n2023-10-01T12:00:02Z,3,\n",
        &["3 12:00:01Z cpu=2", "5 12:00:02Z cpu=3"],
    );
    check(
        "2023-10-01T12:00:01Z,\"2,\n2023-10-01T12:00:02Z,3,\n",
        &["4 12:00:02Z cpu=3", "AG0108×1 3: a quote is not closed: `2023-10-01T12:00:01Z,\"2,`"],
    );
    let long = "x".repeat(500);
    check(
        &format!("{long},,\n2023-10-01T12:00:02Z,3,\n"),
        &["4 12:00:02Z cpu=3", &format!("AG0110×1 3: `{}…`", &long[..64])],
    );
}

#[test]
fn csv_as_spreadsheets_write_it() {
    // A name with a quote and a line break in it costs the name only.
    case().check(
        "timestamp,host,cpu\n2023-10-01T12:00:00Z,\"we\"\"b\n1\",85\n2023-10-01T12:00:01Z,web-2,2\n",
        &["2 12:00:00Z cpu=85", "4 12:00:01Z web-2 cpu=2", "AG0118×1 2: `we\"b\\n1`"],
    );
    case().check(
        "timestamp,host,cpu\r2023-10-01T12:00:00Z,\"a\r1\",85\r2023-10-01T12:00:01Z,\"b,2\r2023-10-01T12:00:02Z,c,3\r",
        &[
            "2 12:00:00Z cpu=85",
            "5 12:00:02Z c cpu=3",
            "AG0108×1 4: a quote is not closed: `2023-10-01T12:00:01Z,\"b,2`",
            "AG0118×1 2: `a\\r1`",
        ],
    );
    // A quote that is not closed does not reach for those of later rows.
    case().check(
        "timestamp,host,cpu\n2023-10-01T12:00:00Z,\"a,1\n2023-10-01T12:00:01Z,\"b\",2\n2023-10-01T12:00:02Z,\"\",3\n",
        &[
            "3 12:00:01Z b cpu=2",
            "4 12:00:02Z cpu=3",
            "AG0108×1 2: a quote is not closed: `2023-10-01T12:00:00Z,\"a,1`",
        ],
    );
    // Nor further than a record may be long.
    let rows: String = (0..20).map(|second| format!("2023-10-01T12:00:{:02}Z,x,1\n", second + 10)).collect();
    let got = case().lines(format!("timestamp,host,cpu\n2023-10-01T12:00:00Z,\"a,1\n{rows}x,\"").as_bytes(), 64);
    assert_eq!(got.iter().filter(|line| line.ends_with(" x cpu=1")).count(), 20, "{got:?}");
    // Empty fields at both ends of a row, and decimal points whatever the delimiter.
    case().check(
        "host\ttimestamp\tcpu\tmem\n\t2023-10-01T12:00:00Z\t1\t\n\t\n\"a, b; c\"\t2023-10-01T12:00:01Z\t\t2\n",
        &["2 12:00:00Z cpu=1", "4 12:00:01Z a, b; c mem=2"],
    );
    case().check(
        "timestamp;cpu;mem\n2023-10-01T12:00:00Z;1,5;2.5\n",
        &["2 12:00:00Z mem=2.5", "AG0113×1 2: `cpu` is `1,5`"],
    );
    case().check(
        "cpu,timestamp,cpu,x,x,service_status.db,cpu,service_status.db\n1,2023-10-01T12:00:00Z,2,,,online,3,offline",
        &["2 12:00:00Z cpu=3 db:offline", "AG0117×2 1: the column `cpu`", "AG0117 1: the column `service_status.db`"],
    );
}

#[test]
fn the_help_fits_what_is_wrong_with_an_input() {
    let help = |text: &str| {
        let (_, record) = case().read(text.as_bytes(), 64);
        let error = record.unwrap_err();
        (error.to_string(), error.help.unwrap_or_default())
    };
    for text in ["[]", "timestamp,cpu\n", "[\n]\n"] {
        assert!(help(text).1.contains("nothing in it to report on"), "{text}");
    }
    for (text, found) in [("null", "`null`"), ("42\n", "`42`"), ("\"x\"", "`\"x\"`"), ("true\nfalse", "`true`")] {
        let expected =
            format!("AG0103: input:1: a record must be a JSON object, or a row of CSV under a header; found {found}");
        assert_eq!(help(text).0, expected);
    }
    let long = "x".repeat(500);
    for text in [
        format!("{{\"n\":2,\"records\":[{A},{B}]}}"),
        format!("{{\"records\": [\n{A},\n{B}\n]}}"),
        format!("{{\n  \"records\": [\n    {A},\n    {{\"x\":\"{long}\"}}\n  ]\n}}\n"),
    ] {
        let (error, help) = help(&text);
        assert!(error.starts_with("AG0103") && help.contains("array of objects under `records`"), "{error} {help}");
        assert!(help.contains("jq -c '.[\"records\"][]'"), "{help}");
    }
    assert!(help("{\"cpu\":1,\"list\":[{}]}\n{\"cpu\":1}").1.contains("schema"));
}

#[test]
fn an_input_that_cannot_stand_for_anything_is_refused() {
    for (text, error) in [
        ("", "AG0102: input is empty"),
        ("\u{feff} \r\n\0", "AG0102: input is empty"),
        ("[]", "AG0103: input has no record (it was read as json)"),
        ("timestamp,cpu\n", "AG0103: input has no record (it was read as csv)"),
        (
            "{\"cpu\":1}\n{\"cpu\":2}",
            "AG0103: input has no valid record; 2 could not be used, the first, line 1: record without a readable time (AG0109): no `timestamp`",
        ),
        (
            "{\"timestamp\":",
            "AG0103: input has no valid record; 1 could not be used, the first, element 1: malformed or truncated record (AG0108): EOF while parsing a value at `{\"timestamp\":`",
        ),
        (
            "time,cpu\n1,2",
            "AG0107: input:1: read as CSV, and no column of the header is named `timestamp` (it has `cpu`, `time`)",
        ),
        (
            "lorem ipsum",
            "AG0107: input:1: read as CSV, and no column of the header is named `timestamp` (it has `lorem ipsum`)",
        ),
    ] {
        case().check(text, &[error]);
    }
    case().check(b"\x1f\x8b\x08", &["AG0106: input is compressed with gzip; only UTF-8 text is read"]);
    case().check(b"\xff\xfe{\0", &["AG0106: input is in UTF-16; only UTF-8 text is read"]);

    let tenth = [A; 9].join("\n");
    let strict = Case { max_bad_ratio: 0.1, ..case() };
    let got = |text: String| strict.lines(text.as_bytes(), 64).pop().unwrap();
    assert_eq!(got(format!("{tenth}\nx")), "AG0120 9: 2023-10-01T12:00:00Z", "a tenth is not more than a tenth");
    assert_eq!(
        got(format!("x\n{tenth}\nx")),
        "AG0104: 2 of 11 records of input could not be used, more than max_bad_ratio = 0.1 permits; \
         the first, line 1: malformed or truncated record (AG0108): expected value at `x`"
    );
}

/// Found by `fuzz/`: with a format given, blocks of less than a mark, or a mark behind blanks that were dropped.
#[test]
fn what_is_no_text_is_refused_by_its_first_bytes_for_blocks_of_any_size() {
    for format in [None, Some(Format::Json), Some(Format::Ndjson), Some(Format::Csv)] {
        let case = Case { format, ..case() };
        case.check(b"\xff\xfe{\0", &["AG0106: input is in UTF-16; only UTF-8 text is read"]);
        case.check(b"PK\x03\x04x", &["AG0106: input is a zip archive or a spreadsheet; only UTF-8 text is read"]);
        for text in [&b"\0\0\xff\xfe{\0"[..], b"\n\0\x1f\x8b\n", b"PK\x03\x05\n"] {
            let whole = case.lines(text, 1 << 16);
            (1..8).for_each(|block| assert_eq!(case.lines(text, block), whole, "{text:?} by {block}"));
        }
    }
}

#[test]
fn a_failing_read_is_an_error_after_what_was_read() {
    struct Failing(Vec<u8>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.is_empty() {
                true => Err(io::Error::other("the disk is on fire")),
                false => {
                    buffer[0] = self.0.remove(0);
                    Ok(1)
                }
            }
        }
    }
    let wanted = Wanted::default();
    let read = |text: &str| {
        let case = case();
        let limits = Limits { block: 100, ..case.limits };
        let options = Options { format: None, schema: &case.schema, wanted: &wanted, max_bad_ratio: 1.0, limits };
        let mut stream = Stream::open(Box::new(Failing(text.into())), "input", &options)?;
        let mut records = 0;
        while let Some(batch) = stream.next_batch()? {
            records += batch.len();
        }
        Ok(records)
    };
    let error = |result: Result<usize, Diagnostic>| result.unwrap_err().to_string();
    assert_eq!(error(read("")), "AG0101: cannot read input: the disk is on fire");
    assert_eq!(
        error(read(&format!("{A}\n{B}\n{A}"))),
        "AG0105: reading input stopped after 100 bytes: the disk is on fire"
    );
}

#[test]
fn batches_are_bounded() {
    let mut small = case();
    small.limits.rows = 3;
    for text in [
        [A; 10].join("\n"),
        format!("[{}]", [A; 10].join(",")),
        format!("timestamp,cpu\n{}", "1696161600,1\n".repeat(10)),
    ] {
        for block in [1 << 16, 50, 1] {
            let (batches, record) = small.read(text.as_bytes(), block);
            assert_eq!(record.unwrap().records, 10);
            assert!(batches.iter().all(|batch| batch.len() <= 3));
            if block > text.len() {
                assert_eq!(batches.len(), 4, "{text}");
            }
        }
    }
    // Ever new services do not make ever more columns.
    let mut wide = case();
    wide.limits.record = 1 << 16;
    let services = |row: usize| (0..1000).map(|i| format!("\"s{row}-{i}\":\"online\"")).collect::<Vec<_>>().join(",");
    let text: String =
        (0..100).map(|row| format!("{{\"timestamp\":{row},\"service_status\":{{{}}}}}\n", services(row))).collect();
    let (batches, record) = wide.read(text.as_bytes(), 1 << 20);
    assert_eq!(record.unwrap().records, 100);
    assert!(batches.iter().all(|batch| batch.len() * batch.services.len() < 2 << 20));
    assert!(batches.len() > 2);
}
