//! What it costs to judge a model's reply, parsing to grounding, each of another recommendation: `cargo bench --bench judge`.
//! One iteration is one draft.

#[path = "../tests/drafts/read.rs"]
#[allow(dead_code)]
mod read;

use std::cell::Cell;

use agent::wording::judge;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn over(bencher: Bencher<'_, '_>, text: &str) {
    let cases = read::cases();
    let drafts: Vec<_> = read::drafts(text)
        .into_iter()
        .map(|draft| {
            let case = cases.iter().find(|case| case.id == draft.case).unwrap();
            (draft.reply(), case.recommendation(draft.language), draft.language)
        })
        .collect();
    let next = Cell::new(0);
    bencher.bench_local(|| {
        let (reply, about, language) = &drafts[next.replace((next.get() + 1) % drafts.len())];
        black_box(judge(black_box(reply), Some("stop"), about, *language)).is_ok()
    });
}

#[divan::bench(sample_count = 5, sample_size = 850)]
fn honest(bencher: Bencher<'_, '_>) {
    over(
        bencher,
        concat!(
            include_str!("../tests/drafts/honest.ndjson"),
            include_str!("../tests/drafts/honest-a.ndjson"),
            include_str!("../tests/drafts/honest-b.ndjson"),
            include_str!("../tests/drafts/honest-c.ndjson"),
            include_str!("../tests/drafts/honest-d.ndjson"),
        ),
    );
}

#[divan::bench(sample_count = 5, sample_size = 899)]
fn hostile(bencher: Bencher<'_, '_>) {
    over(
        bencher,
        concat!(
            include_str!("../tests/drafts/hostile.ndjson"),
            include_str!("../tests/drafts/hostile-a.ndjson"),
            include_str!("../tests/drafts/hostile-b.ndjson"),
            include_str!("../tests/drafts/hostile-c.ndjson"),
            include_str!("../tests/drafts/hostile-d.ndjson"),
        ),
    );
}
