//! When rules judge: the hours of a rule, and the maintenance of a file.

use std::fmt;

use glob::Pattern;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::value::Datetime;

use super::refuse;
use super::sense::senseless;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::domain::Batch;

/// When a rule judges: `Mon-Fri 08:00-18:00` in a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    text: String,
    spans: Vec<Span>,
    zone: TimeZone,
}

/// As written, with the zone.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.zone.iana_name().unwrap_or("UTC"))
    }
}

/// On some days from a minute to another; to one of the next day where it is not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// From Monday.
    days: [bool; 7],
    from: u16,
    to: u16,
}

/// The minutes of a day.
const DAY: u16 = 24 * 60;

/// One day of a zone: its bounds and what of it is within the hours, in microseconds.
#[derive(Debug, Default)]
struct Day {
    from: i64,
    to: i64,
    open: Vec<(i64, i64)>,
}

impl Hours {
    /// `None` where the text is no hours.
    fn parse(text: &str, zone: &TimeZone) -> Option<Hours> {
        let spans: Option<Vec<Span>> = text.split(',').map(Span::parse).collect();
        Some(Hours { text: text.trim().to_string(), spans: spans?, zone: zone.clone() })
    }

    /// The values of those times that are within the hours, NaN in the place of the others.
    pub fn within(&self, times: &[i64], values: &[f64]) -> Vec<f64> {
        let mut day = Day::default();
        let is_open = |time: i64| {
            if time < day.from || time >= day.to {
                day = self.day(time).unwrap_or_default();
            }
            day.open.iter().any(|(from, to)| (*from..*to).contains(&time))
        };
        let open: Vec<bool> = times.iter().copied().map(is_open).collect();
        values.iter().zip(open).map(|(value, open)| if open { *value } else { f64::NAN }).collect()
    }

    pub fn is_open(&self, time: i64) -> bool {
        self.day(time).is_some_and(|day| day.open.iter().any(|(from, to)| (*from..*to).contains(&time)))
    }

    /// What is open between two times: stretches that rise and do not overlap.
    pub fn open(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let (mut open, mut at) = (Vec::new(), from);
        while let Some(day) = self.day(at).filter(|_| at < to) {
            let mut here = day.open.clone();
            here.sort_unstable();
            for (begin, end) in here {
                let (begin, end) = (begin.max(at), end.min(to).min(day.to));
                if begin < end {
                    open.push((begin, end));
                    at = end;
                }
            }
            at = day.to;
        }
        open
    }

    /// The day that a time is in; `None` at the ends of the calendar.
    fn day(&self, time: i64) -> Option<Day> {
        let date = jiff::Timestamp::from_microsecond(time).ok()?.to_zoned(self.zone.clone()).date();
        let (yesterday, tomorrow) = (date.yesterday().ok()?, date.tomorrow().ok()?);
        let mut open = Vec::new();
        for (day, next) in [(yesterday, date), (date, tomorrow)] {
            let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
            for Span { from, to, .. } in self.spans.iter().filter(|span| span.days.get(weekday) == Some(&true)) {
                let end = if *to > *from && *to < DAY { (day, *to) } else { (next, *to % DAY) };
                open.push((self.micros(day, *from)?, self.micros(end.0, end.1)?));
            }
        }
        Some(Day { from: self.micros(date, 0)?, to: self.micros(tomorrow, 0)?, open })
    }

    /// Where clocks are put forward over a time, the time that is as much later.
    fn micros(&self, date: Date, minute: u16) -> Option<i64> {
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let time = Time::new(hour, minute, 0, 0).ok()?;
        Some(self.zone.to_timestamp(date.to_datetime(time)).ok()?.as_microsecond())
    }
}

impl Span {
    /// `Mon-Fri 08:00-18:00`, `Sat Sun`, `22:00-06:00`.
    fn parse(text: &str) -> Option<Span> {
        let mut span = Span { days: [false; 7], from: 0, to: DAY };
        let mut has_times = false;
        for word in text.split_whitespace() {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            if has_times {
                return None; // the times come last
            }
            if first.contains(':') {
                (span.from, span.to, has_times) = (minute(first)?, minute(last)?, true);
                continue;
            }
            let (mut at, last) = (weekday(first)?, weekday(last)?);
            span.days[at] = true; // a weekday is below 7
            while at != last {
                at = (at + 1) % 7;
                span.days[at] = true;
            }
        }
        if span.days == [false; 7] {
            span.days = [true; 7];
        }
        (!text.trim().is_empty() && span.from != span.to && span.from < DAY).then_some(span)
    }
}

fn weekday(word: &str) -> Option<usize> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    days.iter().position(|day| word.eq_ignore_ascii_case(day))
}

/// `08:30`; `24:00` is the end of a day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':').filter(|(hours, minutes)| hours.len() <= 2 && minutes.len() == 2)?;
    if !hours.bytes().chain(minutes.bytes()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes; // of two digits each
    (minutes < 60 && minute <= DAY).then_some(minute)
}

