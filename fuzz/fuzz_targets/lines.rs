//! Lines of NDJSON by learned shapes, one by one, and by serde_json: the same values and the same refusals.
//!
//! The first two bytes say how they are read: `mmrrrLRR`, bits of the first from the lowest on: instructions, repeats,
//! whether lines are cut short, rows of a batch; of the second, the sizes of blocks and of chunks.
#![no_main]

use agent::io::decode::Limits;
use agent::io::decode::fuzzing::{Way, lines};
use agent_fuzz::{Case, Row, repeated, rows};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let [how, sizes, text @ ..] = input else { return };
    let (how, sizes) = (usize::from(*how), usize::from(*sizes));
    let text = repeated(text, 1 + (how >> 2 & 7));
    let record = if how >> 5 & 1 == 0 { 1 << 20 } else { 200 };
    let rows_of_a_batch = [1000, 1, 3, 40][how >> 6];
    let case = Case::default();
    let options = case.options(None, Limits { record, rows: rows_of_a_batch, ..Limits::default() });
    let read = |way| {
        let (batches, record) = lines(&text, way, &options);
        (rows(&batches), record)
    };
    let expected = read(Way::SerdeJson);
    assert_eq!(read(Way::Alone), expected, "one by one, and by serde_json");
    let shape = Way::Shape { machine: how & 3, block: 1 << (4 + (sizes & 15)), chunk: 1 << (5 + (sizes >> 4)) };
    assert_eq!(read(shape), expected, "{shape:?}, and by serde_json");
    exact(&text, &expected.0);
});

/// Numbers that are no objects' are those of `serde_json::Value`, which knows nothing of our visitors.
fn exact(text: &[u8], rows: &[Row]) {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for row in rows {
        let line = lines[row.row as usize - 1];
        let begin = line.iter().position(|byte| *byte == b'{').unwrap_or_default();
        let end = line.iter().rposition(|byte| *byte == b'}').map_or(line.len(), |end| end + 1);
        let Ok(value) = serde_json::from_slice::<Value>(&line[begin..end]) else { continue };
        for metric in ["cpu", "n"] {
            let number = value.get(metric).and_then(Value::as_f64);
            assert_eq!(row.metrics.get(metric).copied(), number.map(f64::to_bits), "{metric} of {value}");
        }
    }
}
