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

/// The longest wait for one endpoint while another stands behind it.
const LONGEST_PATIENCE: f64 = 5.0;

/// Whether the same request may succeed when it is sent again. Where another endpoint stands behind this one, that is
/// asked rather than a time-out or a long wait borne.
pub(super) fn may_pass(outcome: &Outcome, sent: &Value, hands_over: bool) -> bool {
    match outcome {
        Outcome::Error(failure) => match failure.kind {
            FailureKind::Timeout => !hands_over,
            FailureKind::Connect | FailureKind::Reset => true,
            FailureKind::Deadline | FailureKind::TooLate | FailureKind::TooLarge | FailureKind::Abandoned => false,
        },
        Outcome::Response(answer) => match answer.meant_status() {
            _ if hands_over && asked_seconds(answer).is_some_and(|seconds| seconds > LONGEST_PATIENCE) => false,
            // The field is left out instead.
            500..=599 if rejected_field(answer, sent).is_some() => false,
            // Not implemented, not in this version of HTTP, not before somebody logs in: not in a second either.
            501 | 505 | 511 => false,
            // Words of billing beside a time to wait are about a minute's share, which comes back.
            408 | 409 | 425 | 429 | 500..=599 => names_wait(answer) || !is_about_quota(answer),
            _ => false,
        },
    }
}

fn is_about_quota(answer: &Answer) -> bool {
    Complaint::read(&answer.body).is_some_and(|complaint| complaint.is_about_quota())
}

/// Whether the endpoint says when to come back. Only words are looked at, no clock.
fn names_wait(answer: &Answer) -> bool {
    let has_code = || Complaint::read(&answer.body).is_some_and(|complaint| complaint.has_code("insufficient_quota"));
    let names = WAIT_HEADERS.iter().any(|name| answer.headers.contains_key(*name)) || retry_delay(answer).is_some();
    names && !has_code()
}

const WAIT_HEADERS: [&str; 3] = ["retry-after-ms", "retry-after", "llm_provider-retry-after"];

/// Google's way: `"retryDelay": "36s"` among the details of the error.
fn retry_delay(answer: &Answer) -> Option<f64> {
    let body = answer.body.get(0).unwrap_or(&answer.body);
    let details = body.get("error")?.get("details")?.as_array()?;
    let text = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    number(text.strip_suffix('s')?)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)
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
    let within = |seconds: f64| Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()));
    if let Some(seconds) = asked_seconds(answer) {
        return Some(within(seconds));
    }
    http::retry_after(asked_text(answer)?, LONGEST_WAIT, now)
}

fn asked_text(answer: &Answer) -> Option<&str> {
    let header = |name: &str| answer.headers.get(name).map(|value| value.trim());
    header("retry-after").or_else(|| header("llm_provider-retry-after"))
}

fn asked_seconds(answer: &Answer) -> Option<f64> {
    let milliseconds = answer.headers.get("retry-after-ms").and_then(|text| number(text));
    let seconds = milliseconds.map(|ms| ms / 1000.0).or_else(|| asked_text(answer).and_then(number));
    seconds.or_else(|| asked_text(answer).is_none().then(|| retry_delay(answer))?)
}

/// What to say of an endpoint that asks for a longer wait than it gets.
pub(super) fn asked_too_long(answer: &Answer) -> Option<String> {
    if asked_seconds(answer).is_some_and(|seconds| seconds <= LONGEST_WAIT.as_secs_f64()) {
        return None;
    }
    let (asked, longest) = (asked_for(answer)?, LONGEST_WAIT.as_secs());
    Some(format!("the endpoint asks to wait {asked}, and no wait here is longer than {longest} s"))
}

/// The wait that an answer asks for. A date is only quoted: how far off it is depends on the clock, and a replay has to say
/// what the recorded run said.
fn asked_for(answer: &Answer) -> Option<String> {
    if let Some(seconds) = asked_seconds(answer) {
        return Some(if seconds < 1e9 { format!("{seconds} s") } else { format!("{seconds:e} s") });
    }
    let is_date = |text: &&str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).is_ok();
    Some(format!("until {}", asked_text(answer).filter(is_date)?))
}

