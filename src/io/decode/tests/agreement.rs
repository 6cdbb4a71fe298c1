//! What must come out the same: one table in every format, any bytes by blocks of every size.

use proptest::prelude::*;

use super::*;
use crate::io::decode::sheet::Sheet;
use crate::io::decode::skim::Skimmer;

/// A record of any of the formats.
#[derive(Debug, Clone)]
struct Written {
    second: u32,
    host: Option<String>,
    cpu: Option<f64>,
    status: Option<Status>,
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let status = prop::option::of(prop::sample::select(Status::ALL.to_vec()));
    let cpu = prop::option::of(any::<f64>().prop_filter("finite", |value| value.is_finite()));
    let record = (0u32..60, prop::option::of("[a-zé,\"' {}\\[\\]]{1,6}x"), cpu, status)
        .prop_map(|(second, host, cpu, status)| Written { second, host, cpu, status });
    prop::collection::vec(record, 1..8)
}

impl Written {
    fn json(&self) -> serde_json::Value {
        let mut value =
            serde_json::json!({ "timestamp": format!("2023-10-01T12:00:{:02}Z", self.second), "zone": "a{\"b\n" });
        let host = self.host.as_ref().map(|host| ("host", serde_json::json!(host.trim())));
        let cpu = self.cpu.map(|cpu| ("cpu", serde_json::json!(cpu)));
        let status = self.status.map(|status| ("service_status", serde_json::json!({ "db": status })));
        for (key, cell) in [host, cpu, status].into_iter().flatten() {
            value[key] = cell;
        }
        value
    }

    fn csv(&self, out: &mut ::csv::Writer<Vec<u8>>) {
        let time = format!("2023-10-01T12:00:{:02}Z", self.second);
        let cpu = self.cpu.map(|cpu| cpu.to_string()).unwrap_or_default();
        let status = self.status.map(|status| status.word()).unwrap_or_default();
        out.write_record([&time, self.host.as_deref().unwrap_or_default().trim(), &cpu, status, "a\n\"b"]).unwrap();
    }
}

proptest! {
    #[test]
    fn one_table_in_every_format_gives_the_same_columns(records in written(), block in 1usize..200) {
        let values: Vec<serde_json::Value> = records.iter().map(Written::json).collect();
        let lines: Vec<String> = values.iter().map(|value| value.to_string()).collect();
        let mut csv = ::csv::Writer::from_writer(Vec::new());
        csv.write_record(["timestamp", "host", "cpu", "service_status.db", "note"]).unwrap();
        records.iter().for_each(|record| record.csv(&mut csv));
        let texts = [
            lines.join("\n").into_bytes(),
            serde_json::to_vec(&values).unwrap(),
            serde_json::to_vec_pretty(&values).unwrap(),
            csv.into_inner().unwrap(),
        ];
        let mut roomy = case();
        roomy.limits.record = 4096;
        let read = |text: &[u8]| {
            let (batches, record) = roomy.read(text, block);
            let record = record.unwrap();
            assert_eq!(record.bad, 0, "{:?}", record.faults);
            let rows: Vec<String> = batches.iter().flat_map(rows).collect();
            // Without the row, which the formats count in their own ways.
            rows.iter().map(|row| row.split_once(' ').unwrap().1.to_string()).collect::<Vec<_>>()
        };
        let expected = read(&texts[0]);
        prop_assert_eq!(expected.len(), records.len());
        for text in &texts[1..] {
            prop_assert_eq!(&read(text), &expected);
        }
    }

    #[test]
    fn any_bytes_give_the_same_for_blocks_of_any_size(bytes in pieces(0..40), format in format(), block in 1usize..80) {
        let case = short(format);
        prop_assert_eq!(case.lines(&bytes, block), case.lines(&bytes, 1 << 16));
    }

    #[test]
    fn any_bytes_give_the_same_for_any_number_of_threads(
        bytes in pieces(0..60),
        format in format(),
        block in 1usize..200,
        threads in 1usize..5,
    ) {
        let case = short(format);
        prop_assert_eq!(told(case.split(&bytes, block, threads)), case.lines(&bytes, block));
    }

    #[test]
    fn records_give_the_same_for_any_number_of_threads(
        records in prop::collection::vec(("[ab]?", 0u32..60, 0u32..4), 0..60),
        way in 0usize..6,
        block in 1usize..400,
        threads in 1usize..5,
    ) {
        let (case, text) = (case(), telemetry(&records, way));
        prop_assert_eq!(told(case.split(text.as_bytes(), block, threads)), case.lines(text.as_bytes(), block));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))] // long texts

    #[test]
    fn lines_read_by_their_shape_give_the_same(
        records in prop::collection::vec(("[ab]?", 0u32..60, 0u32..90), 30..200),
        way in 0usize..6,
        block in 100usize..20_000,
        threads in 1usize..4,
    ) {
        let (mut case, text) = (case(), telemetry(&records, way));
        case.limits.rows = 50;
        let expected = told(case.fed(text.as_bytes()));
        prop_assert_eq!(told(case.split(text.as_bytes(), block, threads)), expected.clone());
        prop_assert_eq!(case.lines(text.as_bytes(), block), expected.clone());
        case.limits.shapes = false;
        prop_assert_eq!(told(case.split(text.as_bytes(), block, threads)), expected);
    }
}

