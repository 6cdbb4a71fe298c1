//! How much is sent at one time, and how much in a minute. What is too much waits its turn; whoever asked first is first.
//!
//! Bounds by the minute hold for every span of 60 s, as endpoints count them, not on average. What an exchange takes of
//! tokens is estimated upward before it is sent and mended once the endpoint has said what it took: no crate that limits
//! rates takes anything back, nor by a clock that tests can turn.

use std::collections::VecDeque;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::exchange::Answer;

const MINUTE: Duration = Duration::from_secs(60);

/// Bounds by the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Exchanges, tries after a failure included.
    pub requests: Option<NonZeroU32>,
    /// Tokens of prompts and answers.
    pub tokens: Option<NonZeroU64>,
}

/// One for each endpoint; the runs of a process share it.
pub(super) struct Limiter {
    rates: Rates,
    permits: Semaphore,
    /// Held by whoever is next, while waiting for the minute to have room: tokio's mutex is fair.
    turn: tokio::sync::Mutex<()>,
    sent: Mutex<Sent>,
    /// An estimate was mended, so that there may be room.
    mended: Notify,
}

/// What was sent in the last minute, oldest first.
#[derive(Default)]
struct Sent {
    exchanges: VecDeque<Exchange>,
    /// Of all of them.
    tokens: u64,
    count: u64,
}

struct Exchange {
    number: u64,
    at: Instant,
    tokens: u64,
}

impl Limiter {
    pub fn new(concurrency: u32, rates: Rates) -> Limiter {
        Limiter {
            rates,
            permits: Semaphore::new(concurrency as usize),
            turn: tokio::sync::Mutex::default(),
            sent: Mutex::default(),
            mended: Notify::new(),
        }
    }

    /// Waits until a request with this body may be sent, and counts it as sent now.
    pub async fn admit(&self, body: &[u8]) -> Admitted<'_> {
        let permit = self.permits.acquire().await.ok(); // never closed
        let number = match self.rates {
            Rates { requests: None, tokens: None } => None,
            _ => Some(self.wait_for_room(self.rates.tokens.map_or(0, |_| estimate(body))).await),
        };
        Admitted { limiter: self, number, _permit: permit }
    }

    async fn wait_for_room(&self, tokens: u64) -> u64 {
        let _turn = self.turn.lock().await;
        loop {
            let mended = self.mended.notified();
            let put = self.sent().put(tokens, self.rates, Instant::now());
            match put {
                Ok(number) => return number,
                Err(until) => {
                    tracing::debug!(wait = ?until - Instant::now(), "the minute has no room for another request");
                    tokio::select! { () = sleep_until(until) => {}, () = mended => {} }
                }
            }
        }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Sent {
    /// Counts an exchange, or says when there may be room for it. One that alone is more than the bound goes when the
    /// minute is empty: it would wait for ever.
    fn put(&mut self, tokens: u64, rates: Rates, now: Instant) -> Result<u64, Instant> {
        while let Some(oldest) = self.exchanges.front().filter(|oldest| oldest.at + MINUTE <= now) {
            self.tokens = self.tokens.saturating_sub(oldest.tokens);
            self.exchanges.pop_front();
        }
        let of_requests =
            rates.requests.and_then(|most| self.exchanges.get(self.exchanges.len().checked_sub(most.get() as usize)?));
        let of_tokens = rates.tokens.and_then(|most| {
            let room = most.get().saturating_sub(tokens);
            let mut left = self.tokens;
            let mut passing = self.exchanges.iter().filter(|_| self.tokens > room);
            passing.find(|exchange| {
                left = left.saturating_sub(exchange.tokens);
                left <= room
            })
        });
        if let Some(last) = of_requests.map(|e| e.at).max(of_tokens.map(|e| e.at)) {
            return Err(last + MINUTE);
        }
        self.count += 1;
        self.tokens = self.tokens.saturating_add(tokens);
        self.exchanges.push_back(Exchange { number: self.count, at: now, tokens });
        Ok(self.count)
    }

    fn mend(&mut self, number: u64, tokens: u64) {
        let at = self.exchanges.binary_search_by_key(&number, |exchange| exchange.number);
        if let Some(exchange) = at.ok().and_then(|at| self.exchanges.get_mut(at)) {
            self.tokens = self.tokens.saturating_sub(exchange.tokens).saturating_add(tokens);
            exchange.tokens = tokens;
        }
    }
}

/// A request that may be sent; another one may follow when this is dropped.
pub(super) struct Admitted<'a> {
    limiter: &'a Limiter,
    number: Option<u64>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Admitted<'_> {
    /// Puts what the endpoint says it took in the place of the estimate. Without an answer, or where it does not say, the
    /// estimate stands.
    pub fn settle(&self, answer: &Answer) {
        if let (Some(number), Some(_), Some(tokens)) = (self.number, self.limiter.rates.tokens, tokens_of(answer)) {
            self.limiter.sent().mend(number, tokens);
            self.limiter.mended.notify_one(); // one waits at most
        }
    }
}

/// An answer without success took nothing.
fn tokens_of(answer: &Answer) -> Option<u64> {
    if answer.meant_status() != 200 {
        return Some(0);
    }
    let usage = answer.body.get("usage")?;
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    // No endpoint takes that many; sums of them must stay numbers.
    let tokens =
        count("total_tokens").or_else(|| Some(count("prompt_tokens")?.saturating_add(count("completion_tokens")?)));
    tokens.map(|tokens| tokens.min(u64::from(u32::MAX)))
}

