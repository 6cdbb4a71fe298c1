use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::domain::{Anomaly, Episode, Language, Phase, Report, RunRecord, Severity, Timestamp, WindowSpan};
use crate::io::store::OutputStore;
use crate::io::store::read::*;
use crate::node::{Cx, Task};

const MINUTE: i64 = 60_000_000;

fn time(minute: i64) -> Timestamp {
    Timestamp::from_micros(minute * MINUTE).unwrap()
}

fn report(minute: i64) -> Report {
    serde_json::from_value(json!({
        "timestamp": time(minute).to_string(),
        "insights": { "max_cpu_usage": 90.5, "error_rate": null },
        "anomalies": [],
        "recommendations": [{
            "id": "cool", "action": "Cool it.", "target": "web-1", "parameters": {}, "benefit_estimate": "Much."
        }],
        "service_status_summary": { "online": [], "degraded": [], "offline": [] },
    }))
    .unwrap()
}

/// Two anomalies at this minute, of which one is of an episode that began at minute 0.
fn anomalies(minute: i64, phase: Phase) -> Vec<Anomaly> {
    let mut cpu = Anomaly::example("cpu@web-1", 90.0, Severity::High);
    let mut disk = Anomaly::example("disk@web-2", 75.0, Severity::Low);
    for anomaly in [&mut cpu, &mut disk] {
        (anomaly.first.time, anomaly.worst.time, anomaly.last.time) = (time(minute), time(minute), time(minute));
    }
    let id = "cpu@web-1/19700101T000000Z".to_string();
    cpu.episode = Some(Episode { id, phase, since: time(0), worst_severity: Severity::High, windows: 1 });
    vec![cpu, disk]
}

fn window(minute: i64) -> crate::domain::WindowRecord {
    let span = WindowSpan { start: time(minute), end: time(minute + 1) };
    let closed_by = crate::domain::ClosedBy::Watermark;
    crate::domain::WindowRecord { span, closed_by, partial: false, late: 0, carried: 0 }
}

fn write(place: &Place, minute: i64, phase: Phase) {
    let store = OutputStore::at(place.clone());
    let mut cx = Cx::new("store".to_string(), Language::En, None);
    (cx.graph, cx.run, cx.window) = ("g".to_string(), format!("run-{minute}"), Some(window(minute)));
    let input = json!({ "report": report(minute), "anomalies": anomalies(minute, phase) });
    let input = serde_json::from_value(input).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.run(input, &cx)).unwrap();
    let record = json!({
        "version": 1, "run": cx.run, "graph": "g", "status": "done", "started": time(minute + 1).to_string(),
        "ended": time(minute + 2).to_string(), "error": null, "window": window(minute), "inputs": [], "coverage": [],
        "tasks": [], "model": null, "calls": [], "wordings": [],
        "episodes": anomalies(minute, phase)[0].episode,
    });
    let mut record = record;
    record["episodes"] = json!([record["episodes"].take()]);
    let record: RunRecord = serde_json::from_value(record).unwrap();
    store.ended(&record).unwrap();
}

/// Every page of a list, of so many items each.
fn all<T>(limit: u32, mut page: impl FnMut(&Paging) -> Result<Page<T>, ReadError>) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let Page { items: more, next } = page(&Paging { limit: Some(limit), after: after.take() }).unwrap();
        assert!(more.len() <= limit as usize && (next.is_none() || more.len() == limit as usize));
        items.extend(more);
        match next {
            Some(next) => after = Some(next),
            None => return items,
        }
    }
}

/// The rows of an export, each as wide as its columns.
fn exported(store: &mut Store, what: What, selection: &Selection) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let read = store.export(what, selection, &mut |seen| {
        match seen {
            Seen::Columns(names) => assert_eq!(names.len(), what.columns().len()),
            Seen::Row(row) => rows.push(row.to_vec()),
        }
        ControlFlow::Continue(())
    });
    assert!(read.is_ok());
    assert!(rows.iter().all(|row| row.len() == what.columns().len()));
    rows
}

