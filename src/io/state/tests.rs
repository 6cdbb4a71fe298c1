use super::*;

fn state() -> (tempfile::TempDir, StateDir) {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(Some(folder.path().join("state").to_str().unwrap())).unwrap();
    (folder, state)
}

fn time(second: u32) -> Timestamp {
    Timestamp::parse(&format!("2023-10-01T12:00:{second:02}.5Z")).unwrap()
}

const GRAPH: &str = "/graphs/default.toml";

fn of_graph(state: &StateDir, graph: &str, second: u32, suffix: u16) -> (RunDir, RunLock) {
    state.create_run(graph, time(second), || suffix).unwrap()
}

fn create(state: &StateDir, second: u32, suffix: u16) -> (RunDir, RunLock) {
    of_graph(state, GRAPH, second, suffix)
}

fn finish(run: &RunDir, status: &str) {
    fs::write(run.record(), format!("{{\"version\": 1, \"status\": \"{status}\"}}")).unwrap();
}

fn ids(state: &StateDir) -> Vec<String> {
    state.list().unwrap().iter().map(|run| run.id().to_string()).collect()
}

#[test]
fn nothing_is_made_before_a_run_is() {
    let (_folder, state) = state();
    assert_eq!(ids(&state), Vec::<String>::new());
    assert_eq!(state.retain(0).unwrap(), 0);
    assert!(!state.path().exists());
    assert!(StateDir::open(Some("relative")).unwrap().path().is_absolute());
}

#[test]
fn runs_are_listed_newest_first_and_nothing_else_is() {
    let (_folder, state) = state();
    create(&state, 1, 0xff);
    create(&state, 3, 1);
    create(&state, 2, 2);
    fs::create_dir(state.path().join("runs/notes")).unwrap();
    fs::write(state.path().join("runs/20990101-000000-0000"), "a file").unwrap();
    assert_eq!(ids(&state), ["20231001-120003-0001-de9f", "20231001-120002-0002-de9f", "20231001-120001-00ff-de9f"]);
}

#[test]
fn another_suffix_is_asked_for_while_the_id_is_taken() {
    let (_folder, state) = state();
    create(&state, 1, 7);
    let mut suffixes = [7, 7, 8].into_iter();
    let (run, _lock) = state.create_run(GRAPH, time(1), || suffixes.next().unwrap()).unwrap();
    assert_eq!(run.id(), "20231001-120001-0008-de9f");
    assert_eq!(state.create_run(GRAPH, time(1), || 7).unwrap_err().code, codes::run::STATE_UNUSABLE);
}

