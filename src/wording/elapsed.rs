//! Lengths of time as people say them.

use super::quantity;
use crate::domain::{Figure, Language};

/// Seconds as a sentence states them, exactly: `45 s`, `5 min`, `3 d 0 h 10 min`; in French `3 j 0 h 10 min`, with no-break
/// spaces. From the greatest unit that there is to the least, none between left out.
pub fn elapsed(seconds: Figure, language: Language) -> String {
    let total = seconds.get();
    let units =
        [(86_400.0, if language == Language::En { "d" } else { "j" }), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    // Of longer ones a figure does not have every second.
    if !(60.0..1e9).contains(&total) {
        return quantity(seconds, Some("s"), language);
    }
    let mut rest = total;
    let mut parts: Vec<(Figure, &str)> = Vec::new();
    for (at, (unit, word)) in units.into_iter().enumerate() {
        let is_last = at + 1 == units.len();
        let whole = if is_last { rest } else { (rest / unit).floor() };
        rest -= whole * unit;
        if whole > 0.0 || !parts.is_empty() {
            parts.extend(Figure::new(whole).map(|figure| (figure, word)));
        }
    }
    while parts.last().is_some_and(|(figure, _)| figure.get() == 0.0) {
        parts.pop();
    }
    let space = if language == Language::En { " " } else { "\u{a0}" };
    let parts: Vec<String> = parts.iter().map(|(figure, word)| quantity(*figure, Some(word), language)).collect();
    parts.join(space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figure(seconds: f64) -> Figure {
        Figure::new(seconds).unwrap()
    }

    #[test]
    fn lengths_are_said_in_units_that_people_use() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.25, "0.25 s"),
            (59.5, "59.5 s"),
            (60.0, "1 min"),
            (90.5, "1 min 30.5 s"),
            (3_600.0, "1 h"),
            (3_605.0, "1 h 0 min 5 s"),
            (86_400.0, "1 d"),
            (259_800.0, "3 d 0 h 10 min"),
            (100_000_000.0, "1,157 d 9 h 46 min 40 s"),
            (1e9, "1,000,000,000 s"),
        ] {
            assert_eq!(elapsed(figure(seconds), Language::En), expected);
        }
        assert_eq!(elapsed(figure(259_800.0), Language::Fr), "3\u{a0}j\u{a0}0\u{a0}h\u{a0}10\u{a0}min");
    }

    proptest! {
        /// The parts add up to what was measured, as a figure.
        #[test]
        fn nothing_is_lost(seconds in prop_oneof![(0u32..2_000_000).prop_map(f64::from), 0.0..1e9f64]) {
            let written = elapsed(figure(seconds), Language::En).replace(',', "");
            let words: Vec<&str> = written.split(' ').collect();
            let unit = |word: &str| [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)].iter().find(|(u, _)| *u == word).unwrap().1;
            let sum: f64 = words.chunks(2).map(|part| part[0].parse::<f64>().unwrap() * unit(part[1])).sum();
            prop_assert_eq!(figure(sum), figure(seconds));
        }
    }
}
