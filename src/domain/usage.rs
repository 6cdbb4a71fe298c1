use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Figure, ModelCall};

/// What it took to ask a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Requests that were put to an endpoint, those that failed included.
    pub calls: u64,
    /// Those of them that got no answer.
    pub failed: u64,
    /// Requests that an earlier run's answer served; nothing was sent, and they are no calls.
    pub cached: u64,
    /// HTTP exchanges beyond the first of every call that was answered: after a failure that may pass, or without
    /// something that the endpoint rejects.
    pub retries: u64,
    /// Calls that another than the first endpoint answered.
    pub fallbacks: u64,
    /// As the endpoint counts them.
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// By the user's prices; absent where there are none, or none for who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Figure>,
}

impl Usage {
    pub fn add(&mut self, call: &ModelCall) {
        if call.cached {
            self.cached += 1;
            return;
        }
        self.calls += 1;
        self.failed += u64::from(!call.is_answered());
        self.retries += u64::from(call.attempts.saturating_sub(1));
        self.fallbacks += u64::from(call.stand_in.is_some());
        self.prompt_tokens = self.prompt_tokens.saturating_add(call.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(call.completion_tokens);
        if let Some(cost) = call.cost {
            let sum = self.cost.unwrap_or_default().get() + cost.get();
            self.cost = Figure::new(sum).or(self.cost);
        }
    }

    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    pub fn is_none(&self) -> bool {
        *self == Usage::default()
    }
}

impl<'a> FromIterator<&'a ModelCall> for Usage {
    fn from_iter<I: IntoIterator<Item = &'a ModelCall>>(calls: I) -> Usage {
        let mut usage = Usage::default();
        calls.into_iter().for_each(|call| usage.add(call));
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::super::ModelIdentity;
    use super::*;

    #[test]
    fn calls_are_added_up() {
        let call = |attempts, tokens, cost: Option<f64>| ModelCall {
            asked_by: "w[0]".into(),
            attempts,
            outcome: ModelCall::ANSWERED.into(),
            prompt_tokens: tokens,
            completion_tokens: 1,
            elapsed_ms: 3,
            stand_in: None,
            cached: false,
            cost: cost.and_then(Figure::new),
        };
        let model = ModelIdentity { provider: "b".into(), model: "m".into(), base_url: "u".into() };
        let calls = [
            call(1, 10, Some(0.1)),
            ModelCall { stand_in: Some(model), ..call(3, 20, None) },
            ModelCall { outcome: "no answer in time: 30 s".into(), completion_tokens: 0, ..call(0, 0, None) },
            ModelCall { cached: true, prompt_tokens: 0, completion_tokens: 0, ..call(0, 0, None) },
            call(1, 10, Some(0.2)),
        ];
        let usage: Usage = calls.iter().collect();
        let expected = Usage {
            calls: 4,
            failed: 1,
            cached: 1,
            retries: 2,
            fallbacks: 1,
            prompt_tokens: 40,
            completion_tokens: 3,
            cost: Figure::new(0.3),
        };
        assert_eq!(usage, expected);
        assert_eq!((usage.tokens(), usage.is_none(), Usage::default().is_none()), (43, false, true));
    }
}