#[test]
fn history_is_read_newest_first_in_pages() {
    on_each(|place| {
        for (minute, phase) in [(0, Phase::Opened), (1, Phase::Ongoing), (2, Phase::Ongoing), (3, Phase::Resolved)] {
            write(place, minute, phase);
        }
        let mut store = Store::open(place).unwrap();
        let reports = all(3, |paging| store.reports(&ReportFilter::default(), paging));
        assert_eq!(reports.iter().map(|r| r.time).collect::<Vec<_>>(), [time(3), time(2), time(1), time(0)]);
        assert_eq!(reports[0].window.unwrap().end, time(4));
        assert_eq!(serde_json::from_str::<Report>(reports[0].report.get()).unwrap(), report(3));
        let filter =
            ReportFilter { graph: Some("g".into()), from: Some(time(1)), to: Some(time(3)), ..ReportFilter::default() };
        assert_eq!(all(1, |paging| store.reports(&filter, paging)).len(), 2);
        assert_eq!(store.newest_report(Some("g")).unwrap().unwrap().run, "run-3");
        assert!(store.newest_report(Some("other")).unwrap().is_none());
        let of_key = ReportFilter { key: Some(time(2).to_string()), ..ReportFilter::default() };
        let found = store.reports(&of_key, &Paging::default()).unwrap().items;
        assert_eq!(store.report(found[0].id).unwrap().unwrap().run, "run-2");

        // What is over is no part of a report.
        let count = |store: &mut Store, filter: &AnomalyFilter| all(2, |paging| store.anomalies(filter, paging)).len();
        assert_eq!(count(&mut store, &AnomalyFilter::default()), 7);
        let filter = AnomalyFilter { severity: Some(Severity::Medium), ..AnomalyFilter::default() };
        assert_eq!(count(&mut store, &filter), 3);
        let filter = AnomalyFilter {
            entity: Some("web-2".into()),
            metric: Some("disk".into()),
            from: Some(time(2)),
            ..AnomalyFilter::default()
        };
        assert_eq!(count(&mut store, &filter), 2);
        let newest = store.anomalies(&AnomalyFilter::default(), &Paging::default()).unwrap().items.remove(0);
        assert_eq!((newest.worst, newest.metric.as_str(), newest.place), (time(3), "disk", 0));
        let facts: Anomaly = serde_json::from_str(newest.facts.unwrap().get()).unwrap();
        assert_eq!(facts, anomalies(3, Phase::Resolved)[1]);

        let episodes =
            store.episodes(&EpisodeFilter { open: Some(false), ..EpisodeFilter::default() }, &Paging::default());
        let episode = episodes.unwrap().items.remove(0);
        assert_eq!((episode.phase, episode.since, episode.told), (Phase::Resolved, time(0), time(4)));
        assert_eq!((episode.metric.as_str(), episode.entity.as_deref()), ("cpu", Some("web-1")));
        let filters = [
            EpisodeFilter { open: Some(true), ..EpisodeFilter::default() },
            EpisodeFilter { from: Some(time(4)), ..EpisodeFilter::default() },
            EpisodeFilter { metric: Some("disk".into()), ..EpisodeFilter::default() },
        ];
        for filter in filters {
            assert!(store.episodes(&filter, &Paging::default()).unwrap().items.is_empty(), "{filter:?}");
        }
        // An older window that is told of late changes nothing.
        write(place, 1, Phase::Ongoing);
        let episodes = all(1, |paging| store.episodes(&EpisodeFilter::default(), paging));
        assert_eq!((episodes.len(), episodes[0].phase), (1, Phase::Resolved));

        let runs = all(3, |paging| store.runs(&RunFilter::default(), paging));
        assert_eq!(runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["run-3", "run-2", "run-1", "run-0"]);
        assert!(runs[0].record.is_none() && store.run("run-3").unwrap().unwrap().record.is_some());
        assert!(store.run("run-9").unwrap().is_none());

        for (what, count) in [(What::Reports, 4), (What::Anomalies, 7), (What::Episodes, 1), (What::Runs, 4)] {
            assert_eq!(exported(&mut store, what, &Selection::default()).len(), count, "{what:?}");
        }
        let some = Selection { entity: Some("web-2".into()), from: Some(time(2)), ..Selection::default() };
        let rows = exported(&mut store, What::Anomalies, &some);
        let times: Vec<_> = rows.iter().map(|row| row[12].clone()).collect();
        assert_eq!(times, [Cell::Int(2 * MINUTE), Cell::Int(3 * MINUTE)]);
    });
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    on_each(|place| {
        open(place, false).unwrap();
        let mut store = Store::open(place).unwrap();
        for after in ["", "1", "1.2.3", "a.b", "1.2'", "--", "9223372036854775808.1", "1.é"] {
            let paging = Paging { limit: None, after: Some(after.to_string()) };
            let read = store.reports(&ReportFilter::default(), &paging);
            assert!(matches!(read, Err(ReadError::Cursor)), "{after}");
        }
        for after in ["1.67.6", "1.+1.67", "1.00.67", "1.ff.67"] {
            let paging = Paging { limit: None, after: Some(after.to_string()) };
            let read = store.episodes(&EpisodeFilter::default(), &paging);
            assert!(matches!(read, Err(ReadError::Cursor)), "{after}");
        }
    });
}