/// The hours of a rule. What is wrong goes to `faults`.
pub fn hours(
    written: Option<&Spanned<String>>,
    zone: &TimeZone,
    source: &SourceFile,
    faults: &mut Vec<Diagnostic>,
) -> Option<Hours> {
    let written = written?;
    let hours = Hours::parse(written.get_ref(), zone);
    if hours.is_none() {
        let same =
            |word: &&str| word.split_once('-').is_some_and(|(a, b)| minute(a).is_some() && minute(a) == minute(b));
        let empty = written.get_ref().split([',', ' ']).find(same);
        faults.push(match empty {
            Some(empty) => {
                let message = format!("`{empty}` begins when it ends, so no time is within it");
                senseless(source, written.span(), message, "leave the times out where the whole day is meant")
            }
            None => {
                let message = format!("`{}` is not understood as hours", written.get_ref());
                let help = "write days, times or both, several with commas: \"Mon-Fri 08:00-18:00, Sat 09:00-12:00\"";
                refuse(source, written.span(), message, help)
            }
        });
    }
    hours
}

/// The zone of a name, out of the tables that the program brings along; UTC where there is none.
pub fn zone(written: Option<&Spanned<String>>, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> TimeZone {
    let Some(written) = written else { return TimeZone::UTC };
    TimeZoneDatabase::bundled().get(written.get_ref()).unwrap_or_else(|_| {
        let message = format!("there is no time zone `{}`", written.get_ref());
        faults.push(refuse(source, written.span(), message, "name one of the IANA database, such as `Europe/Paris`"));
        TimeZone::UTC
    })
}

/// A time in which some entities are not judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// Microseconds; `to` is the first that is judged again.
    from: i64,
    to: i64,
    /// `None`: all, and the records without one.
    entities: Option<Vec<Pattern>>,
}

impl Maintenance {
    /// The records of a batch that are judged; `None` where all of them are.
    pub fn outside(all: &[Maintenance], batch: &Batch) -> Option<Batch> {
        if all.is_empty() {
            return None;
        }
        let (first, last) = (batch.times.iter().min()?, batch.times.iter().max()?);
        let here: Vec<&Maintenance> = all.iter().filter(|one| one.from <= *last && *first < one.to).collect();
        // Once per name, not once per record; the last is that of the records without one.
        let names = batch.entities.iter().map(|name| Some(&**name)).chain([None]);
        let of_names: Vec<Vec<&Maintenance>> =
            names.map(|name| here.iter().copied().filter(|one| one.concerns(name)).collect()).collect();
        if of_names.iter().all(Vec::is_empty) {
            return None;
        }
        let is_judged = |place: usize| {
            let code = batch.entity.get(place).map_or(usize::MAX, |code| *code as usize).min(batch.entities.len());
            let time = batch.times.get(place).copied().unwrap_or_default();
            !of_names.get(code).is_some_and(|of| of.iter().any(|one| (one.from..one.to).contains(&time)))
        };
        let judged: Vec<u32> = (0..batch.len()).filter(|place| is_judged(*place)).map(|place| place as u32).collect(); // a block has far fewer
        (judged.len() < batch.len()).then(|| batch.select(&judged))
    }

    /// When an entity is not judged, in microseconds, in the order of the beginnings.
    pub fn of(all: &[Maintenance], entity: Option<&str>) -> Vec<(i64, i64)> {
        let mut found: Vec<_> = all.iter().filter(|one| one.concerns(entity)).map(|one| (one.from, one.to)).collect();
        found.sort_unstable();
        found
    }

