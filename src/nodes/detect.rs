use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::{Detector, Rules};
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Batch, Language};
use crate::node::{AssetPath, Assets, Fold, Wanted, Window};
use crate::wording::describe;

/// Finds what reached a threshold: one anomaly per metric, or per metric and entity where records name one, and one
/// per service that was not online.
///
/// The rules file has a table per metric, with one to three bands that rise. A value that equals a band has reached it;
/// as everywhere in a report, nine significant digits count:
///
/// ```toml
/// [metrics.cpu_usage]
/// label = { en = "CPU usage", fr = "l'utilisation du processeur" }   # for sentences; optional
/// unit = "%"                                                         # optional
/// low = 70
/// medium = 80
/// high = 90
///
/// [status]                                                           # services; optional
/// degraded = "medium"
/// offline = "high"
/// ```
///
/// An anomaly states the worst value, the highest band that it reached and how many records reached the lowest one.
/// `service_status.NAME` stands for a service: its value and threshold are the worst level (online 0, degraded 1,
/// offline 2). A status that `[status]` leaves out is no anomaly; `offline` is never milder than `degraded`, also where
/// only `degraded` is named. Records without an entity are a series of their own.
///
/// An anomaly carries the services that its entity's records name, for the plan to choose a target from: 32 at most, the
/// ones with the worst newest status first, then with the worst status ever, then by name.
///
/// Order: severity, then |value − threshold| / |threshold|, both falling, then name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "detect")]
pub struct Config {
    /// The rules file, relative to the graph file.
    pub rules: AssetPath,
}

pub struct Detect {
    rules: Arc<Rules>,
    language: Language,
}

impl Fold for Detect {
    const KIND: &'static str = "detect";
    const VERSION: u32 = 2;
    type Config = Config;
    type Output = Vec<Anomaly>;
    type Gathered = Detector;
    type State = ();

