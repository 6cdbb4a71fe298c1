//! The model port: settings and mode in, a model out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use serde_json::Value;

use super::cassette::{Cassette, Header, VERSION};
use super::dialect;
use super::endpoint::{Endpoint, Limits};
use super::environment::Environment;
use super::exchange::FailureKind;
use super::ladder::{Features, Memory};
use super::layers::Layers;
use super::network::Network;
use super::reply;
use super::service::{Answered, Requests, Stopped, Wire};
use super::tape::{Player, Recorder, Tape};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::ModelIdentity;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

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
    chat: Option<Arc<ChatModel>>,
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
/// AG0201 to AG0204 for settings, AG0205 to AG0209 for a recording or replay that cannot be.
pub fn connect(environment: &Environment, mode: Mode) -> Result<Connected, Diagnostic> {
    let (endpoint, tape, layers) = match mode {
        Mode::Live => match Endpoint::from_environment(environment)? {
            Some(endpoint) => {
                let layers = Layers::live(environment, &endpoint)?;
                (endpoint, Tape::Off, layers)
            }
            None => {
                let notice = "no model is configured (.env.example says how): templates word the recommendations";
                return Ok(Connected { notice: Some(notice.to_string()), ..Connected::default() });
            }
        },
        Mode::Record { path, spool, resume } => {
            let endpoint = Endpoint::from_environment(environment)?.ok_or_else(|| {
                Diagnostic::new(codes::model::NO_PROVIDER, "no model is configured, so there is nothing to record")
                    .help("set a key, or LLM_BASE_URL and LLM_MODEL; .env.example lists the variables")
            })?;
            let layers = Layers::recording(environment, &endpoint)?;
            let header = Header {
                version: VERSION,
                label: endpoint.label.clone(),
                provider: endpoint.dialect.name.to_string(),
                model: endpoint.model.clone(),
                dialect: endpoint.dialect.name.to_string(),
                max_tokens_per_run: layers.max_tokens_per_run,
            };
            let recorder = Recorder::new(path, header, endpoint.key.clone(), spool.as_deref(), resume)?;
            (endpoint, Tape::Record(Box::new(recorder)), layers)
        }
        Mode::Replay { path } => {
            let cassette = Cassette::read(&path)?;
            let layers = Layers::replaying(cassette.header.max_tokens_per_run);
            (recorded_endpoint(&cassette.header, &path)?, Tape::Replay(Player::new(cassette)), layers)
        }
    };
    let notice = endpoint.notice.clone();
    let chat = Arc::new(ChatModel::new(endpoint, tape));
    let model = layers.around(chat.clone(), None, 0);
    Ok(Connected { model: Some(model), notice, chat: Some(chat), layers })
}

impl Connected {
    /// The model for a run whose graph bounds its tokens so, if it does, and of which earlier processes `spent` some. Live
    /// calls have a deadline of each run; pace, connections and what was learnt of the endpoint are shared.
    pub fn for_run(&self, max_tokens_per_run: Option<u64>, spent: u64) -> Option<Arc<dyn Model>> {
        let chat = self.chat.as_ref()?;
        let chat = chat.for_another_run().map_or_else(|| chat.clone(), Arc::new);
        Some(self.layers.around(chat, max_tokens_per_run, spent))
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
        self.chat.as_ref().map_or(Ok(Vec::new()), |chat| chat.wire.with_tape(Tape::finish))
    }
}

/// The endpoint that the header of a cassette stands for. Nothing is ever sent to its base URL.
fn recorded_endpoint(header: &Header, path: &std::path::Path) -> Result<Endpoint, Diagnostic> {
    let Some(dialect) = dialect::named(&header.dialect) else {
        let message =
            format!("the cassette `{}` names the dialect `{}`, which is not known", path.display(), header.dialect);
        return Err(Diagnostic::new(codes::model::CASSETTE, message));
    };
    Ok(Endpoint {
        dialect,
        base_url: "http://replay.invalid".to_string(),
        model: header.model.clone(),
        key: None,
        headers: Vec::new(),
        limits: Limits::default(),
        label: header.label.clone(),
        notice: None,
    })
}

