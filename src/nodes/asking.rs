//! How `draft` and `validate` ask the model, one request and one line in the run record; and how they do without it
//! where an earlier window asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{ModelCall, Note, Recommendation, Usage, Words};
use crate::node::{Cx, TaskError};
use crate::port::{Model, ModelError, ModelReply, ModelRequest};
use crate::wording::{Prompt, wording_schema};

/// What is kept of a recommendation's wording for later windows of the same episodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The accepted sentences with slots; `None` where nothing that the model said could be accepted.
    pub slots: Option<Words>,
}

impl Kept {
    /// What an earlier window kept, unless there is something new to say.
    pub(super) fn recall(about: &Recommendation, cx: &Cx) -> Option<Kept> {
        if cx.window.is_none() || about.is_news() {
            return None;
        }
        serde_json::from_str(&cx.recall(&about.wording_key(cx.language))?).ok()
    }

    /// Keeps it for later windows; where the whole input is one, there are none.
    pub(super) fn note(&self, about: &Recommendation, cx: &Cx) {
        if cx.window.is_some()
            && !about.episodes.is_empty()
            && let Ok(value) = serde_json::to_string(self)
        {
            cx.note(Note::Keep { key: about.wording_key(cx.language), value });
        }
    }
}

/// The reply, or why there is none; the report comes out either way. What it took is added to `usage`.
///
/// # Errors
/// A replay without this request: a replay has to be the recorded run.
pub(super) async fn ask(
    cx: &Cx,
    model: &dyn Model,
    prompt: &Prompt,
    usage: &mut Usage,
) -> Result<Result<ModelReply, ModelError>, TaskError> {
    let request = ModelRequest {
        asked_by: cx.task.clone(),
        system: prompt.system.clone(),
        user: prompt.user.clone(),
        schema_name: "recommendation_wording".to_string(),
        schema: wording_schema(),
        max_tokens: prompt.max_tokens,
    };
    let answer = model.complete(&request).await;
    let mut call = ModelCall {
        asked_by: request.asked_by,
        attempts: 0,
        outcome: ModelCall::ANSWERED.to_string(),
        prompt_tokens: 0,
        completion_tokens: 0,
        elapsed_ms: 0,
        stand_in: None,
        cached: false,
        cost: None,
    };
    match &answer {
        Ok(reply) => {
            call.attempts = reply.attempts;
            call.prompt_tokens = reply.prompt_tokens;
            call.completion_tokens = reply.completion_tokens;
            call.elapsed_ms = reply.elapsed_ms;
            (call.stand_in, call.cached, call.cost) = (reply.stand_in.clone(), reply.cached, reply.cost);
        }
        Err(ModelError::Replay(why)) => return Err(TaskError::Permanent(why.clone())),
        Err(ModelError::Budget(_)) => return Ok(answer), // no call; the wording's record says why
        Err(error) => (call.attempts, call.outcome) = (error.attempts(), error.to_string()),
    }
    usage.add(&call);
    cx.note(Note::Call(call));
    Ok(answer)
}

/// A model of scripted answers, for the tests of both kinds.
#[cfg(test)]
pub(super) mod scripted {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use crate::domain::{
        Fact, FactValue, Figure, ModelIdentity, Parameter, Recommendation, Severity, WordingSource, Words,
    };
    use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

    pub struct Scripted {
        answers: Mutex<VecDeque<Result<ModelReply, ModelError>>>,
        pub asked: Mutex<Vec<ModelRequest>>,
    }

    impl Scripted {
        pub fn new(answers: impl IntoIterator<Item = Result<ModelReply, ModelError>>) -> Arc<Scripted> {
            Arc::new(Scripted { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
        }
    }

    impl Model for Scripted {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity { provider: "test".into(), model: "scripted".into(), base_url: "test:".into() }
        }
        fn is_in_order(&self) -> bool {
            false
        }
        fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
            self.asked.lock().unwrap().push(request.clone());
            let answer = self.answers.lock().unwrap().pop_front();
            Box::pin(async move { answer.expect("the script has an answer for every request") })
        }
    }

    pub fn reply(text: &str) -> ModelReply {
        ModelReply {
            text: text.into(),
            finish_reason: Some("stop".into()),
            prompt_tokens: 100,
            completion_tokens: 20,
            attempts: 1,
            elapsed_ms: 5,
            ..ModelReply::default()
        }
    }

    /// One replica of `api_gateway` becomes two.
    pub fn recommendation() -> Recommendation {
        let fact = |name: &str, value, unit: Option<&str>, meaning: &str| Fact {
            name: name.into(),
            value,
            unit: unit.map(Into::into),
            subject: "api_gateway".into(),
            time: None,
            meaning: meaning.into(),
        };
        let number = |value| FactValue::Number(Figure::new(value).unwrap());
        Recommendation {
            id: "scale-out:api_gateway".into(),
            target: "api_gateway".into(),
            severity: Severity::High,
            anomalies: vec!["cpu_usage".into()],
            incident: None,
            episodes: Vec::new(),
            parameters: [("replicas".to_string(), Parameter::Number(Figure::count(2)))].into(),
            facts: vec![
                fact("target", FactValue::Name("api_gateway".into()), None, "what is scaled"),
                fact("cpu_usage.value", number(93.0), Some("%"), "highest CPU usage"),
                fact("assumed.replicas", number(1.0), None, "replicas assumed today"),
                fact("parameter.replicas", number(2.0), None, "replicas to run"),
                fact("projected.cpu_usage", number(46.5), Some("%"), "CPU usage expected"),
            ],
            slots: Words {
                action: "Scale {target} out to {parameter.replicas} replicas.".into(),
                benefit_estimate: "CPU from {cpu_usage.value} to {projected.cpu_usage}, if {assumed.replicas} runs."
                    .into(),
            },
            words: Words {
                action: "Scale api_gateway out to 2 replicas.".into(),
                benefit_estimate: "CPU from 93% to 46.5%, if 1 runs.".into(),
            },
            wording: WordingSource::Template,
            others: Vec::new(),
        }
    }
}
