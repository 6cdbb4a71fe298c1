//! What stands around a model: prices, the budget of the run, the cache. From the inside out: an answer that was kept
//! takes nothing of the budget, and what is not sent has no price.

use std::sync::Arc;

use serde_json::{Value, json};

use super::budget::Budgeted;
use super::cache::{Cache, Cached};
use super::endpoint::{Endpoint, Limits, MOST, NO_BOUND, whole};
use super::ladder::Features;
use super::prices::{Priced, Prices};
use crate::diagnostic::Diagnostic;
use crate::io::environment::Environment;
use crate::port::{Model, ModelRequest};

/// Which layers there are.
#[derive(Debug, Default)]
pub(super) struct Layers {
    prices: Option<Prices>,
    /// The environment's bound.
    pub max_tokens_per_run: Option<u64>,
    /// With what is sent besides a request's own parts.
    cache: Option<(Arc<Cache>, Value)>,
    limits: Limits,
}

impl Layers {
    /// All that the environment asks for.
    ///
    /// # Errors
    /// AG0203.
    pub fn live(environment: &Environment, endpoints: &[Endpoint]) -> Result<Layers, Diagnostic> {
        let nothing = ModelRequest {
            asked_by: String::new(),
            system: String::new(),
            user: String::new(),
            schema_name: String::new(),
            schema: json!({}),
            max_tokens: 0,
        };
        // An answer of a stand-in is not kept, so the first endpoint's parameters are those of every answer.
        let parameters = endpoints.first().map(|endpoint| Features::of(endpoint.dialect).body("", &nothing));
        let cache = Cache::of_user(environment)?.map(Arc::new).zip(parameters);
        Ok(Layers { cache, ..Layers::recording(environment, endpoints)? })
    }

    /// Nothing is kept from earlier runs, so that the cassette has it all.
    ///
    /// # Errors
    /// AG0203.
    pub fn recording(environment: &Environment, endpoints: &[Endpoint]) -> Result<Layers, Diagnostic> {
        let bound = whole(environment, "LLM_MAX_TOKENS_PER_RUN", MOST, NO_BOUND)?;
        let max_tokens_per_run = bound.map(|bound| u64::from(bound.get()));
        let prices = Prices::from_environment(environment)?;
        let limits = endpoints.first().map_or_else(Limits::default, |endpoint| endpoint.limits);
        Ok(Layers { prices, max_tokens_per_run, cache: None, limits })
    }

    /// Nothing of the environment; a replay is bounded as its recording was.
    pub fn replaying(max_tokens_per_run: Option<u64>) -> Layers {
        Layers { max_tokens_per_run, ..Layers::default() }
    }

    pub fn currency(&self) -> Option<String> {
        self.prices.as_ref().and_then(|prices| prices.currency.clone())
    }

    /// The model for one run. Of the graph's bound and the environment's the smaller holds.
    pub fn around(&self, model: Arc<dyn Model>, of_graph: Option<u64>, spent: u64) -> Arc<dyn Model> {
        let mut model = model;
        if let Some(prices) = self.prices.clone() {
            model = Arc::new(Priced { inner: model, prices });
        }
        if let Some(limit) = self.max_tokens_per_run.into_iter().chain(of_graph).min() {
            model = Arc::new(Budgeted::new(model, limit, spent, self.limits.deadline));
        }
        if let Some((cache, parameters)) = self.cache.clone() {
            model = Arc::new(Cached { inner: model, cache, parameters });
        }
        model
    }
}