/// A model behind an endpoint or a tape.
struct ChatModel {
    identity: ModelIdentity,
    wire: Arc<Wire>,
    memory: Arc<Memory>,
    /// Times are part of a reply, and a replay has to give the recorded run: with a tape they are 0 in both.
    timed: bool,
}

impl ChatModel {
    fn new(endpoint: Endpoint, tape: Tape) -> ChatModel {
        let live = matches!(tape, Tape::Off);
        let network = Network::new(&endpoint, matches!(tape, Tape::Replay(_)));
        ChatModel {
            identity: endpoint.identity(),
            memory: Arc::new(Memory::new(Features::of(endpoint.dialect), live)),
            timed: live,
            wire: Arc::new(Wire { network, tape: Mutex::new(tape), base_url: endpoint.base_url }),
        }
    }

    /// The same model with a deadline of its own; `None` with a tape, which is one for all runs.
    fn for_another_run(&self) -> Option<ChatModel> {
        let wire = self.timed.then(|| Wire {
            network: self.wire.network.for_another_run(),
            tape: Mutex::new(Tape::Off),
            base_url: self.wire.base_url.clone(),
        });
        let (identity, memory, timed) = (self.identity.clone(), self.memory.clone(), self.timed);
        Some(ChatModel { identity, memory, timed, wire: Arc::new(wire?) })
    }

    async fn ask(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let started = Instant::now();
        let mut attempts = 0;
        let mut features = self.memory.features(&request.asked_by);
        loop {
            let body = features.body(&self.identity.model, request);
            let Answered { answer, tries } = self.send(&request.asked_by, &body).await?;
            attempts += tries;
            if let Some(fewer) = features.without_rejected(&answer, &body) {
                tracing::debug!(asked_by = request.asked_by, ?fewer, "the endpoint rejects a feature");
                features = self.memory.learn(&request.asked_by, &features, fewer);
                continue;
            }
            let said = reply::read(&answer)?;
            let elapsed = if self.timed { started.elapsed().as_millis() } else { 0 };
            return Ok(ModelReply {
                text: said.text,
                finish_reason: said.finish_reason,
                prompt_tokens: said.prompt_tokens,
                completion_tokens: said.completion_tokens,
                attempts,
                elapsed_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
                ..ModelReply::default()
            });
        }
    }

    /// One request through async-openai and the service below it.
    async fn send(&self, asked_by: &str, body: &Value) -> Result<Answered, ModelError> {
        let http = self.wire.network.client().map_err(ModelError::Transport)?;
        // All that the configuration would take from the process's environment is set here; the service adds the key.
        let config =
            OpenAIConfig::new().with_api_base(&self.wire.base_url).with_api_key("").with_org_id("").with_project_id("");
        let requests = Requests { wire: self.wire.clone(), asked_by: asked_by.into() };
        let client = Client::build(http.clone(), config).with_http_service(requests);
        let answered: Result<Value, OpenAIError> = client.chat().create_byot(body).await;
        match answered {
            Ok(answered) => serde_json::from_value(answered).map_err(|e| ModelError::Transport(e.to_string())),
            Err(OpenAIError::Boxed(e)) => Err(match e.downcast::<Stopped>() {
                Ok(stopped) => error_of(*stopped),
                Err(other) => ModelError::Transport(other.to_string()),
            }),
            Err(other) => Err(ModelError::Transport(other.to_string())),
        }
    }
}

fn error_of(stopped: Stopped) -> ModelError {
    match stopped {
        Stopped::NotRecorded(why) => ModelError::Replay(why),
        Stopped::Unsendable(why) => ModelError::Transport(why),
        Stopped::Failed { failure, tries } => {
            let text = if tries > 1 { format!("{failure}, at try {tries}") } else { failure.to_string() };
            match failure.kind {
                FailureKind::Timeout | FailureKind::Deadline | FailureKind::Abandoned => ModelError::Timeout(text),
                FailureKind::Connect | FailureKind::Reset | FailureKind::TooLarge => ModelError::Transport(text),
            }
        }
    }
}

impl Model for ChatModel {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(self.ask(request))
    }
}
