//! Slots: `{cpu_usage.value}` in a sentence stands for the fact of that name, and is filled by code.

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
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        from = open + 1;
        let Some(close) = text[from..].find(['{', '}']).map(|at| from + at) else { break };
        let name = &text[from..close];
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.:@".contains(c));
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

/// A number in a language's notation: `1,258,200.5`; in French `1 258 200,5` with narrow no-break spaces.
pub fn number(figure: Figure, language: Language) -> String {
    let (group, point) = match language {
        Language::En => (',', '.'),
        Language::Fr => ('\u{202f}', ','),
    };
    let plain = figure.to_string();
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut written = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            written.push(group);
        }
        written.push(digit);
    }
    if !fraction.is_empty() {
        written.push(point);
        written.push_str(fraction);
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
}
