//! Against real files: appended to, cut, renamed and replaced while they are followed, and while nobody follows.

use std::fs::{self, OpenOptions};
use std::io::Write;

use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::io::ingest::file::tests::config;
use crate::node::Wanted;

const QUICK: Pace = Pace {
    look: Duration::from_millis(1),
    scan: Duration::ZERO,
    linger: Duration::ZERO,
    forget: Duration::from_secs(3600),
};

/// A folder with logs, and whoever follows them.
struct Scene {
    folder: TempDir,
    pattern: String,
    follower: Option<Follower>,
    at: Option<Position>,
    seen: Option<Position>,
}

impl Scene {
    fn new(pattern: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join(pattern).to_str().unwrap().to_string();
        Scene { folder, pattern, follower: None, at: None, seen: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn open(&self) -> Result<Follower, Diagnostic> {
        let config = config(&format!("path = '{}'\nfollow = true", self.pattern)).unwrap();
        let wanted = Wanted { metrics: ["cpu".to_string()].into() };
        let pass = Pass { from: self.at.as_ref(), seen: self.seen.as_ref(), ..Pass::anew("logs", &wanted) };
        Follower::open(&config, &pass, QUICK)
    }

    fn follower(&mut self) -> &mut Follower {
        if self.follower.is_none() {
            self.follower = Some(self.open().unwrap());
        }
        self.follower.as_mut().unwrap()
    }

    /// The times of the next batch, in seconds; none if there is nothing for now.
    fn batch(&mut self) -> Vec<i64> {
        let follower = self.follower();
        follower.read().unwrap();
        let batch = follower.send().unwrap_or_default();
        self.at = follower.position();
        batch.times.iter().map(|time| time / 1_000_000).collect()
    }

    /// Everything that is there.
    fn drain(&mut self) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            let batch = self.batch();
            if batch.is_empty() {
                return all;
            }
            all.extend(batch);
        }
    }

    /// As if the process were killed.
    fn kill(&mut self) {
        self.follower = None;
    }

    /// Whether the log that is now there was begun with, and not enough of it read to know a copy by.
    fn has_read_a_little(&self) -> bool {
        let now = Identity::of(&fs::metadata(self.path("app.log")).unwrap());
        let saves: Saves = serde_json::from_str(&self.at.as_ref().unwrap().0).unwrap();
        saves.files.iter().any(|saved| saved.identity == now && !saved.head.is_telling())
    }

    fn faults(&mut self) -> Vec<(String, u64)> {
        self.follower().record().faults.into_iter().map(|fault| (fault.code, fault.count)).collect()
    }
}

fn line(second: i64) -> String {
    format!("{{\"timestamp\": {second}, \"host\": \"a\", \"cpu\": 1, \"padding\": \"{}\"}}\n", "x".repeat(40))
}

fn lines(seconds: std::ops::Range<i64>) -> String {
    seconds.map(line).collect()
}

#[test]
fn a_line_is_there_when_its_newline_is() {
    let mut scene = Scene::new("app.log");
    assert!(scene.drain().is_empty(), "there is no file yet");
    scene.append("app.log", &lines(1..3));
    assert_eq!(scene.drain(), [1, 2]);
    let third = line(3);
    scene.append("app.log", &third[..10]);
    assert!(scene.drain().is_empty());
    scene.append("app.log", &third[10..]);
    scene.append("app.log", "nonsense\n");
    assert_eq!(scene.drain(), [3]);
    scene.append("app.log", &line(4));
    assert_eq!(scene.drain(), [4]);
    let record = scene.follower().record();
    assert_eq!((record.records, record.bad, record.format.as_str(), record.node.as_str()), (4, 1, "ndjson", "logs"));
    assert_eq!(record.faults[0].examples[0].row, 4);
    scene.append("app.log", &line(5));
    assert!(matches!(scene.follower().next(), Ok(Next::Batch(batch)) if batch.rows == [6]));
    let since = Instant::now();
    assert!(matches!(scene.follower().next(), Ok(Next::Idle)));
    assert!(since.elapsed() < PATIENCE * 20, "{:?}", since.elapsed());
}

