//! Several endpoints as one model: the next is asked where one declined, was unreachable or took too long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::domain::ModelIdentity;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest, Why};

/// So many failures in a row, and an endpoint is left alone for the rest of the run.
const FAILURES: u32 = 3;

/// Models in the order in which they are asked.
pub(super) struct Fallback {
    models: Vec<Arc<dyn Model>>,
    /// Failures in a row, by model. Of all tasks together in a live run; while a run is recorded or replayed of each
    /// task by itself, else what is asked of whom would depend on which task was faster.
    failures: Mutex<BTreeMap<String, Vec<u32>>>,
    shared: bool,
}

impl Fallback {
    /// Of at least one model.
    pub fn new(models: Vec<Arc<dyn Model>>, shared: bool) -> Fallback {
        Fallback { models, failures: Mutex::default(), shared }
    }

    async fn ask(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let mut errors = Vec::new();
        for (place, model) in self.models.iter().enumerate() {
            if self.with_failures(&request.asked_by, place, |failures| *failures >= FAILURES) {
                let why = format!("left alone after {FAILURES} failures in a row");
                errors.push((model.identity(), ModelError::Transport(why.into())));
                continue;
            }
            match model.complete(request).await {
                Ok(reply) => {
                    self.with_failures(&request.asked_by, place, |failures| *failures = 0);
                    let stand_in = if place == 0 { None } else { reply.stand_in.or_else(|| Some(model.identity())) };
                    let failed: u32 = errors.iter().map(|(_, why): &(_, ModelError)| why.attempts()).sum();
                    return Ok(ModelReply { stand_in, attempts: failed + reply.attempts, ..reply });
                }
                // A replay has to be the recorded run: nobody stands in for a cassette.
                Err(error @ ModelError::Replay(_)) => return Err(error),
                Err(error) => {
                    let count = self.with_failures(&request.asked_by, place, |failures| {
                        *failures += 1;
                        *failures
                    });
                    let ModelIdentity { provider, model: name, .. } = model.identity();
                    if count == FAILURES && self.shared {
                        tracing::warn!("{name} of {provider} is left alone for the rest of the run: {error}");
                    } else {
                        tracing::debug!(asked_by = request.asked_by, "{name} of {provider} hands over: {error}");
                    }
                    errors.push((model.identity(), error));
                }
            }
        }
        Err(all_of(errors))
    }

    fn with_failures<T>(&self, asked_by: &str, place: usize, f: impl FnOnce(&mut u32) -> T) -> T {
        let mut failures = self.failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let key = if self.shared { "" } else { asked_by };
        let counts = failures.entry(key.to_string()).or_insert_with(|| vec![0; self.models.len()]);
        match counts.get_mut(place) {
            Some(count) => f(count),
            None => f(&mut 0), // every model has a place
        }
    }
}

/// One error of the last one's kind that tells of all.
fn all_of(errors: Vec<(ModelIdentity, ModelError)>) -> ModelError {
    let told: Vec<String> =
        errors.iter().map(|(who, why)| format!("{} of {}: {why}", who.model, who.provider)).collect();
    let attempts = errors.iter().map(|(_, why)| why.attempts()).sum();
    let told = Why::from(told.join("; ")).after(attempts);
    match errors.into_iter().next_back() {
        Some((_, ModelError::Timeout(_))) => ModelError::Timeout(told),
        Some((_, ModelError::Declined(_))) => ModelError::Declined(told),
        _ => ModelError::Transport(told),
    }
}

impl Model for Fallback {
    /// The first one's.
    fn identity(&self) -> ModelIdentity {
        let none = || ModelIdentity { provider: String::new(), model: String::new(), base_url: String::new() };
        self.models.first().map_or_else(none, |model| model.identity())
    }

    fn is_in_order(&self) -> bool {
        self.models.iter().any(|model| model.is_in_order())
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(self.ask(request))
    }
}