#[test]
fn measurements_are_read_raw_and_aggregated() {
    on_each(|place| {
        let zone = |zone: &str| BTreeMap::from([("zone".to_string(), zone.to_string())]);
        let attributes = BTreeMap::from([("web-1".to_string(), zone("north")), ("web-2".to_string(), zone("south"))]);
        let mut keeper = keeper(place, &Plan { attributes, ..Plan::default() });
        let records: Vec<Record> =
            (-90..200).flat_map(|minute| [(minute, 0, minute as f64 / 7.0), (minute, 1, 0.1)]).collect();
        keeper.take(&batch(&records)).unwrap();
        keeper.commit().unwrap();
        let mut store = Store::open(place).unwrap();

        let cpu = Selection { metric: Some("cpu".into()), ..Selection::default() };
        let series = all(1, |paging| store.series(&cpu, paging));
        let known = |s: &Series| (s.entity.clone(), s.count, s.first, s.last, s.last_value);
        assert_eq!(known(&series[0]), ("web-1".into(), 290, time(-90), time(199), 199.0 / 7.0));
        let kinds: BTreeSet<_> = all(1, |paging| store.series(&Selection::default(), paging))
            .into_iter()
            .map(|s| format!("{:?}", s.kind))
            .collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Metric", "Status"]);

        let web1 = Selection { entity: Some("web-1".into()), from: Some(time(-30)), to: Some(time(90)), ..cpu.clone() };
        for limit in [1, 7, 119, 120, 1000] {
            let samples = all(limit, |paging| store.measurements(&web1, paging));
            let expected: Vec<(Timestamp, f64)> = (-30..90).map(|minute| (time(minute), minute as f64 / 7.0)).collect();
            assert_eq!(samples.iter().map(|s| (s.time, s.value)).collect::<Vec<_>>(), expected, "{limit}");
        }
        assert_eq!(all(100, |paging| store.measurements(&cpu, paging)).len(), 580);
        assert_eq!(exported(&mut store, What::Measurements, &web1).len(), 120);
        assert_eq!(exported(&mut store, What::Hourly, &web1).len(), 2, "hours that begin then");

        for step in [1, 7, 30, 60, 120, 1440] {
            for (from, to) in [(-90, 200), (-61, 61), (-30, 0), (0, 60), (10, 20), (59, 121)] {
                let selection = Selection { from: Some(time(from)), to: Some(time(to)), ..cpu.clone() };
                let mut expected: Vec<(String, i64, i64)> = Vec::new();
                for (_, host) in [("web-1", 0), ("web-2", 1)] {
                    for (minute, ..) in records.iter().filter(|(m, h, _)| *h == host && (from..to).contains(m)) {
                        let key = (["web-1", "web-2"][host as usize].to_string(), minute.div_euclid(step) * step);
                        match expected.last_mut().filter(|last| (last.0.clone(), last.1) == key) {
                            Some(last) => last.2 += 1,
                            None => expected.push((key.0, key.1, 1)),
                        }
                    }
                }
                for limit in [2, 50, 1000] {
                    let buckets = all(limit, |paging| store.aggregates(&selection, step * MINUTE, paging));
                    let found: Vec<_> =
                        buckets.iter().map(|b| (b.entity.clone(), b.start.micros() / MINUTE, b.count)).collect();
                    assert_eq!(found, expected, "{step} {from} {to} {limit}");
                    for bucket in buckets {
                        let of = |(minute, host, _): &&Record| {
                            bucket.entity == ["web-1", "web-2"][*host as usize]
                                && (from..to).contains(minute)
                                && minute.div_euclid(step) * step * MINUTE == bucket.start.micros()
                        };
                        let values: Vec<f64> = records.iter().filter(of).map(|(.., value)| *value).collect();
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        assert!((bucket.mean - mean).abs() < 1e-12, "{bucket:?} {mean}");
                        assert_eq!(bucket.min, values.iter().copied().fold(f64::INFINITY, f64::min));
                        assert_eq!(bucket.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                    }
                }
            }
        }

        let ranking = store.ranking("zone", &cpu).unwrap();
        let groups: Vec<_> = ranking.iter().map(|g| (g.group.as_str(), g.entities, g.count)).collect();
        assert_eq!(groups, [("north", 1, 290), ("south", 1, 290)]);
        assert_eq!(ranking[1].mean, 0.1);
    });
}

#[test]
fn hours_are_read_where_raw_values_are_gone() {
    on_each(|place| {
        let mut keeper = keeper(place, &Plan { keep: Some(HOUR), ..Plan::default() });
        for minute in 10..300 {
            keeper.take(&batch(&[(minute, 0, 1.0)])).unwrap();
            keeper.commit().unwrap();
        }
        let mut store = Store::open(place).unwrap();
        let selection = Selection { metric: Some("cpu".into()), ..Selection::default() };
        let counts: Vec<i64> =
            all(100, |paging| store.aggregates(&selection, HOUR, paging)).iter().map(|b| b.count).collect();
        assert_eq!(counts, [50, 60, 60, 60, 60]);
        assert!(all(100, |paging| store.measurements(&selection, paging)).len() < 70);
    });
}

#[test]
fn a_reader_cannot_write_and_finds_no_store_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let missing = place(&folder);
    let fault = Store::open(&missing).err().unwrap().to_string();
    assert!(fault.contains("there is no such file"), "{fault}");
    std::fs::write(folder.path().join("t.db"), "no database at all, only some text that is long enough").unwrap();
    let fault = Store::open(&missing).err().unwrap().to_string();
    assert!(fault.contains("not a database"), "{fault}");
    on_each(|place| {
        open(place, false).unwrap();
        let mut reader = open_to_read(place).unwrap();
        for sql in ["DELETE FROM report", "CREATE TABLE t (a BIGINT)", "INSERT INTO entity (id, name) VALUES (1, 'a')"]
        {
            let refused = reader.script(sql).unwrap_err();
            assert!(refused.contains("read-only") || refused.contains("readonly"), "{sql}: {refused}");
        }
    });
}
