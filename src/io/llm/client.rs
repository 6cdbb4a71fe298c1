//! The model port: settings and mode in, a model out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use serde_json::Value;

use super::cassette::{Cassette, Header, Recorded, VERSION};
use super::dialect;
use super::endpoint::{Endpoint, Limits, Origin};
use super::exchange::FailureKind;
use super::fallback::Fallback;
use super::ladder::{self, Features, Memory};
use super::layers::Layers;
use super::network::{FirstCall, Network};
use super::provenance::Provenance;
use super::reply;
use super::service::{Answered, Requests, Stopped, Wire, locked};
use super::span;
use super::tape::{Player, Recorder, Tape};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::ModelIdentity;
use crate::io::environment::Environment;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest, Why};

/// Where exchanges come from and go to.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The endpoint of the environment, if there is one.
    Live,
    /// The endpoint of the environment; its exchanges go into a cassette.
    Record {
        path: PathBuf,
        /// Where exchanges are kept until the cassette is written, so that a killed run can go on.
        spool: Option<PathBuf>,
        /// Whether the run goes on: what the spool holds is not asked again.
        resume: bool,
    },
    /// A cassette alone: no network, and nothing of the environment.
    Replay { path: PathBuf },
}

/// A model, and what has to be done when the run is over.
#[derive(Default)]
pub struct Connected {
    /// `None`: no model is configured, templates word the report.
    pub model: Option<Arc<dyn Model>>,
    /// One line for the user.
    pub notice: Option<String>,
    /// The endpoints of the run, in the order in which they are asked.
    chats: Vec<Arc<ChatModel>>,
    tape: Option<Arc<Mutex<Tape>>>,
    layers: Layers,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let identity = self.model.as_ref().map(|model| model.identity());
        f.debug_struct("Connected").field("model", &identity).field("notice", &self.notice).finish_non_exhaustive()
    }
}

/// The model that the environment and the mode name. Touches no network: that waits for the first request.
///
/// # Errors
/// AG0201 to AG0204 and AG0221 for settings, AG0205 to AG0209 for a recording or replay that cannot be.
pub fn connect(environment: &Environment, mode: Mode) -> Result<Connected, Diagnostic> {
    let (endpoints, tape, layers) = match mode {
        Mode::Live => match Endpoint::all_from_environment(environment)? {
            endpoints if !endpoints.is_empty() => {
                let layers = Layers::live(environment, &endpoints)?;
                (endpoints, Tape::Off, layers)
            }
            _ => {
                let notice = "no model is configured (.env.example says how): templates word the recommendations";
                return Ok(Connected { notice: Some(notice.to_string()), ..Connected::default() });
            }
        },
        Mode::Record { path, spool, resume } => {
            let endpoints = Endpoint::all_from_environment(environment)?;
            let layers = Layers::recording(environment, &endpoints)?;
            let header = header_of(&endpoints, layers.max_tokens_per_run).ok_or_else(|| {
                Diagnostic::new(codes::model::NO_PROVIDER, "no model is configured, so there is nothing to record")
                    .help("set a key, or LLM_BASE_URL and LLM_MODEL; .env.example lists the variables")
            })?;
            let keys = endpoints.iter().filter_map(|e| e.key.clone()).collect();
            let recorder = Recorder::new(path, header, keys, spool.as_deref(), resume)?;
            (endpoints, Tape::Record(Box::new(recorder)), layers)
        }
        Mode::Replay { path } => {
            let cassette = Cassette::read(&path)?;
            let layers = Layers::replaying(cassette.header.max_tokens_per_run);
            let endpoints = cassette.header.endpoints().map(|recorded| recorded_endpoint(&recorded, &path));
            (endpoints.collect::<Result<_, _>>()?, Tape::Replay(Player::new(cassette)), layers)
        }
    };
    let notice = endpoints.first().and_then(|endpoint| endpoint.notice.clone());
    let tape = Arc::new(Mutex::new(tape));
    let chats = chats_of(endpoints, &tape);
    let model = layers.around(model_of(&chats), None, 0);
    Ok(Connected { model: Some(model), notice, chats, tape: Some(tape), layers })
}

fn chats_of(endpoints: Vec<Endpoint>, tape: &Arc<Mutex<Tape>>) -> Vec<Arc<ChatModel>> {
    let (first_call, count) = (FirstCall::default(), endpoints.len());
    let chat = |(place, endpoint): (usize, Endpoint)| {
        let seat = Seat { place, hands_over: place + 1 < count, first_call: first_call.clone() };
        Arc::new(ChatModel::new(endpoint, tape.clone(), seat))
    };
    endpoints.into_iter().enumerate().map(chat).collect()
}

