//! The kind `validate`: publishes a model's wording if it keeps to the facts, else the playbook's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::asking::{Kept, ask};
use super::draft::Draft;
use crate::diagnostic::Diagnostic;
use crate::domain::{Language, Note, Recommendation, WordingRecord, WordingSource};
use crate::node::{Assets, Cx, Task, TaskError};
use crate::port::{ModelError, ModelReply};
use crate::wording::grounding::ground;
use crate::wording::{Grounded, Pseudonyms, Rejection, Wording, judge, legible};

/// Holds a draft to the facts of its recommendation. The sentences of the model are published only if
///
/// - the answer ended by itself and is one JSON object; only its syntax is repaired, and every edit is recorded
/// - it fits the schema
/// - it is grounded: every slot is a fact, every figure is exactly one fact, every name is one of the facts', no
///   other service, host or metric of the run is named (`add a cache` names none), and nothing is promised
/// - of two figures the one that was comes before the one that is expected, and what is expected to fall does not rise
/// - it states the target, the parameters, the estimate and the assumptions that the planned sentences state. The longest
///   sentence has 400 characters, or 100 more than the planned one
///
/// As far as it is recognised, a sentence is refused too if it turns the action around, contradicts a status or a level of
/// the plan, gives a figure under the name of another, tells a cause that the plan does not tell, speaks of all where the
/// plan speaks of one, or brings in a day, a person, a price, a secret, an accident or another action that neither the plan
/// nor a fact speaks of. These rules know words, not meanings, in the language of the graph; no word is refused for being
/// unknown.
///
/// A rejected answer is asked for again with the reasons, at most `max_repairs` times and as far as the tokens of the run
/// go (`max_tokens_per_run` of the graph); then the template of the
/// playbook words the recommendation. Nothing else of the recommendation ever changes. How it was worded is in the run
/// record.
///
/// In a graph with `[window]` accepted sentences are remembered with their slots as long as the same episodes go on, and
/// filled with the facts of each window. They are held to these facts again; where they do not hold, the template words
/// the recommendation.
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
    const VERSION: u32 = 6;
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
            usage: draft.usage.clone(),
            ledger: Vec::new(),
            rejected: draft.failure.iter().map(|why| legible(why, 300)).collect(),
        };
        let (accepted, source) = match &draft.remembered {
            Some(kept) => (refilled(kept, &draft.recommendation, &mut record, cx), WordingSource::Remembered),
            None => (self.accepted(&draft, &mut record, cx).await?, WordingSource::Model),
        };
        let mut recommendation = draft.recommendation;
        if let Some(grounded) = accepted {
            recommendation.slots = grounded.slots;
            recommendation.words = grounded.words;
            recommendation.wording = source;
            record.source = source;
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
            let about = &draft.recommendation;
            // Reasons quote what was sent, so an answer is judged under the names that it was asked by.
            let Ok(sent) = draft.sent() else { break };
            let verdict = judge(&reply.text, reply.finish_reason.as_deref(), &sent, cx.language);
            let reasons = match verdict.and_then(|grounded| named(draft, grounded, cx.language)) {
                Ok(grounded) => {
                    judged(draft, Some(&reply), cx);
                    Kept { slots: Some(grounded.slots.clone()) }.note(about, cx);
                    return Ok(Some(grounded));
                }
                Err(rejections) => reasons(&rejections),
            };
            record.rejected.extend(reasons.iter().cloned());
            let (Some(prompt), Some(model)) = (&draft.prompt, cx.model()) else { break };
            if record.repairs >= self.max_repairs {
                Kept { slots: None }.note(about, cx); // asked often enough, until there is something new to say
            } else {
                let answer = ask(cx, model.as_ref(), &prompt.again(&reply.text, &reasons), &mut record.usage).await?;
                record.repairs += u32::from(!matches!(answer, Err(ModelError::Budget(_))));
                match answer {
                    Ok(reply) => latest = Some(reply),
                    Err(why) => record.rejected.push(legible(&why.to_string(), 300)),
                }
            }
        }
        judged(draft, None, cx);
        Ok(None)
    }
}