#[test]
fn reading_by_shape_can_be_turned_off() {
    for shapes in [true, false] {
        let limits = Limits { shapes, ..Limits::default() };
        let sheet = Sheet::skimming(&Schema::default(), &Wanted::default(), &limits);
        assert_eq!(matches!(sheet.skimmer, Skimmer::Off), !shapes);
    }
}

/// Records with times that mostly rise, some that do not, bad records, nested objects that look like records: as CSV,
/// arrays, objects one after the other, or lines.
fn telemetry(records: &[(String, u32, u32)], way: usize) -> String {
    let line = |i: usize, (host, second, kind): &(String, u32, u32)| {
        let second = if *kind == 0 { *second as usize } else { i };
        let time = format!("2023-10-01T12:{:02}:{:02}Z", second / 60, second % 60);
        let (start, blank) =
            (format!("{{\"timestamp\":\"{time}\",\"host\":\"{host}\""), if *kind == 4 { "\n" } else { "" });
        match (way, kind) {
            (0, 1) => format!("{time},\"{host}\",\"a\n{i}\""),
            (0, 2) => format!("{time},{host}"),
            (0, 3) => format!(" {time} ,{host},x\n"),
            (0, _) => format!("{time},{host},{i}"),
            (_, 1) => format!("{start},\"x\":[{{\"cpu\":1}},{{\"cpu\":2}},{{\"cpu\":3}}]}}"),
            (_, 2) => format!("{start},\"cpu\":1 2}}"),
            (_, 3) => format!("{start},\"cpu\":\"x\"}}"),
            (_, 5) => format!("{start},\"x\":[\n{{\"timestamp\":1,\"cpu\":1}},\n{{\"timestamp\":2,\"cpu\":1}},\n]}}"),
            (_, _) => format!("{start},{blank}\"cpu\":{i},\"service_status\":{{\"db\":\"online\"}}}}"),
        }
    };
    let lines: Vec<String> = records.iter().enumerate().map(|(i, record)| line(i, record)).collect();
    match way {
        0 => format!("timestamp,host,cpu\n{}\n", lines.join("\n")),
        1 => format!("[{}]", lines.join(",\n")),
        2 => format!("[\n  {}\n]\n", lines.join(",\n  ")),
        3 => lines.join(" "),
        _ => lines.join("\n"),
    }
}

/// Records cut short after less than in other tests.
fn short(format: Option<Format>) -> Case {
    let mut case = case();
    case.format = format;
    case.limits.record = 260;
    case
}

fn format() -> impl Strategy<Value = Option<Format>> {
    prop::sample::select(vec![None, Some(Format::Json), Some(Format::Ndjson), Some(Format::Csv)])
}

/// Bytes that are some of what inputs are made of.
fn pieces(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let made = prop::sample::select(vec![
        A,
        B,
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        "\n",
        "\r\n",
        "\0",
        ":",
        "timestamp",
        "timestamp,cpu\n",
        "1696161600,5\n",
        "1696161600,\"5\n",
        "NaN",
        "\"cpu\":",
        "{\"timestamp\":1696161600,",
        "\u{feff}",
        "\"x\n",
        " ",
        " \"",
        "timestamp;cpu\r",
        "timestamp\tcpu\r\n",
        "host,timestamp,host\r",
        ";",
        "\t",
        "\r",
        "\",",
        ",\"",
        "},{",
        "},{\"",
    ]);
    let piece = prop_oneof![prop::collection::vec(any::<u8>(), 0..4), made.prop_map(|piece| piece.as_bytes().to_vec())];
    prop::collection::vec(piece, count).prop_map(|pieces| pieces.concat())
}

/// Found by the property above: blanks before the first record lost their carriage returns, and with them a line.
#[test]
fn carriage_returns_before_the_header_are_counted_for_blocks_of_any_size() {
    let mut case = case();
    case.format = Some(Format::Csv);
    let whole = case.lines(b"\n\rNaN\r", 1 << 16);
    assert!(whole[0].contains("input:2:"), "{whole:?}");
    for block in 1..8 {
        assert_eq!(case.lines(b"\n\rNaN\r", block), whole);
    }
}
