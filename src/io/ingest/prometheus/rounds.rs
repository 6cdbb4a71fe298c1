use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;

use super::answer::{Answer, Series};
use super::join::{Gives, Join};
use crate::diagnostic::codes::input;
use crate::domain::{Timestamp, Wait};
use crate::io::ingest::remote::{Caller, Round, Service, Trouble};
use crate::io::ingest::times::{Period, now};

/// Steps that are asked for at once: far below the 11,000 that Prometheus permits.
pub(super) const AT_ONCE: i64 = 500;

/// Which moments are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub step: Period,
    pub delay: Wait,
    pub end: Option<Timestamp>,
}

impl Grid {
    /// The moment of a step that lies there or last before, in milliseconds.
    pub fn at_or_before(&self, time: Timestamp) -> i64 {
        let millis = time.micros().div_euclid(1000);
        millis - millis.rem_euclid(self.step.millis())
    }

    /// The newest moment of a step before this time.
    pub fn before(&self, time: Timestamp) -> i64 {
        let last = self.at_or_before(time);
        if last.checked_mul(1000) == Some(time.micros()) { last - self.step.millis() } else { last }
    }

    /// The newest moment of a step that can be asked for.
    pub fn horizon(&self, now: Timestamp) -> i64 {
        let settled = now.micros().saturating_sub(self.delay.micros());
        let settled = Timestamp::from_micros(settled).unwrap_or(now);
        self.at_or_before(self.end.map_or(settled, |end| end.min(settled)))
    }
}

/// Asks the queries, round after round.
pub(super) struct Rounds {
    pub caller: Caller,
    pub endpoint: Url,
    pub metrics: Vec<(String, String)>,
    pub statuses: Vec<(String, String)>,
    pub entity: String,
    pub every: Period,
    pub grid: Grid,
    /// The newest moment that was asked for, in milliseconds.
    pub last: i64,
    /// Whether Prometheus has ever answered.
    pub answered: bool,
    pub at_once: i64,
}

impl Service for Rounds {
    async fn ask(&mut self) -> Result<Round, Trouble> {
        let step = self.grid.step.millis();
        let horizon = self.grid.horizon(now());
        if horizon <= self.last {
            return Ok(Round { wait: self.wait(now()), ..Round::default() });
        }
        let (mut join, to, bytes) = loop {
            let to = horizon.min(self.last.saturating_add(self.at_once.saturating_mul(step)));
            match self.range(self.last + step, to).await {
                Err(Trouble::TooLarge(_)) if self.at_once > 1 => self.at_once /= 2,
                Err(trouble) => return Err(trouble),
                Ok((join, bytes)) => break (join, to, bytes),
            }
        };
        self.last = to;
        self.answered = true;
        let notes = std::mem::take(&mut join.notes);
        let position = Timestamp::from_micros(to.saturating_mul(1000)).map(|time| time.to_string());
        let wait = if to < horizon { Some(Duration::ZERO) } else { self.wait(now()) };
        Ok(Round { steps: join.into_steps(), position, notes, bytes, wait })
    }
}

impl Rounds {
    /// Until the next round has something to ask for; `None` when the end is reached.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        let step = self.grid.step.millis();
        if self.grid.end.is_some_and(|end| self.grid.at_or_before(end) <= self.last) {
            return None;
        }
        let due = self.last.saturating_add(step.max(self.every.millis())).saturating_mul(1000);
        let due = due.saturating_add(self.grid.delay.micros());
        Some(Duration::from_micros(u64::try_from(due.saturating_sub(now.micros())).unwrap_or(0)))
    }

    /// Asks every query for the steps from `start` to `end`, both included.
    async fn range(&mut self, start: i64, end: i64) -> Result<(Join, u64), Trouble> {
        let mut join = Join::default();
        let mut bytes = 0;
        let mut refused = None;
        let all = self.metrics.len() + self.statuses.len();
        let queries = self.metrics.clone().into_iter().map(|query| (false, query));
        let queries = queries.chain(self.statuses.clone().into_iter().map(|query| (true, query)));
        for (is_status, (name, query)) in queries.collect::<Vec<_>>() {
            let gives = if is_status { Gives::Status(&name) } else { Gives::Metric(&name) };
            match self.query(&name, &query, start, end, &mut bytes).await? {
                Ok(series) => join.add(gives, series, &self.entity),
                Err(why) if !self.answered => return Err(self.refuse(&why)),
                Err(why) => {
                    join.notes.push((input::REFUSED, why.clone()));
                    refused = Some((refused.map_or(1, |(count, _)| count + 1), why));
                }
            }
        }
        match refused {
            Some((count, why)) if count == all => Err(self.refuse(&why)),
            _ => Ok((join, bytes)),
        }
    }

    fn refuse(&self, why: &str) -> Trouble {
        self.caller.lasting(
            input::REFUSED,
            why,
            "correct the query; Prometheus' own page at `/graph` shows what it gives",
        )
    }

    /// Asks one query. The inner error says why Prometheus refuses it while it may answer others.
    async fn query(
        &mut self,
        name: &str,
        query: &str,
        start: i64,
        end: i64,
        bytes: &mut u64,
    ) -> Result<Result<Vec<Series>, String>, Trouble> {
        let seconds = |millis: i64| format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("start", &seconds(start))
            .append_pair("end", &seconds(end))
            .append_pair("step", &seconds(self.grid.step.millis()));
        let reply = self.caller.get(url, HeaderMap::new()).await?;
        *bytes += reply.body.len() as u64;
        let answer = Answer::read(&reply.body);
        match (reply.status, answer) {
            (400 | 422, Some(Answer { error: Some(error), .. })) => Ok(Err(format!("the query of `{name}`: {error}"))),
            (200..=299, Some(Answer { data: Some(data), .. })) => Ok(Ok(data.result)),
            (200..=299, _) => {
                let what = "what answers there is no Prometheus";
                Err(self.caller.lasting(
                    input::UNEXPECTED,
                    what,
                    "write the `url` without `/api/v1`, and the right port",
                ))
            }
            _ => Err(self.caller.refused(&reply)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lie_on_a_grid() {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let millis = |text: &str| time(text).micros() / 1000;
        let grid = Grid {
            step: Period(Duration::from_secs(15)),
            delay: Wait(Duration::from_secs(5)),
            end: Some(time("2026-01-01T00:01:07Z")),
        };
        assert_eq!(grid.before(time("2026-01-01T00:00:00Z")), millis("2025-12-31T23:59:45Z"));
        assert_eq!(grid.before(time("2026-01-01T00:00:00.000001Z")), millis("2026-01-01T00:00:00Z"));
        assert_eq!(grid.horizon(time("2026-01-01T00:00:34.999Z")), millis("2026-01-01T00:00:15Z"));
        assert_eq!(grid.horizon(time("2026-01-01T00:00:35Z")), millis("2026-01-01T00:00:30Z"));
        assert_eq!(grid.horizon(time("2026-02-01T00:00:00Z")), millis("2026-01-01T00:01:00Z"));
    }
}