/// Tells the model what became of the draft that it gave.
fn judged(draft: &Draft, accepted: Option<&ModelReply>, cx: &Cx) {
    let ticket = draft.reply.as_ref().and_then(|reply| reply.ticket.as_deref());
    if let (Some(ticket), Some(model)) = (ticket, cx.model()) {
        model.judged(ticket, accepted);
    }
}

/// An accepted answer under the real names.
fn named(draft: &Draft, grounded: Grounded, language: Language) -> Result<Grounded, Vec<Rejection>> {
    if !draft.pseudonymized {
        return Ok(grounded);
    }
    let about = &draft.recommendation;
    let pseudonyms = Pseudonyms::of(about).ok();
    pseudonyms.and_then(|names| names.unmask(&grounded, about, language)).ok_or_else(|| vec![Rejection::Unnamed])
}

/// The sentences that an earlier window accepted, with the facts of this one, if they still hold.
fn refilled(kept: &Kept, about: &Recommendation, record: &mut WordingRecord, cx: &Cx) -> Option<Grounded> {
    let Some(slots) = &kept.slots else {
        kept.note(about, cx);
        record.rejected.push("what the model said in an earlier window was rejected".to_string());
        return None;
    };
    let wording = Wording { action: slots.action.clone(), benefit_estimate: slots.benefit_estimate.clone() };
    match ground(&wording, about, cx.language) {
        Ok(grounded) => {
            kept.note(about, cx);
            Some(grounded)
        }
        Err(faults) => {
            let why = |fault| Rejection::Grounding(fault);
            record.rejected.push("what was accepted in an earlier window does not hold any more".to_string());
            record.rejected.extend(reasons(&faults.into_iter().map(why).collect::<Vec<_>>()));
            None
        }
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
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::super::asking::scripted::{Scripted, recommendation, reply};
    use super::super::draft::{self, Drafting};
    use super::*;
    use crate::diagnostic::{SourceFile, decode, parse_toml};
    use crate::domain::{ClosedBy, Episode, FactValue, Figure, ModelCall, Timestamp, WindowRecord, WindowSpan, Words};
    use crate::port::{Files, Memory, Model};
    use crate::wording::Prompt;

    const GOOD: &str = r#"{"action": "Bring {target} to {parameter.replicas} replicas.",
        "benefit_estimate": "CPU should fall to {projected.cpu_usage}, assuming {assumed.replicas} replica."}"#;
    const BAD: &str = r#"{"action": "Bring {target} to 7 replicas.", "benefit_estimate": "It will help a lot."}"#;

    fn draft(reply: Option<ModelReply>) -> Draft {
        let prompt = Some(Prompt { system: "s".into(), user: "u".into(), max_tokens: 400 });
        Draft { prompt, reply, ..Draft::of(recommendation()) }
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
                Note::Delivery(_)
                | Note::Episode(_)
                | Note::Incident(_)
                | Note::Insufficient(_)
                | Note::Stored(_)
                | Note::Keep { .. } => {}
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
        let bad: &[&str] =
            &[figure, "`will` promises", "{parameter.replicas}", "{assumed.replicas}", "{projected.cpu_usage}"];
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
        let alone = Draft::of(recommendation());
        check(alone.clone(), None, (Template, 0, &[])).await;
        let failed = Draft { failure: Some("no answer in time: 30 s".into()), ..alone };
        check(failed, Some(vec![]), (Template, 0, &["no answer in time: 30 s"])).await;
    }

    #[tokio::test]
    async fn an_answer_under_made_up_names_is_published_under_the_real_ones() {
        let masked = |text: &str| Draft { pseudonymized: true, ..draft(Some(reply(text))) };
        let good = GOOD.replace("{target}", "Entity-a");
        let outcome = run(masked(&good.replace("Bring Entity-a", "Bring entity-a")), None, 0).await;
        assert_eq!(outcome.result.unwrap().words.action, "Bring api_gateway to 2 replicas.");
        // A name that stands for nothing is no name of the facts either; asked again it is told so.
        let bad = GOOD.replace("{target}", "{target} beside entity-q");
        let outcome = run(masked(&bad), Some(Scripted::new([Ok(reply(GOOD))])), 1).await;
        assert_eq!(outcome.result.unwrap().wording, WordingSource::Model);
        assert_eq!(outcome.wordings[0].repairs, 1);
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

    #[derive(Default)]
    struct Remembering(Mutex<HashMap<String, String>>);

    impl Memory for Remembering {
        fn recall(&self, key: &str) -> Option<String> {
            self.0.lock().unwrap().get(key).cloned()
        }
    }

    struct Prompts;

    impl Files for Prompts {
        fn read(&self, path: &str) -> Result<SourceFile, String> {
            Ok(SourceFile::new(path, include_str!("../../prompts/recommendation.md")))
        }
    }

    fn drafting() -> Drafting {
        let graph = SourceFile::new("g.toml", "prompt = 'p.md'");
        let toml = parse_toml(&graph).unwrap();
        let value = toml::Spanned::new(toml.span(), toml::de::DeValue::Table(toml.into_inner()));
        Drafting::new(decode(value, &graph).unwrap(), &Assets::new(Language::En, &graph, &Prompts)).unwrap()
    }

    /// What one window is given and what comes of it.
    struct Step {
        /// `a opened, b ongoing`
        episodes: &'static str,
        /// CPU usage, a fact of this window.
        cpu: f64,
        answers: Vec<Result<ModelReply, ModelError>>,
        source: WordingSource,
        benefit: &'static str,
    }

    /// One recommendation through `draft` and `validate`, window after window. Every answer must be asked for, and no
    /// more than there are.
    async fn check_windows(steps: Vec<Step>) {
        let memory = Arc::new(Remembering::default());
        for (number, Step { episodes, cpu, answers, source, benefit }) in steps.into_iter().enumerate() {
            let time = Timestamp::parse("2024-01-01T00:00:00Z").unwrap();
            let mut about = recommendation();
            about.episodes = episodes
                .split(", ")
                .map(|text| text.split_once(' ').unwrap())
                .map(|(id, phase)| Episode {
                    id: id.into(),
                    phase: serde_json::from_value(phase.into()).unwrap(),
                    since: time,
                    worst_severity: about.severity,
                    windows: number as u64,
                })
                .collect();
            about.facts[1].value = FactValue::Number(Figure::new(cpu).unwrap());
            about.facts[4].value = FactValue::Number(Figure::new(cpu / 2.0).unwrap());
            let expected = answers.len();
            let model = Scripted::new(answers);
            let cx = || {
                let span = WindowSpan { start: time, end: time };
                let window = WindowRecord { span, closed_by: ClosedBy::Watermark, partial: false, late: 0, carried: 0 };
                let cx = Cx::new("words[0]".into(), Language::En, Some(model.clone() as Arc<dyn Model>));
                cx.within("run".into(), Some(window), Some(memory.clone()))
            };
            let (asks, holds) = (cx(), cx());
            let draft = drafting().run(draft::Input { recommendation: about.clone() }, &asks).await.unwrap();
            let worded = Validating { max_repairs: 1 }.run(Input { draft }, &holds).await.unwrap();
            assert_eq!((worded.wording, worded.words.benefit_estimate.as_str()), (source, benefit), "window {number}");
            assert_eq!(model.asked.lock().unwrap().len(), expected, "window {number}");
            let restored = Recommendation {
                slots: about.slots.clone(),
                words: about.words.clone(),
                wording: about.wording,
                ..worded
            };
            assert_eq!(restored, about);
            for note in holds.take_notes() {
                match note {
                    Note::Wording(record) => assert_eq!(record.source, source),
                    Note::Keep { key, value } => drop(memory.0.lock().unwrap().insert(key, value)),
                    Note::Call(_)
                    | Note::Delivery(_)
                    | Note::Episode(_)
                    | Note::Incident(_)
                    | Note::Insufficient(_)
                    | Note::Stored(_) => {}
                }
            }
        }
    }

    #[tokio::test]
    async fn the_model_is_asked_when_an_episode_opens_or_escalates() {
        use WordingSource::{Model, Remembered, Template};
        let said = |text: &str| vec![Ok(reply(text))];
        let other = GOOD.replace("CPU should fall", "CPU use should fall");
        let step = |episodes, cpu, answers, source, benefit| Step { episodes, cpu, answers, source, benefit };
        let template = "CPU from 93% to 46.5%, if 1 runs.";
        check_windows(vec![
            step("a opened", 93.0, said(GOOD), Model, "CPU should fall to 46.5%, assuming 1 replica."),
            step("a ongoing", 80.0, vec![], Remembered, "CPU should fall to 40%, assuming 1 replica."),
            step("a ongoing", 70.0, vec![], Remembered, "CPU should fall to 35%, assuming 1 replica."),
            step("a escalated", 96.0, said(&other), Model, "CPU use should fall to 48%, assuming 1 replica."),
            step("a ongoing", 90.0, vec![], Remembered, "CPU use should fall to 45%, assuming 1 replica."),
            // One more episode behind it: nothing is remembered of both.
            step("b opened, a ongoing", 90.0, said(GOOD), Model, "CPU should fall to 45%, assuming 1 replica."),
            step("a ongoing, b ongoing", 88.0, vec![], Remembered, "CPU should fall to 44%, assuming 1 replica."),
            step("a ongoing", 90.0, vec![], Remembered, "CPU use should fall to 45%, assuming 1 replica."),
            // Nothing acceptable: not asked again before there is news.
            step("c opened", 90.0, vec![Ok(reply(BAD)), Ok(reply(BAD))], Template, template),
            step("c ongoing", 90.0, vec![], Template, template),
            step("c escalated", 90.0, said(GOOD), Model, "CPU should fall to 45%, assuming 1 replica."),
            // No answer: asked in the next window.
            step("d opened", 90.0, vec![Err(ModelError::Timeout("30 s".into()))], Template, template),
            step("d ongoing", 90.0, said(GOOD), Model, "CPU should fall to 45%, assuming 1 replica."),
            step("d ongoing", 90.0, vec![], Remembered, "CPU should fall to 45%, assuming 1 replica."),
        ])
        .await;
    }

    #[tokio::test]
    async fn what_is_remembered_is_held_to_the_facts_of_the_window() {
        let kept = |slots| Draft { remembered: Some(Kept { slots }), ..draft(None) };
        let words = |action: &str, benefit_estimate: &str| {
            Some(Words { action: action.into(), benefit_estimate: benefit_estimate.into() })
        };
        let good = words(
            "Bring {target} to {parameter.replicas} replicas.",
            "CPU should fall to {projected.cpu_usage}, assuming {assumed.replicas} replica.",
        );
        check(kept(good), Some(vec![]), (WordingSource::Remembered, 0, &[])).await;
        let stale = words(
            "Bring {target} to {parameter.replicas} replicas.",
            "CPU should fall to {projected.cpu_usage}, assuming {assumed.nodes} replica.",
        );
        check(
            kept(stale),
            Some(vec![]),
            (WordingSource::Template, 0, &["does not hold any more", "assumed.nodes", "assumed.replicas"]),
        )
        .await;
        check(kept(None), Some(vec![]), (WordingSource::Template, 0, &["was rejected"])).await;
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
