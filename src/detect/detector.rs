use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::column::{Column, Witness};
use super::derived::Derived;
use super::episodes::{About, Tracked};
use super::judge::{Judge, Measure, SERVICE_STATUS, Standing};
use super::rules::{Maintenance, Quantity};
use super::unusual::{LEARNING, Season};
use super::{
    Entities, Episodes, Pasts, PerEntity, Reached, Reading, Rule, Rules, Series, Sustained, lanes, report_order,
};
use crate::domain::{
    Anomaly, Aspect, Batch, Evidence, Figure, Insufficient, MetricColumn, NO_ENTITY, NO_STATUS, Operand, ServiceState,
    Status, Timestamp, WindowSpan,
};

/// Applies rules to batches. One series per (entity, metric) and (entity, service) that occurs; a pass over each column
/// for its figures, and a second one only where something reached a band.
#[derive(Debug, Clone)]
pub struct Detector {
    rules: Arc<Rules>,
    entities: Entities,
    /// By rule.
    metrics: Vec<Column>,
    /// In the order of appearance.
    services: Vec<Service>,
    service_numbers: HashMap<Arc<str>, usize>,
    status: Measure,
    /// Where the window begins, in microseconds: what is older has come late.
    start: i64,
    of_window: bool,
    /// The newest time of all records, in microseconds, if rules judge silence.
    newest: Option<i64>,
}

/// What is gathered of one service.
#[derive(Debug, Clone)]
struct Service {
    name: Arc<str>,
    series: PerEntity<Series>,
    /// How often its status changes, if a rule asks for it.
    flapping: Option<Column>,
}

impl Detector {
    /// Of a window that begins at `start`; `None` where it is the whole input.
    pub fn new(rules: Arc<Rules>, start: Option<Timestamp>) -> Detector {
        let of_window = start.is_some();
        let column = |rule: &Rule| Column::new(rule, of_window, rules.is_derived(&rule.metric));
        let metrics = rules.metrics().iter().map(column).collect();
        let status = Measure::new(*rules.status(), None, None);
        let (entities, services, service_numbers) = Default::default();
        let start = start.map_or(i64::MIN, Timestamp::micros);
        let newest = None;
        Detector { rules, entities, metrics, services, service_numbers, status, start, of_window, newest }
    }

    /// Names are looked up once per batch.
    pub fn push(&mut self, batch: &Batch) {
        if self.rules.expects_readings() {
            self.newest = self.newest.max(batch.times.iter().copied().max());
        }
        let rules = self.rules.clone();
        let outside = Maintenance::outside(rules.maintenance(), batch);
        let batch = outside.as_ref().unwrap_or(batch);
        let mut derived = Vec::new();
        for column in rules.derived() {
            derived.extend(column.column(batch, &derived));
        }
        let mut rows = self.entities.enter(batch);
        let own = batch.metrics.iter().filter(|metric| !rules.is_derived(&metric.name));
        for metric in own.chain(&derived) {
            let places = rules.of(&metric.name);
            let of_metric = rules.metrics().get(places.clone()).unwrap_or_default();
            for (rule, column) in of_metric.iter().zip(self.metrics.get_mut(places).unwrap_or_default()) {
                column.meet(rows.names(), rules.maintenance());
                let within = rule.hours.as_ref().map(|hours| MetricColumn {
                    name: metric.name.clone(),
                    values: hours.within(&batch.times, &metric.values),
                });
                let metric = within.as_ref().unwrap_or(metric);
                rows.metric(metric, |entity, run| column.take(entity, run, self.start));
                for entity in column.fresh() {
                    let of = rules.derived().iter().find(|derived| *derived.name == *metric.name);
                    let name = rows.names().get(entity as usize).and_then(Option::as_ref);
                    column.keep(entity, |reading| {
                        let evidence = operands(of?, rules.derived(), batch, &derived, name, reading)?;
                        Some(Witness { reading: *reading, evidence })
                    });
                }
            }
        }
        for service in &batch.services {
            let next = self.services.len();
            let at = *self.service_numbers.entry(service.name.clone()).or_insert(next);
            if at == next {
                let flapping = rules.flapping().map(|rule| Column::new(rule, self.of_window, false));
                self.services.push(Service { name: service.name.clone(), series: PerEntity::default(), flapping });
            }
            let Some(Service { series, flapping, .. }) = self.services.get_mut(at) else { continue };
            rows.service(service, |entity, run| {
                let counts = lanes::levels(run.values);
                if counts != [0; 3] {
                    series.of(entity).take_levels(run, counts, &self.status.levels);
                }
            });
            if let Some(column) = flapping {
                let number = |level: &u8| if *level == NO_STATUS { f64::NAN } else { f64::from(*level) };
                let name = service.name.clone();
                let levels = MetricColumn { name, values: service.levels.iter().map(number).collect() };
                rows.metric(&levels, |entity, run| column.take(entity, run, self.start));
            }
        }
    }

