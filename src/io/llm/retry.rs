//! Whether an outcome is worth another try, and how long to wait before it.

use std::time::Duration;

use serde_json::Value;

use super::complaint::Complaint;
use super::exchange::{Answer, FailureKind, Outcome};
use super::ladder::rejected_field;
use crate::io::http;

/// Tries of one request, the first included.
pub(super) const TRIES: u32 = 3;

/// The longest wait that an endpoint can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Whether the same request may succeed when it is sent again.
pub(super) fn may_pass(outcome: &Outcome, sent: &Value) -> bool {
    match outcome {
        Outcome::Error(failure) => {
            matches!(failure.kind, FailureKind::Timeout | FailureKind::Connect | FailureKind::Reset)
        }
        Outcome::Response(answer) => match answer.meant_status() {
            // The field is left out instead.
            500 if rejected_field(answer, sent).is_some() => false,
            429 => !Complaint::read(&answer.body).is_some_and(|complaint| complaint.is_about_quota()),
            408 | 409 | 500..=599 => true,
            _ => false,
        },
    }
}

/// The wait after the `tried`th try (from 1). `seed` stands in for chance, so that tasks do not all come back at once
/// and yet every run waits the same; `now` is the wall clock, for dates.
pub(super) fn wait(outcome: &Outcome, tried: u32, first: Duration, seed: &str, now: jiff::Timestamp) -> Duration {
    if let Outcome::Response(answer) = outcome
        && let Some(wait) = asked_wait(answer, now)
    {
        return wait.min(LONGEST_WAIT);
    }
    http::pause(tried, first, LONGEST_WAIT, seed)
}

/// What the endpoint asks for: milliseconds, seconds, or an HTTP date.
fn asked_wait(answer: &Answer, now: jiff::Timestamp) -> Option<Duration> {
    let header = |name: &str| answer.headers.get(name).map(|value| value.trim());
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    if let Some(milliseconds) = header("retry-after-ms").and_then(number) {
        return Some(Duration::from_secs_f64((milliseconds / 1000.0).min(LONGEST_WAIT.as_secs_f64())));
    }
    let text = header("retry-after").or_else(|| header("llm_provider-retry-after"))?;
    http::retry_after(text, LONGEST_WAIT, now)
}

/// What to say of an endpoint that asks for a longer wait than it gets. A date is only quoted: whether it is far off
/// depends on the clock, and a replay has to say what the recorded run said.
pub(super) fn asked_too_long(answer: &Answer) -> Option<String> {
    let header = |name: &str| answer.headers.get(name).map(|value| value.trim());
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let seconds = header("retry-after-ms").and_then(number).map(|ms| ms / 1000.0);
    let text = header("retry-after").or_else(|| header("llm_provider-retry-after"));
    let asked = match seconds.or_else(|| text.and_then(number)) {
        Some(seconds) if seconds > LONGEST_WAIT.as_secs_f64() => format!("{seconds} s"),
        Some(_) => return None,
        None => {
            let date = text.filter(|t| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(t).is_ok())?;
            format!("until {date}")
        }
    };
    let longest = LONGEST_WAIT.as_secs();
    Some(format!("the endpoint asks to wait {asked}, and no wait here is longer than {longest} s"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::exchange::Failure;
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: Value) -> Outcome {
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Outcome::Response(Answer { status, headers, body })
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let sent = json!({ "response_format": {} });
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(may_pass(&response(status, &[], json!("")), &sent), "{status}");
        }
        for status in [200, 301, 400, 401, 402, 403, 404, 413, 422] {
            assert!(!may_pass(&response(status, &[], json!("")), &sent), "{status}");
        }
        assert!(may_pass(&response(200, &[], json!({ "error": { "code": 502 } })), &sent));
        assert!(!may_pass(&response(429, &[], json!({ "error": { "code": "insufficient_quota" } })), &sent));
        assert!(!may_pass(&response(500, &[], json!({ "error": "response_format" })), &sent));
        for (kind, expected) in [
            (FailureKind::Timeout, true),
            (FailureKind::Connect, true),
            (FailureKind::Reset, true),
            (FailureKind::Deadline, false),
            (FailureKind::TooLarge, false),
            (FailureKind::Abandoned, false),
        ] {
            assert_eq!(may_pass(&Outcome::Error(Failure { kind, detail: String::new() }), &sent), expected);
        }
    }

    #[test]
    fn an_endpoint_says_how_long_to_wait_within_reason() {
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (headers, expected) in [
            (&[("retry-after", "2")][..], 2000),
            (&[("retry-after", "0.25")], 250),
            (&[("retry-after-ms", "150"), ("retry-after", "9")], 150),
            (&[("llm_provider-retry-after", "3")], 3000),
            (&[("retry-after", "86400")], 20_000),
            (&[("retry-after", "1e300")], 20_000),
            (&[("retry-after", "Thu, 01 Jan 2026 00:00:05 GMT")], 5000),
            (&[("retry-after", "Thu, 01 Jan 2026 01:00:00 GMT")], 20_000),
            (&[("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")], 0),
        ] {
            let outcome = response(429, headers, json!(""));
            let first = Duration::from_millis(500);
            assert_eq!(wait(&outcome, 1, first, "a", now).as_millis(), expected, "{headers:?}");
        }
    }

    #[test]
    fn waits_double_and_spread_without_chance() {
        let first = Duration::from_millis(500);
        let now = jiff::Timestamp::UNIX_EPOCH;
        for headers in [&[][..], &[("retry-after", "soon")], &[("retry-after", "-1")], &[("retry-after", "NaN")]] {
            let outcome = response(429, headers, json!(""));
            for (tried, longest) in [(1, 500), (2, 1000), (60, 20_000)] {
                let waited = wait(&outcome, tried, first, "a", now).as_millis();
                assert!((longest / 2..=longest).contains(&waited), "{tried}: {waited}");
            }
            assert_eq!(wait(&outcome, 1, first, "a", now), wait(&outcome, 1, first, "a", now));
            assert_ne!(wait(&outcome, 1, first, "a", now), wait(&outcome, 1, first, "b", now));
        }
    }
}
