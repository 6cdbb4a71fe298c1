//! The values of a series in few characters: `70 72+2x10 _x3 95x5`, `online x5 offline x3`.

use std::ops::Range;

use crate::diagnostic::did_you_mean;
use crate::domain::Status;

/// Values of one series at most; telemetry that is longer is a file.
const MOST: usize = 1_000_000;

/// What the values are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Metric,
    Service,
}

/// What is wrong with a text, and where in it.
pub type Fault = (Range<usize>, String);

/// The values, one after the other; `None` where there is none. Those of a service are levels.
///
/// # Errors
/// What cannot be read.
pub fn parse(text: &str, of: Of) -> Result<Vec<Option<f64>>, Fault> {
    let mut values = Vec::new();
    for (place, written) in items(text) {
        let fault = |why: String| (place.clone(), why);
        let (run, count) = times(&written).map_err(fault)?;
        if values.len().saturating_add(count.unwrap_or(1)) > MOST {
            return Err(fault(format!("a series has at most {MOST} values; what is longer belongs into a file")));
        }
        let (first, step) = value(run, of).map_err(fault)?;
        if step.is_some() && count.is_none() {
            return Err(fault(format!("`{written}` has a step, and does not say how many values: `{written}x10`")));
        }
        let step = step.unwrap_or_default();
        let nth = |n: usize| first.map(|first| first + n as f64 * step);
        values.extend((0..count.unwrap_or(1)).map(nth));
    }
    match values.iter().flatten().all(|value| value.is_finite()) {
        true if values.is_empty() => Err((0..text.len(), "there is no value in it".to_string())),
        true => Ok(values),
        false => Err((0..text.len(), "it goes beyond what a number can be".to_string())),
    }
}

/// The words of the text with their places. How often (`x5`) may stand apart from what.
fn items(text: &str) -> Vec<(Range<usize>, String)> {
    let mut items: Vec<(Range<usize>, String)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return items;
        }
        let is_count = word.strip_prefix('x').is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
        match items.last_mut() {
            Some((place, before)) if is_count => {
                before.push_str(word);
                place.end = at + end;
            }
            _ => items.push((at..at + end, word.to_string())),
        }
        rest = after;
    }
}

/// What is repeated, and how often.
fn times(item: &str) -> Result<(&str, Option<usize>), String> {
    let Some((run, count)) = item.rsplit_once('x').filter(|(run, _)| !run.is_empty()) else { return Ok((item, None)) };
    match count.parse() {
        Ok(0) => Err(format!("`{item}` is no value at all; leave it out")),
        Ok(count) => Ok((run, Some(count))),
        Err(_) => Err(format!("`{count}` does not say how many values; write a whole number after the `x`")),
    }
}

/// The first value of an item, and its step.
fn value(run: &str, of: Of) -> Result<(Option<f64>, Option<f64>), String> {
    if run == "_" {
        return Ok((None, None));
    }
    if of == Of::Service {
        let status = Status::from_word(run).ok_or_else(|| {
            let near = did_you_mean(run, Status::ALL.map(Status::word));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("`{run}` is no status: a service is online, degraded or offline, and `_` stands for none{hint}")
        })?;
        return Ok((Some(f64::from(status.level())), None));
    }
    let wrong = || format!("`{run}` is no number, and `_` stands for none");
    let (first, rest) = run.split_at(number(run));
    let first: f64 = first.parse().map_err(|_| wrong())?;
    if rest.is_empty() {
        return Ok((Some(first), None));
    }
    let step = Some(rest).filter(|rest| rest.starts_with(['+', '-']) && number(rest) == rest.len());
    let step = step.and_then(|step| step.parse().ok()).ok_or_else(wrong)?;
    Ok((Some(first), Some(step)))
}

/// How many bytes of the beginning are a number.
fn number(text: &str) -> usize {
    let digits = |from: usize| text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let at = |place: usize| text.as_bytes().get(place).copied();
    let signed = |place: usize| place + usize::from(matches!(at(place), Some(b'+' | b'-')));
    let mut end = signed(0);
    end += digits(end);
    if at(end) == Some(b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(at(end), Some(b'e' | b'E')) {
        let exponent = signed(end + 1);
        end = if digits(exponent) > 0 { exponent + digits(exponent) } else { end };
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values as text, a gap as `_`; or where it is wrong, and why.
    fn told(text: &str, of: Of) -> String {
        match parse(text, of) {
            Ok(values) => {
                let value = |value: &Option<f64>| value.map_or("_".to_string(), |value| value.to_string());
                values.iter().map(value).collect::<Vec<_>>().join(" ")
            }
            Err((place, why)) => format!("{}: {why}", &text[place]),
        }
    }

    #[test]
    fn values_steps_repetitions_and_gaps() {
        let check = |text: &str, expected: &str| assert_eq!(told(text, Of::Metric), expected, "{text}");
        check("70", "70");
        check("70 -1.5 +2 1e3 2.5e-1", "70 -1.5 2 1000 0.25");
        check("70x3", "70 70 70");
        check("70+2x4", "70 72 74 76");
        check("70-2x3 5", "70 68 66 5");
        check("-1-1x3", "-1 -2 -3");
        check("1e1+1e0x2", "10 11");
        check(" 70+2x3\n _x2  95 x2 _ ", "70 72 74 _ _ 95 95 _");
        check("1-0.5 x3", "1 0.5 0");
        assert_eq!(told("online x2 _ degraded offlinex3", Of::Service), "0 0 _ 1 2 2 2");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |text: &str, expected: &str| assert_eq!(told(text, Of::Metric), expected, "{text}");
        check("70 7O 70", "7O: `7O` is no number, and `_` stands for none");
        check("70+2", "70+2: `70+2` has a step, and does not say how many values: `70+2x10`");
        check("1 70x0", "70x0: `70x0` is no value at all; leave it out");
        check("70x2.5", "70x2.5: `2.5` does not say how many values; write a whole number after the `x`");
        check("70+2-3x4", "70+2-3x4: `70+2-3` is no number, and `_` stands for none");
        check("  ", "  : there is no value in it");
        check("1e308+1e308x9", "1e308+1e308x9: it goes beyond what a number can be");
        check("1x1000001", "1x1000001: a series has at most 1000000 values; what is longer belongs into a file");
        check("x5", "x5: `x5` is no number, and `_` stands for none");
        check("online", "online: `online` is no number, and `_` stands for none");
        assert_eq!(
            told("onlin x3", Of::Service),
            "onlin x3: `onlin` is no status: a service is online, degraded or offline, and `_` stands for none; \
             did you mean `online`?"
        );
    }
}
