use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Answers after a time that differs from request to request, and counts what it says that it takes.
struct Slow {
    /// Mixed into the times.
    seed: u64,
    /// Tokens by the text that is asked: `take 90`; `lost` gets no answer, `no` is declined.
    taken: AtomicU64,
    running: AtomicU64,
    most: AtomicU64,
}

impl Slow {
    fn new(seed: u64) -> Arc<Slow> {
        let [taken, running, most] = Default::default();
        Arc::new(Slow { seed, taken, running, most })
    }
}

impl Model for Slow {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { provider: "test".into(), model: "slow".into(), base_url: "test:".into() }
    }

    fn is_in_order(&self) -> bool {
        false
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let text = format!("{} {} {}", self.seed, request.asked_by, request.user);
            let pause = u64::from(blake3::hash(text.as_bytes()).as_bytes()[0]);
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10 + pause)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            match request.user.split_once(' ') {
                Some(("take", tokens)) => {
                    let prompt_tokens = tokens.parse().unwrap();
                    self.taken.fetch_add(prompt_tokens, Ordering::SeqCst);
                    Ok(ModelReply { prompt_tokens, ..ModelReply::default() })
                }
                Some(("lost", _)) => Err(ModelError::Timeout("30 s".into())),
                _ => Err(ModelError::Declined("no".into())),
            }
        })
    }
}

fn request(asked_by: &str, user: &str) -> ModelRequest {
    ModelRequest {
        asked_by: asked_by.into(),
        system: String::new(),
        user: user.into(),
        schema_name: "s".into(),
        schema: json!({}),
        max_tokens: 30,
    }
}

/// At most 100 tokens by the estimate, whatever is said here.
const TAKES_100: &str = "take 70";

/// What becomes of the requests of each task, one after the other, all tasks at once: `+`, or `-` where the budget does not
/// cover it, after which the task asks no more.
async fn outcomes(model: &Budgeted, tasks: &[Vec<String>]) -> Vec<String> {
    let mut running: FuturesUnordered<_> = tasks
        .iter()
        .enumerate()
        .map(|(number, texts)| async move {
            let mut outcome = String::new();
            for text in texts {
                match model.complete(&request(&format!("w[{number}]"), text)).await {
                    Err(ModelError::Budget(_)) => {
                        outcome.push('-');
                        break;
                    }
                    _ => outcome.push('+'),
                }
            }
            (number, outcome)
        })
        .collect();
    let mut all = vec![String::new(); tasks.len()];
    while let Some((number, outcome)) = running.next().await {
        all[number] = outcome;
    }
    all
}

fn budgeted(inner: &Arc<Slow>, limit: u64, spent: u64) -> Budgeted {
    Budgeted::new(inner.clone(), limit, spent, Duration::from_secs(100))
}