    /// From when, and the first moment that is judged again, in microseconds.
    pub fn span(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// The patterns of the entities; `None`: all, and the records without one.
    pub fn entities(&self) -> Option<&[Pattern]> {
        self.entities.as_deref()
    }

    pub fn concerns(&self, entity: Option<&str>) -> bool {
        match (&self.entities, entity) {
            (None, _) => true,
            (Some(patterns), Some(entity)) => patterns.iter().any(|pattern| pattern.matches(entity)),
            (Some(_), None) => false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as `[[maintenance]]`")]
pub struct WrittenMaintenance {
    from: Spanned<Moment>,
    to: Spanned<Moment>,
    entities: Option<Spanned<Vec<Spanned<String>>>>,
}

impl WrittenMaintenance {
    pub fn check(self, zone: &TimeZone, source: &SourceFile, faults: &mut Vec<Diagnostic>) -> Option<Maintenance> {
        let before = faults.len();
        let mut micros = |moment: &Spanned<Moment>| {
            let found = moment.get_ref().micros(zone);
            if found.is_none() {
                let message = format!("`{}` is not a time", moment.get_ref().0);
                faults.push(refuse(source, moment.span(), message, "write it as `2026-11-21T22:00:00Z`"));
            }
            found.unwrap_or_default()
        };
        let (from, to) = (micros(&self.from), micros(&self.to));
        if faults.len() == before && to <= from {
            let message = "the maintenance ends before it begins";
            faults.push(refuse(source, self.to.span(), message, "give `to` a time after `from`"));
        }
        if let Some(none) = self.entities.as_ref().filter(|entities| entities.get_ref().is_empty()) {
            let message = "the maintenance is of no entity";
            faults.push(senseless(
                source,
                none.span(),
                message,
                "name some, or leave `entities` out where all are meant",
            ));
        }
        let mut patterns = |names: Vec<Spanned<String>>| {
            names.iter().filter_map(|name| super::pattern(name, source, faults)).collect::<Vec<_>>()
        };
        let entities = self.entities.map(Spanned::into_inner).map(&mut patterns);
        (faults.len() == before).then_some(Maintenance { from, to, entities })
    }
}

/// A time as it is written, in quotes or without.
#[derive(Debug)]
struct Moment(String);

impl Moment {
    /// Where the text names no offset it is a time of the zone.
    fn micros(&self, zone: &TimeZone) -> Option<i64> {
        if let Ok(instant) = self.0.parse::<jiff::Timestamp>() {
            return Some(instant.as_microsecond());
        }
        let civil: jiff::civil::DateTime = self.0.parse().ok()?;
        Some(zone.to_timestamp(civil).ok()?.as_microsecond())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-11-21T22:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Ok(Moment(text.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Moment, A::Error> {
                Datetime::deserialize(MapAccessDeserializer::new(map)).map(|time| Moment(time.to_string()))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_by_the_clock_of_their_zone() {
        let paris = TimeZoneDatabase::bundled().get("Europe/Paris").unwrap();
        let check = |text: &str, times: &[(&str, bool)]| {
            let hours = Hours::parse(text, &paris).unwrap();
            for (time, open) in times {
                let time = time.parse::<jiff::Timestamp>().unwrap().as_microsecond();
                assert_eq!(!hours.within(&[time], &[1.0])[0].is_nan(), *open, "{text}: {time}");
            }
            // The same all at once, each value in its place.
            let all: Vec<i64> =
                times.iter().map(|(t, _)| t.parse::<jiff::Timestamp>().unwrap().as_microsecond()).collect();
            let values: Vec<f64> = (0..all.len()).map(|at| at as f64).collect();
            let kept = hours.within(&all, &values);
            for ((at, value), (_, open)) in kept.iter().enumerate().zip(times) {
                assert!(if *open { *value == at as f64 } else { value.is_nan() }, "{text}: {at}");
            }
        };
        check(
            "Mon-Fri 08:00-18:00",
            &[
                ("2026-11-20T06:59:59.999999Z", false),
                ("2026-11-20T07:00:00Z", true),
                ("2026-11-20T16:59:00Z", true),
                ("2026-11-20T17:00:00Z", false),
                ("2026-11-21T10:00:00Z", false),
                ("2026-07-03T06:00:00Z", true), // summer time
                ("2026-07-03T16:00:00Z", false),
            ],
        );
        check(
            "fri 22:00-06:00, Sun",
            &[
                ("2026-11-20T04:00:00Z", false),
                ("2026-11-20T21:00:00Z", true),
                ("2026-11-21T04:59:00Z", true),
                ("2026-11-21T05:00:00Z", false),
                ("2026-11-21T22:59:00Z", false),
                ("2026-11-21T23:00:00Z", true), // Sunday in Paris
                ("2026-11-22T22:59:00Z", true),
                ("2026-11-22T23:00:00Z", false),
            ],
        );
        check("Sat-Mon 23:00-24:00", &[("2026-11-23T22:30:00Z", true), ("2026-11-24T22:30:00Z", false)]);
        // Clocks are put back from 3 to 2, so the hour comes twice; and forward from 2 to 3.
        let twice = [("2026-10-25T00:00:00Z", true), ("2026-10-25T01:59:00Z", true), ("2026-10-25T02:00:00Z", false)];
        check("Sun 02:00-03:00", &twice);
        let never = [("2026-03-29T00:59:00Z", false), ("2026-03-29T01:29:00Z", true), ("2026-03-29T01:30:00Z", false)];
        check("Sun 02:00-02:30", &never);
        for text in [
            "",
            "Mon-",
            "8-18",
            "08:00",
            "08:00-08:00",
            "25:00-26:00",
            "08:00-18:00 Mon",
            "Xyz 08:00-10:00",
            "08:60-09:00",
            "Mon,",
            "+8:00-10:00",
            "24:00-06:00",
        ] {
            assert_eq!(Hours::parse(text, &paris), None, "{text}");
        }
        let ends = Hours::parse("Mon", &paris).unwrap().within(&[i64::MIN, i64::MAX], &[1.0, 1.0]);
        assert!(ends.iter().all(|value| value.is_nan()));
    }
}