    /// Everything that reached a band, in the order of a report: of an input that is one window. Descriptions are left
    /// empty: words are not the business of detection.
    pub fn anomalies(&mut self) -> Vec<Anomaly> {
        let end = self.newest.unwrap_or(i64::MIN);
        let columns = self.metrics.iter_mut().chain(self.services.iter_mut().filter_map(|s| s.flapping.as_mut()));
        columns.for_each(|column| column.settle(self.start, end));
        let mut found = Vec::new();
        for Seen { judge, number, series, reached, sustained, witnesses } in self.reached() {
            let lasted = match judge.measure.lasts.zip(sustained) {
                None => Some(*reached),
                Some((lasts, sustained)) => sustained.close(None, &judge.measure.levels, lasts).0,
            };
            let Some((standing, lasted)) = Standing::of(series).zip(lasted) else { continue };
            let evidence = Witness::among(witnesses, &lasted.worst);
            found.extend(judge.anomaly(self.entity(number), &standing, &lasted, evidence));
        }
        self.finish(found)
    }

    /// The same of one window among others: with the episodes that the anomalies are part of, and then those that are
    /// over. Windows come in the order of their time. Silence lasts until `end`.
    pub fn anomalies_of_window(&mut self, memory: &mut Memory, span: &WindowSpan, end: Timestamp) -> Vec<Anomaly> {
        let Memory { episodes, pasts } = memory;
        pasts.forget(self.start);
        let (bounds, maintenance) = ((self.start, end.micros()), self.rules.maintenance());
        for (rule, column) in self.rules.metrics().iter().zip(&mut self.metrics) {
            column.settle_window(&rule.name(), pasts, bounds, &mut self.entities, maintenance);
        }
        for Service { name, flapping, .. } in &mut self.services {
            let Some((rule, column)) = self.rules.flapping().zip(flapping.as_mut()) else { continue };
            let name = format!("{} {name}", rule.name());
            column.settle_window(&name, pasts, bounds, &mut self.entities, maintenance);
        }
        let mut turn = episodes.turn(span.start);
        let mut found = Vec::new();
        for Seen { judge, number, series, reached, sustained, witnesses } in self.reached() {
            let Some(standing) = Standing::of(series) else { continue };
            found.extend(turn.reached(&judge, self.entity(number), &standing, reached, (sustained, witnesses)));
        }
        found.extend(turn.rest(|tracked| self.judged(tracked)));
        self.finish(found)
    }

    /// How the series of an episode is judged and where it stands, if it has readings in this window.
    fn judged(&self, tracked: &Tracked) -> Option<(Judge<'_>, Standing)> {
        let number = self.entities.number(tracked.entity.as_deref())?;
        let (judge, series) = match &tracked.about {
            About::Metric(metric, aspect) => {
                let at = self.rules.position(metric, *aspect)?;
                let (rule, column) = (self.rules.metrics().get(at)?, self.metrics.get(at)?);
                (
                    Judge::of_metric(rule, column.measure(number)?).beside(self.rules.maintenance()),
                    column.series.get(number)?,
                )
            }
            About::Service(service, aspect) => {
                let service = self.services.get(*self.service_numbers.get(service.as_str())?)?;
                let Service { name, series, flapping } = service;
                if *aspect == Aspect::Flapping {
                    let (rule, column) = self.rules.flapping().zip(flapping.as_ref())?;
                    (
                        Judge::of_metric(rule, column.measure(number)?).beside(self.rules.maintenance()).on(name),
                        column.series.get(number)?,
                    )
                } else {
                    (Judge::of_service(name, &self.status), series.get(number)?)
                }
            }
        };
        Some((judge, Standing::of(series)?))
    }