#[test]
fn a_file_that_is_rotated_is_read_to_its_end_and_the_next_from_its_beginning() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..3));
    assert_eq!(scene.drain(), [1, 2]);
    // Whoever writes has it open still.
    let mut old = OpenOptions::new().append(true).open(scene.path("app.log")).unwrap();
    scene.append("app.log", &line(3));
    scene.rename("app.log", "app.log.1");
    old.write_all(line(4).as_bytes()).unwrap();
    assert_eq!(scene.drain(), [3, 4], "there is no file for a while");
    old.write_all(line(5).trim_end().as_bytes()).unwrap(); // its last line has no newline
    scene.append("app.log", &lines(6..8));
    assert_eq!(scene.drain(), [6, 7, 5]);
    assert_eq!(scene.follower().tails.len(), 1, "the old one was let go");
    assert_eq!(scene.follower().record().bad, 0);
    scene.append("app.log", &line(8));
    fs::remove_file(scene.path("app.log")).unwrap();
    assert_eq!(scene.drain(), [8], "deleted, and read to its end");
    scene.append("app.log", &line(9));
    assert_eq!(scene.drain(), [9]);
    assert_eq!(scene.faults(), [("AG0119".to_string(), 1)], "one came after newer ones");
}

#[test]
fn files_that_were_rotated_away_are_let_go_however_many_they_are_and_take_no_memory_meanwhile() {
    let mut scene = Scene::new("app.log");
    scene.follower().pace = Pace { linger: Duration::from_secs(3600), scan: Duration::from_millis(20), ..QUICK };
    for rotation in 0..40 {
        scene.append("app.log", &lines(rotation * 100..rotation * 100 + 100));
        assert_eq!(scene.drain().len(), 100);
        scene.rename("app.log", &format!("app.log.{rotation}"));
    }
    // One that nobody saw at the path.
    scene.append("app.log", &line(4000));
    scene.rename("app.log", "app.log.40");
    scene.append("app.log", &line(4001));
    assert_eq!(scene.drain(), [4000, 4001]);
    let follower = scene.follower();
    follower.read().unwrap();
    assert_eq!(follower.tails.len(), 42);
    assert!(follower.tails.iter().all(|tail| tail.is_quiet() && tail.strand.held() == 0));
    follower.pace.linger = Duration::ZERO;
    let since = Instant::now();
    while follower.tails.len() > 1 {
        follower.read().unwrap();
        assert!(since.elapsed() < Duration::from_secs(10), "{} are kept", follower.tails.len());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_file_that_is_truncated_is_read_from_its_beginning() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..4));
    assert_eq!(scene.drain(), [1, 2, 3]);
    fs::write(scene.path("app.log"), line(4)).unwrap();
    assert_eq!(scene.drain(), [4]);
    // At once longer than before.
    fs::write(scene.path("app.log"), lines(5..9)).unwrap();
    assert_eq!(scene.drain(), [5, 6, 7, 8]);
    assert_eq!(scene.faults(), [("AG0141".to_string(), 2)]);
    let example = &scene.follower().record().faults[0].examples[0];
    assert!(example.detail.contains("app.log` was truncated after "), "{}", example.detail);
}

#[test]
fn what_was_copied_away_before_a_truncation_is_found() {
    for down in [false, true] {
        let mut scene = Scene::new("app.log");
        scene.append("app.log", &lines(1..10));
        assert_eq!(scene.drain().len(), 9);
        if down {
            scene.kill();
        }
        scene.append("app.log", &lines(10..12));
        fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
        fs::write(scene.path("app.log"), line(12)).unwrap();
        assert_eq!(scene.drain(), [10, 11, 12], "down: {down}");
    }
}

#[test]
fn a_file_that_was_short_at_the_checkpoint_is_known_by_what_it_has_become() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &line(1)[..40]);
    assert!(scene.drain().is_empty());
    let from = scene.at.clone();
    scene.append("app.log", &line(1)[40..]);
    scene.append("app.log", &lines(2..9));
    assert_eq!(scene.drain().len(), 8);
    (scene.at, scene.seen) = (from, scene.at.take());
    scene.kill();
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    fs::write(scene.path("app.log"), lines(9..20)).unwrap();
    let mut read = scene.drain();
    read.sort_unstable();
    assert_eq!(read, (1..20).collect::<Vec<_>>());
}

/// The system gives the number of a deleted file to a new one: here to a copy.
#[test]
fn a_file_that_is_gone_hides_no_copy_that_has_its_number() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..10));
    assert_eq!(scene.drain().len(), 9);
    scene.kill();
    scene.append("app.log", &lines(10..12));
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    fs::write(scene.path("app.log"), line(12)).unwrap();
    let mut saves: Saves = serde_json::from_str(&scene.at.take().unwrap().0).unwrap();
    let gone = Saved {
        identity: Identity::of(&fs::metadata(scene.path("app.log.1")).unwrap()),
        head: Head { length: 9, hash: "another".into() },
        lane: 7,
        ..saves.files[0].clone()
    };
    saves.files.push(gone);
    scene.at = Some(Position(serde_json::to_string(&saves).unwrap()));
    assert_eq!(scene.drain(), [10, 11, 12]);
}