/// Tokens that a request takes at most: those of its text, and all that the answer may have.
fn estimate(body: &[u8]) -> u64 {
    #[derive(Default, serde::Deserialize)]
    struct Limit {
        #[serde(alias = "max_completion_tokens")]
        max_tokens: Option<u64>,
    }
    let limit = serde_json::from_slice::<Limit>(body).unwrap_or_default().max_tokens.unwrap_or(0);
    tokens_of_text(body.len()).saturating_add(limit)
}

/// More tokens than a text of that many bytes has: it is three to four bytes a token in Latin scripts, and two and a half
/// where digits and brackets abound.
pub(super) fn tokens_of_text(bytes: usize) -> u64 {
    bytes.div_ceil(2) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn limiter(requests: u32, tokens: u64) -> Arc<Limiter> {
        let rates = Rates { requests: NonZeroU32::new(requests), tokens: NonZeroU64::new(tokens) };
        Arc::new(Limiter::new(100, rates))
    }

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, headers: BTreeMap::new(), body }
    }

    /// Seconds after which each of so many requests at once may go; each takes `took` tokens (as estimated: `None`), a
    /// second after it was sent.
    async fn admitted(limiter: &Arc<Limiter>, count: usize, body: &'static [u8], took: Option<u64>) -> Vec<f64> {
        let begun = Instant::now();
        let one = |number: usize| {
            let limiter = limiter.clone();
            async move {
                let admitted = limiter.admit(body).await;
                let at = begun.elapsed().as_secs_f64();
                tokio::time::sleep(Duration::from_secs(1)).await;
                if let Some(tokens) = took {
                    admitted.settle(&answer(200, json!({ "usage": { "total_tokens": tokens } })));
                }
                (number, at)
            }
        };
        let mut all = futures_util::future::join_all((0..count).map(one)).await;
        all.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert!(all.iter().map(|(number, _)| *number).eq(0..count), "first come, first served: {all:?}");
        all.into_iter().map(|(_, at)| at).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_the_minute() {
        let three = limiter(3, 0);
        assert_eq!(admitted(&three, 7, b"", None).await, [0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 120.0]);
        // The last one is a second old.
        assert_eq!(admitted(&three, 3, b"", None).await, [0.0, 0.0, 59.0]);
        assert_eq!(admitted(&limiter(0, 0), 99, b"", None).await, [0.0; 99]);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_wait_for_the_minute_and_what_was_not_taken_is_given_back() {
        const BODY: &[u8] = br#"{"max_tokens":90,"a":"b"}"#; // 13 + 90 tokens
        assert_eq!(estimate(BODY), 103);
        assert_eq!(estimate(&BODY[..24]), 12, "no JSON, no limit");
        assert_eq!(admitted(&limiter(0, 206), 5, BODY, None).await, [0.0, 0.0, 60.0, 60.0, 120.0]);
        // Two have taken 6 after a second, which leaves room for one; that leaves room for another one when it has settled.
        assert_eq!(admitted(&limiter(0, 206), 5, BODY, Some(3)).await, [0.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(admitted(&limiter(0, 220), 5, BODY, Some(3)).await, [0.0, 0.0, 1.0, 1.0, 2.0]);
        // More than was estimated: 206 are taken, and a minute later nothing is.
        assert_eq!(admitted(&limiter(0, 206), 3, BODY, Some(206)).await, [0.0, 0.0, 60.0]);
        assert_eq!(admitted(&limiter(0, 50), 3, BODY, None).await, [0.0, 60.0, 120.0], "more than the bound by itself");
        assert_eq!(admitted(&limiter(1, 206), 3, BODY, Some(3)).await, [0.0, 60.0, 120.0], "the later of both");
    }

    #[tokio::test(start_paused = true)]
    async fn in_no_span_of_a_minute_is_more_than_permitted() {
        let limiter = limiter(5, 1000);
        let mut sent: Vec<(Instant, u64)> = Vec::new();
        for step in 0..200u64 {
            tokio::time::sleep(Duration::from_millis(step * 7919 % 13_000)).await;
            let body = vec![b'x'; (step * 31 % 700) as usize];
            let admitted = limiter.admit(&body).await;
            let tokens = if step % 3 == 0 { 40 } else { estimate(&body) };
            admitted.settle(&answer(200, json!({ "usage": { "prompt_tokens": tokens, "completion_tokens": 0 } })));
            sent.push((Instant::now(), tokens));
            let recent: Vec<u64> = sent.iter().filter(|(at, _)| at.elapsed() < MINUTE).map(|(_, t)| *t).collect();
            assert!(recent.len() <= 5 && recent.iter().sum::<u64>() <= 1000 + 40, "{recent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing() {
        let limiter = limiter(1, 0);
        drop(limiter.admit(b"").await);
        assert!(tokio::time::timeout(Duration::from_secs(5), limiter.admit(b"")).await.is_err());
        let begun = Instant::now();
        drop(limiter.admit(b"").await);
        assert_eq!(begun.elapsed(), Duration::from_secs(55));
    }

    #[test]
    fn an_answer_says_what_it_took() {
        for (status, body, expected) in [
            (200, json!({ "usage": { "prompt_tokens": 3, "completion_tokens": 4 } }), Some(7)),
            (200, json!({ "usage": { "total_tokens": 9, "prompt_tokens": 3 } }), Some(9)),
            (200, json!({ "usage": { "total_tokens": u64::MAX } }), Some(u64::from(u32::MAX))),
            (200, json!({ "usage": { "prompt_tokens": 3 } }), None),
            (200, json!({ "usage": [-1] }), None),
            (200, json!("oops"), None),
            (429, json!({}), Some(0)),
            (200, json!({ "error": { "code": 503 } }), Some(0)),
        ] {
            assert_eq!(tokens_of(&answer(status, body)), expected);
        }
    }
}
