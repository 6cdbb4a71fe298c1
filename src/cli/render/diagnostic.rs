//! Diagnostics with the place underlined. Drawn by miette; what it is given is an excerpt made safe here, so that
//! neither a control character nor a line of a megabyte reaches the terminal.

use std::fmt;
use std::ops::Range;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents, ThemeCharacters, ThemeStyles,
};

use super::safe;
use crate::diagnostic::{Diagnostic, SourceFile};

/// Characters that are shown before and after what is underlined, and of it.
const AROUND: usize = 100;

/// All diagnostics, in order, an empty line between them. `width` is in columns.
pub fn diagnostics(list: &[Diagnostic], color: bool, width: usize) -> String {
    let styles = if color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters: ThemeCharacters::unicode(), styles })
        .with_links(false)
        .with_width(width.clamp(40, 400));
    let mut rendered = String::new();
    for (at, diagnostic) in list.iter().enumerate() {
        if at > 0 {
            rendered.push('\n');
        }
        let mut one = String::new();
        if handler.render_report(&mut one, &Shown::new(diagnostic)).is_err() {
            one = safe(&diagnostic.to_string()).into_owned();
        }
        for line in one.trim_end().lines() {
            rendered.push_str(line.trim_end());
            rendered.push('\n');
        }
    }
    rendered
}

/// A diagnostic as miette takes it.
#[derive(Debug)]
struct Shown {
    code: &'static str,
    message: String,
    label: Option<String>,
    help: Option<String>,
    hint: String,
    excerpt: Option<Excerpt>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic) -> Shown {
        Shown {
            code: diagnostic.code.id,
            message: diagnostic.message.split('\n').map(safe).collect::<Vec<_>>().join("\n"),
            label: diagnostic.label.as_deref().map(|label| safe(label).into_owned()),
            help: diagnostic.help.as_deref().map(|help| safe(help).into_owned()),
            hint: format!("agent explain {}", diagnostic.code.id),
            excerpt: diagnostic.place.as_ref().map(|(source, span)| Excerpt::new(source, span.clone())),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }
    /// Not a link: it stands in parentheses after the code.
    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.hint))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help.as_ref()?))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.excerpt.as_ref()?)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = &self.excerpt.as_ref()?.span;
        let label = LabeledSpan::new(self.label.clone(), span.start, span.len());
        Some(Box::new(std::iter::once(label)))
    }
}

/// The line of a place and its neighbours, made safe, with the numbers that they have in the file.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// Bytes of `text`, inside one line.
    span: Range<usize>,
    /// Lines of the file before `text`.
    lines_before: usize,
    /// Characters of the file's line before the span.
    column: usize,
}

impl Excerpt {
    /// A span outside the text or inside a character is moved to the nearest place that exists; one over several
    /// lines is underlined on its first.
    fn new(source: &SourceFile, span: Range<usize>) -> Excerpt {
        let text: &str = &source.text;
        // From here on every offset is a boundary of characters inside the text: these two, and those of line feeds.
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line_end = if text[line_start..line_end].ends_with('\r') { line_end - 1 } else { line_end };
        let start = start.min(line_end);
        let end = end.clamp(start, line_end);

        let mut shown = String::new();
        let mut lines_before = text[..line_start].matches('\n').count();
        if let Some(previous) = text[..line_start].strip_suffix('\n') {
            let previous = previous.rsplit('\n').next().unwrap_or("");
            shown.push_str(&line(&first(previous, 2 * AROUND)));
            shown.push('\n');
            lines_before -= 1; // `previous` is one of them
        }
        shown.push_str(&line(&last(&text[line_start..start], AROUND)));
        let from = shown.len();
        // At the end of a line there is nothing to underline: a space stands for it.
        let marked = if start == line_end { " " } else { &text[start..end] };
        shown.push_str(&line(&first(marked, AROUND)));
        let to = shown.len();
        shown.push_str(&line(&first(&text[end..line_end], AROUND)));
        if let Some(next) = text[line_end..].split('\n').nth(1).filter(|next| !next.is_empty()) {
            shown.push('\n');
            shown.push_str(&line(&first(next, 2 * AROUND)));
        }
        Excerpt {
            name: safe(&source.name).into_owned(),
            text: shown,
            span: from..to,
            lines_before,
            column: text[line_start..start].chars().count(),
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            self.lines_before + contents.line(),
            self.column,
            contents.line_count(),
        )))
    }
}

/// A line of a file, safe, with spaces for tabs.
fn line(text: &str) -> String {
    safe(&text.trim_end_matches('\r').replace('\t', "    ")).into_owned()
}

/// At most `count` characters from the start.
fn first(text: &str, count: usize) -> String {
    match text.char_indices().nth(count) {
        Some((at, _)) => format!("{}…", &text[..at]), // a boundary: char_indices gave it
        None => text.to_string(),
    }
}

