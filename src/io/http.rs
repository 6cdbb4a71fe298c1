//! What everything that speaks HTTP shares: how a client is built, how long to pause between tries, and what broke.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use reqwest::{ClientBuilder, Url};

/// A client to be configured further. Building it reads the system's certificates, which takes longer than a short run:
/// do so when the first request is due.
pub(crate) fn client() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails only when the process has one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
}

/// Whether the address is one of this machine, so that no proxy stands between.
pub(crate) fn is_local(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    })
}

/// The innermost reason; those around it repeat that a request was being sent, and where to.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The pause after the `tried`th try (from 1): doubled from time to time up to `longest`, and spread over half of that.
/// `seed` stands in for chance, so that those who wait do not all come back at once.
pub(super) fn pause(tried: u32, first: Duration, longest: Duration, seed: &str) -> Duration {
    let hash = blake3::hash(format!("{seed}\n{tried}").as_bytes());
    let [low, high, ..] = *hash.as_bytes();
    let share = f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX);
    let doubled = first.saturating_mul(1 << tried.saturating_sub(1).min(10));
    doubled.min(longest).mul_f64(0.5 + share / 2.0)
}

/// What a `Retry-After` asks for, in seconds or as an HTTP date, but no longer than `longest`. `now` is the wall clock.
pub(super) fn retry_after(text: &str, longest: Duration, now: jiff::Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0) {
        return Some(Duration::from_secs_f64(seconds.min(longest.as_secs_f64())));
    }
    let then = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for (url, local) in [
            ("http://localhost:9090", true),
            ("http://127.0.0.2", true),
            ("https://[::1]:1/x", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(is_local(&Url::parse(url).unwrap()), local, "{url}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
        for tried in 1..100 {
            let full = longest.min(first * (1 << (tried - 1).min(10)));
            for seed in ["a", "b", "c"] {
                let waited = pause(tried, first, longest, seed);
                assert!(full / 2 <= waited && waited <= full, "{tried}: {waited:?}");
                assert_eq!(waited, pause(tried, first, longest, seed));
            }
        }
        assert_ne!(pause(9, first, longest, "a"), pause(9, first, longest, "b"));
    }

    #[test]
    fn a_server_may_say_how_long_to_wait() {
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2", Some(2.0)),
            (" 0.25", Some(0.25)),
            ("1e300", Some(3600.0)),
            ("Thu, 01 Jan 2026 00:00:05 GMT", Some(5.0)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0.0)),
            ("Fri, 01 Jan 2027 00:00:00 GMT", Some(3600.0)),
            ("soon", None),
            ("-1", None),
            ("NaN", None),
        ] {
            let waited = retry_after(text, Duration::from_secs(3600), now);
            assert_eq!(waited.map(|d| d.as_secs_f64()), expected, "{text}");
        }
    }
}
