use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::{Detector, Memory, Rules};
use crate::diagnostic::Diagnostic;
use crate::domain::{Anomaly, Aspect, Batch, Language, Note, Timestamp};
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
/// for = "2m"                                                         # optional, see below
/// clear = 65                                                         # optional, see below
///
/// [status]                                                           # services; optional
/// degraded = "medium"
/// offline = "high"
/// ```
///
/// Beside or instead of its own bands a metric has tables for other aspects of it, each with bands, `for` and `clear` of
/// its own:
///
/// ```toml
/// [metrics.battery]
/// unit = "%"
/// below = { low = 30, medium = 20, high = 10, clear = 35 }     # bands fall; `clear` lies above them
///
/// [metrics.temperature]
/// unit = "°C"
/// high = 40
/// rate = { medium = 2, high = 5, per = "1m", direction = "up" }  # `up`, `down` or `both`, which is the default
///
/// [metrics.requests_total]
/// counter = { high = 1000, per = "1s" }
/// ```
///
/// `below` judges from the bands downwards; where the metric has both, its anomaly is `battery@x#below`. `rate` judges the
/// change from one reading of a series to the next in time, per minute where `per` says nothing else, and its anomaly is
/// `temperature@x#rate`. `counter` judges how fast a counter counts up, per second where nothing else is said: a drop by
/// more than a tenth is a reset, after which it counts from zero, and a smaller one is a dip that is passed over
/// (`requests_total@x#counter`). The unit is that of the metric, with `/min` or the like behind it.
///
/// A metric may also be judged by how long nothing was heard of it, and by how unusual it is for itself:
///
/// ```toml
/// [metrics.heartbeat]
/// stale = { medium = "5m", high = "30m" }    # lengths of time
///
/// [metrics.orders]
/// unusual = true                             # or a table:
/// # unusual = { severity = "low", sensitivity = "high", direction = "down", season = "day" }
///
/// [status]
/// flapping = { medium = 4, high = 10, within = "15m" }   # of services: changes of status in so much time
/// ```
///
/// `stale` judges the seconds from each reading to the next, and those from the last one to the end of the window, or to the
/// newest record where the whole input is one (`heartbeat@x#stale`). A series must have been heard once. Silence that has lasted
/// for a day, or for twice the highest band if that is longer, is told in no further window: what is gone for good is not told
/// for ever; a report of a whole input tells of all. In a live graph a
/// window is closed by the clock, and has a report, also when all sources have fallen silent. Time outside the `hours` of the
/// rule and during maintenance is taken off. Its anomaly begins when the silence had lasted as long as the lowest band. `flapping` counts how often the status of a service changed in the time up to
/// each record (`service_status.cache@x#flapping`; 15 minutes where nothing is said): the records, this one included, that
/// are later than so long before it and whose status is another than that of the record before.
///
/// `unusual` has no threshold to choose (`orders@x#unusual`). Each reading has a score between 0 and 1, of itself and the
/// readings before it alone; from 0.5 on it is an anomaly, of medium severity where nothing else is said. Four views of the
/// series count the same: the value, the value less the level of its hour of the week, the same by the hour of the day, and the
/// step from the reading before. In each a *margin* is how far it lies outside the extremes seen so far, which leak slowly
/// towards the mean; and the same for what stays, by the least and the greatest of the last 2, 4 and 8 readings. Margins are
/// counted in usual steps of the series, and their sum by view is the surprise. A series that often surprises must do more,
/// and after a surprise one that is not half as great again counts nothing, until the first has faded. The reckoning of a
/// reading `x` after `x'`, with the figures that `agent why` shows:
///
/// - The usual step is `u = max(d, 0.03 (H - L))`, as it was before `x`: `d` is the mean of `|x - x'|`, `H` and `L` are the
///   `high` and `low` of single values, below. All means here are of what was so far, and go on with a weight of 1/300 from the
///   300th on: of the `k`th they take `1 / min(k, 300)`.
/// - A view is a figure `y` of each reading: `x`; `x` less the level of its hour of the week, and of its hour of the day; `x - x'`.
///   The level of an hour is the mean of its readings before; the `k`th moves it by the share `max(1/k, w)` of the
///   distance, where `w` is a tenth of the usual time between readings in hours, at least 0.001 and at most 0.1. An
///   hour without a reading before has no such view.
/// - In each view, for `n` = 1, 2, 4 and 8 (of steps 1 alone), `a` is the least and `b` the greatest of the last `n` figures. The
///   margin above is `(a - high) / u`, the one below `(low - b) / u`: 0 where that is negative, 10 where it is more or `u` is 0.
///   There is none before the view has `20 + n` figures.
/// - Only then `high = max(a, high - (high - mean) / 32768)` and `low = min(b, low + (mean - low) / 32768)`, with the mean of the
///   view, `y` included. They begin as `a` and `b` of the first `n` figures.
/// - The surprise `s` is the sum of all margins on the sides that `direction` judges, divided by the number of views: 4, or 3
///   with `season = "day"` and 2 with `"none"`, whether each has something to say or not. Of a series that rose more than 50
///   times and never fell, a counter, the steps alone are added.
/// - The score is `s / (s + 1/8 + 0.075 m)` if `s > 1.5 h`, else 0, and cut off after three digits; 0 while there are not
///   readings enough. Then `h = max(s, 0.95 h)` and `m = max(s, m (1 - 1/32768))`, which begin at 0: what is left of the
///   surprises before, and the greatest of them.
///
/// Its episode is over in the first window without another surprise, which is not to say that values are as they were: a level
/// that stays is news once. `direction` is `up`, `down` or `both`, which is the default: drops count as much as rises. The
/// step back after a rise is a fall. White noise and steady days give one to two false alarms a week and series, most of them
/// in the first; a third of that with low sensitivity. `season` is `week` (hours of the week
/// and of the day, in UTC), `day` or `none`. With `sensitivity = "low"` a surprise must be twice as great (from a score of 0.67 on),
/// with `"high"` half as great (0.33). An override may have `unusual = { severity, sensitivity }`. A series is judged after 50
/// readings, and with a season after a day; what it remembers takes 2.6 KB. The anomaly says what would have been usual. Scores
/// are stated with three digits, cut off.
///
/// A rule that has nothing to judge by says so: no record has its metric, a series has one reading and a rate needs two, a
/// series is too young to be unusual. The run record lists it under `insufficient`, and `agent run` and `agent backtest` name
/// it: silence about it does not mean that all is well. `agent why` shows what each verdict is made of: the rule as it
/// was for that entity, override, hours and maintenance included, and the figures to do it again by hand.
///
/// A band may have a unit of its own, in quotes: `high = "1.5 GiB"`, `"250 ms"`, `"90 %"`. It is converted to the unit of the
/// rule: time (ns, µs, ms, s, min, h, day), bytes (B, kB to PB, KiB to PiB), both also per time (`MB/s`), and `%`, which is
/// a share of 1 where the rule has no unit.
///
/// What holds for some entities instead is said by their names, where `*` stands for any characters, `?` for one and
/// `[ab]` for one of those; the first override that names an entity holds for it:
///
/// ```toml
/// [[metrics.cpu_usage.override]]
/// entity = "db-*"
/// high = 95                          # bands, `for` and `clear` are replaced as a whole
///
/// [[metrics.cpu_usage.override]]
/// entity = "batch-*"
/// off = true                         # not judged, not counted
/// ```
///
/// An override of `below`, `rate` or `counter` has a table of that name with bands, `for` and `clear`; of what it has no
/// table for, that of all entities holds. Records without an entity have no override.
///
/// Rules may judge several metrics of one record:
///
/// ```toml
/// [conditions.overload]
/// when = "cpu_usage > 80 && latency_ms > 200"
/// severity = "high"
/// label = { en = "overload", fr = "la surcharge" }   # optional
/// for = "2m"                                         # optional
///
/// [ratios.error_share]               # bands, `below`, `for`, `clear` and `label` as for a metric
/// of = "errors"
/// to = "requests"
/// unit = "%"                         # times 100 where it is this
/// high = 5
/// ```
///
/// A ratio's override is like a metric's; one of a condition has `severity`, `for` or `off`.
///
/// A condition is of [CEL](https://cel.dev) what compares metrics, ratios and numbers (`< <= > >= == !=`, nine significant
/// digits count), with `+ - * /`, `&& || !` and parentheses. Its anomaly is `overload@x`, of the value 1. Of a record that lacks
/// a metric which decides it, it says nothing: neither that it holds nor that it does not. So does a ratio whose divisor
/// is 0 or absent. A field of a record that has the name of a condition or ratio is not looked at.
///
/// Any of these tables may say when it judges, and the file when some entities are left alone:
///
/// ```toml
/// zone = "Europe/Paris"              # of hours and of times without an offset; UTC where nothing is said
///
/// [metrics.queue_length]
/// high = 100
/// hours = "Mon-Fri 08:00-18:00, Sat 09:00-12:00"     # days, times or both; 22:00-06:00 ends the next day
///
/// [[maintenance]]
/// from = 2026-11-21T22:00:00Z
/// to = 2026-11-22T04:00:00Z          # the first moment that is judged again
/// entities = ["db-*"]                # all where nothing is said
/// ```
///
/// What is read outside the hours or during maintenance is neither judged nor counted, services included: for an episode
/// it is as if the series had sent nothing. The completeness of records is not the business of these rules. Where clocks
/// are put forward over a time of `hours`, the time that is as much later stands for it.
///
/// Rules that look back remember the last reading of each series from window to window, for four weeks. Within a window
/// they take the readings in the order of time, and so keep those of their metrics, 24 bytes each, until it closes; one
/// that is older than the last of the window before says nothing. Without `[window]` they take them as they come, in order
/// as far as no reading comes after more than 32 newer ones of its series.
///
/// An anomaly states the worst value, the highest band that it reached and how many records reached the lowest one. It knows the
/// *stretch* around its worst record: the records at or above the lowest band before and after it, without one below in between,
/// by which `plan` tells what happened at the same time. A record that comes late, neither newer nor older than all of its
/// series before it, neither makes nor breaks one. In a graph with `[window]` it may have begun in a window before.
/// `service_status.NAME` stands for a service: its value and threshold are the worst level (online 0, degraded 1,
/// offline 2). A status that `[status]` leaves out is no anomaly; `offline` is never milder than `degraded`, also where
/// only `degraded` is named. Records without an entity are a series of their own.
///
/// With `for`, values must stay at or above the lowest band so long, by the times of the records, before there is an
/// anomaly; one value below it begins the count anew. Only records that stayed there so long count as having reached a
/// band. Records are taken in the order of their times, whatever their order in the input, as long as no more than 32 newer
/// ones of the same series came before; one that comes later than that, or that `max_lateness` carried over from an earlier
/// window, is judged as any other but neither makes nor breaks a stretch. That holds in an open episode too: what does not last
/// keeps it open, but is no news of it and never a reason to escalate.
///
/// In a graph with `[window]` an anomaly is part of an *episode*, which goes from window to window. It is `opened` in the
/// first window where something reached a band (for as long as `for` says; the windows before count), `escalated` in one
/// where it reaches a higher band than ever before, else `ongoing`. Its figures are those of the window, but `first` is
/// the episode's first record. It is `resolved` in the first window whose values are all below `clear`, which is the
/// lowest band where nothing else is written and never above it: then the list ends with an anomaly that tells what the
/// episode was, for a webhook; `plan` and `merge` leave it out. While values are below the lowest band but not below
/// `clear`, the episode stays open and is not in the list. So it does where the series sends nothing, which is not
/// healthy; after a day without a record it is forgotten, and nothing is said. Without `[window]` `clear` changes nothing.
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
    const VERSION: u32 = 9;
    type Config = Config;
    type Output = Vec<Anomaly>;
    type Gathered = Detector;
    type State = Memory;

    fn new(config: Config, assets: &Assets<'_>) -> Result<Detect, Vec<Diagnostic>> {
        let file = assets.read(&config.rules).map_err(|fault| vec![fault])?;
        let rules = Arc::new(Rules::parse(&file)?);
        Ok(Detect { rules, language: assets.language })
    }

    fn wants(&self) -> Wanted {
        Wanted { metrics: self.rules.wanted() }
    }

    fn open(&self, start: Option<Timestamp>) -> Detector {
        Detector::new(self.rules.clone(), start)
    }

    fn push(&self, gathered: &mut Detector, batch: &Batch) {
        gathered.push(batch);
    }

    fn close(
        &self,
        mut gathered: Detector,
        memory: &mut Memory,
        window: &Window,
        notes: &mut Vec<Note>,
    ) -> Vec<Anomaly> {
        let mut anomalies = match &window.span {
            None => gathered.anomalies(),
            Some(span) => {
                let end = if window.partial { window.newest.min(span.end) } else { span.end };
                gathered.anomalies_of_window(memory, span, end)
            }
        };
        notes.extend(gathered.insufficient().into_iter().map(Note::Insufficient));
        for anomaly in &mut anomalies {
            let label = self.rules.rule(&anomaly.metric, anomaly.aspect).and_then(|rule| rule.label.get(self.language));
            anomaly.description = describe(anomaly, label, self.language);
        }
        anomalies
    }

    fn expects_records(&self) -> bool {
        self.rules.expects_readings()
    }

    fn is_alarm(&self, anomalies: &Vec<Anomaly>) -> bool {
        anomalies.iter().any(|anomaly| anomaly.aspect == Aspect::Stale && !anomaly.is_over())
    }
}

#[cfg(test)]
mod tests;