/// The one endpoint, or all of them as one model.
fn model_of(chats: &[Arc<ChatModel>]) -> Arc<dyn Model> {
    match chats {
        [one] => one.clone(),
        several => {
            let live = several.iter().all(|chat| chat.timed);
            Arc::new(Fallback::new(several.iter().map(|chat| chat.clone() as Arc<dyn Model>).collect(), live))
        }
    }
}

impl Connected {
    /// The model for a run whose graph bounds its tokens so, if it does, and of which earlier processes `spent` some. Live
    /// calls have a deadline of each run; pace, connections and what was learnt of the endpoints are shared.
    pub fn for_run(&self, max_tokens_per_run: Option<u64>, spent: u64) -> Option<Arc<dyn Model>> {
        self.model.as_ref()?;
        let first_call = FirstCall::default();
        let chats: Vec<Arc<ChatModel>> = self.chats.iter().map(|chat| chat.for_another_run(&first_call)).collect();
        Some(self.layers.around(model_of(&chats), max_tokens_per_run, spent))
    }

    /// Tells which graph is run: a recording notes it, and a replay says in what it is another one than was recorded.
    #[must_use]
    pub fn of_graph(mut self, graph: Provenance) -> Connected {
        let unlike = self.tape.as_ref().and_then(|tape| locked(tape, |tape| tape.of_graph(graph)));
        self.notice = self.notice.or(unlike);
        self
    }

    /// What the user calls the money of costs.
    pub fn currency(&self) -> Option<String> {
        self.layers.currency()
    }

    /// Ends the run. A recording writes its cassette, also when no exchange took place. A replay gives a line for each
    /// exchange that nothing asked for.
    ///
    /// # Errors
    /// AG0208 when the cassette cannot be written, AG0210 when it would hold the key.
    pub fn finish(&self) -> Result<Vec<String>, Diagnostic> {
        self.tape.as_ref().map_or(Ok(Vec::new()), |tape| locked(tape, Tape::finish))
    }
}

fn header_of(endpoints: &[Endpoint], max_tokens_per_run: Option<u64>) -> Option<Header> {
    let (first, others) = endpoints.split_first()?;
    let name = |endpoint: &Endpoint| endpoint.dialect.name.to_string();
    let recorded = |e: &Endpoint| Recorded { provider: name(e), model: e.model.clone(), dialect: name(e) };
    let Recorded { provider, model, dialect } = recorded(first);
    let fallbacks = others.iter().map(recorded).collect();
    let label = first.label.clone();
    Some(Header { version: VERSION, label, provider, model, dialect, fallbacks, max_tokens_per_run, graph: None })
}

/// The endpoint that the header of a cassette stands for. Nothing is ever sent to its base URL.
fn recorded_endpoint(recorded: &Recorded, path: &std::path::Path) -> Result<Endpoint, Diagnostic> {
    let Some(dialect) = dialect::named(&recorded.dialect) else {
        let message =
            format!("the cassette `{}` names the dialect `{}`, which is not known", path.display(), recorded.dialect);
        return Err(Diagnostic::new(codes::model::CASSETTE, message));
    };
    Ok(Endpoint {
        dialect,
        base_url: "http://replay.invalid".to_string(),
        model: recorded.model.clone(),
        key: None,
        headers: Vec::new(),
        limits: Limits::default(),
        label: None,
        notice: None,
        origin: Origin::default(),
    })
}

/// A model behind an endpoint or a tape.
pub(super) struct ChatModel {
    identity: ModelIdentity,
    pub wire: Arc<Wire>,
    memory: Arc<Memory>,
    /// Times are part of a reply, and a replay has to give the recorded run: with a tape they are 0 in both.
    timed: bool,
}

/// Where an endpoint stands among those of a run.
#[derive(Default)]
pub(super) struct Seat {
    /// The first being 0.
    pub place: usize,
    /// Whether another is asked when this one fails.
    pub hands_over: bool,
    pub first_call: FirstCall,
}

impl ChatModel {
    pub fn new(endpoint: Endpoint, tape: Arc<Mutex<Tape>>, seat: Seat) -> ChatModel {
        let (live, closed) = locked(&tape, |tape| (matches!(tape, Tape::Off), matches!(tape, Tape::Replay(_))));
        let Seat { place, hands_over, first_call } = seat;
        let network = Network::new(&endpoint, closed, first_call);
        ChatModel {
            identity: endpoint.identity(),
            memory: Arc::new(Memory::new(Features::of(endpoint.dialect), live)),
            timed: live,
            wire: Arc::new(Wire { network, tape, place, hands_over, base_url: endpoint.base_url }),
        }
    }

