//! Arrays with an element a line, and CSV.

use proptest::prelude::*;

use super::made::Random;
use super::*;
use crate::io::decode::csv::Csv;

fn element(i: usize) -> String {
    format!("{{\"timestamp\":\"2023-10-01T12:00:{:02}Z\",\"cpu\":{}}}", i % 60, i)
}

#[test]
fn elements_of_an_array_are_taken() {
    let case = Case::new(&["cpu"]);
    let fields = case.fields();
    let elements: Vec<String> = (0..500).map(element).collect();
    for (joint, indent) in [(",\n", ""), (",\r\n", "  "), (" ,\n", "\t")] {
        let text = format!("[\n{indent}{}\n]\n", elements.join(&format!("{joint}{indent}")));
        let mut scanner = case.scanner(Lines::Array);
        let mut out = Scanned::default();
        // The bracket is no record; with the next block the shape is known.
        scanner.scan(&fields, text.as_bytes(), &mut out);
        scanner.scan(&fields, text.as_bytes(), &mut out);
        assert_eq!(out.lines, 502);
        assert!(out.batch.len() >= 499, "{}", out.batch.len());
        for (i, line) in out.batch.rows.iter().enumerate() {
            let place = usize::try_from(*line).unwrap() - 2;
            assert_eq!(out.batch.metrics[0].values[i], place as f64);
        }
        let rest: Vec<&str> = out.others.iter().map(|(range, _)| &text[range.clone()]).collect();
        assert_eq!(rest.first(), Some(&"[\n"));
        assert!(rest.last().unwrap().ends_with("]\n"));
    }
}

/// What a CSV of this header and text gives by the general path.
fn general_csv<'a>(case: &Case, header: &str, ranges: impl Iterator<Item = (&'a [u8], u64)>) -> Outcome {
    let (mut all, mut faults) = (Vec::new(), BTreeMap::new());
    for (text, before) in ranges {
        let mut sheet = case.sheet();
        let text = [header.as_bytes(), text].concat();
        let mut csv = Csv::new("input".to_string());
        assert_eq!(csv.push(&text, usize::MAX, true, &mut sheet).unwrap(), text.len());
        if let Some(batch) = sheet.table.take() {
            all.extend(rows(&batch, before));
        }
        add_faults(&sheet, &mut faults);
    }
    (all, faults)
}

fn cell(column: usize, odd: bool, random: &mut Random) -> String {
    if odd {
        let odd = [
            "",
            "",
            "-",
            "NA",
            "n/a",
            "007",
            "1.",
            ".5",
            "+1",
            "1e5",
            "-0",
            "0.30000000000000004",
            "x",
            " 5",
            "5 ",
            "a b",
            "it's",
            "\u{e9}",
            "inf",
            "nan",
            "1_0",
            "2023-13-01T00:00:00Z",
            "\"q\"",
            "\"a,b\"",
            "a\"b",
            "\0",
            "a\rb",
            "12345678901234567890",
        ];
        return odd[random.below(odd.len())].to_string();
    }
    match column {
        0 => format!("2023-10-01T12:00:{:02}Z", random.below(60)),
        1 => format!("web-{}", random.below(20)),
        2 => random.below(1000).to_string(),
        3 => format!("{}.{}", random.below(100), random.below(1000)),
        4 => ["online", "degraded", "offline", ""][random.below(4)].to_string(),
        _ => "free text"[..random.below(10)].to_string(),
    }
}

proptest! {
    #[test]
    fn rows_of_csv_agree_with_the_general_path(
        seed in any::<u64>(), lines in 1usize..80, oddness in 1usize..60, delimiter in prop::sample::select(vec![",", ";", "\t"]),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let case = Case::new(&["cpu", "mem"]);
        let random = &mut Random::new(seed);
        let mut places: Vec<usize> = (0..6).collect();
        (1..6).for_each(|last| places.swap(last, random.below(last + 1)));
        let names = ["timestamp", "host", "cpu", "mem", "service_status.db", "note"];
        let header = places.iter().map(|place| names[*place]).collect::<Vec<_>>().join(delimiter) + end;
        let fields = case.fields();
        let cells = places.iter().map(|place| match names[*place].strip_prefix("service_status.") {
            Some(service) => Cell::Service(service.to_string()),
            None => fields.child(Fields::ROOT, names[*place]).map_or(Cell::Nobody, |(id, _)| Cell::Field(id)),
        }).collect();
        let mut text = String::new();
        for _ in 0..lines {
            let cells: Vec<String> = places.iter().map(|place| {
                let odd = random.one_in(oddness * 6);
                cell(*place, odd, random)
            }).collect();
            text += &cells.join(delimiter);
            text += if random.one_in(oddness * 4) { "\n\n" } else { end };
        }
        let expected = general_csv(&case, &header, [(text.as_bytes(), 0)].into_iter());
        let mut scanner = case.scanner(Lines::Csv { delimiter: delimiter.as_bytes()[0], cells });
        let mut out = Scanned::default();
        for turn in 0..2 {
            scanner.scan(&fields, text.as_bytes(), &mut out);
            let mut all = rows(&out.batch, 1);
            let others = out.others.iter().map(|(range, line)| (&text.as_bytes()[range.clone()], line - 1));
            let (rest, faults) = general_csv(&case, &header, others);
            all.extend(rest);
            all.sort();
            same(&(all, faults), &expected, &format!("turn {turn}"));
            if oddness > 50 && lines > 20 && turn > 0 && !text.contains('"') {
                prop_assert!(out.batch.len() * 3 > lines, "{} of {}", out.batch.len(), lines);
            }
        }
    }
}