    /// Every series that reached a band.
    fn reached(&self) -> impl Iterator<Item = Seen<'_>> {
        let metrics = self.rules.metrics().iter().zip(&self.metrics);
        let metrics = metrics.flat_map(|(rule, column)| of_column(rule, column, None));
        let services = self.services.iter().flat_map(|Service { name, series, flapping }| {
            let judge = Judge::of_service(name, &self.status);
            let statuses = series.iter().filter_map(move |(number, series)| {
                let reached = series.reached.as_ref()?;
                Some(Seen { judge, number, series, reached, sustained: None, witnesses: &[] })
            });
            let flapping = self.rules.flapping().zip(flapping.as_ref());
            statuses.chain(flapping.into_iter().flat_map(|(rule, column)| of_column(rule, column, Some(name))))
        });
        let maintenance = self.rules.maintenance();
        metrics.chain(services).map(move |seen| Seen { judge: seen.judge.beside(maintenance), ..seen })
    }

    /// The rules that could not judge for lack of records. After the anomalies.
    pub fn insufficient(&self) -> Vec<Insufficient> {
        let mut found = Vec::new();
        for (rule, column) in self.rules.metrics().iter().zip(&self.metrics) {
            let (series, of) = column.lacking();
            if series > 0 || of == 0 {
                found.push(Insufficient { rule: rule.name(), series, of, needs: needs(rule, of == 0) });
            }
        }
        found.extend(self.insufficient_services());
        found
    }

    /// Of the rules of services; of statuses one is enough to judge by.
    fn insufficient_services(&self) -> impl Iterator<Item = Insufficient> {
        let has_none = self.services.iter().all(|service| service.series.iter().next().is_none());
        let absent =
            |rule: String| Insufficient { rule, series: 0, of: 0, needs: "records that state services".into() };
        let status = self.rules.status().lowest().filter(|_| has_none).map(|_| absent(SERVICE_STATUS.to_string()));
        let flapping = self.rules.flapping().and_then(|rule| {
            let lacking = self.services.iter().filter_map(|service| Some(service.flapping.as_ref()?.lacking()));
            match lacking.fold((0, 0), |(series, of), (more, all)| (series + more, of + all)) {
                _ if has_none => Some(absent(rule.name())),
                (0, _) => None,
                (series, of) => Some(Insufficient { rule: rule.name(), series, of, needs: needs(rule, false) }),
            }
        });
        status.into_iter().chain(flapping)
    }

    fn entity(&self, number: u32) -> Option<&str> {
        self.entities.name(number).map(|name| &**name)
    }

    /// Adds the services of each anomaly's entity and brings them into the order of a report, what is over last.
    fn finish(&self, mut found: Vec<Anomaly>) -> Vec<Anomaly> {
        let number = |anomaly: &Anomaly| self.entities.number(anomaly.entity.as_deref());
        // Empty lists for the entities in question: of the others nothing is gathered.
        let mut states = found.iter().filter_map(|anomaly| Some((number(anomaly)?, Vec::new()))).collect();
        self.gather_states(&mut states);
        for anomaly in &mut found {
            if let Some(states) = number(anomaly).and_then(|number| states.get(&number)) {
                anomaly.services.clone_from(states);
            }
        }
        found.sort_by(|a, b| a.is_over().cmp(&b.is_over()).then_with(|| report_order(a, b)));
        found
    }

    /// The services that the records of each entity name: the worst as far as an anomaly carries them, by name.
    fn gather_states(&self, states: &mut HashMap<u32, Vec<ServiceState>>) {
        for Service { name, series, .. } in &self.services {
            for (entity, series) in series.iter() {
                let Some(states) = states.get_mut(&entity) else { continue };
                let Some(newest) = series.newest.and_then(|reading| status(reading.value)) else { continue };
                let Some(worst) = series.total.max().and_then(status) else { continue };
                states.push(ServiceState { name: name.to_string(), newest, worst });
            }
        }
        for states in states.values_mut() {
            states.sort_by(|a, b| (b.newest, b.worst).cmp(&(a.newest, a.worst)).then_with(|| a.name.cmp(&b.name)));
            states.truncate(Anomaly::MOST_SERVICES);
            states.shrink_to_fit();
            states.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
}

/// What must survive from window to window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    pub episodes: Episodes,
    pub pasts: Pasts,
}