    /// The same model with a deadline of its own; with a tape, which is one for all runs, itself.
    fn for_another_run(self: &Arc<Self>, first_call: &FirstCall) -> Arc<ChatModel> {
        if !self.timed {
            return self.clone();
        }
        let Wire { network, tape, place, hands_over, base_url } = &*self.wire;
        let wire = Wire {
            network: network.for_another_run(first_call.clone()),
            tape: tape.clone(),
            place: *place,
            hands_over: *hands_over,
            base_url: base_url.clone(),
        };
        let (identity, memory) = (self.identity.clone(), self.memory.clone());
        Arc::new(ChatModel { identity, memory, timed: true, wire: Arc::new(wire) })
    }

    async fn ask(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let started = Instant::now();
        let (mut attempts, mut prompt_tokens, mut completion_tokens) = (0, 0, 0);
        let mut features = self.memory.features(&request.asked_by);
        loop {
            let body = Arc::new(features.body(&self.identity.model, request));
            let sent = self.send(&request.asked_by, &body).await;
            let Answered { answer, tries } = sent.map_err(|error| {
                let tries = error.attempts();
                error.after(attempts + tries)
            })?;
            attempts += tries;
            span::answered(&answer);
            if let Some((field, fewer)) = features.without_rejected(&answer, &body) {
                tracing::debug!(asked_by = request.asked_by, field, "the endpoint rejects a feature");
                span::noted("feature rejected", "agent.feature", field);
                self.memory.rejected(&request.asked_by, field, features.output);
                features = fewer;
                continue;
            }
            let said = reply::read(&answer);
            if let Ok(said) = &said {
                prompt_tokens += said.prompt_tokens; // of a miss too: it is paid for
                completion_tokens += said.completion_tokens;
            }
            let is_miss = ladder::is_miss(&answer, &said, &request.schema);
            if is_miss || said.is_ok() {
                self.memory.replied(&request.asked_by, features.output, is_miss);
            }
            if let (true, Some(lower)) = (is_miss, features.on_lower_rung()) {
                tracing::debug!(
                    asked_by = request.asked_by,
                    rung = features.output.name(),
                    "the reply is no JSON of the schema"
                );
                span::noted("schema missed", "agent.rung", features.output.name());
                features = lower;
                continue;
            }
            let said = said.map_err(|error| error.after(attempts))?;
            let elapsed = if self.timed { started.elapsed().as_millis() } else { 0 };
            return Ok(ModelReply {
                text: said.text,
                finish_reason: said.finish_reason,
                prompt_tokens,
                completion_tokens,
                attempts,
                elapsed_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
                ..ModelReply::default()
            });
        }
    }

    /// One request through async-openai and the service below it.
    pub async fn send(&self, asked_by: &str, body: &Arc<Value>) -> Result<Answered, ModelError> {
        let http = self.wire.network.client().map_err(|why| ModelError::Transport(why.into()))?;
        // All that the configuration would take from the process's environment is set here; the service adds the key.
        let config =
            OpenAIConfig::new().with_api_base(&self.wire.base_url).with_api_key("").with_org_id("").with_project_id("");
        let answered = Arc::new(Mutex::new(None));
        let (wire, asked_by) = (self.wire.clone(), asked_by.into());
        let requests = Requests { wire, asked_by, body: body.clone(), answered: answered.clone() };
        let client = Client::build(http.clone(), config).with_http_service(requests);
        let sent: Result<(), OpenAIError> = client.chat().create_byot(body.as_ref()).await;
        let answered = answered.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sent.map(|()| answered) {
            Ok(Some(answered)) => Ok(answered),
            Ok(None) => Err(ModelError::Transport("the answer was lost, which is a bug".to_string().into())),
            Err(OpenAIError::Boxed(e)) => Err(match e.downcast::<Stopped>() {
                Ok(stopped) => error_of(*stopped),
                Err(other) => ModelError::Transport(other.to_string().into()),
            }),
            Err(other) => Err(ModelError::Transport(other.to_string().into())),
        }
    }
}

fn error_of(stopped: Stopped) -> ModelError {
    match stopped {
        Stopped::NotRecorded(why) => ModelError::Replay(why),
        Stopped::Unsendable(why) => ModelError::Transport(why.into()),
        Stopped::Failed { failure, tries } => {
            let text = if tries > 1 && failure.kind != FailureKind::TooLate {
                format!("{failure}, at try {tries}")
            } else {
                failure.to_string()
            };
            let text = Why::from(text).after(tries);
            match failure.kind {
                FailureKind::Timeout | FailureKind::Deadline | FailureKind::TooLate | FailureKind::Abandoned => {
                    ModelError::Timeout(text)
                }
                FailureKind::Connect | FailureKind::Reset | FailureKind::TooLarge => ModelError::Transport(text),
            }
        }
    }
}

impl Model for ChatModel {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    /// A replay is: whose turn it is may decide which of two equal exchanges a task is given.
    fn is_in_order(&self) -> bool {
        self.wire.with_tape(|tape| matches!(tape, Tape::Replay(_)))
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(span::chat(&self.identity, request, self.ask(request)))
    }
}
