//! The store, through each database that there is.

#[cfg(feature = "postgres")]
mod postgres;
mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::keeper::{Keeper, Plan};
use super::*;
use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, StatusColumn, Timestamp};

const HOUR: i64 = 3_600_000_000;

/// One record: its time in minutes, its host, and the value of `cpu`.
type Record = (i64, u32, f64);

fn batch(records: &[Record]) -> Batch {
    Batch {
        rows: (1..=records.len() as u64).collect(),
        times: records.iter().map(|(minute, ..)| minute * 60_000_000).collect(),
        entities: vec![Arc::from("web-1"), Arc::from("web-2")],
        entity: records.iter().map(|(_, host, _)| if *host < 2 { *host } else { NO_ENTITY }).collect(),
        metrics: vec![MetricColumn {
            name: Arc::from("cpu"),
            values: records.iter().map(|(.., value)| *value).collect(),
        }],
        services: vec![StatusColumn {
            name: Arc::from("cache"),
            levels: records.iter().map(|(minute, ..)| if minute % 2 == 0 { 2 } else { NO_STATUS }).collect(),
        }],
        ..Batch::default()
    }
}

/// In an empty store of each database.
fn on_each(check: impl Fn(&Place)) {
    let folder = tempfile::tempdir().unwrap();
    check(&place(&folder));
    #[cfg(feature = "postgres")]
    if let Some(place) = postgres::empty() {
        check(&place);
    }
}

fn place(folder: &tempfile::TempDir) -> Place {
    Place::at(folder.path().join("t.db").to_str().unwrap())
}

fn keeper(place: &Place, plan: &Plan) -> Keeper {
    Keeper::new(open(place, false).unwrap(), "g", plan.clone()).unwrap()
}

fn rows(place: &Place, sql: &str) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    open(place, false).unwrap().query(sql, &[], &mut |row| rows.push(row.to_vec())).unwrap();
    rows
}