/// At most `count` characters up to the end.
fn last(text: &str, count: usize) -> String {
    match text.char_indices().rev().nth(count) {
        Some((at, c)) => format!("…{}", &text[at + c.len_utf8()..]), // the boundary after that character
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes;

    const GRAPH: &str = "name = \"infrastructure\"\n\n[nodes.telemetry]\nkind = \"ingest.file\"\npth = \"é.json\"\n";

    fn at(text: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic::new(codes::graph::UNKNOWN_KEY, "unknown key `pth`")
            .at(&SourceFile::new("graphs/a.toml", text), span)
    }

    fn of(text: &str, what: &str) -> Range<usize> {
        let start = text.find(what).unwrap();
        start..start + what.len()
    }

    #[test]
    fn shows_place_remedy_and_where_to_read_more() {
        let list = [
            at(GRAPH, of(GRAPH, "pth")).label("no key of `ingest.file`").help("did you mean `path`?"),
            Diagnostic::new(codes::run::UNKNOWN_RUN, "there is no run `2023`").help("`agent runs` lists the runs"),
        ];
        insta::assert_snapshot!(diagnostics(&list, false, 80), @r#"
        AG0003 (agent explain AG0003)

          × unknown key `pth`
           ╭─[graphs/a.toml:5:1]
         4 │ kind = "ingest.file"
         5 │ pth = "é.json"
           · ─┬─
           ·  ╰── no key of `ingest.file`
           ╰────
          help: did you mean `path`?

        AG0301 (agent explain AG0301)

          × there is no run `2023`
          help: `agent runs` lists the runs
        "#);
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let list = [at(GRAPH, of(GRAPH, "pth"))];
        assert!(!diagnostics(&list, false, 80).contains('\u{1b}'));
        insta::assert_snapshot!(diagnostics(&list, true, 80).replace('\u{1b}', "ESC"), @r#"
        ESC[31mAG0003ESC[0m (ESC[36;1;4magent explain AG0003ESC[0m)

          ESC[31m×ESC[0m unknown key `pth`
           ╭─[ESC[36;1;4mgraphs/a.toml:5:1ESC[0m]
         ESC[2m4ESC[0m │ kind = "ingest.file"
         ESC[2m5ESC[0m │ pth = "é.json"
           · ESC[35;1m───ESC[0m
           ╰────
        "#);
    }

    #[test]
    fn columns_count_characters() {
        let text = "x = 1\nk = \"日本é\" ? \"y\"\n";
        let shown = diagnostics(&[at(text, of(text, "?"))], false, 80);
        assert!(shown.contains("graphs/a.toml:2:11"), "{shown}");
    }

    #[test]
    fn a_span_over_several_lines_is_underlined_on_its_first() {
        insta::assert_snapshot!(diagnostics(&[at(GRAPH, of(GRAPH, "[nodes.telemetry]\nkind"))], false, 80), @r#"
        AG0003 (agent explain AG0003)

          × unknown key `pth`
           ╭─[graphs/a.toml:3:1]
         2 │
         3 │ [nodes.telemetry]
           · ─────────────────
         4 │ kind = "ingest.file"
           ╰────
        "#);
    }

    #[test]
    fn no_span_panics_and_every_one_is_shown() {
        for text in ["", "\n", "é", "a\r\nb\r\n", "\u{1b}[2J = 1\n\0", "ab\n\n\ncd", "日本\n日本"] {
            for start in 0..text.len() + 2 {
                for end in 0..text.len() + 2 {
                    let shown = diagnostics(&[at(text, start..end).label("here")], false, 80);
                    assert!(
                        shown.contains("graphs/a.toml:") && shown.contains("here"),
                        "{text:?} {start}..{end}\n{shown}"
                    );
                    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
                }
            }
        }
    }

    #[test]
    fn the_place_agrees_with_the_one_line_form() {
        for (start, _) in GRAPH.char_indices() {
            let one = at(GRAPH, start..start + 1);
            let place = one.to_string().split(": ").next().unwrap().to_string();
            let shown = diagnostics(&[one], false, 80);
            assert!(shown.contains(&format!("[{place}]")), "{place}\n{shown}");
        }
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "x".repeat(500_000), "y".repeat(500_000));
        let shown = diagnostics(&[at(&text, 500_000..500_004)], false, 80);
        assert!(shown.len() < 2_000 && shown.contains("HERE") && shown.contains(":1:500001"), "{shown}");
    }

    #[test]
    fn escapes_in_every_part_are_made_safe() {
        let source = SourceFile::new("\u{1b}]0;name\u{7}.toml", "k = \"\u{1b}[31m\u{202e}\"");
        let list = [Diagnostic::new(codes::graph::SYNTAX, "message \u{1b}[2J")
            .at(&source, 0..1)
            .label("label \u{1b}[1m")
            .help("help \u{9b}1m")];
        insta::assert_snapshot!(diagnostics(&list, false, 80), @r#"
        AG0001 (agent explain AG0001)

          × message \u{1b}[2J
           ╭─[\u{1b}]0;name\u{7}.toml:1:1]
         1 │ k = "\u{1b}[31m\u{202e}"
           · ┬
           · ╰── label \u{1b}[1m
           ╰────
          help: help \u{9b}1m
        "#);
    }
}