/// What nobody has read yet can be told from what took its place all the same.
#[test]
fn what_was_copied_away_before_it_was_read_is_found() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..9));
    scene.at = scene.follower().position();
    scene.kill();
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    fs::write(scene.path("app.log"), lines(9..20)).unwrap();
    let mut read = scene.drain();
    read.sort_unstable();
    assert_eq!(read, (1..20).collect::<Vec<_>>());
}

/// Windows may be long: what is to be read again may be in files that were let go since.
#[test]
fn files_that_came_and_went_since_the_checkpoint_are_read_again_in_their_lanes() {
    for pattern in ["app.log", "*.log"] {
        let mut scene = Scene::new(pattern);
        scene.append("app.log", &lines(0..2));
        assert_eq!(scene.drain(), [0, 1]);
        let from = scene.at.clone();
        let rotations = 20; // more than are remembered when they need not be read again
        for rotation in 1..=rotations {
            scene.rename("app.log", &format!("app.log.{rotation}"));
            tick();
            scene.append("app.log", &lines(rotation * 2..rotation * 2 + 2));
            assert_eq!(scene.drain(), [rotation * 2, rotation * 2 + 1]);
            scene.drain();
        }
        assert_eq!(scene.follower().tails.len(), 1, "the others were let go");
        (scene.at, scene.seen) = (from, scene.at.take());
        scene.kill();
        let mut lanes = Vec::new();
        scene.follower();
        while let Some(batch) = {
            let follower = scene.follower();
            follower.read().unwrap();
            follower.send()
        } {
            let of_lane = |at: usize| (batch.times[at] / 1_000_000, batch.lane(at));
            lanes.extend((0..batch.len()).map(of_lane));
        }
        lanes.sort_unstable();
        let expected: Vec<(i64, u32)> = (2..rotations * 2 + 2).map(|second| (second, second as u32 / 2)).collect();
        assert_eq!(lanes, expected, "{pattern}");
        let position = scene.follower().position().unwrap();
        scene.follower().release(&position);
        let saves: Saves = serde_json::from_str(&scene.follower().position().unwrap().0).unwrap();
        assert!(saves.done.files().count() <= 16, "what is settled is forgotten");
    }
}

#[test]
fn a_late_line_in_an_older_file_hides_no_newer_one() {
    for (pattern, down) in [("app.log", false), ("app.log", true), ("*.log", false), ("*.log", true)] {
        let mut scene = Scene::new(pattern);
        scene.append("app.log", &line(1));
        assert_eq!(scene.drain(), [1]);
        if down {
            scene.kill();
        }
        let mut old = OpenOptions::new().append(true).open(scene.path("app.log")).unwrap();
        scene.rename("app.log", "app.log.1");
        scene.append("app.log", &line(2));
        scene.rename("app.log", "app.log.2");
        tick();
        old.write_all(line(3).as_bytes()).unwrap();
        tick();
        scene.append("app.log", &line(4));
        let mut read = scene.drain();
        read.sort_unstable();
        assert_eq!(read, [2, 3, 4], "{pattern}, down: {down}");
    }
}

/// It came after the last look and was gone at the next.
#[test]
fn a_file_at_a_new_path_that_was_rotated_before_anybody_looked_is_read() {
    for pattern in ["*.log", "new.log"] {
        let mut scene = Scene::new(pattern);
        scene.append("new.log.1", "history\n");
        let old = fs::File::options().write(true).open(scene.path("new.log.1")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        assert!(scene.drain().is_empty());
        scene.kill();
        scene.append("new.log", &line(0));
        scene.rename("new.log", "new.log.2");
        assert_eq!(scene.drain(), [0], "{pattern}: though nothing else has come in its place");
        scene.kill();
        scene.append("new.log", &line(1));
        scene.rename("new.log", "new.log.3");
        scene.append("new.log", "");
        assert_eq!(scene.drain(), [1], "{pattern}: nor more than an empty file");
        scene.append("new.log", &line(2));
        assert_eq!(scene.drain(), [2]);
        // The same while it is followed.
        let mut scene = Scene::new(pattern);
        assert!(scene.drain().is_empty());
        scene.append("new.log", &line(1));
        scene.rename("new.log", "new.log.2");
        scene.append("new.log", &line(2));
        assert_eq!(scene.drain(), [1, 2], "{pattern}");
        assert!(scene.faults().is_empty());
    }
}

#[test]
fn what_is_lost_while_nobody_reads_is_said() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..4));
    assert_eq!(scene.drain(), [1, 2, 3]);
    scene.kill();
    scene.append("app.log", &line(4));
    fs::remove_file(scene.path("app.log")).unwrap();
    scene.append("app.log", &lines(5..9));
    assert_eq!(scene.drain(), [5, 6, 7, 8]);
    assert_eq!(scene.faults(), [("AG0142".to_string(), 1)]);
}

