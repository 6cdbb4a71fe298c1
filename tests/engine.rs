//! The engine over graphs of kinds that it has never heard of.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::engine::{Cancel, Event, Outcome, Run, World, drive};
use agent::graph::{Compiled, Plan};
use agent::port::Journal;
use support::{Epoch, Nobody, POLLS, RUNS, Silent, compiled, header, run, run_with};

/// Output of the node `end` as JSON.
fn end(run: &Run, plan: &Plan) -> String {
    run.value(plan.find("end").unwrap()).map(|v| v.get().to_string()).unwrap_or_else(|| "none".into())
}

async fn check(text: &str, expected: &str) {
    let (state, outcome, plan, _) = run(text, &[], Cancel::default()).await;
    let got = match outcome {
        Outcome::Done => end(&state, &plan),
        Outcome::Failed(fault) => fault.to_string(),
        Outcome::Interrupted => "interrupted".into(),
    };
    assert_eq!(got, expected, "{text}");
}

const NUMBERS: &str = "[nodes.n]\nkind = 'test.numbers'\nvalues = [1, 2, 3]\n";

#[tokio::test]
async fn graphs_of_any_shape_run() {
    let chain = format!(
        "{NUMBERS}[nodes.s]\nkind = 'test.sum'\ninputs = {{ telemetry = 'n' }}\n[nodes.end]\nkind = 'test.add'\ninputs = {{ a = 's' }}\n"
    );
    check(&chain, r#"{"total":6.0,"items":[]}"#).await;
    let diamond = format!(
        "{NUMBERS}[nodes.s]\nkind = 'test.sum'\ninputs = {{ telemetry = 'n' }}
[nodes.left]\nkind = 'test.add'\ninputs = {{ a = 's' }}
[nodes.right]\nkind = 'test.add'\ninputs = {{ a = 's', b = 's' }}
[nodes.end]\nkind = 'test.add'\ninputs = {{ a = 'left', b = 'right' }}\n"
    );
    check(&diamond, r#"{"total":18.0,"items":[]}"#).await;
    let two_sources = format!(
        "{NUMBERS}[nodes.m]\nkind = 'test.numbers'\nvalues = [10]
[nodes.s]\nkind = 'test.sum'\ninputs = {{ telemetry = ['n', 'm'] }}
[nodes.t]\nkind = 'test.sum'\ninputs = {{ telemetry = 'm' }}
[nodes.end]\nkind = 'test.add'\ninputs = {{ a = 's', b = 't' }}\n"
    );
    check(&two_sources, r#"{"total":26.0,"items":[]}"#).await;
    let joined = format!(
        "{NUMBERS}[nodes.a]\nkind = 'test.items'\ninputs = {{ telemetry = 'n' }}
[nodes.s]\nkind = 'test.sum'\ninputs = {{ telemetry = 'n' }}
[nodes.end]\nkind = 'test.collect'\ninputs = {{ items = ['a', 's.items', 'a'] }}\n"
    );
    check(
        &joined,
        r#"{"total":18.0,"items":[{"n":1.0},{"n":2.0},{"n":3.0},{"n":1.0},{"n":2.0},{"n":3.0},{"n":1.0},{"n":2.0},{"n":3.0}]}"#,
    )
    .await;
}

fn squares(more: &str, values: &str) -> String {
    format!(
        "[nodes.n]\nkind = 'test.numbers'\nvalues = {values}
[nodes.a]\nkind = 'test.items'\ninputs = {{ telemetry = 'n' }}
[nodes.sq]\nkind = 'test.square'\neach = 'item'\ninputs = {{ item = 'a' }}\n{more}
[nodes.end]\nkind = 'test.collect'\ninputs = {{ items = 'sq' }}\n"
    )
}

#[tokio::test]
async fn each_runs_once_per_item_and_on_error_decides_what_failures_do() {
    check(&squares("", "[1, 2]"), r#"{"total":5.0,"items":[{"n":1.0},{"n":4.0}]}"#).await;
    check(
        &squares("refuses = 2\non_error = 'skip'", "[1, 2, 3]"),
        r#"{"total":1010.0,"items":[{"n":1.0},{"n":1000.0},{"n":9.0}]}"#,
    )
    .await;
    check(&squares("refuses = 2\non_error = 'fallback'", "[1, 2]"), r#"{"total":0.0,"items":[{"n":1.0},{"n":-1.0}]}"#)
        .await;
    check(&squares("refuses = 2", "[1, 2]"), "AG0310: node `sq[1]` failed: 2 is refused").await;
    check(&squares("panics = 2", "[1, 2]"), "AG0310: node `sq[1]` failed: it panicked, which is a bug").await;
    // An item that was skipped upstream is skipped downstream too.
    let twice = squares("refuses = 2\non_error = 'skip'", "[1, 2, 3]").replace(
        "[nodes.end]\nkind = 'test.collect'\ninputs = { items = 'sq' }",
        "[nodes.again]\nkind = 'test.square'\neach = 'item'\ninputs = { item = 'sq' }\n[nodes.end]\nkind = 'test.collect'\ninputs = { items = 'again' }",
    );
    check(&twice, r#"{"total":1082.0,"items":[{"n":1.0},{"n":1000.0},{"n":81.0}]}"#).await;
}

#[tokio::test]
async fn several_ports_of_each_are_zipped_and_must_be_of_one_length() {
    let zip = |right: &str| {
        format!(
            "{NUMBERS}[nodes.m]\nkind = 'test.numbers'\nvalues = {right}
[nodes.a]\nkind = 'test.items'\ninputs = {{ telemetry = 'n' }}
[nodes.b]\nkind = 'test.items'\ninputs = {{ telemetry = 'm' }}
[nodes.z]\nkind = 'test.pair'\neach = ['left', 'right']\ninputs = {{ left = 'a', right = 'b' }}
[nodes.end]\nkind = 'test.collect'\ninputs = {{ items = 'z' }}\n"
        )
    };
    check(&zip("[7, 8, 9]"), r#"{"total":84.0,"items":[{"n":17.0},{"n":28.0},{"n":39.0}]}"#).await;
    check(
        &zip("[7]"),
        "AG0310: node `z` failed: `each` zips lists of one length, but `left` has 3 items and `right` has 1",
    )
    .await;
}

#[tokio::test]
async fn a_failing_source_fails_the_run_with_its_own_code() {
    check(&squares("", "[1]").replace("[1]", "[1]\nbroken = true"), "AG0101: nothing there").await;
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_retried_and_timeouts_are_transient() {
    let flaky = |retry: u32| {
        format!(
            "{NUMBERS}[nodes.s]\nkind = 'test.sum'\ninputs = {{ telemetry = 'n' }}\n[nodes.end]\nkind = 'test.add'\nflaky = 2\nretry = {retry}\ninputs = {{ a = 's' }}\n"
        )
    };
    check(&flaky(2), r#"{"total":6.0,"items":[]}"#).await;
    check(&flaky(1), "AG0310: node `end` failed: flaky").await;
    let slow = squares("", "[1]").replace("'test.square'", "'test.sleep'\nms = 5000\ntimeout = '1s'");
    check(&slow, "AG0310: node `sq[0]` failed: it took longer than its timeout of 1s").await;
}

/// By a clock that stands still while anything runs: the naps overlap, or they add up.
#[tokio::test(start_paused = true)]
async fn independent_tasks_run_at_the_same_time() {
    let text = squares("", "[1, 1, 1, 1, 1, 1, 1, 1]").replace("'test.square'", "'test.sleep'\nms = 200");
    let begun = tokio::time::Instant::now();
    check(
        &text,
        r#"{"total":8.0,"items":[{"n":1.0},{"n":1.0},{"n":1.0},{"n":1.0},{"n":1.0},{"n":1.0},{"n":1.0},{"n":1.0}]}"#,
    )
    .await;
    assert!(begun.elapsed() < Duration::from_millis(400), "eight naps of 200 ms took {:?}", begun.elapsed());
}

#[tokio::test]
async fn tasks_of_one_time_begin_in_order_before_any_goes_on() {
    let values: Vec<String> = (1000..1300).map(|n| format!("{n}.0")).collect();
    let text = squares("", &format!("[{}]", values.join(", "))).replace("'test.square'", "'test.sleep'\nms = 0");
    run(&text, &[], Cancel::default()).await;
    let polls: Vec<(u64, bool)> = POLLS.lock().unwrap().iter().filter(|(n, _)| *n >= 1000).copied().collect();
    let began: Vec<u64> = polls.iter().take(300).filter(|(_, again)| !again).map(|(n, _)| *n).collect();
    assert!(polls.len() == 600 && began.into_iter().eq(1000..1300), "{polls:?}");
}

/// `sq`, then `second`, which is more of a node; `sq` naps as long as its item says.
fn naps(values: &str, second: &str) -> String {
    squares("", values).replace("'test.square'", "'test.sleep'\nms = 100\ntimes = true").replace(
        "[nodes.end]\nkind = 'test.collect'\ninputs = { items = 'sq' }",
        &format!("{second}\n[nodes.end]\nkind = 'test.collect'\ninputs = {{ items = 'second' }}"),
    )
}

const FOLLOWING: &str = "[nodes.second]\nkind = 'test.sleep'\nms = 0\neach = 'item'\ninputs = { item = 'sq' }";

/// Which items of a node were started and ended, in the journal's order: `sq-3` ended.
fn order(lines: &[String]) -> Vec<String> {
    let events = lines.iter().map(|line| serde_json::from_str::<agent::engine::Entry>(line).unwrap().event);
    let told = events.filter_map(|event| match event {
        Event::TaskStarted { node, item: Some(item), .. } => Some(format!("{node}+{item}")),
        Event::TaskEnded { node, item: Some(item), .. } => Some(format!("{node}-{item}")),
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn an_item_goes_on_while_others_of_its_list_are_still_made() {
    let text = naps("[3, 1, 2]", FOLLOWING);
    let (state, outcome, plan, lines) = run(&text, &[], Cancel::default()).await;
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(end(&state, &plan), r#"{"total":6.0,"items":[{"n":3.0},{"n":1.0},{"n":2.0}]}"#);
    let expected = "sq+0 sq+1 sq+2 sq-1 second+1 second-1 sq-2 second+2 second-2 sq-0 second+0 second-0";
    assert_eq!(order(&lines).join(" "), expected);
    // A model that has to be asked in order is: what follows waits for the list, and begins in its order.
    for (in_order, expected) in [
        (true, "sq+0 sq+1 sq+2 sq-1 sq-2 sq-0 second+0 second+1 second+2 second-0 second-1 second-2"),
        (false, expected),
    ] {
        let model = Arc::new(Silent { in_order });
        let (.., lines) = run_with(&text, &[], Cancel::default(), Some(model.clone())).await;
        assert_eq!(order(&lines).join(" "), expected, "{in_order}");
        for crash in 1..lines.len() {
            let (state, outcome, plan, more) =
                run_with(&text, &lines[..crash], Cancel::default(), Some(model.clone())).await;
            assert!(matches!(outcome, Outcome::Done), "after {crash} events: {outcome:?}");
            assert_eq!(end(&state, &plan), r#"{"total":6.0,"items":[{"n":3.0},{"n":1.0},{"n":2.0}]}"#);
            let order = order(&[&lines[..crash], &more[..]].concat());
            let at = |what: &str| order.iter().position(|told| told == what).unwrap();
            let last = ["sq-0", "sq-1", "sq-2"].into_iter().map(at).max().unwrap();
            let first = ["second+0", "second+1", "second+2"].into_iter().map(at).min().unwrap();
            assert!(!in_order || last < first, "after {crash} events: {order:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_made_of_items_one_by_one_is_what_is_made_of_their_list() {
    let cases = [
        // Beside its item each gets the whole of something else, and what is made before there is an item.
        (
            "[nodes.f]\nkind = 'test.first'\ninputs = { items = 'a' }\n[nodes.second]\nkind = 'test.pair'\neach = 'left'\ninputs = { left = 'sq', right = 'f' }",
            "[3, 1, 2]",
            r#"{"total":69.0,"items":[{"n":33.0},{"n":13.0},{"n":23.0}]}"#,
        ),
        // Of its own producer, too: then it waits for the list.
        (
            "[nodes.f]\nkind = 'test.first'\ninputs = { items = 'sq' }\n[nodes.second]\nkind = 'test.pair'\neach = 'left'\ninputs = { left = 'sq', right = 'f' }",
            "[3, 1, 2]",
            r#"{"total":69.0,"items":[{"n":33.0},{"n":13.0},{"n":23.0}]}"#,
        ),
        // Three in a row.
        (
            "[nodes.between]\nkind = 'test.square'\neach = 'item'\nrefuses = 2\non_error = 'skip'\ninputs = { item = 'sq' }\n[nodes.second]\nkind = 'test.square'\neach = 'item'\ninputs = { item = 'between' }",
            "[3, 1, 2]",
            r#"{"total":1082.0,"items":[{"n":81.0},{"n":1.0},{"n":1000.0}]}"#,
        ),
        // Zipped with another list: it waits for both.
        (
            "[nodes.second]\nkind = 'test.pair'\neach = ['left', 'right']\ninputs = { left = 'sq', right = 'a' }",
            "[3, 1]",
            r#"{"total":44.0,"items":[{"n":33.0},{"n":11.0}]}"#,
        ),
        // Nothing left to go on with.
        (
            "[nodes.between]\nkind = 'test.square'\neach = 'item'\nrefuses = 2\non_error = 'skip'\ninputs = { item = 'sq' }\n[nodes.second]\nkind = 'test.square'\neach = 'item'\ninputs = { item = 'between' }",
            "[2, 2]",
            r#"{"total":2000.0,"items":[{"n":1000.0},{"n":1000.0}]}"#,
        ),
    ];
    for (second, values, expected) in cases {
        let text = naps(values, second);
        let (state, outcome, plan, lines) = run(&text, &[], Cancel::default()).await;
        assert!(matches!(outcome, Outcome::Done), "{second}: {outcome:?}");
        assert_eq!(end(&state, &plan), expected, "{second}");
        for crash in 1..lines.len() {
            let (state, outcome, plan, more) = run(&text, &lines[..crash], Cancel::default()).await;
            assert!(matches!(outcome, Outcome::Done), "{second}, after {crash} events: {outcome:?}");
            assert_eq!(end(&state, &plan), expected, "{second}, after {crash} events");
            let ends = |line: &&String| line.contains("task_ended");
            let ended = lines[..crash].iter().chain(&more).filter(ends).count();
            assert_eq!(ended, lines.iter().filter(ends).count(), "{second}, after {crash} events: a task ran twice");
        }
    }
}

/// More of them than other threads are handed at a time: some wait, one panics.
#[tokio::test]
async fn what_follows_is_the_same_whichever_thread_begins_it() {
    let numbers: Vec<u32> = (1..=60).collect();
    let items = |n: &dyn Fn(u32) -> u32| {
        let items: Vec<String> = numbers.iter().map(|&i| format!("{{\"n\":{:.1}}}", f64::from(n(i)))).collect();
        let total: u32 = numbers.iter().map(|&i| n(i)).sum();
        format!("{{\"total\":{:.1},\"items\":[{}]}}", f64::from(total), items.join(","))
    };
    let text = |second: &str| {
        let follows = format!("[nodes.second]\n{second}\neach = 'item'\ninputs = {{ item = 'sq' }}");
        naps(&format!("{numbers:?}"), &follows).replace("ms = 100", "ms = 0")
    };
    check(&text("kind = 'test.sleep'\nms = 5"), &items(&|i| i)).await;
    let panics = text("kind = 'test.square'\npanics = 40\non_error = 'skip'");
    check(&panics, &items(&|i| if i == 40 { 1000 } else { i * i })).await;
}

#[tokio::test]
async fn a_run_resumed_after_any_event_ends_the_same_and_repeats_no_finished_task() {
    let text = squares("refuses = 2\non_error = 'skip'\ntag = 'crash'", "[1, 2, 3]");
    let (state, outcome, plan, lines) = run(&text, &[], Cancel::default()).await;
    assert!(matches!(outcome, Outcome::Done));
    let expected = end(&state, &plan);
    assert!(lines.len() > 10, "{lines:#?}");
    for crash in 1..lines.len() {
        RUNS.lock().unwrap().retain(|name, _| !name.starts_with("crash/"));
        let (state, outcome, plan, more) = run(&text, &lines[..crash], Cancel::default()).await;
        assert!(matches!(outcome, Outcome::Done), "after {crash} events: {outcome:?}");
        assert_eq!(end(&state, &plan), expected, "after {crash} events");
        let finished = lines[..crash].iter().filter(|l| l.contains("task_ended") && l.contains("\"sq\"")).count();
        let ran: u32 = RUNS.lock().unwrap().iter().filter(|(n, _)| n.starts_with("crash/")).map(|(_, n)| n).sum();
        assert_eq!(ran as usize, 3 - finished, "after {crash} events");
        // What was appended is itself resumable: kill the second process too.
        let both: Vec<String> = lines[..crash].iter().chain(&more[..more.len() - 1]).cloned().collect();
        let (state, _, plan, _) = run(&text, &both, Cancel::default()).await;
        assert_eq!(end(&state, &plan), expected, "killed twice, after {crash} events");
    }
}

#[tokio::test]
async fn a_failed_run_goes_on_once_its_cause_is_mended() {
    let broken = squares("refuses = 2\ntag = 'mend'", "[1, 2, 3]");
    let (_, outcome, _, lines) = run(&broken, &[], Cancel::default()).await;
    assert!(matches!(outcome, Outcome::Failed(_)));
    // The fingerprint would refuse this in the command line; the engine itself only replays.
    let (state, outcome, plan, _) = run(&squares("tag = 'mend'", "[1, 2, 3]"), &lines, Cancel::default()).await;
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    assert_eq!(end(&state, &plan), r#"{"total":14.0,"items":[{"n":1.0},{"n":4.0},{"n":9.0}]}"#);
}

#[tokio::test]
async fn cancelling_leaves_a_resumable_journal() {
    let text = squares("", "[1, 2]").replace("'test.square'", "'test.sleep'\nms = 400");
    let cancel = Cancel::default();
    let later = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        later.cancel();
    });
    let (_, outcome, _, lines) = run(&text, &[], cancel).await;
    assert!(matches!(outcome, Outcome::Interrupted));
    let (state, outcome, plan, _) = run(&text, &lines, Cancel::default()).await;
    assert!(matches!(outcome, Outcome::Done));
    assert_eq!(end(&state, &plan), r#"{"total":3.0,"items":[{"n":1.0},{"n":2.0}]}"#);
}

/// Keeps each write apart.
struct Writes(Arc<Mutex<Vec<String>>>);

impl Journal for Writes {
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        self.0.lock().unwrap().push(String::from_utf8(lines.to_vec()).unwrap());
        Ok(())
    }
}

/// Each write may wait for the disk.
#[tokio::test]
async fn what_ends_at_one_time_is_journaled_in_one_write() {
    let Compiled { plan, stream } = compiled(&squares("", "[1, 2, 3, 4, 5, 6, 7, 8]"));
    let plan = Arc::new(plan);
    let writes = Arc::new(Mutex::new(Vec::new()));
    let world = World {
        journal: Some(Box::new(Writes(writes.clone()))),
        clock: Arc::new(Epoch),
        model: None,
        memory: None,
        watcher: Arc::new(Nobody),
        cancel: Cancel::default(),
    };
    let first = Event::Started(header(&plan));
    let (_, outcome) = drive(plan, Some(stream), Run::default(), world, Some(first)).await;
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let writes = writes.lock().unwrap();
    let ends = |write: &String| write.matches("\"task_ended\":{\"node\":\"sq\"").count();
    assert_eq!(writes.iter().map(ends).filter(|ends| *ends > 0).collect::<Vec<_>>(), [8], "{writes:#?}");
}
