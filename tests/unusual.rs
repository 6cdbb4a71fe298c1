//! Scores of the adaptive rule for a folder of series, to be judged by a scorer of a benchmark:
//! `UNUSUAL_DATA=DIR UNUSUAL_SCORES=DIR cargo test --release --test unusual -- --ignored --nocapture`.

use std::fs;
use std::path::{Path, PathBuf};

use agent::detect::unusual::{ALERT, Settings, Unusual};
use jiff::civil::DateTime;

fn series(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            series(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            found.push(path);
        }
    }
}

#[test]
#[ignore = "reads the folders that UNUSUAL_DATA and UNUSUAL_SCORES name"]
fn scores_of_a_folder() {
    let folder =
        |name: &str| PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} must name a folder")));
    let (data, scores) = (folder("UNUSUAL_DATA"), folder("UNUSUAL_SCORES"));
    let mut paths = Vec::new();
    series(&data, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no CSV file below {}", data.display());
    for path in paths {
        let relative = path.strip_prefix(&data).unwrap();
        let mut state = Unusual::default();
        let mut out = String::from("timestamp,value,anomaly_score\n");
        let (mut alerts, mut early, mut first, mut last) = (0, 0, i64::MAX, i64::MIN);
        let mut causes = String::new();
        for (row, line) in fs::read_to_string(&path).unwrap().lines().skip(1).enumerate() {
            let (time, value) = line.split_once(',').unwrap();
            let stamp: DateTime = time.parse().unwrap();
            let micros = stamp.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond();
            let verdict = state.step(Settings::default(), micros, value.parse().unwrap());
            assert!((0.0..1.0).contains(&verdict.score), "{verdict:?}");
            (first, last) = (first.min(micros), last.max(micros));
            if verdict.score >= ALERT {
                alerts += 1;
                early += i32::from(row < 600);
                let (why, low, high) = (verdict.why.unwrap(), verdict.low, verdict.high);
                causes += &format!("    {time} {value} {why:?}, usual {low:.4}..{high:.4} ({:.3})\n", verdict.score);
            }
            out += &format!("{line},{}\n", verdict.score);
        }
        let weeks = (last - first) as f64 / 604_800e6;
        println!("{}: {alerts} alerts, {early} of them in the first 600 rows, {weeks:.1} weeks", relative.display());
        print!("{causes}");
        let target = scores.join(relative);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, out).unwrap();
    }
}
