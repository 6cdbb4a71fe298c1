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
    let most: usize = std::env::var("AGENT_TEXT").ok().and_then(|size| size.parse().ok()).unwrap_or(64 << 20);
    let text = &text[..text.len().min(most)];
    for isa in Isa::all() {
        // The least time of each block over some rounds: what else runs on the machine falls out.
        let mut best: Vec<f64> = Vec::new();
        let (mut taken, mut lines) = (0, 0);
        for _ in 0..(9 * (64 << 20) / most.max(1)).clamp(9, 200) {
            let mut scanner = case.scanner(Lines::Ndjson);
            scanner.isa = isa;
            let mut out = Scanned::default();
            let (mut at, mut block) = (0, 0);
            (taken, lines) = (0, 0);
            while at < text.len() {
                let end = line_end(text, (at + size).min(text.len()));
                let begin = Instant::now();
                scanner.scan(&fields, &text[at..end], &mut out);
                let seconds = begin.elapsed().as_secs_f64();
                match best.get_mut(block) {
                    Some(best) => *best = best.min(seconds),
                    None => best.push(seconds),
                }
                taken += out.batch.len();
                lines += out.lines;
                at = end;
                block += 1;
            }
        }
        let per = best.iter().sum::<f64>() * 1e9 / lines as f64;
        println!("{}: {per:.1} ns a line, {taken} of {lines} lines taken", isa.name);
    }
}