/// What came of the last try, and why there is no other: `ends` says so.
pub(super) fn too_late(outcome: &Outcome, ends: &str) -> String {
    let (what, asked) = match outcome {
        Outcome::Error(failure) => (failure.detail.clone(), None),
        Outcome::Response(answer) => (format!("status {}", answer.meant_status()), asked_for(answer)),
    };
    match asked {
        Some(asked) => format!("{what}; the endpoint asks to wait {asked}, and {ends}"),
        None => format!("{what}; {ends}"),
    }
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
        let may_pass = |outcome: &Outcome| may_pass(outcome, &sent, false);
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 520, 529, 599] {
            assert!(may_pass(&response(status, &[], json!(""))), "{status}");
        }
        for status in [200, 301, 400, 401, 402, 403, 404, 413, 422, 501, 505, 511] {
            assert!(!may_pass(&response(status, &[], json!(""))), "{status}");
        }
        assert!(may_pass(&response(200, &[], json!({ "error": { "code": 502 } }))));
        assert!(!may_pass(&response(500, &[], json!({ "error": "response_format" }))));
        for (kind, expected) in [
            (FailureKind::Timeout, true),
            (FailureKind::Connect, true),
            (FailureKind::Reset, true),
            (FailureKind::Deadline, false),
            (FailureKind::TooLate, false),
            (FailureKind::TooLarge, false),
            (FailureKind::Abandoned, false),
        ] {
            let outcome = Outcome::Error(Failure { kind, detail: String::new() });
            assert_eq!(may_pass(&outcome), expected);
            let hands_over = super::may_pass(&outcome, &sent, true);
            assert_eq!(hands_over, expected && kind != FailureKind::Timeout);
        }
        for (asked, expected) in [("3600", false), ("6", false), ("5", true), ("soon", true)] {
            let busy = response(429, &[("retry-after", asked)], json!(""));
            assert_eq!((super::may_pass(&busy, &sent, true), super::may_pass(&busy, &sent, false)), (expected, true));
        }
    }

    #[test]
    fn an_empty_account_is_not_tried_again_and_a_minutes_share_is() {
        let quota = "You exceeded your current quota, please check your plan and billing details.";
        let cases = [
            (json!({ "error": { "message": quota, "code": "insufficient_quota" } }), &[][..], false),
            (json!({ "error": { "message": quota, "code": "insufficient_quota" } }), &[("retry-after", "1")], false),
            (json!({ "error": { "message": quota } }), &[], false),
            (json!({ "error": { "message": "Insufficient Balance" } }), &[], false),
            (json!({ "error": { "message": "no money", "code": "billing_hard_limit_reached" } }), &[], false),
            (json!({ "error": { "message": quota } }), &[("retry-after", "7")], true),
            (json!([{ "error": { "message": quota, "details": [{ "retryDelay": "36s" }] } }]), &[], true),
            (json!({ "error": { "message": "Rate limit reached for requests" } }), &[], true),
            (
                json!({ "error": { "message": "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000. Please try again in 7.6s. Need more tokens? Upgrade at https://console.example/settings/billing", "code": "rate_limit_exceeded" } }),
                &[],
                true,
            ),
            (json!({ "error": "Your account is not active, please check your billing details." }), &[], false),
        ];
        for (body, headers, expected) in cases {
            for status in [429, 500] {
                assert_eq!(may_pass(&response(status, headers, body.clone()), &json!({}), false), expected, "{body}");
            }
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
        let google = |delay: &str| json!([{ "error": { "details": [{ "@type": "x" }, { "retryDelay": delay }] } }]);
        for (delay, headers, expected) in
            [("3s", &[][..], 3000), ("36.5s", &[], 20_000), ("3s", &[("retry-after", "1")], 1000)]
        {
            let outcome = response(429, headers, google(delay));
            assert_eq!(wait(&outcome, 1, Duration::from_millis(500), "a", now).as_millis(), expected, "{delay}");
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