/// What is kept of hours and series is what a query over the raw values gives.
fn check(place: &Place) {
    let hour = format!("time / {HOUR} * {HOUR}"); // of times after 1970
    let raw = format!(
        "SELECT series, {hour}, count(*), sum(value), min(value), max(value) FROM measurement GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let kept = "SELECT series, hour, count, sum + sum_low, min, max FROM hourly ORDER BY 1, 2";
    assert_eq!(rows(place, kept), rows(place, &raw));
    let raw = "SELECT series, count(*), sum(value), min(value), max(value), min(time), max(time), \
               (SELECT value FROM measurement AS m WHERE m.series = measurement.series ORDER BY time DESC LIMIT 1) \
               FROM measurement GROUP BY 1 ORDER BY 1";
    let kept = "SELECT series, count, sum + sum_low, min, max, first, last, last_value FROM total ORDER BY 1";
    assert_eq!(rows(place, kept), rows(place, raw));
}

#[test]
fn series_are_named_and_what_comes_twice_is_there_once() {
    on_each(|place| {
        let plan = Plan {
            units: BTreeMap::from([("cpu".to_string(), "%".to_string())]),
            attributes: BTreeMap::from([(
                "web-1".to_string(),
                BTreeMap::from([("zone".to_string(), "north".to_string())]),
            )]),
            ..Plan::default()
        };
        let records = [(0, 0, 10.5), (1, 0, 20.5), (61, 0, 1.0), (1, 1, f64::NAN), (2, 9, 5.0)];
        for _ in 0..2 {
            let mut keeper = keeper(place, &plan);
            keeper.take(&batch(&records)).unwrap();
            assert_eq!(keeper.commit().unwrap(), 4 + 2, "four values and two statuses");
            assert_eq!(keeper.commit().unwrap(), 0);
        }
        check(place);
        let shown = |sql: &str| {
            let text = |cell: &Cell| match cell {
                Cell::Null => "-".to_string(),
                Cell::Int(value) => value.to_string(),
                Cell::Real(value) => value.to_string(),
                Cell::Text(text) => text.clone(),
            };
            let rows: Vec<String> =
                rows(place, sql).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect();
            rows.join("\n")
        };
        insta::allow_duplicates! { insta::assert_snapshot!(shown("SELECT entity, metric, kind, unit, time, value FROM reading ORDER BY 2, 1, 5"), @r"
         cache status - 1970-01-01T00:02:00.000Z 2
        web-1 cache status - 1970-01-01T00:00:00.000Z 2
         cpu metric % 1970-01-01T00:02:00.000Z 5
        web-1 cpu metric % 1970-01-01T00:00:00.000Z 10.5
        web-1 cpu metric % 1970-01-01T00:01:00.000Z 20.5
        web-1 cpu metric % 1970-01-01T01:01:00.000Z 1
        ") };
        insta::allow_duplicates! { insta::assert_snapshot!(shown("SELECT entity, hour, mean, count, min, max FROM hourly_reading WHERE metric = 'cpu' ORDER BY 1, 2"), @r"
         1970-01-01T00:00:00.000Z 5 1 5 5
        web-1 1970-01-01T00:00:00.000Z 15.5 2 10.5 20.5
        web-1 1970-01-01T01:00:00.000Z 1 1 1 1
        ") };
        insta::allow_duplicates! { insta::assert_snapshot!(shown("SELECT name, key, value FROM entity LEFT JOIN attribute ON entity = id ORDER BY 1"), @r"
         - -
        web-1 zone north
        ") };
    });
}

#[test]
fn of_one_moment_the_first_value_stays() {
    on_each(|place| {
        let mut keeper = keeper(place, &Plan::default());
        keeper.take(&batch(&[(1, 0, 1.0), (1, 0, 2.0)])).unwrap();
        keeper.commit().unwrap();
        keeper.take(&batch(&[(1, 0, 3.0)])).unwrap();
        keeper.commit().unwrap();
        assert_eq!(rows(place, "SELECT value FROM measurement"), [[Cell::Real(1.0)]]);
        check(place);
    });
}

#[test]
fn old_values_go_and_their_hours_stay() {
    on_each(|place| {
        let plan = Plan { keep: Some(HOUR), ..Plan::default() };
        let mut keeper = keeper(place, &plan);
        for minute in 0..180 {
            keeper.take(&batch(&[(minute, 0, 1.0)])).unwrap();
            keeper.commit().unwrap();
        }
        // Known of already, though its raw value is gone.
        keeper.take(&batch(&[(1, 0, 1.0)])).unwrap();
        keeper.commit().unwrap();
        let kept = rows(place, "SELECT count(*), min(micros) / 60000000 FROM reading WHERE metric = 'cpu'");
        let [Cell::Int(count), Cell::Int(oldest)] = kept[0][..] else { panic!("{kept:?}") };
        assert!((61..=64).contains(&count) && oldest >= 117, "{kept:?}");
        assert_eq!(
            rows(place, "SELECT CAST(sum(count) AS BIGINT) FROM hourly_reading WHERE metric = 'cpu'"),
            [[Cell::Int(180)]]
        );
        // A later process knows what is gone, also one that keeps more.
        drop(keeper);
        for keep in [Some(HOUR), Some(1000 * HOUR), None] {
            let mut keeper = self::keeper(place, &Plan { keep, ..Plan::default() });
            keeper.take(&batch(&[(2, 0, 1.0)])).unwrap();
            keeper.commit().unwrap();
            assert_eq!(
                rows(place, "SELECT CAST(sum(count) AS BIGINT) FROM hourly_reading WHERE metric = 'cpu'"),
                [[Cell::Int(180)]]
            );
        }
    });
}

#[test]
fn a_clock_that_is_wrong_makes_nothing_else_old() {
    on_each(|place| {
        let plan = Plan { keep: Some(HOUR), ..Plan::default() };
        let now = Timestamp::parse("2024-01-01T00:00:00Z").unwrap().micros() / 60_000_000;
        let far = Timestamp::parse("2199-01-01T00:00:00Z").unwrap().micros() / 60_000_000;
        for records in [[(now, 0, 1.0), (far, 0, 2.0)], [(now + 1, 0, 3.0), (far + 1, 0, 4.0)]] {
            let mut keeper = keeper(place, &Plan { keep: None, ..plan.clone() });
            keeper.take(&batch(&records)).unwrap();
            keeper.commit().unwrap();
        }
        // Some 114 years: from the far clock everything would be old, from the true one nothing is.
        let mut keeper = keeper(place, &Plan { keep: Some(1_000_000 * HOUR), ..plan });
        keeper.take(&batch(&[(now + 2, 0, 5.0), (far + 2, 0, 6.0)])).unwrap();
        keeper.commit().unwrap();
        assert_eq!(rows(place, "SELECT count(*) FROM reading WHERE metric = 'cpu'"), [[Cell::Int(6)]]);
    });
}

#[test]
fn a_gap_is_no_work() {
    on_each(|place| {
        let now = Timestamp::parse("2024-01-01T00:00:00Z").unwrap().micros() / 60_000_000;
        let mut keeper = keeper(place, &Plan::default());
        keeper.take(&batch(&[(1, 0, 1.0), (now, 0, 2.0), (now + 1, 0, 3.0)])).unwrap();
        keeper.commit().unwrap();
        let mut store = read::Store::open(place).unwrap();
        let selection = read::Selection { metric: Some("cpu".to_string()), ..Default::default() };
        let page = store.aggregates(&selection, 1000, &read::Paging::default()).unwrap();
        let means: Vec<f64> = page.items.iter().map(|bucket| bucket.mean).collect();
        assert_eq!(means, [1.0, 2.0, 3.0]);
    });
}

#[test]
fn a_store_of_another_version_is_refused() {
    on_each(|place| {
        open(place, false).unwrap().script("UPDATE store_version SET version = 99").unwrap();
        for fault in [open(place, false).err(), open_to_read(place).err()] {
            let fault = fault.unwrap().to_string();
            assert!(fault.contains("it is of version 99, and this program knows 1 and older"), "{fault}");
        }
        let mut writer = connect(place, false, true).unwrap();
        writer.script("UPDATE store_version SET version = 0").unwrap();
        let fault = open_to_read(place).err().unwrap().to_string();
        assert!(fault.contains("it is of version 0, and is brought to 1 by"), "{fault}");
    });
}

#[test]
fn what_nobody_else_may_know_is_not_shown() {
    for (written, shown) in [
        ("telemetry.db", "telemetry.db"),
        ("oracle://me:secret@host/db", "oracle://…@host/db"),
        ("postgres://me:p@ss@host/db?password=secret", "postgres://…@host/db"),
        ("postgres://host/db?password=secret", "postgres://host/db"),
        ("postgres://me:s3cr?et@host/db", "postgres://…@host/db"),
    ] {
        assert_eq!(Place::at(written).shown(), shown);
    }
    let fault = open(&Place::at("oracle://me:secret@host/db"), false).err().unwrap().to_string();
    assert!(fault.contains("oracle://…@host/db") && !fault.contains("secret"), "{fault}");
}

#[test]
fn values_that_no_sum_can_hold_are_none() {
    on_each(|place| {
        let mut keeper = keeper(place, &Plan::default());
        for minute in 0..3 {
            keeper.take(&batch(&[(minute, 0, 1.7e308), (minute, 1, -1e290)])).unwrap();
            keeper.commit().unwrap();
        }
        let kept = "SELECT count, sum + sum_low FROM total JOIN series ON id = series WHERE kind = 'metric'";
        assert_eq!(rows(place, kept), [[Cell::Int(3), Cell::Real(-3e290)]]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// However records come, in whatever pieces and how often: hours and series are those of the raw values.
    #[test]
    fn roll_ups_are_those_of_the_raw_values(
        records in prop::collection::vec((-90_i64..200, 0_u32..3, -1e6_f64..1e6), 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        again in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len())).collect();
        at.extend([0, records.len()]);
        at.sort_unstable();
        let pieces: Vec<&[Record]> = at.windows(2).map(|ends| &records[ends[0]..ends[1]]).collect();
        let mut keeper = keeper(&place, &Plan::default());
        for piece in pieces.iter().chain([&pieces[again.index(pieces.len())]]) {
            keeper.take(&batch(piece)).unwrap();
            keeper.commit().unwrap();
        }
        // Sums of decimals differ in the last bit by the order in which SQLite adds them; compare what is exact.
        let distinct: std::collections::BTreeSet<(i64, u32)> = records.iter().map(|(minute, host, _)| (*minute, *host)).collect();
        prop_assert_eq!(rows(&place, "SELECT CAST(sum(count) AS BIGINT) FROM series_reading WHERE kind = 'metric'"), [[Cell::Int(distinct.len() as i64)]]);
        let hour = format!("time - (time % {HOUR} + {HOUR}) % {HOUR}"); // downwards, also before 1970
        let differ = rows(&place, &format!(
            "SELECT * FROM hourly JOIN (SELECT series AS s, {hour} AS h, count(*) AS n, \
             sum(value) AS v, min(value) AS a, max(value) AS b FROM measurement GROUP BY 1, 2) ON s = series AND h = hour \
             WHERE n <> count OR abs(v - (sum + sum_low)) > 1e-6 OR a <> min OR b <> max"));
        prop_assert_eq!(differ, Vec::<Vec<Cell>>::new());
        let hours = rows(&place, "SELECT count(*) FROM hourly");
        let of_raw = rows(&place, &format!("SELECT count(*) FROM (SELECT DISTINCT series, {hour} FROM measurement)"));
        prop_assert_eq!(hours, of_raw);
    }
}

#[test]
fn who_waits_too_long_for_another_writer_is_told() {
    on_each(|place| {
        let mut other = open(place, false).unwrap();
        other.begin().unwrap();
        let mut writer = open(place, false).unwrap(); // that is there already waits for nobody
        let soon = if place.0.contains("://") { "SET lock_timeout = '50ms'" } else { "PRAGMA busy_timeout = 50" };
        writer.script(soon).unwrap();
        let why = writer.begin().unwrap_err();
        assert!(why.contains("locked") || why.contains("lock timeout"), "{why}");
        writer.rollback();
        other.commit().unwrap();
        writer.begin().unwrap();
        writer.commit().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_file_that_is_taken_away_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let mut keeper = keeper(&place, &Plan::default());
    keeper.take(&batch(&[(1, 0, 1.0)])).unwrap();
    keeper.commit().unwrap();
    std::fs::remove_file(&place.0).unwrap();
    keeper.take(&batch(&[(3, 0, 1.0)])).unwrap();
    let fault = keeper.commit().unwrap_err().to_string();
    assert!(fault.contains("its file is gone"), "{fault}");
}