    fn new(config: Config, assets: &Assets<'_>) -> Result<Detect, Vec<Diagnostic>> {
        let file = assets.read(&config.rules).map_err(|fault| vec![fault])?;
        let rules = Arc::new(Rules::parse(&file)?);
        Ok(Detect { rules, language: assets.language })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.rules.metrics().iter().map(|rule| rule.metric.clone()).collect() }
    }

    fn open(&self) -> Detector {
        Detector::new(self.rules.clone())
    }

    fn push(&self, gathered: &mut Detector, batch: &Batch) {
        gathered.push(batch);
    }

    fn close(&self, gathered: Detector, _: &mut (), _: &Window) -> Vec<Anomaly> {
        let mut anomalies = gathered.anomalies();
        for anomaly in &mut anomalies {
            let label = self.rules.rule(&anomaly.metric).and_then(|rule| rule.label.get(self.language));
            anomaly.description = describe(anomaly, label, self.language);
        }
        anomalies
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::detect::testing::{Record, batch, minute, records};
    use crate::diagnostic::SourceFile;
    use crate::domain::{Counts, Status, Timestamp};
    use crate::port::Files;

    const RULES: &str = "
        [metrics.cpu]
        label = { en = 'CPU usage', fr = \"l'utilisation du processeur\" }
        unit = '%'
        low = 70
        high = 90
        [metrics.lag]
        medium = -3
        [status]
        degraded = 'medium'
        offline = 'high'";

    struct OneFile(&'static str);

    impl Files for OneFile {
        fn read(&self, path: &str) -> Result<SourceFile, String> {
            if path == "rules.toml" { Ok(SourceFile::new(path, self.0)) } else { Err("no such file".to_string()) }
        }
        fn locate(&self, path: &str) -> String {
            path.to_string()
        }
    }

    fn build(rules: &'static str, path: &str, language: Language) -> Result<Detect, Vec<Diagnostic>> {
        let graph = SourceFile::new("g.toml", format!("rules = '{path}'"));
        let config = Config { rules: AssetPath { path: path.to_string(), span: 8..graph.text.len() } };
        Detect::new(config, &Assets::new(language, &graph, &OneFile(rules)))
    }

    fn run(batches: &[Batch], language: Language) -> Vec<Anomaly> {
        let detect = build(RULES, "rules.toml", language).unwrap();
        let mut gathered = detect.open();
        batches.iter().for_each(|b| detect.push(&mut gathered, b));
        let newest = Timestamp::from_micros(0).unwrap();
        detect.close(gathered, &mut (), &Window { records: 1, newest, span: None, partial: false })
    }

    #[test]
    fn sentences_are_in_the_language_of_the_run() {
        let batch = batch(&records("0 web-1 cpu=93.5 lag=2 \n 1 web-1 cpu=12 db=offline"));
        let lines = |language| {
            let lines: Vec<String> =
                run(std::slice::from_ref(&batch), language).into_iter().map(|a| a.description).collect();
            lines.join("\n").replace('\u{a0}', "_")
        };
        insta::assert_snapshot!(lines(Language::En), @r"
        CPU usage on web-1 peaked at 93.5% (high severity, threshold 90%): 1 of 2 records was at or above the low threshold of 70%, at 2023-11-14T22:13:00Z.
        Service db on web-1 was offline at worst (high severity): it was not online in 1 of 1 record, at 2023-11-14T22:14:00Z.
        The metric lag on web-1 peaked at 2 (medium severity, threshold -3): 1 of 1 record was at or above the medium threshold of -3, at 2023-11-14T22:13:00Z.
        ");
        insta::assert_snapshot!(lines(Language::Fr), @r"
        L'utilisation du processeur sur web-1 a atteint 93,5_% (gravité élevée, seuil de 90_%)_: 1 relevé sur 2 a atteint le seuil de gravité faible (70_%), le 2023-11-14T22:13:00Z.
        Le service db sur web-1 a été hors ligne au pire (gravité élevée)_: il n'était pas en ligne dans 1 relevé sur 1, le 2023-11-14T22:14:00Z.
        La mesure lag sur web-1 a atteint 2 (gravité moyenne, seuil de -3)_: 1 relevé sur 1 a atteint le seuil de gravité moyenne (-3), le 2023-11-14T22:13:00Z.
        ");
    }

    #[test]
    fn it_wants_the_metrics_of_its_rules() {
        let wanted = build(RULES, "rules.toml", Language::En).unwrap().wants();
        assert_eq!(wanted.metrics.iter().map(String::as_str).collect::<Vec<_>>(), ["cpu", "lag"]);
    }

    #[test]
    fn rules_that_cannot_be_used_are_diagnosed_where_they_are() {
        let faults = |rules, path: &str| match build(rules, path, Language::En) {
            Ok(_) => vec![],
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        assert_eq!(faults(RULES, "rules.tml"), ["g.toml:1:9: AG0002: cannot read `rules.tml`: no such file"]);
        assert_eq!(
            faults("[metrics.a]\n[metrics.b]\nlow = 2\nhigh = 1", "rules.toml"),
            [
                "rules.toml:1:10: AG0014: the rule of `a` has no band",
                "rules.toml:2:10: AG0014: the bands of `b` do not rise: low is 2, high is 1",
            ]
        );
    }

    /// Records with times of their own, in order. Values are multiples of a quarter, so that sums are exact.
    fn some_records() -> impl Strategy<Value = Vec<Record>> {
        let status = prop::sample::select(Status::ALL.to_vec());
        let entity = option::of(prop::sample::select(vec!["a".to_string(), "b".to_string(), "é".to_string()]));
        let quarter = |range: std::ops::Range<i32>| option::of(range.prop_map(|n| f64::from(n) / 4.0));
        let fields = (entity, quarter(0..440), quarter(-40..40), option::of(status.clone()), option::of(status));
        vec(fields, 1..40).prop_map(|fields| {
            let record = |(at, (entity, cpu, lag, db, api))| Record {
                row: at as u64 + 1,
                time: minute(at as i64),
                entity,
                metrics: [("cpu", cpu), ("lag", lag)].into_iter().filter_map(|(n, v)| Some((n.into(), v?))).collect(),
                services: [("db", db), ("api", api)].into_iter().filter_map(|(n, s)| Some((n.into(), s?))).collect(),
            };
            fields.into_iter().enumerate().map(record).collect()
        })
    }

    /// Without the places in the input.
    fn placeless(mut anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
        for anomaly in &mut anomalies {
            let Anomaly { first, worst, last, newest, .. } = anomaly;
            for sample in [first, worst, last, newest] {
                sample.row = 0;
            }
        }
        anomalies
    }

    /// Without the places, and without what counts records.
    fn uncounted(anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
        let mut anomalies = placeless(anomalies);
        for anomaly in &mut anomalies {
            (anomaly.records, anomaly.reached) = (0, Counts::default());
            anomaly.mean = anomaly.value;
            anomaly.description.clear();
        }
        anomalies
    }

    proptest! {
        #[test]
        fn the_order_of_records_changes_places_only(
            (records, shuffled) in some_records().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))
        ) {
            let mut shuffled = shuffled;
            shuffled.iter_mut().zip(1..).for_each(|(record, row)| record.row = row);
            let [expected, got] = [records, shuffled].map(|r| run(&[batch(&r)], Language::En));
            prop_assert_eq!(placeless(expected), placeless(got));
        }

        #[test]
        fn how_records_are_split_into_batches_changes_nothing(records in some_records(), size in 1usize..7) {
            let split: Vec<Batch> = records.chunks(size).map(batch).collect();
            prop_assert_eq!(run(&[batch(&records)], Language::Fr), run(&split, Language::Fr));
        }

        #[test]
        fn a_duplicate_record_changes_counts_only(records in some_records(), at in any::<prop::sample::Index>()) {
            let mut doubled = records.clone();
            let again = at.get(&records).clone();
            doubled.push(Record { row: doubled.len() as u64 + 1, ..again.clone() });
            let [before, after] = [records, doubled].map(|r| run(&[batch(&r)], Language::En));
            for (a, b) in before.iter().zip(&after) {
                let here = a.entity == again.entity
                    && (again.metrics.iter().any(|(name, _)| *name == a.metric)
                        || again.services.iter().any(|(name, _)| Some(name) == a.service.as_ref()));
                prop_assert_eq!(b.records, a.records + u64::from(here), "{}", &a.name);
            }
            prop_assert_eq!(uncounted(before), uncounted(after));
        }

        #[test]
        fn any_finite_values_make_a_valid_report(values in vec(prop::num::f64::ANY, 1..20)) {
            let mut records = records(&"0 - \n".repeat(values.len()));
            records.iter_mut().zip(&values).for_each(|(record, v)| record.metrics = vec![("lag".into(), *v)]);
            let found = run(&[batch(&records)], Language::Fr);
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            let reached = finite.iter().filter(|v| **v >= -3.0).count() as u64;
            prop_assert_eq!(found.first().map_or(0, |a| a.reached.total()), reached);
            prop_assert_eq!(found.first().map_or(reached, |a| a.records), if reached > 0 { finite.len() as u64 } else { 0 });
            let text = serde_json::to_string(&found).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<Anomaly>>(&text).unwrap(), found);
        }
    }
}
