//! The kind `validate`: publishes a model's wording if it keeps to the facts, else the playbook's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::asking::ask;
use super::draft::Draft;
use crate::diagnostic::Diagnostic;
use crate::domain::{Note, Recommendation, WordingRecord, WordingSource};
use crate::node::{Assets, Cx, Task, TaskError};
use crate::port::ModelReply;
use crate::wording::{Grounded, Rejection, judge, legible};

/// Holds a draft to the facts of its recommendation. The sentences of the model are published only if
///
/// - the answer ended by itself and is one JSON object; only its syntax is repaired, and every edit is recorded
/// - it fits the schema
/// - it is grounded: every slot is a fact, every figure is exactly one fact, every name is one of the facts', no
///   other service, host or metric of the run is named (`add a cache` names none), and nothing is promised
/// - it keeps to the plan: the action says the planned verb or one of the same meaning, nothing turns it around, and
///   every sentence holds a slot or only words of the planned one. The longest sentence has 400 characters, or 100 more
///   than the planned one
///
/// A rejected answer is asked for again with the reasons, at most `max_repairs` times; then the template of the
/// playbook words the recommendation. Nothing else of the recommendation ever changes. How it was worded is in the run
/// record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often a rejected answer is asked for again.
    #[serde(default = "max_repairs")]
    pub max_repairs: u32,
}

fn max_repairs() -> u32 {
    2
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub draft: Draft,
}

pub struct Validating {
    max_repairs: u32,
}

impl Task for Validating {
    const KIND: &'static str = "validate";
    const VERSION: u32 = 3;
    const USES_MODEL: bool = true;
    const HAS_FALLBACK: bool = true;
    type Config = Config;
    type Input = Input;
    type Output = Recommendation;

    fn new(config: Config, _: &Assets<'_>) -> Result<Validating, Vec<Diagnostic>> {
        Ok(Validating { max_repairs: config.max_repairs })
    }

    async fn run(&self, input: Input, cx: &Cx) -> Result<Recommendation, TaskError> {
        let draft = input.draft;
        let mut record = WordingRecord {
            recommendation: draft.recommendation.id.clone(),
            source: WordingSource::Template,
            repairs: 0,
            ledger: Vec::new(),
            rejected: draft.failure.iter().map(|why| legible(why, 300)).collect(),
        };
        let accepted = self.accepted(&draft, &mut record, cx).await?;
        let mut recommendation = draft.recommendation;
        if let Some(grounded) = accepted {
            recommendation.slots = grounded.slots;
            recommendation.words = grounded.words;
            recommendation.wording = WordingSource::Model;
            record.source = WordingSource::Model;
            record.ledger = grounded.ledger;
        }
        cx.note(Note::Wording(record));
        Ok(recommendation)
    }

    fn fallback(&self, input: Input) -> Option<Recommendation> {
        Some(input.draft.recommendation)
    }
}

impl Validating {
    /// The first answer that passes, if one does.
    async fn accepted(
        &self,
        draft: &Draft,
        record: &mut WordingRecord,
        cx: &Cx,
    ) -> Result<Option<Grounded>, TaskError> {
        let mut latest: Option<ModelReply> = draft.reply.clone();
        while let Some(reply) = latest.take() {
            let verdict = judge(&reply.text, reply.finish_reason.as_deref(), &draft.recommendation, cx.language);
            let reasons = match verdict {
                Ok(grounded) => return Ok(Some(grounded)),
                Err(rejections) => reasons(&rejections),
            };
            record.rejected.extend(reasons.iter().cloned());
            let (Some(prompt), Some(model)) = (&draft.prompt, cx.model()) else { break };
            if record.repairs < self.max_repairs {
                record.repairs += 1;
                match ask(cx, model.as_ref(), &prompt.again(&reply.text, &reasons)).await? {
                    Ok(reply) => latest = Some(reply),
                    Err(why) => record.rejected.push(legible(&why, 300)),
                }
            }
        }
        Ok(None)
    }
}

