//! What is counted of a model.

use serde::Serialize;

use crate::domain::{Figure, ModelIdentity, RunRecord, WordingSource};

#[derive(Debug, Serialize)]
pub struct Evaluation {
    pub graph: String,
    /// How often each model worded all recommendations.
    pub runs: u32,
    pub models: Vec<Score>,
}

/// The figures of one model over all its runs.
#[derive(Debug, Serialize)]
pub struct Score {
    pub model: ModelIdentity,
    pub recommendations: u64,
    /// Worded by the model, and nothing was wrong with its first answer.
    pub first_try: u64,
    /// `first_try` of `recommendations`, 0 to 1; `None` where there are none.
    pub first_try_share: Option<Figure>,
    /// Worded by the model after it was asked again.
    pub repaired: u64,
    /// Times that it was asked again.
    pub repairs: u64,
    /// Worded by the template.
    pub fallbacks: u64,
    pub calls: u64,
    /// Calls without an answer.
    pub failed_calls: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// Of the calls that were answered, tries and waits included.
    pub median_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    /// In the currency of the user's prices; `None` where there are none.
    pub cost: Option<Figure>,
    #[serde(skip)]
    latencies: Vec<u64>,
}

impl Score {
    pub fn of(model: ModelIdentity) -> Score {
        Score {
            model,
            recommendations: 0,
            first_try: 0,
            first_try_share: None,
            repaired: 0,
            repairs: 0,
            fallbacks: 0,
            calls: 0,
            failed_calls: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            median_ms: None,
            p95_ms: None,
            cost: None,
            latencies: Vec::new(),
        }
    }

    /// Adds a run.
    pub fn add(&mut self, record: &RunRecord) {
        for wording in &record.wordings {
            self.recommendations += 1;
            self.repairs += u64::from(wording.repairs);
            match wording.source {
                WordingSource::Template => self.fallbacks += 1,
                _ if wording.repairs == 0 => self.first_try += 1,
                _ => self.repaired += 1,
            }
        }
        for call in &record.calls {
            self.calls += 1;
            self.prompt_tokens += call.prompt_tokens;
            self.completion_tokens += call.completion_tokens;
            if call.outcome == "ok" {
                self.latencies.push(call.elapsed_ms);
            } else {
                self.failed_calls += 1;
            }
            if let Some(cost) = call.cost {
                self.cost = Figure::new(self.cost.map_or(0.0, Figure::get) + cost.get());
            }
        }
        self.latencies.sort_unstable();
        (self.median_ms, self.p95_ms) = (quantile(&self.latencies, 50), quantile(&self.latencies, 95));
        let share = self.first_try as f64 / self.recommendations as f64;
        self.first_try_share = Figure::new(share).filter(|_| self.recommendations > 0);
    }
}

/// The smallest value that so many percent of the sorted values do not exceed (nearest rank).
fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        assert_eq!(quantile(&[], 50), None);
        assert_eq!([50, 95].map(|p| quantile(&[7], p)), [Some(7); 2]);
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95].map(|p| quantile(&hundred, p)), [Some(50), Some(95)]);
        assert_eq!([50, 95].map(|p| quantile(&[1, 2, 3, 4], p)), [Some(2), Some(4)]);
    }
}
