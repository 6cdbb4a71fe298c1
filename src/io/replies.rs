//! What a model answered in a run, beside the run's journal: with it the run can be gone through again without one.
//!
//! One JSON object a line, appended when an answer has come, which is before the task that asked for it ends. A task that
//! was tried again has asked again; its last questions are those of the try that counts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::ModelIdentity;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest, Why};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    asked_by: String,
    /// Fingerprint of the question.
    request: String,
    answer: Answer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Reply(ModelReply),
    Timeout(Why),
    Transport(Why),
    Declined(Why),
    Budget(String),
    Replay(String),
}

impl From<Result<ModelReply, ModelError>> for Answer {
    fn from(result: Result<ModelReply, ModelError>) -> Answer {
        match result {
            Ok(reply) => Answer::Reply(reply),
            Err(ModelError::Timeout(why)) => Answer::Timeout(why),
            Err(ModelError::Transport(why)) => Answer::Transport(why),
            Err(ModelError::Declined(why)) => Answer::Declined(why),
            Err(ModelError::Budget(why)) => Answer::Budget(why),
            Err(ModelError::Replay(why)) => Answer::Replay(why),
        }
    }
}

impl From<Answer> for Result<ModelReply, ModelError> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Timeout(why) => Err(ModelError::Timeout(why)),
            Answer::Transport(why) => Err(ModelError::Transport(why)),
            Answer::Declined(why) => Err(ModelError::Declined(why)),
            Answer::Budget(why) => Err(ModelError::Budget(why)),
            Answer::Replay(why) => Err(ModelError::Replay(why)),
        }
    }
}

/// 128 bits of a hash of all that the model was asked.
fn fingerprint(request: &ModelRequest) -> String {
    let ModelRequest { asked_by: _, system, user, schema_name, schema, max_tokens } = request;
    let mut print = blake3::Hasher::new();
    for part in [system, user, schema_name, &schema.to_string(), &max_tokens.to_string()] {
        print.update(&(part.len() as u64).to_le_bytes());
        print.update(part.as_bytes());
    }
    format!("{:.32}", print.finalize().to_hex())
}

/// A model whose answers are kept.
pub struct Kept {
    model: Arc<dyn Model>,
    /// `None` once it cannot be written any more: the run goes on, and cannot be replayed whole.
    file: Mutex<Option<File>>,
}

impl Kept {
    pub fn new(model: Arc<dyn Model>, path: &Path) -> Kept {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).inspect_err(lost).ok();
        Kept { model, file: Mutex::new(file) }
    }

    fn keep(&self, request: &ModelRequest, answer: &Result<ModelReply, ModelError>) {
        let asked_by = request.asked_by.clone();
        let line = Line { asked_by, request: fingerprint(request), answer: answer.clone().into() };
        let Ok(text) = serde_json::to_string(&line) else { return }; // strings and numbers always have a text
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.as_mut().map(|file| file.write_all(format!("{text}\n").as_bytes()));
        if let Some(Err(error)) = written {
            lost(&error);
            *file = None;
        }
    }
}

fn lost(error: &std::io::Error) {
    tracing::warn!("what the model answers cannot be kept, so the run cannot be replayed whole: {error}");
}

impl Model for Kept {
    fn identity(&self) -> ModelIdentity {
        self.model.identity()
    }

    fn is_in_order(&self) -> bool {
        self.model.is_in_order()
    }
    fn judged(&self, ticket: &str, accepted: Option<&ModelReply>) {
        self.model.judged(ticket, accepted);
    }

    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let answer = self.model.complete(request).await;
            self.keep(request, &answer);
            answer
        })
    }
}

/// What a run was answered, by the task that asked.
#[derive(Debug, Default)]
pub struct Replies(HashMap<String, Vec<Line>>);