async fn check(limit: u64, spent: u64, tasks: &[&[&str]], expected: &[&str]) {
    let tasks: Vec<Vec<String>> = tasks.iter().map(|texts| texts.iter().map(|t| t.to_string()).collect()).collect();
    for seed in 0..20 {
        let slow = Slow::new(seed);
        assert_eq!(outcomes(&budgeted(&slow, limit, spent), &tasks).await, expected, "{tasks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_are_covered_then_what_they_leave_is_given_to_the_next() {
    assert_eq!(most(&request("w", TAKES_100)), 100);
    let one: &[&str] = &[TAKES_100];
    check(100, 0, &[one; 3], &["+", "-", "-"]).await;
    check(99, 0, &[one; 2], &["-", "-"]).await;
    // 70 of 100 are taken: three go to where five would have been reserved, and a fourth fits in what is left.
    check(310, 0, &[one; 6], &["+", "+", "+", "+", "-", "-"]).await;
    check(310, 200, &[one; 6], &["+", "-", "-", "-", "-", "-"]).await;
    // A smaller one fits where a larger one does not.
    let long = format!("take 70{}", " ".repeat(100));
    check(170, 0, &[one, &["no 1"], &[long.trim_end()], one], &["+", "+", "+", "-"]).await;
}

#[tokio::test(start_paused = true)]
async fn drafts_go_before_what_is_asked_again() {
    let twice: &[&str] = &[TAKES_100, TAKES_100];
    // Three drafts, and one more: that of the first.
    check(310, 0, &[twice; 3], &["++", "+-", "+-"]).await;
    check(170, 0, &[twice; 3], &["+-", "+-", "-"]).await;
    let thrice: &[&str] = &[TAKES_100, TAKES_100, TAKES_100];
    check(100 + 4 * 70, 0, &[thrice; 2], &["+++", "++-"]).await;
    check(100_000, 0, &[thrice; 40], &["+++"; 40]).await;
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_counts_as_much_as_it_may_have_taken() {
    check(200, 0, &[&["lost 1"], &[TAKES_100], &[TAKES_100]], &["+", "+", "-"]).await;
    check(200, 0, &[&["decline"], &[TAKES_100], &[TAKES_100]], &["+", "+", "+"]).await;
    // The endpoint does not say what it took.
    check(200, 0, &[&["take 0"], &[TAKES_100], &[TAKES_100]], &["+", "+", "-"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_surely_covered_goes_at_once() {
    let slow = Slow::new(1);
    let model = budgeted(&slow, 50 * 100, 0);
    let tasks = vec![vec![TAKES_100.to_string()]; 50];
    assert_eq!(outcomes(&model, &tasks).await, vec!["+"; 50]);
    assert_eq!(slow.most.load(Ordering::SeqCst), 50);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_takes_more_than_estimated_is_asked_no_more() {
    let tasks = vec![vec!["take 5000".to_string(); 3]; 30];
    for seed in 0..10 {
        let slow = Slow::new(seed);
        let asked = outcomes(&budgeted(&slow, 1000, 0), &tasks).await.concat().matches('+').count() as u64;
        // What ran at the time is all that goes beyond.
        assert!(asked <= 1000 / 100 && slow.taken.load(Ordering::SeqCst) <= 1000 + asked * (5000 - 100), "{asked}");
    }
    let slow = Slow::new(1);
    let model = budgeted(&slow, 1000, 0);
    assert!(model.complete(&request("w[0]", &format!("take {}", u64::MAX))).await.is_ok());
    let error = model.complete(&request("w[1]", TAKES_100)).await.unwrap_err().to_string();
    let expected = "not asked: of the 1000 tokens of the run 0 are left, and this may take 100 (max_tokens_per_run)";
    assert_eq!(error, expected);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_makes_room_and_nobody_waits_for_ever() {
    let slow = Slow::new(1);
    let model = Budgeted::new(slow.clone(), 100, 0, Duration::from_secs(5));
    let first = request("w[0]", TAKES_100);
    let mut first = Box::pin(model.complete(&first));
    assert!(futures_util::poll!(&mut first).is_pending());
    // Waits for the first, which is never polled again.
    let begun = Instant::now();
    let error = model.complete(&request("w[1]", TAKES_100)).await.unwrap_err();
    assert!(matches!(&error, ModelError::Timeout(why) if why.text.contains("LLM_DEADLINE")), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    drop(first); // it was sent, so it may have been charged for
    assert_eq!(lock(&model.books).spent, 100);
}

/// One after the other, each with what those before it took.
fn one_by_one(limit: u64, tasks: &[Vec<String>]) -> Vec<String> {
    let mut outcomes = vec![String::new(); tasks.len()];
    let mut spent = 0;
    for round in 0..3 {
        for (outcome, texts) in outcomes.iter_mut().zip(tasks) {
            let Some(text) = texts.get(round).filter(|_| !outcome.contains('-')) else { continue };
            let most = most(&request("", text));
            if spent + most > limit {
                outcome.push('-');
                continue;
            }
            outcome.push('+');
            spent += match text.split_once(' ') {
                Some(("take", tokens)) => tokens.parse().unwrap(),
                Some(("lost", _)) => most,
                _ => 0,
            };
        }
    }
    outcomes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However fast the answers come, the same requests are covered: those that would be one by one.
    #[test]
    fn what_is_covered_does_not_depend_on_time(
        tasks in prop::collection::vec(prop::collection::vec(
            prop_oneof![(1u64..=95).prop_map(|n| format!("take {n}")), Just("lost 1".to_string()), Just("no".to_string())],
            0..=3,
        ), 1..12),
        limit in 0u64..2500,
        seed in any::<u64>(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let slow = Slow::new(seed);
        let got = runtime.block_on(outcomes(&budgeted(&slow, limit, 0), &tasks));
        prop_assert_eq!(got, one_by_one(limit, &tasks));
        prop_assert!(slow.taken.load(Ordering::SeqCst) <= limit);
    }
}
