//! Decoding alone, per form of the input: bytes in memory into batches, one thread, as `ingest.file` does it with a pipe.
//! `cargo bench --bench decode`; the time of a run divided by 10,000 is that of a record.

use std::io::Cursor;

use agent::io::decode::{Limits, Options, Schema, Stream};
use agent::node::Wanted;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const RECORDS: usize = 10_000;

fn main() {
    divan::main();
}

/// Key and value of each field of a record.
fn fields(at: usize) -> Vec<(&'static str, String)> {
    let time = format!("\"2023-10-01T{:02}:{:02}:{:02}Z\"", at / 3600, at / 60 % 60, at % 60);
    let status = if at.is_multiple_of(97) { "degraded" } else { "online" };
    vec![
        ("timestamp", time),
        ("host", format!("\"web-{}\"", at % 20)),
        ("cpu_usage", (30 + at % 60).to_string()),
        ("memory_usage", format!("{}.{}", 40 + at % 30, at % 10)),
        ("latency_ms", (80 + at % 200).to_string()),
        ("error_rate", format!("0.{:04}", at % 1000)),
        ("uptime_seconds", (360_000 + at).to_string()),
        ("note", "\"of no interest\"".to_string()),
        ("service_status", format!("{{\"database\":\"{status}\",\"cache\":\"online\"}}")),
    ]
}

fn record(fields: &[(&str, String)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn text(form: &str) -> Vec<u8> {
    let records = (0..RECORDS).map(|at| {
        let mut fields = fields(at);
        match form {
            "shuffled" => fields.rotate_left(at * 7 % 9),
            "second_shape" if at.is_multiple_of(10) => fields.truncate(5),
            "escaped" => fields[7].1 = format!("\"line {at}\\n of \\\"no\\\" interest\""),
            _ => {}
        }
        fields
    });
    match form {
        "csv" => {
            let row = |at: usize| {
                let fields = fields(at);
                let cells: Vec<&str> = fields[..7].iter().map(|(_, value)| value.trim_matches('"')).collect();
                cells.join(",")
            };
            let names: Vec<&str> = fields(0)[..7].iter().map(|(key, _)| *key).collect();
            let rows: Vec<String> = [names.join(",")].into_iter().chain((0..RECORDS).map(row)).collect();
            rows.join("\n").into_bytes()
        }
        "array" => format!("[{}]", records.map(|r| record(&r)).collect::<Vec<_>>().join(",\n")).into_bytes(),
        _ => records.map(|r| record(&r) + "\n").collect::<String>().into_bytes(),
    }
}

#[divan::bench(args = ["one_shape", "second_shape", "shuffled", "escaped", "array", "csv"], sample_count = 50)]
fn decode(bencher: Bencher<'_, '_>, form: &str) {
    let text = text(form);
    let metrics = ["cpu_usage", "memory_usage", "latency_ms", "error_rate", "uptime_seconds"];
    let wanted = Wanted { metrics: metrics.map(String::from).into() };
    let schema = Schema::default();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let limits = Limits { threads: 1, ..Limits::default() };
        let options = Options { format: None, schema: &schema, wanted: &wanted, max_bad_ratio: 0.0, limits };
        let mut stream = Stream::open(Box::new(Cursor::new(text.clone())), "bench", &options).unwrap();
        let mut rows = 0;
        while let Some(batch) = stream.next_batch().unwrap() {
            rows += black_box(batch).len();
        }
        assert_eq!(rows, RECORDS);
    });
}
