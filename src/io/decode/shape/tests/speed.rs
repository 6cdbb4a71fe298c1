//! Not a test: prints what a record costs. `AGENT_SPEED=file cargo test --release speed -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "prints figures; needs AGENT_SPEED=file of NDJSON"]
fn speed() {
    let text = std::fs::read(std::env::var("AGENT_SPEED").unwrap()).unwrap();
    let metrics = std::env::var("AGENT_METRICS").unwrap_or_default();
    let case = Case::new(&metrics.split(',').collect::<Vec<_>>());
    let fields = case.fields();
    let size: usize = std::env::var("AGENT_BLOCK").ok().and_then(|size| size.parse().ok()).unwrap_or(512 << 10);
    let text = &text[..text.len().min(64 << 20)];
    for isa in Isa::all() {
        let mut best = f64::MAX;
        let (mut taken, mut lines) = (0, 0);
        for _ in 0..7 {
            let mut scanner = case.scanner(Lines::Ndjson);
            scanner.isa = isa;
            let mut out = Scanned::default();
            let (mut at, begin) = (0, Instant::now());
            (taken, lines) = (0, 0);
            while at < text.len() {
                let end = line_end(text, (at + size).min(text.len()));
                scanner.scan(&fields, &text[at..end], &mut out);
                taken += out.batch.len();
                lines += out.lines;
                at = end;
            }
            best = best.min(begin.elapsed().as_secs_f64());
        }
        let per = best * 1e9 / lines as f64;
        println!("{}: {per:.1} ns a line, {taken} of {lines} lines taken", isa.name);
    }
}