#[cfg(unix)]
#[test]
fn only_the_user_may_enter() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, state) = state();
    let (run, _lock) = create(&state, 1, 1);
    for path in [state.path(), run.path()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_run_is_named_by_last_its_id_or_a_beginning_of_one_only() {
    let (_folder, state) = state();
    let check = |name: &str, expected: Result<&str, &str>| {
        let got =
            state.resolve(name).map(|run| run.id).map_err(|d| format!("{d} [{}]", d.help.clone().unwrap_or_default()));
        assert_eq!(got.as_deref().map_err(|e| e.as_str()), expected, "{name}");
    };
    check("last", Err("AG0301: no run is kept yet [`agent runs` lists the runs that are kept]"));
    create(&state, 1, 0xaaaa);
    create(&state, 2, 0xbbbb);
    check("last", Ok("20231001-120002-bbbb-de9f"));
    check("20231001-120001-aaaa-de9f", Ok("20231001-120001-aaaa-de9f"));
    check("20231001-120001", Ok("20231001-120001-aaaa-de9f"));
    check(
        "2023",
        Err("AG0302: 2 runs begin with `2023` [such as `20231001-120002-bbbb-de9f`, `20231001-120001-aaaa-de9f`]"),
    );
    check(
        "20231001-120002-bbbc-de9f",
        Err("AG0301: there is no run `20231001-120002-bbbc-de9f` [did you mean `20231001-120002-bbbb-de9f`?]"),
    );
    check("../../etc", Err("AG0301: there is no run `../../etc` [`agent runs` lists the runs that are kept]"));
    check("", Err("AG0301: there is no run `` [`agent runs` lists the runs that are kept]"));
    assert_eq!(state.run("20231001-120001-aaaa-de9f").unwrap().id(), "20231001-120001-aaaa-de9f");
    assert_eq!(state.run("20231001").unwrap_err().code, codes::run::UNKNOWN_RUN);
}

#[test]
fn a_run_belongs_to_one_process_until_its_lock_is_dropped() {
    let (_folder, state) = state();
    let (run, lock) = create(&state, 1, 1);
    assert!(run.is_locked());
    assert_eq!(
        run.lock().unwrap_err().to_string(),
        "AG0303: another process works on the run `20231001-120001-0001-de9f`"
    );
    drop(lock);
    assert!(!run.is_locked());
    let again = run.lock().unwrap();
    assert!(run.is_locked());
    drop(again);
    fs::remove_dir_all(run.path()).unwrap();
    assert_eq!(run.lock().unwrap_err().code, codes::run::UNKNOWN_RUN);
    assert!(!run.is_locked());
}

#[test]
fn retention_deletes_the_oldest_finished_runs_only() {
    let (_folder, state) = state();
    let runs: Vec<(RunDir, RunLock)> = (0..6).map(|second| create(&state, second, 0)).collect();
    for (run, status) in [(0, "done"), (1, "running"), (2, "failed"), (3, "done"), (4, "done"), (5, "done")] {
        finish(&runs[run].0, status);
    }
    let mut locks: Vec<Option<RunLock>> = runs.into_iter().map(|(_, lock)| Some(lock)).collect();
    locks.iter_mut().skip(1).for_each(|lock| *lock = None); // somebody still works on the oldest
    assert_eq!(state.retain(2).unwrap(), 2);
    let second = |n: u32| format!("20231001-12000{n}-0000-de9f");
    assert_eq!(ids(&state), [second(5), second(4), second(1), second(0)]);
    locks.clear();
    assert_eq!(state.retain(2).unwrap(), 1);
    assert_eq!(ids(&state), [second(5), second(4), second(1)]);
    assert_eq!(state.retain(0).unwrap(), 3);
    assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
}

#[test]
fn windows_without_records_go_before_others_do() {
    let (_folder, state) = state();
    for second in 0..8 {
        let (run, _lock) = create(&state, second, 0);
        finish(&run, "done");
        if second != 1 && second != 3 {
            run.mark_empty();
        }
    }
    let left = |keep| {
        state.retain(keep).unwrap();
        ids(&state).iter().map(|id| id[14..15].to_string()).collect::<String>()
    };
    assert_eq!(left(8), "76543210");
    assert_eq!(left(4), "7631", "the newest empty ones where there is room");
    assert_eq!(left(2), "31");
    assert_eq!(left(1), "3");
}

#[test]
fn a_graph_does_not_push_out_the_runs_of_another() {
    let (_folder, state) = state();
    let run = |graph: &str, second| finish(&of_graph(&state, graph, second, 0).0, "done");
    run("/graphs/daily.toml", 0);
    (1..8).for_each(|second| run("/graphs/live.toml", second));
    // Of a version that did not write the graph into the id.
    for second in 0..3 {
        fs::create_dir(state.path().join(format!("runs/20221001-12000{second}-0000"))).unwrap();
    }
    assert_eq!(state.retain(2).unwrap(), 5);
    let seconds: Vec<String> = ids(&state).iter().map(|id| id[..15].to_string()).collect();
    let old = ["20221001-120002", "20221001-120001", "20221001-120000"]; // interrupted ones are kept again
    assert_eq!(seconds, [&["20231001-120007", "20231001-120006", "20231001-120000"], &old[..]].concat());
}

#[test]
fn interrupted_runs_do_not_grow_without_end() {
    let (_folder, state) = state();
    (0..9).for_each(|second| drop(create(&state, second, 0)));
    assert_eq!(state.retain(3).unwrap(), 3);
    assert_eq!(ids(&state).len(), 6);
}

#[test]
fn what_a_broken_off_deletion_left_goes_with_the_next() {
    let (_folder, state) = state();
    create(&state, 1, 1);
    let left = state.path().join("runs/.deleted-20231001-115900-0000");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("events.ndjson"), "").unwrap();
    assert_eq!(ids(&state).len(), 1);
    assert_eq!(state.retain(5).unwrap(), 0);
    assert!(!left.exists());
}

#[test]
fn a_folder_that_cannot_be_made_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let state = StateDir::open(Some(folder.path().join("file").to_str().unwrap())).unwrap();
    let fault = state.create_run(GRAPH, time(1), || 1).unwrap_err();
    assert_eq!(fault.code, codes::run::STATE_UNUSABLE);
    assert!(fault.help.unwrap().contains("$AGENT_STATE_DIR"));
}

#[test]
fn a_run_is_void_until_something_is_journaled() {
    let (_folder, state) = state();
    let (run, lock) = create(&state, 1, 1);
    assert!(run.is_void());
    fs::write(run.events(), "").unwrap();
    assert!(run.is_void());
    fs::write(run.events(), "{}\n").unwrap();
    assert!(!run.is_void());
    fs::remove_file(run.events()).unwrap();
    finish(&run, "done");
    assert!(!run.is_void(), "its journal was lost");
    run.discard(lock);
    assert_eq!(ids(&state), Vec::<String>::new());
    assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
}
