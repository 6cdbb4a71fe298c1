use proptest::prelude::*;

use super::made::{self, Random};
use super::*;

/// Reads as `made` writes: nested, renamed and flat fields, several that may name the entity, words of its own.
fn broad() -> Case {
    let mut case = Case::new(&["a.b", "content.energy", "cpu", "mem", "n"]);
    case.schema.rename = [("load".to_string(), "mem".to_string())].into();
    let words = [("up", Status::Online), ("sleeping-deeply", Status::Offline), ("a\\b", Status::Degraded)];
    case.schema.status_words = words.map(|(word, status)| (word.to_string(), status)).into();
    case
}

/// Cuts a text into blocks of whole lines.
fn blocks(text: &[u8], random: &mut Random) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(line_end(rest, 1 + random.below(rest.len())));
        blocks.push(block.to_vec());
        rest = after;
    }
    blocks
}

/// Compares for one text, on every machine, in blocks and chunks of some size; says how many lines were taken.
fn agree(seed: u64, lines: usize, oddness: usize) -> usize {
    let mut case = broad();
    let random = &mut Random::new(seed ^ 0x5eed);
    if random.one_in(4) {
        case.longest = 60 + random.below(200);
    }
    let text = made::text(seed, lines, oddness);
    let expected = general(&case, [(text.as_slice(), 0)].into_iter());
    let blocks = blocks(&text, random);
    let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let chunk = 1 << (8 + random.below(10));
    let taken: Vec<usize> = Isa::all()
        .into_iter()
        .map(|isa| {
            let mut scanner = case.scanner(Lines::Ndjson);
            (scanner.isa, scanner.chunk) = (isa, chunk);
            let (outcome, taken) = scanned(&case, &mut scanner, &blocks);
            same(&outcome, &expected, &format!("seed {seed}, {lines} lines, oddness {oddness}, {}", isa.name));
            taken
        })
        .collect();
    assert!(taken.iter().all(|other| *other == taken[0]), "every machine takes the same: {taken:?}");
    taken[0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_general_path(seed in any::<u64>(), lines in 1usize..120, oddness in 1usize..60) {
        agree(seed, lines, oddness);
    }
}

/// `AGENT_FUZZ_SECONDS=60 cargo test --release shape -- --ignored`
#[test]
#[ignore = "runs as long as AGENT_FUZZ_SECONDS says"]
fn agrees_for_long() {
    let seconds = std::env::var("AGENT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let begin = std::time::Instant::now();
    let seeds = &mut Random::new(begin.elapsed().subsec_nanos().into());
    let (mut texts, mut lines, mut taken) = (0, 0, 0);
    while begin.elapsed().as_secs() < seconds {
        let (seed, count, oddness) = (seeds.next(), 1 + seeds.below(400), 1 + seeds.below(200));
        taken += agree(seed, count, oddness);
        texts += 1;
        lines += count;
    }
    println!("{texts} texts, {lines} lines, {taken} taken");
    assert!(taken * 4 > lines);
}

fn usual(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|i| {
            let (minute, second) = (i / 60 % 60, i % 60);
            let status = ["online", "degraded", "offline"][i % 7 % 3];
            format!(
                "{{\"timestamp\":\"2023-10-0{}T12:{minute:02}:{second:02}Z\",\"host\":\"web-{}\",\"cpu\":{},\"mem\":{}.{},\
                 \"note\":\"{}\",\"service_status\":{{\"db\":\"{status}\",\"cache\":\"online\"}}}}\n",
                1 + i / 500,
                i % 5,
                i % 1000,
                i % 100,
                i % 10,
                "x".repeat(i % 40),
            )
            .into_bytes()
        })
        .collect()
}

#[test]
fn usual_lines_are_taken_and_right() {
    let case = Case::new(&["cpu", "mem"]);
    let text = usual(3000);
    let expected = general(&case, [(text.as_slice(), 0)].into_iter());
    assert_eq!(expected.0.len(), 3000);
    for isa in Isa::all() {
        let mut scanner = case.scanner(Lines::Ndjson);
        scanner.isa = isa;
        let (outcome, taken) = scanned(&case, &mut scanner, &[&text]);
        same(&outcome, &expected, isa.name);
        assert_eq!(taken, 3000);
    }
}

/// Escapes in texts that nobody reads: any number of them at any place, halves of surrogate pairs too.
#[test]
fn lines_with_escapes_are_taken() {
    let case = Case::new(&["cpu"]);
    let escapes = ["\\n", "\\u00e9", "\\\"", "\\\\", "\\ud800", "x", "\\/", " "];
    let text: String = (0..2000)
        .map(|i| {
            let note: String = (0..i % 60).map(|place| escapes[(i * 7 + place * place) % escapes.len()]).collect();
            // Down to the end of the line, behind which nothing may be asked for.
            format!("{{\"timestamp\":\"2023-10-01T12:00:{:02}Z\",\"cpu\":{i},\"note\":\"\\t{note}\\n\"}}\n", i % 60)
        })
        .collect();
    let expected = general(&case, [(text.as_bytes(), 0)].into_iter());
    for isa in Isa::all() {
        let mut scanner = case.scanner(Lines::Ndjson);
        scanner.isa = isa;
        let (outcome, taken) = scanned(&case, &mut scanner, &[text.as_bytes()]);
        same(&outcome, &expected, isa.name);
        assert_eq!(taken, 2000);
    }
}

/// Escapes in words and keys, which are read: a spelling is learned like a word, a key is part of the shape.
#[test]
fn lines_with_escapes_in_what_is_read_are_taken() {
    let case = Case::new(&["cpu"]);
    let statuses = ["onl\\u0069ne", "degr\\u0061ded", "online", "\\u006fffline"];
    let text: String = (0..2000)
        .map(|i| {
            let (cache, db) = (statuses[i / 7 % 4], statuses[i % 3]);
            format!(
                "{{\"\\u0074imestamp\":\"2023-10-01T12:00:{:02}Z\",\"c\\u0070u\":{i},\"a\\\"\\n\":1,\"service_status\":{{\
                 \"c\\u0061che\":\"{cache}\",\"db\":\"{db}\"}}}}\n",
                i % 60
            )
        })
        .collect();
    let expected = general(&case, [(text.as_bytes(), 0)].into_iter());
    assert_eq!((expected.0.len(), expected.0[0].statuses["cache"], &expected.1), (2000, 0, &BTreeMap::new()));
    for isa in Isa::all() {
        let mut scanner = case.scanner(Lines::Ndjson);
        scanner.isa = isa;
        let (outcome, taken) = scanned(&case, &mut scanner, &[text.as_bytes()]);
        same(&outcome, &expected, isa.name);
        assert_eq!(taken, 2000);
    }
}

/// Everything that one byte can do to a line: each replaced by each, each missing, each doubled, anything put between.
#[test]
fn a_line_with_one_byte_wrong() {
    let mut case = Case::new(&["cpu", "mem", "n"]);
    case.schema.status_words = [("up".to_string(), Status::Online)].into();
    let line = |second: usize| {
        format!(
            "{{\"timestamp\":\"2023-10-01T12:00:{second:02}.5Z\",\"host\":\"w-1\",\"cpu\":{second},\"mem\":-0.25,\"n\":123456789012,\
             \"x\":[1.5,null],\"s\":\"t\",\"q\":\"\\\"\\u00e9\\n\",\"service_status\":{{\"db\":\"online\",\"\\u0063\":\"u\\u0070\"}}}}\n"
        )
        .into_bytes()
    };
    let length = line(10).len();
    for at in 0..length {
        let mut text = [line(10), line(11)].concat();
        for byte in (0..=u8::MAX).filter(|byte| *byte < 0x80 || byte % 32 == 0 || *byte == 0xff) {
            let mut other = line(12 + usize::from(byte % 40));
            match byte % 3 {
                _ if byte == 1 => drop(other.remove(at)),
                0 => other.insert(at, byte),
                _ => {}
            }
            if byte != 1 {
                other[at] = byte;
            }
            text.extend(other);
            if byte % 2 == 0 {
                text.extend(line(13));
            }
        }
        let expected = general(&case, [(text.as_slice(), 0)].into_iter());
        for isa in Isa::all() {
            let mut scanner = case.scanner(Lines::Ndjson);
            scanner.isa = isa;
            let (outcome, taken) = scanned(&case, &mut scanner, &[&text]);
            same(&outcome, &expected, &format!("byte {at}, {}", isa.name));
            assert!(taken >= 50 || at + 1 == length, "byte {at}: {taken}");
        }
    }
}

#[test]
fn what_is_not_repeated_is_handed_over_at_little_cost_and_what_is_again_is_taken_again() {
    let case = Case::new(&["k1", "k2", "k3"]);
    let fields = case.fields();
    let mut scanner = case.scanner(Lines::Ndjson);
    scanner.chunk = 1 << 12;
    let random = &mut Random::new(1);
    let mut shuffled = || -> Vec<u8> {
        (0..200)
            .flat_map(|i| {
                let mut keys: Vec<String> = (0..9).map(|key| format!("\"k{key}\":{i}")).collect();
                keys.push(format!("\"timestamp\":{}", 1_700_000_000 + i));
                (1..keys.len()).for_each(|last| keys.swap(last, random.below(last + 1)));
                format!("{{{}}}\n", keys.join(",")).into_bytes()
            })
            .collect()
    };
    let mut out = Scanned::default();
    let mut unseen = 0;
    for _ in 0..100 {
        let block = shuffled();
        if scanner.pauses() {
            unseen += 1;
            continue;
        }
        scanner.scan(&fields, &block, &mut out);
        assert_eq!(out.lines, 200);
    }
    assert!(unseen > 85, "{unseen}");
    let mut taken = 0;
    let block = usual(200);
    for _ in 0..100 {
        if !scanner.pauses() {
            scanner.scan(&fields, &block, &mut out);
            taken += out.batch.len();
        }
    }
    assert!(taken > 5_000, "{taken}");
}

#[test]
fn memory_is_used_again_and_nothing_is_left_of_the_block_before() {
    let case = broad();
    let fields = case.fields();
    let mut scanner = case.scanner(Lines::Ndjson);
    let mut out = Scanned::default();
    for seed in 0..200 {
        let text = made::text(seed, 40, 10);
        scanner.scan(&fields, &text, &mut out);
        let mut fresh = Scanned::default();
        scanner.scan(&fields, &text, &mut out);
        scanner.scan(&fields, &text, &mut fresh);
        assert_eq!(rows(&out.batch, 0).len(), out.batch.len());
        for row in rows(&out.batch, 0) {
            let same = rows(&fresh.batch, 0).into_iter().find(|other| other.row == row.row);
            assert!(same.is_none_or(|same| same == row), "{row:?}");
        }
    }
}