/// A series that reached a band.
struct Seen<'a> {
    judge: Judge<'a>,
    number: u32,
    series: &'a Series,
    reached: &'a Reached,
    /// Where the rule says `for`.
    sustained: Option<&'a Sustained>,
    witnesses: &'a [Witness],
}

/// Every series of a rule that reached a band.
fn of_column<'a>(
    rule: &'a Rule,
    column: &'a Column,
    service: Option<&'a str>,
) -> impl Iterator<Item = Seen<'a>> + use<'a> {
    column.series.iter().filter_map(move |(number, series)| {
        let reached = series.reached.as_ref()?;
        let judge = Judge::of_metric(rule, column.measure(number)?);
        let judge = service.map_or(judge, |service| judge.on(service));
        let witnesses = column.witnesses.get(number).map(Vec::as_slice).unwrap_or_default();
        Some(Seen { judge, number, series, reached, sustained: column.sustained.get(number), witnesses })
    })
}

/// The figures of a record that a derived column is made of there, and what those of them are made of that are derived
/// too. `name` is that of its entity.
fn operands(
    of: &Derived,
    all: &[Derived],
    batch: &Batch,
    derived: &[MetricColumn],
    name: Option<&Arc<str>>,
    reading: &Reading,
) -> Option<Evidence> {
    let is_of_entity = |place: usize| match batch.entity.get(place) {
        Some(&code) if code != NO_ENTITY => batch.entities.get(code as usize) == name,
        _ => name.is_none(),
    };
    let moments = batch.times.iter().zip(&batch.rows).enumerate();
    let mut places = moments.filter(|(_, moment)| *moment == (&reading.time, &reading.row)).map(|(place, _)| place);
    let place = places.find(|place| is_of_entity(*place))?;
    let mut names = Vec::new();
    of.node.gather(&mut names);
    let mut parts: Vec<Option<&String>> = vec![None; names.len()];
    let ratios: Vec<&Derived> = all.iter().filter(|other| names.contains(&other.name)).collect();
    for ratio in ratios {
        ratio.node.gather(&mut names);
        parts.resize(names.len(), Some(&ratio.name));
    }
    let operand = |(metric, of): (String, Option<&String>)| {
        let column = derived.iter().chain(&batch.metrics).find(|column| *column.name == *metric)?;
        Some(Operand { value: Figure::new(*column.values.get(place)?)?, metric, of: of.cloned() })
    };
    Some(Evidence::Operands(names.into_iter().zip(parts).filter_map(operand).collect()))
}

/// What a rule lacks; `all` where no record has what it judges.
fn needs(rule: &Rule, all: bool) -> String {
    match (&rule.condition, rule.quantity) {
        (Some(condition), _) => format!("records that decide `{condition}`"),
        (None, _) if all => format!("values of `{}` to judge", rule.metric),
        (None, Quantity::Unusual(settings)) if settings.season == Season::None => {
            format!("more than {LEARNING} readings")
        }
        (None, Quantity::Unusual(_)) => format!("more than {LEARNING} readings, over a day or more"),
        (None, _) => "two readings at different times".to_string(),
    }
}