/// As sentences; few enough for a record, however much is wrong.
fn reasons(rejections: &[Rejection]) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for rejection in rejections {
        let reason = legible(&rejection.to_string(), 300);
        if reasons.len() < 8 && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::asking::scripted::{Scripted, recommendation, reply};
    use super::*;
    use crate::domain::{Language, ModelCall};
    use crate::port::{Model, ModelError};
    use crate::wording::Prompt;

    const GOOD: &str = r#"{"action": "Bring {target} to {parameter.replicas} replicas.",
        "benefit_estimate": "CPU should fall to {projected.cpu_usage}, assuming {assumed.replicas} replica."}"#;
    const BAD: &str = r#"{"action": "Bring {target} to 7 replicas.", "benefit_estimate": "It will help a lot."}"#;

    fn draft(reply: Option<ModelReply>) -> Draft {
        let prompt = Some(Prompt { system: "s".into(), user: "u".into(), max_tokens: 400 });
        Draft { recommendation: recommendation(), prompt, reply, failure: None }
    }

    struct Outcome {
        result: Result<Recommendation, TaskError>,
        calls: Vec<ModelCall>,
        wordings: Vec<WordingRecord>,
    }

    async fn run(draft: Draft, model: Option<Arc<Scripted>>, max_repairs: u32) -> Outcome {
        let cx = Cx::new("words[0]".into(), Language::En, model.map(|model| model as Arc<dyn Model>));
        let result = Validating { max_repairs }.run(Input { draft }, &cx).await;
        let (mut calls, mut wordings) = (Vec::new(), Vec::new());
        for note in cx.take_notes() {
            match note {
                Note::Call(call) => calls.push(call),
                Note::Wording(wording) => wordings.push(wording),
                Note::Delivery(_) | Note::Keep { .. } => {}
            }
        }
        Outcome { result, calls, wordings }
    }

    /// The script answers the requests after the draft; `expected` is source, repairs, and a part of each rejection.
    async fn check(
        draft: Draft,
        script: Option<Vec<Result<ModelReply, ModelError>>>,
        expected: (WordingSource, u32, &[&str]),
    ) -> WordingRecord {
        let planned = draft.recommendation.clone();
        let model = script.map(Scripted::new);
        let outcome = run(draft, model.clone(), 2).await;
        let worded = outcome.result.unwrap();
        let (source, repairs, rejected) = expected;
        let [record] = outcome.wordings.as_slice() else { panic!("{:?}", outcome.wordings) };
        assert_eq!((record.source, worded.wording, record.repairs), (source, source, repairs), "{record:?}");
        assert_eq!(record.recommendation, planned.id);
        assert_eq!(record.rejected.len(), rejected.len(), "{record:?}");
        for (reason, part) in record.rejected.iter().zip(rejected) {
            assert!(reason.contains(part), "{reason}");
        }
        let asked = model.map_or(0, |model| model.asked.lock().unwrap().len());
        assert_eq!(outcome.calls.len(), asked);
        assert!(outcome.calls.iter().all(|call| call.asked_by == "words[0]"));
        if source == WordingSource::Template {
            assert_eq!(worded, planned);
        }
        record.clone()
    }

    fn ended(text: &str, finish_reason: &str) -> ModelReply {
        ModelReply { finish_reason: Some(finish_reason.into()), ..reply(text) }
    }

    #[tokio::test]
    async fn a_grounded_reply_is_published() {
        use WordingSource::Model;
        check(draft(Some(reply(GOOD))), None, (Model, 0, &[])).await;
        let fenced = format!("```json\n{GOOD}\n```");
        let record = check(draft(Some(reply(&fenced))), Some(vec![]), (Model, 0, &[])).await;
        assert_eq!(record.ledger, ["dropped a code fence at character 1"]);
        let outcome = run(draft(Some(reply(GOOD))), None, 0).await.result.unwrap();
        assert_eq!(outcome.words.action, "Bring api_gateway to 2 replicas.");
        assert_eq!(outcome.words.benefit_estimate, "CPU should fall to 46.5%, assuming 1 replica.");
        assert_eq!(outcome.slots.action, "Bring {target} to {parameter.replicas} replicas.");
    }

    #[tokio::test]
    async fn what_fails_is_asked_again_then_the_template_words_it() {
        use WordingSource::{Model, Template};
        let figure = "the figure `7`";
        let bad: &[&str] = &[
            figure,
            "`will` promises",
            "`It will help a lot` has no slot",
            "{parameter.replicas}",
            "{assumed.replicas}",
            "{projected.cpu_usage}",
        ];
        let twice: Vec<&str> = [bad, bad].concat();
        let thrice: Vec<&str> = [bad, bad, bad].concat();
        check(draft(Some(reply(BAD))), Some(vec![Ok(reply(GOOD))]), (Model, 1, bad)).await;
        check(draft(Some(reply(BAD))), Some(vec![Ok(reply(BAD)), Ok(reply(GOOD))]), (Model, 2, &twice)).await;
        check(draft(Some(reply(BAD))), Some(vec![Ok(reply(BAD)), Ok(reply(BAD))]), (Template, 2, &thrice)).await;
        check(draft(Some(reply(BAD))), None, (Template, 0, bad)).await;
        let cut = "did not end by itself but with `length`";
        check(draft(Some(ended(GOOD, "length"))), Some(vec![Ok(reply(GOOD))]), (Model, 1, &[cut])).await;
        let dead = Err(ModelError::Timeout("30 s".into()));
        check(draft(Some(ended(GOOD, "length"))), Some(vec![dead]), (Template, 1, &[cut, "no answer in time"])).await;
    }

    #[tokio::test]
    async fn without_a_reply_the_template_words_it() {
        use WordingSource::Template;
        let alone = Draft { recommendation: recommendation(), prompt: None, reply: None, failure: None };
        check(alone.clone(), None, (Template, 0, &[])).await;
        let failed = Draft { failure: Some("no answer in time: 30 s".into()), ..alone };
        check(failed, Some(vec![]), (Template, 0, &["no answer in time: 30 s"])).await;
    }

    #[test]
    fn the_stand_in_is_the_recommendation_as_planned() {
        let stand_in = Validating { max_repairs: 0 }.fallback(Input { draft: draft(Some(ended(GOOD, "stop"))) });
        assert_eq!(stand_in, Some(recommendation()));
    }

    #[tokio::test]
    async fn a_replay_without_the_request_fails_the_task() {
        let model = Scripted::new([Err(ModelError::Replay("no such request".into()))]);
        let outcome = run(draft(Some(reply(BAD))), Some(model), 2).await;
        assert_eq!(outcome.result, Err(TaskError::Permanent("no such request".into())));
        assert_eq!(outcome.wordings, []);
    }

    #[tokio::test]
    async fn a_repeated_request_is_of_bounded_size_and_keeps_no_history() {
        let long = "\u{202e}nonsense é ".repeat(900);
        let model = Scripted::new([Ok(reply(&long)), Ok(reply(&long)), Ok(reply(BAD))]);
        run(draft(Some(reply(&long))), Some(model.clone()), 3).await;
        let asked = model.asked.lock().unwrap();
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[0], asked[1]);
        assert!(asked.iter().all(|request| request.user.chars().count() < 2_500 && request.system == "s"));
        assert!(asked[0].user.starts_with("u\n") && !asked[0].user.contains('\u{202e}'));
    }

    proptest! {
        /// A model may say whatever it likes: nothing but the sentences changes, and exactly one wording is recorded.
        #[test]
        fn no_reply_changes_anything_but_the_sentences(
            text in prop_oneof![
                any::<String>(),
                (r#"[a-z {}0-9%."\\,]{0,40}"#, r#"[a-z {}0-9%."\\,]{0,40}"#).prop_map(|(action, benefit)| {
                    serde_json::json!({ "action": action, "benefit_estimate": benefit }).to_string()
                }),
                "[a-z ]{1,20}".prop_map(|words| GOOD.replace("Bring", &format!("To {words} bring"))),
                "[ -~]{1,30}".prop_map(|tail| GOOD.replace("\"}", &format!("\", \"target\": \"{tail}\"}}"))),
            ],
            finish_reason in prop_oneof![Just(None), Just(Some("stop".to_string())), "[a-z_]{0,10}".prop_map(Some)],
        ) {
            let planned = recommendation();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = ModelReply { finish_reason, ..reply(&text) };
            let outcome = runtime.block_on(run(draft(Some(answer)), None, 2));
            let worded = outcome.result.unwrap();
            prop_assert_eq!(outcome.wordings.len(), 1);
            if worded.wording == WordingSource::Template {
                prop_assert_eq!(&worded, &planned);
            }
            let restored = Recommendation {
                slots: planned.slots.clone(), words: planned.words.clone(), wording: planned.wording, ..worded
            };
            prop_assert_eq!(restored, planned);
        }
    }
}
