//! The tokens that a model may take in a run.
//!
//! Before a request is sent, what it may take at most is reserved; when it is answered, what it took is counted. Which
//! requests are covered does not depend on how fast the endpoint is: it is decided as if they were sent one after the
//! other, drafts first, then what is asked again, each in the order in which the tasks first asked. The engine polls the
//! tasks of a node in the order of their items before it polls any again, and a plan puts the most urgent first. Requests
//! that are covered whatever those before them take are sent at once; only where it depends on them do they wait.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::limiter::tokens_of_text;
use crate::domain::ModelIdentity;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

/// What endpoints add to the texts of a request to tell who speaks.
const FRAME: u64 = 64;

/// A model within a budget.
pub(super) struct Budgeted {
    inner: Arc<dyn Model>,
    books: Arc<Mutex<Books>>,
    /// How long a request may wait for those before it, from the first one on.
    deadline: Duration,
    first: OnceLock<Instant>,
}

/// How often a task had asked before, and which one it is: the smaller, the earlier a request is decided on.
type Order = (u32, usize);

struct Books {
    limit: u64,
    spent: u64,
    /// Each task that asked, by its name: in which place, and how often.
    askers: HashMap<String, (usize, u32)>,
    /// Requests that are not over.
    open: BTreeMap<Order, Claim>,
}

struct Claim {
    /// What it may take.
    most: u64,
    state: State,
    /// Wakes who asks, to look at the state.
    wake: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting,
    /// May be sent.
    Covered,
    /// So much is left, which is not enough.
    Refused(u64),
}

impl Budgeted {
    /// `spent` was taken before, by an earlier process of the same run.
    pub fn new(inner: Arc<dyn Model>, limit: u64, spent: u64, deadline: Duration) -> Budgeted {
        let books = Books { limit, spent, askers: HashMap::new(), open: BTreeMap::new() };
        Budgeted { inner, books: Arc::new(Mutex::new(books)), deadline, first: OnceLock::new() }
    }

    async fn ask(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let end = *self.first.get_or_init(Instant::now) + self.deadline;
        let most = most(request);
        let seat = Seat::take(&self.books, &request.asked_by, most);
        let refused = timeout_at(end, seat.decided()).await.map_err(|_| {
            let deadline = self.deadline;
            ModelError::Timeout(format!("the {deadline:?} for all calls of the run are used up (LLM_DEADLINE)").into())
        })?;
        if let Some(left) = refused {
            let limit = lock(&self.books).limit;
            return Err(ModelError::Budget(format!(
                "of the {limit} tokens of the run {left} are left, and this may take {most} (max_tokens_per_run)"
            )));
        }
        let answer = self.inner.complete(request).await;
        seat.leave(match &answer {
            Ok(reply) => match reply.prompt_tokens.saturating_add(reply.completion_tokens) {
                0 => most, // the endpoint does not say
                tokens => tokens,
            },
            // Whoever declines takes nothing. What got no answer may be charged for all the same.
            Err(ModelError::Declined(_) | ModelError::Replay(_) | ModelError::Budget(_)) => 0,
            Err(ModelError::Timeout(_) | ModelError::Transport(_)) => most,
        });
        answer
    }
}

impl Model for Budgeted {
    fn identity(&self) -> ModelIdentity {
        self.inner.identity()
    }

    fn is_in_order(&self) -> bool {
        true
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(self.ask(request))
    }

    fn judged(&self, ticket: &str, accepted: Option<&ModelReply>) {
        self.inner.judged(ticket, accepted);
    }
}

/// More tokens than a request and its answer take. The schema goes in twice: in the prompt, and as what the endpoint holds
/// the answer to.
fn most(request: &ModelRequest) -> u64 {
    let schema = request.schema.to_string().len();
    tokens_of_text(request.system.len() + request.user.len() + 2 * schema) + FRAME + u64::from(request.max_tokens)
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Books {
    /// Decides on those that wait, as far as it is certain by now.
    fn decide(&mut self) {
        let sent = self.open.values().filter(|claim| claim.state == State::Covered);
        let (mut running, mut reserved) = sent.fold((0, 0u64), |(n, sum), c| (n + 1, sum.saturating_add(c.most)));
        let mut first = None;
        let mut before = false; // whether an earlier one waits
        for (order, claim) in &mut self.open {
            if claim.state == State::Waiting {
                // The task of the first open request may ask once more, and no one knows how much that takes.
                let unknown = first.is_some_and(|(asked, asker): Order| (asked + 1, asker) < *order);
                let needed = self.spent.saturating_add(reserved).saturating_add(claim.most);
                if !unknown && needed <= self.limit {
                    (claim.state, running) = (State::Covered, running + 1);
                } else if running == 0 && !before {
                    claim.state = State::Refused(self.limit.saturating_sub(self.spent));
                } else {
                    before = true;
                }
                if claim.state != State::Waiting {
                    claim.wake.notify_one();
                }
                if !matches!(claim.state, State::Refused(_)) {
                    reserved = reserved.saturating_add(claim.most);
                }
            }
            if !matches!(claim.state, State::Refused(_)) {
                first = first.or(Some(*order));
            }
        }
    }

    /// Has whoever waits first decide. Not at once: the task of a request that is over may be about to ask again, and that
    /// may come before what others wait for. All tasks of a run are polled one after the other.
    fn nudge(&self) {
        if let Some(claim) = self.open.values().find(|claim| claim.state == State::Waiting) {
            claim.wake.notify_one();
        }
    }
}

/// The place of a request in the books, until it is over.
struct Seat {
    books: Arc<Mutex<Books>>,
    order: Order,
    wake: Arc<Notify>,
}

impl Seat {
    fn take(books: &Arc<Mutex<Books>>, asked_by: &str, most: u64) -> Seat {
        let wake = Arc::new(Notify::new());
        let mut open = lock(books);
        let next = open.askers.len();
        let (asker, asked) = open.askers.entry(asked_by.to_string()).or_insert((next, 0));
        let order = (*asked, *asker);
        *asked += 1;
        open.open.insert(order, Claim { most, state: State::Waiting, wake: wake.clone() });
        Seat { books: books.clone(), order, wake }
    }

    /// Waits until it is certain whether the request is covered; else what is left.
    async fn decided(&self) -> Option<u64> {
        loop {
            {
                let mut books = lock(&self.books);
                books.decide();
                match books.open.get(&self.order).map(|claim| claim.state) {
                    Some(State::Waiting) => {}
                    Some(State::Refused(left)) => return Some(left),
                    Some(State::Covered) | None => return None,
                }
            }
            self.wake.notified().await;
        }
    }

    /// The request is over and took so much.
    fn leave(self, tokens: u64) {
        let mut books = lock(&self.books);
        books.open.remove(&self.order);
        books.spent = books.spent.saturating_add(tokens);
        books.nudge();
    }
}

/// A request that is not sent, or was given up: then what was sent may be charged for.
impl Drop for Seat {
    fn drop(&mut self) {
        let mut books = lock(&self.books);
        if let Some(claim) = books.open.remove(&self.order) {
            if claim.state == State::Covered {
                books.spent = books.spent.saturating_add(claim.most);
            }
            books.nudge();
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