#[test]
fn a_file_that_comes_back_is_not_read_again() {
    let mut scene = Scene::new("app.log");
    scene.append("app.log", &lines(1..4));
    assert_eq!(scene.drain(), [1, 2, 3]);
    scene.kill();
    let elsewhere = tempfile::tempdir_in(scene.folder.path()).unwrap();
    fs::rename(scene.path("app.log"), elsewhere.path().join("x")).unwrap();
    assert!(scene.drain().is_empty(), "as if its disk were not mounted");
    scene.kill();
    assert!(scene.drain().is_empty());
    fs::rename(elsewhere.path().join("x"), scene.path("app.log")).unwrap();
    scene.append("app.log", &line(4));
    assert_eq!(scene.drain(), [4]);
    assert!(scene.faults().is_empty());
}

#[test]
fn csv_goes_on_under_its_header() {
    let mut scene = Scene::new("app.csv");
    scene.append("app.csv", "timestamp;cpu\n1;1\n2;");
    assert_eq!(scene.drain(), [1]);
    scene.kill();
    scene.append("app.csv", "2\n3;3\n");
    assert_eq!(scene.drain(), [2, 3]);
    assert_eq!(scene.follower().record().format, "csv");
    scene.rename("app.csv", "old.csv");
    scene.append("app.csv", "cpu,timestamp\n4,4\n");
    assert_eq!(scene.drain(), [4], "every file has its own");
    scene.kill();
    scene.append("app.csv", "5,5,5\n6,6\n");
    assert_eq!(scene.drain(), [6]);
    assert_eq!(scene.follower().record().faults[0].examples[0].row, 3, "lines count from the beginning of the file");
}

#[test]
fn files_of_a_pattern_are_all_followed_in_the_order_of_time() {
    let mut scene = Scene::new("*.log");
    let of = |first: i64| (first..4000).step_by(2).map(line).collect::<String>();
    scene.append("b.log", &of(0));
    scene.append("a.log", &of(1));
    scene.append("c.txt", &line(7));
    let (mut newest, mut between) = (0, false);
    let mut all = Vec::new();
    while all.len() < 4000 {
        for second in scene.batch() {
            assert!(second >= newest - 2, "{second} after {newest}");
            newest = newest.max(second);
            all.push(second);
        }
        // Stopped between the files, with records decoded that nobody was given.
        between |= !scene.at.as_ref().unwrap().0.split("\"skip\":").skip(1).all(|rest| rest.starts_with('0'));
        scene.kill();
    }
    assert!(between);
    all.sort_unstable();
    assert_eq!(all, (0..4000).collect::<Vec<_>>());
    scene.append("d.log", &line(5000));
    assert_eq!(scene.drain(), [5000], "a file that appears");
    scene.append("a.log", &line(5001));
    scene.append("d.log", "nonsense\n");
    assert_eq!(scene.drain(), [5001]);
    let record = scene.follower().record();
    let detail = &record.faults.iter().find(|fault| fault.code == "AG0108").unwrap().examples[0].detail;
    assert!(detail.contains("d.log: "), "{detail}");
}

#[test]
fn what_cannot_be_followed_is_said_and_the_rest_goes_on() {
    let scene = Scene::new("app.log");
    scene.append("app.log", "a,b\n1,2\n");
    let error = scene.open().unwrap().next().unwrap_err();
    assert_eq!(error.code, input::HEADER, "the only file, from the start: {error}");

    let mut scene = Scene::new("app.log");
    scene.append("app.log", &line(1));
    assert_eq!(scene.drain(), [1]);
    scene.rename("app.log", "old");
    fs::write(scene.path("app.log"), b"\x1f\x8b\x08\x00").unwrap();
    assert!(scene.drain().is_empty());
    fs::write(scene.path("app.log"), line(2)).unwrap();
    assert_eq!(scene.drain(), [2]);
    assert_eq!(scene.faults(), [("AG0141".to_string(), 1), ("AG0143".to_string(), 1)]);

    let mut scene = Scene::new("*");
    scene.append("a.gz", "\x1f\u{8b}");
    scene.append("b", &line(1));
    fs::create_dir(scene.path("c")).unwrap();
    assert_eq!(scene.drain(), [1]);
}