impl Replies {
    /// What is kept at the path; nothing where there is no such file. A line that a crash cut short is none.
    pub fn read(path: &Path) -> Replies {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut replies = Replies::default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            replies.0.entry(line.asked_by.clone()).or_default().push(line);
        }
        replies
    }

    /// Whether the last `calls` answers of the task are here.
    pub fn has(&self, task: &str, calls: usize) -> bool {
        calls == 0 || self.0.get(task).is_some_and(|lines| lines.len() >= calls)
    }

    /// A model that says again what was said to the tasks in as many calls each.
    pub fn model(mut self, identity: ModelIdentity, calls: &BTreeMap<String, usize>) -> Arc<dyn Model> {
        let mut of_last_try = |(task, calls): (&String, &usize)| {
            let mut lines = self.0.remove(task).unwrap_or_default();
            let earlier = lines.len().saturating_sub(*calls);
            (task.clone(), lines.drain(..).skip(earlier).collect())
        };
        let left = calls.iter().map(&mut of_last_try).collect();
        Arc::new(Recited { identity, left: Mutex::new(left) })
    }
}

/// A model that says again what it said.
struct Recited {
    identity: ModelIdentity,
    left: Mutex<HashMap<String, VecDeque<Line>>>,
}

impl Recited {
    fn next(&self, request: &ModelRequest) -> Result<ModelReply, ModelError> {
        let asked_by = &request.asked_by;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.get_mut(asked_by).and_then(VecDeque::pop_front) {
            Some(line) if line.request == fingerprint(request) => line.answer.into(),
            Some(_) => Err(ModelError::Replay(format!("`{asked_by}` asks the model something else than it did"))),
            None => Err(ModelError::Replay(format!("`{asked_by}` asks the model once more than it did"))),
        }
    }
}

impl Model for Recited {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    fn is_in_order(&self) -> bool {
        false
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(std::future::ready(self.next(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(Mutex<u64>);

    impl Model for Counting {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity { provider: "p".into(), model: "m".into(), base_url: "u".into() }
        }
        fn is_in_order(&self) -> bool {
            false
        }
        fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
            let mut count = self.0.lock().unwrap();
            *count += 1;
            let reply = ModelReply {
                text: format!("answer {count}"),
                finish_reason: None,
                prompt_tokens: 1,
                completion_tokens: 2,
                attempts: 1,
                elapsed_ms: 3,
                ..ModelReply::default()
            };
            let dead = request.user == "dead";
            Box::pin(std::future::ready(if dead { Err(ModelError::Declined("no".into())) } else { Ok(reply) }))
        }
    }

    fn request(asked_by: &str, user: &str) -> ModelRequest {
        ModelRequest {
            asked_by: asked_by.into(),
            system: "s".into(),
            user: user.into(),
            schema_name: "n".into(),
            schema: serde_json::json!({}),
            max_tokens: 1,
        }
    }

    #[tokio::test]
    async fn the_last_try_of_each_task_is_said_again_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replies.ndjson");
        let kept = Kept::new(Arc::new(Counting(Mutex::new(0))), &path);
        // `a` is tried twice, the second time after a crash that cut a line short; equal questions get what they got.
        let mut said = Vec::new();
        for (task, user) in [("a", "x"), ("b", "x"), ("a", "x"), ("a", "x"), ("a", "dead")] {
            said.push(kept.complete(&request(task, user)).await);
        }
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"asked_by\":\"a\",").unwrap();

        let calls = BTreeMap::from([("a".to_string(), 3), ("b".to_string(), 1), ("c".to_string(), 0)]);
        let replies = Replies::read(&path);
        assert!(replies.has("a", 4) && !replies.has("a", 5) && replies.has("c", 0) && !replies.has("c", 1));
        let again = replies.model(kept.identity(), &calls);
        assert_eq!(again.identity(), kept.identity());
        for (task, user, expected) in [("a", "x", 2), ("a", "x", 3), ("b", "x", 1), ("a", "dead", 4)] {
            assert_eq!(again.complete(&request(task, user)).await, said[expected]);
        }
        let once_more = again.complete(&request("b", "x")).await;
        assert!(matches!(once_more, Err(ModelError::Replay(why)) if why.contains("once more")));
        let again = Replies::read(&path).model(kept.identity(), &calls);
        let other = again.complete(&request("b", "y")).await;
        assert!(matches!(other, Err(ModelError::Replay(why)) if why.contains("something else")));
    }
}
