//! Slots: `{cpu_usage.value}` in a sentence stands for the fact of that name, and is filled by code.

// Slices here are cut where `find` or the tokenizer said: at character boundaries of the same text.

use std::ops::Range;

use super::status_word;
use crate::domain::{Fact, FactValue, Figure, Language};

/// One `{name}` of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<'a> {
    pub name: &'a str,
    /// Bytes of the text, braces included.
    pub span: Range<usize>,
}

/// A slot that no fact fills.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fact is named `{0}`")]
pub struct UnknownSlot(pub String);

/// The slots of a text, in order: `{`, a name of letters, digits, `_`, `-`, `.`, `:`, `@`, and `}`.
pub fn slots_in(text: &str) -> Vec<Slot<'_>> {
    let mut slots = Vec::new();
    let mut from = 0;
    while let Some(open) = memchr::memchr(b'{', &text.as_bytes()[from..]).map(|at| from + at) {
        from = open + 1;
        let Some(close) = memchr::memchr2(b'{', b'}', &text.as_bytes()[from..]).map(|at| from + at) else { break };
        let name = &text[from..close];
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@'));
        if is_name && text[close..].starts_with('}') {
            slots.push(Slot { name, span: open..close + 1 });
            from = close + 1;
        }
    }
    slots
}

/// The text with every slot replaced by its fact as [`render`] writes it.
///
/// # Errors
/// The first slot that no fact fills.
pub fn fill(text: &str, facts: &[Fact], language: Language) -> Result<String, UnknownSlot> {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut done = 0;
    for slot in slots_in(text) {
        let fact = facts.iter().find(|f| f.name == slot.name).ok_or_else(|| UnknownSlot(slot.name.to_string()))?;
        filled.push_str(&text[done..slot.span.start]);
        filled.push_str(&render(fact, language));
        done = slot.span.end;
    }
    filled.push_str(&text[done..]);
    Ok(filled)
}

/// A fact as a sentence writes it: a number with its unit, a time in ISO 8601, a name as it is, a status in words.
pub fn render(fact: &Fact, language: Language) -> String {
    match &fact.value {
        FactValue::Number(figure) => quantity(*figure, fact.unit.as_deref(), language),
        FactValue::Time(time) => time.to_string(),
        FactValue::Name(name) => name.clone(),
        FactValue::Status(status) => status_word(*status, language).to_string(),
    }
}

/// A number with its unit: `93%`, `334 ms`; in French `93 %`, with no-break spaces.
pub fn quantity(figure: Figure, unit: Option<&str>, language: Language) -> String {
    let number = number(figure, language);
    match (unit, language) {
        (None, _) => number,
        (Some("%"), Language::En) => format!("{number}%"),
        (Some(unit), Language::En) => format!("{number} {unit}"),
        (Some(unit), Language::Fr) => format!("{number}\u{a0}{unit}"),
    }
}

/// A number in a language's notation: `1,258,200.5`; in French `1 258 200,5` with narrow no-break spaces. From 1e15 on,
/// and below 1e-6, in scientific notation (`1.5e300`, `1,5e300`): nobody counts zeros.
pub fn number(figure: Figure, language: Language) -> String {
    let point = match language {
        Language::En => '.',
        Language::Fr => ',',
    };
    let size = figure.get().abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-6) {
        return format!("{:e}", figure.get()).replace('.', &point.to_string());
    }
    let plain = figure.to_string();
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut written = format!("{sign}{}", grouped(whole, language));
    if !fraction.is_empty() {
        written.push(point);
        written.push_str(fraction);
    }
    written
}

/// A count, every digit of it: unlike a figure it is exact.
pub fn count(count: u64, language: Language) -> String {
    grouped(&count.to_string(), language)
}

/// Digits in groups of three from the right.
fn grouped(digits: &str, language: Language) -> String {
    let group = match language {
        Language::En => ',',
        Language::Fr => '\u{202f}',
    };
    let mut written = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(group);
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str, value: f64, unit: Option<&str>) -> Fact {
        Fact {
            name: name.into(),
            value: FactValue::Number(Figure::new(value).unwrap()),
            unit: unit.map(Into::into),
            subject: "web-1".into(),
            time: None,
            meaning: String::new(),
        }
    }

    #[test]
    fn slots_are_filled_with_unit_and_number_format() {
        let facts = [fact("cpu_usage.value", 93.5, Some("%")), fact("up", 1258200.0, Some("s"))];
        let text = "peak {cpu_usage.value}, {up}, {not a slot}, {}";
        assert_eq!(fill(text, &facts, Language::En).unwrap(), "peak 93.5%, 1,258,200 s, {not a slot}, {}");
        assert_eq!(
            fill(text, &facts, Language::Fr).unwrap(),
            "peak 93,5\u{a0}%, 1\u{202f}258\u{202f}200\u{a0}s, {not a slot}, {}"
        );
        assert_eq!(fill("{nope}", &facts, Language::En), Err(UnknownSlot("nope".into())));
        assert_eq!(slots_in("{{a}}").len(), 1);
    }

    #[test]
    fn numbers_are_grouped_from_a_thousand_on() {
        let text = |v| number(Figure::new(v).unwrap(), Language::En);
        assert_eq!(
            [text(999.0), text(1000.0), text(-1234567.25), text(0.03158)],
            ["999", "1,000", "-1,234,567.25", "0.03158"]
        );
    }

    #[test]
    fn numbers_too_long_to_read_are_scientific() {
        let both = |v| [Language::En, Language::Fr].map(|language| number(Figure::new(v).unwrap(), language));
        for (value, expected) in [
            (1.5e300, ["1.5e300", "1,5e300"]),
            (-1e308, ["-1e308", "-1e308"]),
            (1e15, ["1e15", "1e15"]),
            (5e-324, ["5e-324", "5e-324"]),
            (9.99e-7, ["9.99e-7", "9,99e-7"]),
            (1e-6, ["0.000001", "0,000001"]),
            (0.0, ["0", "0"]),
            (999_999_999e6, ["999,999,999,000,000", "999\u{202f}999\u{202f}999\u{202f}000\u{202f}000"]),
        ] {
            assert_eq!(both(value), expected, "{value}");
        }
    }

    #[test]
    fn counts_keep_every_digit() {
        assert_eq!(count(1_234_567_891, Language::En), "1,234,567,891");
        assert_eq!(count(u64::MAX, Language::Fr).chars().filter(char::is_ascii_digit).count(), 20);
        assert_eq!(count(0, Language::En), "0");
    }
}