/// Something that happens to a log.
#[derive(Debug, Clone)]
enum Step {
    Append(i64),
    /// The beginning of a line, whose rest comes with the next step that appends.
    Begin,
    Rotate,
    CopyTruncate,
    /// Reads so many batches.
    Read(usize),
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..30i64).prop_map(Step::Append),
        2 => Just(Step::Begin),
        2 => Just(Step::Rotate),
        1 => Just(Step::CopyTruncate),
        3 => (1..4usize).prop_map(Step::Read),
        2 => Just(Step::Kill),
    ]
}

/// Longer than the steps of the clock by which a file system says when a file was written to.
fn tick() {
    thread::sleep(Duration::from_millis(11));
}

/// Writes a log step by step; what was read in the end, and how many records were written.
fn play(pattern: &str, steps: &[Step]) -> (Vec<i64>, i64) {
    let mut scene = Scene::new(pattern);
    let (mut next, mut rotations, mut begun) = (1, 0, false);
    let mut read = Vec::new();
    // What was rotated away before the first record was read is nobody's.
    scene.append("app.log", &line(0));
    read.extend(scene.drain());
    for step in steps.iter().chain([&Step::Append(1)]) {
        let rest = |next: i64| line(next)[12..].to_string();
        if begun && !matches!(step, Step::Read(_) | Step::Kill) {
            scene.append("app.log", &rest(next));
            (next, begun) = (next + 1, false);
        }
        match step {
            Step::Append(count) => {
                scene.append("app.log", &lines(next..next + count));
                next += count;
            }
            Step::Begin => {
                scene.append("app.log", &line(next)[..12]);
                begun = true;
            }
            Step::Rotate => {
                rotations += 1;
                scene.rename("app.log", &format!("app.log.{rotations}"));
                scene.append("app.log", "");
            }
            // A pattern that matches the copies reads them twice.
            Step::CopyTruncate if pattern.contains('*') => {}
            Step::CopyTruncate => {
                rotations += 1;
                // As the manual says: else there must be a look before and after.
                let looks = scene.has_read_a_little();
                if looks {
                    read.extend(scene.drain());
                }
                tick();
                fs::copy(scene.path("app.log"), scene.path(&format!("app.log.{rotations}"))).unwrap();
                tick();
                fs::write(scene.path("app.log"), "").unwrap();
                if looks {
                    read.extend(scene.drain());
                }
            }
            Step::Read(batches) => (0..*batches).for_each(|_| read.extend(scene.batch())),
            Step::Kill => scene.kill(),
        }
    }
    read.extend(scene.drain());
    (read, next)
}

#[test]
fn both_ways_of_rotating_may_be_mixed_between_two_looks() {
    let few = |count| Step::Append(count);
    let (copy, rename, kill) = (Step::CopyTruncate, Step::Rotate, Step::Kill);
    let all = [few(9), Step::Read(1), few(9), copy.clone(), few(9), copy.clone(), few(9), rename.clone(), few(9)];
    let more = [copy.clone(), few(9), rename.clone(), few(9), rename, few(9), copy.clone(), kill, few(9), copy, few(9)];
    for steps in [[&all[..], &more].concat(), [&all[..], &more, &all, &more].concat(), [&all[..], &all, &more].concat()]
    {
        let (mut read, written) = play("app.log", &steps);
        read.sort_unstable();
        assert_eq!(read, (0..written).collect::<Vec<_>>(), "{steps:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_record_is_read_exactly_once(steps in prop::collection::vec(step(), 1..30), all in any::<bool>()) {
        let pattern = if all { "app.log*" } else { "app.log" };
        let (mut read, written) = play(pattern, &steps);
        read.sort_unstable();
        prop_assert_eq!(read, (0..written).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_waited_for_is_said_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let said = |name: &str| super::waiting(&path(name)).unwrap();
    assert_eq!(said("a.ndjson"), format!("waiting for `{}`, which is not there yet", path("a.ndjson")));
    assert_eq!(said("*.ndjson"), format!("waiting for `{}`, which is not there yet", path("*.ndjson")));
    std::fs::write(path("a.ndjson"), "").unwrap();
    assert_eq!(said("a.ndjson"), format!("waiting for something in `{}`, which is empty", path("a.ndjson")));
    assert_eq!(said("*.ndjson"), format!("waiting for something in `{}`, which is empty", path("*.ndjson")));
}
