//! Results as JUnit XML, in the form that CI services read.

use std::fmt::Write;
use std::time::Duration;

use super::Verdict;
use crate::diagnostic::codes;

/// `results` are file, name and verdict, the tests of a file together.
pub fn document(results: &[(&str, &str, &Verdict)]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites {}>", counts(results));
    for of_file in results.chunk_by(|a, b| a.0 == b.0) {
        let file = of_file.first().map_or("", |(file, ..)| file);
        let _ = writeln!(text, "  <testsuite name=\"{}\" {}>", escaped(file), counts(of_file));
        for (file, name, verdict) in of_file {
            let (file, name, took) = (escaped(file), escaped(name), seconds(verdict.took));
            let _ = write!(text, "    <testcase classname=\"{file}\" name=\"{name}\" time=\"{took}\"");
            text.push_str(if verdict.passed() { "/>\n" } else { ">\n" });
            if !verdict.passed() {
                text.push_str(&problem(verdict));
                text.push_str("    </testcase>\n");
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// One element: readers take the first only.
fn problem(verdict: &Verdict) -> String {
    let what = if is_failure(verdict) { "failure" } else { "error" };
    let first = verdict.faults.first();
    let (kind, message) = first.map_or(("", ""), |fault| (fault.code.id, fault.message.as_str()));
    let line = |fault: &crate::diagnostic::Diagnostic| match &fault.help {
        Some(help) => format!("{fault}\n  help: {help}"),
        None => fault.to_string(),
    };
    let lines: Vec<String> = verdict.faults.iter().map(line).collect();
    let (message, lines) = (escaped(message), escaped(&lines.join("\n")));
    format!("      <{what} type=\"{kind}\" message=\"{message}\">{lines}</{what}>\n")
}

/// Whether it ran; else it could not be run.
fn is_failure(verdict: &Verdict) -> bool {
    verdict.faults.iter().all(|fault| fault.code == codes::test::FAILED)
}

fn counts(results: &[(&str, &str, &Verdict)]) -> String {
    let broken = || results.iter().map(|(.., verdict)| *verdict).filter(|verdict| !verdict.passed());
    let failures = broken().filter(|verdict| is_failure(verdict)).count();
    let errors = broken().count() - failures;
    let took = seconds(results.iter().map(|(.., verdict)| verdict.took).sum());
    format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{took}\"", results.len())
}

fn seconds(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}

/// Without what XML gives a meaning, or cannot carry at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, SourceFile};

    fn verdict(faults: Vec<Diagnostic>) -> Verdict {
        Verdict { faults, notes: Vec::new(), took: Duration::from_millis(12) }
    }

    #[test]
    fn failures_and_errors_are_told_apart_and_text_is_escaped() {
        let source = SourceFile::new("a.test.toml", "name = 'x'\nvalue = 3\n");
        let failed = Diagnostic::new(codes::test::FAILED, "is 2 & \"not\" <3>\u{1b}").at(&source, 19..20).help("look");
        let passed = verdict(vec![]);
        let (failed, broken) = (verdict(vec![failed]), verdict(vec![Diagnostic::new(codes::test::TEST, "no graph")]));
        let results =
            [("a.test.toml", "one", &passed), ("a.test.toml", "two \"2\"", &failed), ("b.test.toml", "three", &broken)];
        insta::assert_snapshot!(document(&results), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="3" failures="1" errors="1" time="0.036">
          <testsuite name="a.test.toml" tests="2" failures="1" errors="0" time="0.024">
            <testcase classname="a.test.toml" name="one" time="0.012"/>
            <testcase classname="a.test.toml" name="two &quot;2&quot;" time="0.012">
              <failure type="AG0501" message="is 2 &amp; &quot;not&quot; &lt;3&gt;�">a.test.toml:2:9: AG0501: is 2 &amp; &quot;not&quot; &lt;3&gt;�
          help: look</failure>
            </testcase>
          </testsuite>
          <testsuite name="b.test.toml" tests="1" failures="0" errors="1" time="0.012">
            <testcase classname="b.test.toml" name="three" time="0.012">
              <error type="AG0503" message="no graph">AG0503: no graph</error>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
