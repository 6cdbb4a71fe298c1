use super::diagnostic::diagnostics;
use super::{Style, safe};
use crate::cli::test::Verdict;

/// File, name and verdict of each test, those of a file together. `quiet` leaves out what passed.
pub fn results(results: &[(&str, &str, &Verdict)], quiet: bool, style: Style) -> String {
    let mut text = String::new();
    let red = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into())).bold();
    for of_file in results.chunk_by(|a, b| a.0 == b.0) {
        let shown = |verdict: &Verdict| !quiet || !verdict.passed();
        if let Some((file, ..)) = of_file.first().filter(|_| of_file.iter().any(|(.., verdict)| shown(verdict))) {
            text.push_str(&format!("{}\n", style.bold(&safe(file))));
        }
        for (_, name, verdict) in of_file.iter().filter(|(.., verdict)| shown(verdict)) {
            let word = if verdict.passed() { "ok    ".to_string() } else { style.paint(red, "FAILED") };
            text.push_str(&format!("  {word}  {}\n", safe(name)));
            for note in &verdict.notes {
                text.push_str(&format!("          note: {}\n", safe(note)));
            }
        }
    }
    let failed: Vec<_> = results.iter().filter(|(.., verdict)| !verdict.passed()).collect();
    for (file, name, verdict) in &failed {
        text.push_str(&format!("\n{}\n\n", style.bold(&format!("{}: {}", safe(file), safe(name)))));
        text.push_str(&diagnostics(&verdict.faults, style.color, style.width));
    }
    if !quiet || !failed.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}\n", total(results.len(), failed.len())));
    }
    text
}

fn total(tests: usize, failed: usize) -> String {
    let noun = if tests == 1 { "test" } else { "tests" };
    match failed {
        0 => format!("{tests} {noun}, all passed"),
        failed => format!("{tests} {noun}, {failed} failed"),
    }
}
