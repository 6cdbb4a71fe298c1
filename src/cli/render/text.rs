//! What the views share: made-safe text, colours, columns.

use std::borrow::Cow;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use crate::domain::{Severity, Timestamp};

/// How the terminal takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Style {
    /// The width that views lay out for: below it nothing readable fits, and tables count in `u16`.
    pub(super) fn columns(self) -> u16 {
        u16::try_from(self.width.clamp(40, 400)).unwrap_or(400) // 400 fits
    }

    pub(super) fn paint(self, look: anstyle::Style, text: &str) -> String {
        if self.color { format!("{look}{text}{look:#}") } else { text.to_string() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint(anstyle::Style::new().bold(), text)
    }
}

/// The text without anything that acts on a terminal or hides from a reader: control, bidirectional and zero-width
/// characters are written as escapes (`\n`, `\u{1b}`). Line feeds and tabs too: one text stays one line.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_or_hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts_or_hides(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn acts_or_hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' // fillers, soft hyphen
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'   // zero-width, marks of direction
            | '\u{2028}'..='\u{202e}'   // separators of lines, embeddings and overrides
            | '\u{2060}'..='\u{206f}'   // joiners, invisible operators, isolates
            | '\u{3164}' | '\u{ffa0}' | '\u{feff}'
            | '\u{fe00}'..='\u{fe0f}'   // variation selectors
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}') // tags
}

pub(super) fn look(severity: Severity) -> anstyle::Style {
    let color = match severity {
        Severity::High => anstyle::AnsiColor::Red,
        Severity::Medium => anstyle::AnsiColor::Yellow,
        Severity::Low => anstyle::AnsiColor::Cyan,
    };
    let look = anstyle::Style::new().fg_color(Some(color.into()));
    if severity == Severity::High { look.bold() } else { look }
}

/// The look of a word of the first column.
pub(super) fn severity_look(word: &str) -> Option<anstyle::Style> {
    Severity::ALL.into_iter().find(|s| s.word() == word).map(look)
}

/// A table without lines, no wider than `columns`; long cells wrap.
pub(super) fn grid(columns: u16) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns).set_truncation_indicator("…");
    table
}

/// Two spaces between columns, none around them.
pub(super) fn space(table: &mut Table) {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
}

/// Gives column `index` exactly this width, for tables with [`space`].
pub(super) fn fix(table: &mut Table, index: usize, width: usize) {
    if let Some(column) = table.column_mut(index) {
        let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(column.padding_width());
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
}

/// Columns that never wrap.
pub(super) fn keep_whole(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

pub(super) fn align_right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table's lines, without spaces at their ends. `first` is the width of the first column, whose words are
/// coloured as `look` says: tables hold plain text, so that widths are right whether or not there is colour.
pub(super) fn print(
    table: &Table,
    first: usize,
    style: Style,
    look: impl Fn(&str) -> Option<anstyle::Style>,
) -> String {
    let mut printed = String::new();
    for line in table.lines() {
        let line = line.trim_end();
        // A first column in other than one-column characters is ours never; then the line stays uncoloured.
        let word = line.get(..first.min(line.len())).unwrap_or("").trim_end();
        match look(word) {
            Some(look) if style.color => {
                printed.push_str(&style.paint(look, word));
                printed.push_str(line.get(word.len()..).unwrap_or(""));
            }
            _ => printed.push_str(line),
        }
        printed.push('\n');
    }
    printed
}

/// Rows of a label and a text that wraps beside it. A line feed in the text starts a new line there.
pub(super) fn labelled<'a>(
    rows: impl IntoIterator<Item = (&'a str, String)>,
    first: usize,
    style: Style,
    look: impl Fn(&str) -> Option<anstyle::Style>,
) -> String {
    let mut table = grid(style.columns());
    for (label, text) in rows {
        table.add_row([label.to_string(), text]);
    }
    if table.is_empty() {
        return String::new();
    }
    space(&mut table);
    fix(&mut table, 0, first);
    print(&table, first, style, look)
}

/// `1 record`, `2 records`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 02 min`.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    let ms = to.micros().saturating_sub(from.micros()).max(0) / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_hides_is_written_as_an_escape() {
        let check = |text: &str, shown: &str| assert_eq!(safe(text), shown);
        check("plain, é, 93\u{202f}%, 日本", "plain, é, 93\u{202f}%, 日本");
        check("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}");
        check("a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}");
        check("\u{9b}31m", "\\u{9b}31m"); // C1: a control sequence in one character
        check("ab\u{202e}dc", "ab\\u{202e}dc");
        check("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}");
        check("ad\u{200b}min\u{feff}", "ad\\u{200b}min\\u{feff}");
        check("x\u{e0041}\u{2028}", "x\\u{e0041}\\u{2028}");
    }

    proptest! {
        #[test]
        fn safe_text_has_nothing_left_to_escape(text in any::<String>()) {
            let once = safe(&text).into_owned();
            prop_assert!(!once.contains(acts_or_hides));
            prop_assert_eq!(safe(&once), once.as_str());
        }
    }

    #[test]
    fn durations_name_two_units_at_most() {
        let at = |ms: i64| Timestamp::from_micros(ms * 1000).unwrap();
        let shown =
            [-5, 0, 999, 1_000, 59_990, 60_000, 3_599_000, 3_600_000, 90_061_000].map(|ms| duration(at(0), at(ms)));
        assert_eq!(
            shown,
            ["0 ms", "0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "25 h 01 min"]
        );
    }
}
