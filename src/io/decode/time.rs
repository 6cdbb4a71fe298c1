use super::cell::Cell;
use crate::domain::Timestamp;

/// Reads times as text. Records come by the thousand with one date, so the day of the last one is kept, and of text in
/// the usual form only the time of day is read anew.
#[derive(Default)]
pub(super) struct TimeParser {
    /// `YYYY-MM-DDT` as last read, and its midnight in microseconds.
    day: Option<([u8; 11], i64)>,
}

impl TimeParser {
    /// The same as [`Timestamp::parse`], and a number in quotes as time since the epoch.
    pub fn parse(&mut self, text: &str) -> Option<Timestamp> {
        let usual = split(text);
        if let (Some((date, of_day)), Some((day, midnight))) = (usual, self.day)
            && date == day
        {
            return Timestamp::from_micros(midnight + of_day);
        }
        let Some(time) = Timestamp::parse(text) else {
            return Timestamp::from_epoch(text.trim().parse().ok()?);
        };
        if let Some((date, of_day)) = usual {
            self.day = Some((date, time.micros() - of_day));
        }
        Some(time)
    }
}

/// What stands where a time should be, in words; says so if it would be one but for its size.
pub(super) fn describe_time(cell: Cell<'_>) -> String {
    let beyond = match cell {
        Cell::Number(value) => value.is_finite(),
        Cell::Whole(_) => true,
        Cell::Text(text) => is_moment(text.trim()),
        Cell::Absent | Cell::Other(_) => false,
    };
    let range = if beyond { ", beyond the times from the year -9999 to 9999-12-30 that can be read" } else { "" };
    cell.describe() + range
}

/// Whether text that is no readable time is yet written like one: a number, or a date with a time of day.
fn is_moment(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
        || jiff::fmt::temporal::Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some())
}

/// Date and microseconds of the day, of text that is exactly `YYYY-MM-DDTHH:MM:SSZ`. The date is not checked.
fn split(text: &str) -> Option<([u8; 11], i64)> {
    let (date, rest) = text.as_bytes().split_first_chunk::<11>()?;
    let [h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = rest else { return None };
    let two = |high: &u8, low: &u8, limit: i64| -> Option<i64> {
        let value = i64::from(high.wrapping_sub(b'0')) * 10 + i64::from(low.wrapping_sub(b'0'));
        (high.is_ascii_digit() && low.is_ascii_digit() && value < limit).then_some(value)
    };
    let seconds = two(h1, h2, 24)? * 3600 + two(m1, m2, 60)? * 60 + two(s1, s2, 60)?;
    Some((*date, seconds * 1_000_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_full_parser(
            texts in prop::collection::vec("(2023-(02|13)-(0[1-3]|3[01])[T ]|-001-01-01T)(0[0-9]|2[0-9]):[0-9:]{2}:[0-9]{2}(Z|\\+02|)", 1..20)
        ) {
            let mut parser = TimeParser::default();
            for text in texts {
                prop_assert_eq!(parser.parse(&text), Timestamp::parse(&text), "{}", text);
            }
        }
    }

    #[test]
    fn usual_and_unusual_times() {
        let mut parser = TimeParser::default();
        for (text, expected) in [
            ("2023-10-01T12:00:00Z", Some("2023-10-01T12:00:00Z")),
            ("2023-10-01T23:59:59Z", Some("2023-10-01T23:59:59Z")),
            ("2023-10-01T24:00:00Z", None),
            ("2023-10-01T23:59:60Z", Some("2023-10-01T23:59:59Z")),
            ("2023-10-02T00:00:00Z", Some("2023-10-02T00:00:00Z")),
            ("2023-10-02T00:00:00+02:00", Some("2023-10-01T22:00:00Z")),
            ("1696161600", Some("2023-10-01T12:00:00Z")),
            ("", None),
            ("nan", None),
        ] {
            assert_eq!(parser.parse(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }
}
