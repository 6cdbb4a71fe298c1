//! Models side by side.

use super::text::{align_right, counted, duration, grid, keep_whole, print, space};
use super::{Style, safe};
use crate::cli::eval::{Evaluation, Score};
use crate::domain::{ModelIdentity, RunRecord, WordingSource};

/// One run that has ended.
pub fn progress(model: &ModelIdentity, run: u32, runs: u32, record: &RunRecord) -> String {
    let words = |source: WordingSource| record.wordings.iter().filter(|w| w.source == source).count() as u64;
    let of = if runs == 1 { String::new() } else { format!(", run {run} of {runs}") };
    let took = record.ended.map(|ended| format!(", {}", duration(record.started, ended))).unwrap_or_default();
    format!(
        "{}{of}: {} worded, {} by the template{took}\n",
        safe(&model.model),
        counted(words(WordingSource::Model), "recommendation"),
        words(WordingSource::Template)
    )
}

pub fn table(evaluation: &Evaluation, style: Style) -> String {
    let mut table = grid(style.columns());
    let has_cost = evaluation.models.iter().any(|score| score.cost.is_some());
    let mut heads = vec!["model", "first try", "repairs", "templates", "failed", "tokens in", "out", "median", "p95"];
    heads.extend(has_cost.then_some("cost"));
    let columns = heads.len();
    table.set_header(heads);
    for score in &evaluation.models {
        table.add_row(row(score, has_cost));
    }
    space(&mut table);
    keep_whole(&mut table, 1..columns);
    align_right(&mut table, 1..columns);
    let recommendations = evaluation.models.iter().map(|score| score.recommendations).max().unwrap_or(0);
    let runs = counted(u64::from(evaluation.runs), "run");
    let head = format!("{}: {} in {runs}\n\n", safe(&evaluation.graph), counted(recommendations, "recommendation"));
    head + &print(&table, 0, style, |_| None)
}

fn row(score: &Score, has_cost: bool) -> Vec<String> {
    let of = score.recommendations;
    let share = score.first_try_share.map(|share| format!(" ({:.0}%)", share.get() * 100.0)).unwrap_or_default();
    let time = |ms: Option<u64>| ms.map_or("-".to_string(), |ms| format!("{ms} ms"));
    let name = format!("{} ({})", safe(&score.model.model), safe(&score.model.provider));
    let mut cells = vec![
        name,
        format!("{} of {of}{share}", score.first_try),
        score.repairs.to_string(),
        score.fallbacks.to_string(),
        score.failed_calls.to_string(),
        score.prompt_tokens.to_string(),
        score.completion_tokens.to_string(),
        time(score.median_ms),
        time(score.p95_ms),
    ];
    cells.extend(has_cost.then(|| score.cost.map_or("-".to_string(), |cost| cost.to_string())));
    cells
}