/// The status of a level that a series kept as a number.
fn status(level: f64) -> Option<Status> {
    Status::from_level(level as u8)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{batch, minute, records};
    use super::*;
    use crate::diagnostic::SourceFile;

    const RULES: &str = "
        [metrics.cpu]
        low = 70
        medium = 80
        high = 90
        [metrics.zero]
        medium = 0
        [status]
        degraded = 'medium'
        offline = 'high'";

    fn detect(rules: &str, text: &str) -> Vec<Anomaly> {
        let rules = Rules::parse(&SourceFile::new("r.toml", rules)).unwrap();
        let mut detector = Detector::new(Arc::new(rules), None);
        detector.push(&batch(&records(text)));
        detector.anomalies()
    }

    /// `name value/threshold severity low+medium+high/records first..last worst newest`, the moments as rows.
    fn line(a: &Anomaly) -> String {
        let Anomaly { name, value, threshold, records, reached, .. } = a;
        format!(
            "{name} {value}/{threshold} {} {}+{}+{}/{records} {}..{} worst {} newest {} mean {}",
            a.severity.word(),
            reached.low,
            reached.medium,
            reached.high,
            a.first.row,
            a.last.row,
            a.worst.row,
            a.newest.row,
            a.mean
        )
    }

    fn check(text: &str, expected: &[&str]) {
        let got: Vec<String> = detect(RULES, text).iter().map(line).collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn one_anomaly_per_series_that_reached_a_band() {
        check("0 - cpu=69.999", &[]);
        check("0 - other=1000", &[]);
        check("0 - cpu=70", &["cpu 70/70 low 1+0+0/1 1..1 worst 1 newest 1 mean 70"]);
        check(
            "0 - cpu=70 \n 1 - cpu=90 \n 2 - cpu=85 \n 3 - cpu=10 \n 4 - mem=3",
            &["cpu 90/90 high 1+1+1/4 1..3 worst 2 newest 4 mean 63.75"],
        );
        // Out of order, with equal times: moments go by time, then by row.
        check(
            "5 - cpu=75 \n 2 - cpu=95 \n 2 - cpu=95 \n 9 - cpu=1 \n 9 - cpu=2 \n 5 - cpu=71",
            &["cpu 95/90 high 2+0+2/6 2..6 worst 2 newest 5 mean 56.5"],
        );
    }

    #[test]
    fn entities_are_series_of_their_own_and_so_are_records_without_one() {
        check(
            "0 - cpu=71 \n 0 a cpu=72 \n 0 b cpu=20 \n 1 b cpu=91 \n 1 c cpu=1",
            &[
                "cpu@b 91/90 high 0+0+1/2 4..4 worst 4 newest 4 mean 55.5",
                "cpu@a 72/70 low 1+0+0/1 2..2 worst 2 newest 2 mean 72",
                "cpu 71/70 low 1+0+0/1 1..1 worst 1 newest 1 mean 71",
            ],
        );
        let found = detect(RULES, "0 a cpu=72 \n 0 - cpu=71");
        let about: Vec<_> =
            found.iter().map(|a| (a.metric.as_str(), a.entity.as_deref(), a.service.as_deref())).collect();
        assert_eq!(about, [("cpu", Some("a"), None), ("cpu", None, None)]);
    }

    #[test]
    fn services_that_are_not_online_are_anomalies_with_their_worst_level() {
        check("0 - cache=online", &[]);
        check(
            "0 - cache=online db=degraded \n 1 - cache=offline db=online \n 2 - cache=degraded",
            &[
                "service_status.cache 2/2 high 0+1+1/3 2..3 worst 2 newest 3 mean 1",
                "service_status.db 1/1 medium 0+1+0/2 1..1 worst 1 newest 2 mean 0.5",
            ],
        );
        let found = detect(RULES, "0 b cpu=95 x=online \n 0 a cache=degraded \n 1 a cache=online \n 1 a api=online");
        let services = |name: &str| {
            let anomaly = found.iter().find(|a| a.name == name).unwrap();
            anomaly.services.iter().map(|s| (s.name.as_str(), s.newest.word(), s.worst.word())).collect::<Vec<_>>()
        };
        assert_eq!(services("cpu@b"), [("x", "online", "online")]);
        assert_eq!(services("service_status.cache@a"), [("api", "online", "online"), ("cache", "online", "degraded")]);
        let cache = found.iter().find(|a| a.service.is_some()).unwrap();
        assert_eq!((cache.metric.as_str(), cache.service.as_deref()), ("service_status", Some("cache")));
    }

    #[test]
    fn what_is_kept_grows_with_what_occurs() {
        // Each host has a service of its own: a table of services by hosts would have nine million places.
        let rules = Arc::new(Rules::parse(&SourceFile::new("r.toml", RULES)).unwrap());
        let mut detector = Detector::new(rules, None);
        let hosts: Vec<String> = (0..3000).map(|i| format!("{} h{i} cpu=95 s{i}=offline", i % 60)).collect();
        hosts.chunks(100).for_each(|chunk| detector.push(&batch(&records(&chunk.join("\n")))));
        assert_eq!(detector.services.iter().map(|service| service.series.iter().count()).sum::<usize>(), 3000);
        assert_eq!(detector.metrics.iter().map(|column| column.series.iter().count()).sum::<usize>(), 3000);
        let found = detector.anomalies();
        assert_eq!(found.len(), 6000);
        assert!(found.iter().all(|anomaly| anomaly.services.len() == 1));
    }

    #[test]
    fn of_very_many_services_an_anomaly_carries_the_worst() {
        let service = |i: usize| match i {
            30 => format!("s{i:03}=offline"),
            40 => format!("s{i:03}=degraded"),
            _ => format!("s{i:03}=online"),
        };
        let all: Vec<String> = (0..200).map(service).collect();
        let found = detect(RULES, &format!("0 - s050=offline \n 1 - cpu=95 {}", all.join(" ")));
        let mut expected: Vec<String> = (0..29).map(|i| format!("s{i:03}")).collect();
        expected.extend(["s030", "s040", "s050"].map(str::to_string));
        for anomaly in &found {
            let names: Vec<&str> = anomaly.services.iter().map(|s| s.name.as_str()).collect();
            assert_eq!(names, expected, "{}", anomaly.name);
        }
        assert_eq!((found.len(), expected.len()), (4, Anomaly::MOST_SERVICES));
    }

    #[test]
    fn the_status_table_says_which_statuses_count() {
        let check = |status: &str, expected: &[&str]| {
            let found = detect(&format!("[metrics.x]\nlow = 1\n{status}"), "0 - s=degraded \n 1 - s=offline");
            let got: Vec<String> =
                found.iter().map(|a| format!("{} {}", line(a), a.bands.lowest().unwrap().1)).collect();
            assert_eq!(got, expected, "{status}");
        };
        let tail = "worst 2 newest 2 mean 1.5";
        check("", &[]);
        check("[status]\noffline = 'low'", &[&format!("service_status.s 2/2 low 1+0+0/2 2..2 {tail} 2")]);
        check("[status]\ndegraded = 'low'", &[&format!("service_status.s 2/2 low 2+0+0/2 1..2 {tail} 1")]);
        check(
            "[status]\ndegraded = 'high'\noffline = 'high'",
            &[&format!("service_status.s 2/2 high 0+0+2/2 1..2 {tail} 1")],
        );
    }

    #[test]
    fn order_is_severity_then_relative_distance_then_name() {
        let names = |text: &str| detect(RULES, text).into_iter().map(|a| a.name).collect::<Vec<_>>();
        assert_eq!(names("0 b cpu=85 \n 0 a cpu=85 \n 0 c cpu=84 \n 0 d cpu=88"), ["cpu@d", "cpu@a", "cpu@b", "cpu@c"]);
        // Further from its threshold, but of a lower severity; a threshold of zero is infinitely far away.
        assert_eq!(
            names("0 a cpu=79 \n 0 b cpu=80 \n 0 c zero=0 \n 0 d cache=offline"),
            ["service_status.cache@d", "zero@c", "cpu@b", "cpu@a"]
        );
    }

    #[test]
    fn evidence_is_the_samples() {
        let found = detect(RULES, "3 - cpu=1 \n 4 - cpu=93.25");
        let [cpu] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((cpu.worst.time.micros(), cpu.worst.row, cpu.worst.value.get()), (minute(4), 2, 93.25));
        assert_eq!(cpu.bands.lowest().map(|(_, v)| v.get()), Some(70.0));
    }

    #[test]
    fn a_batch_that_breaks_its_own_rules_does_no_harm() {
        let mut broken = batch(&records("0 a cpu=95 \n 1 b cpu=96 s=offline"));
        broken.entity = vec![7, 1];
        broken.metrics[0].values = vec![f64::INFINITY, 96.0, 99.0];
        broken.services[0].levels = vec![9];
        let mut detector = Detector::new(Arc::new(Rules::parse(&SourceFile::new("r.toml", RULES)).unwrap()), None);
        detector.push(&broken);
        let got: Vec<String> = detector.anomalies().iter().map(line).collect();
        assert_eq!(got, ["cpu@b 96/90 high 0+0+1/1 2..2 worst 2 newest 2 mean 96"]);
    }
}
