//! `--chart`: the values of the series that fired most, as far as a picture shows them.

use super::outcome::{Backtest, SeriesFirings};
use crate::cli::render::chart::{Band, COLUMNS, Mark, Panel, Spot};
use crate::domain::{Aspect, Batch, NO_ENTITY, NO_STATUS, Severity};
use crate::node::Wanted;

/// Panels of a chart at most.
const MOST: usize = 6;

/// What is gathered of one series.
pub struct Gathering<'a> {
    of: &'a SeriesFirings,
    /// Least and greatest value of each column of the picture.
    columns: Vec<Option<(f64, f64)>>,
    /// Time and value of the readings that episodes begin with, of a rule that judges how unusual one is.
    alerts: Vec<(i64, f64, Severity)>,
}

/// The series that fired longest; of the same length the ones that fired most often.
pub fn worst(backtest: &Backtest) -> Vec<Gathering<'_>> {
    let mut series: Vec<&SeriesFirings> = backtest.rules.iter().flat_map(|rule| &rule.series).collect();
    let key = |s: &SeriesFirings| (s.firing.seconds.get(), s.firing.episodes as f64);
    series.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal)); // figures are finite
    let new = |of| Gathering { of, columns: vec![None; COLUMNS], alerts: Vec::new() };
    series.into_iter().take(MOST).map(new).collect()
}

/// The fields that the panels are drawn from.
pub fn wanted(panels: &[Gathering<'_>]) -> Wanted {
    Wanted { metrics: panels.iter().map(|panel| panel.of.metric.clone()).collect() }
}

impl Gathering<'_> {
    /// Takes the values of the series; `from` and `to` are the times of the first and the last column.
    pub fn take(&mut self, batch: &Batch, (from, to): (i64, i64)) {
        let entity = match &self.of.entity {
            None => NO_ENTITY,
            Some(name) => match batch.entities.iter().position(|known| **known == **name) {
                Some(place) => u32::try_from(place).unwrap_or(NO_ENTITY),
                None => return,
            },
        };
        let metric = batch.metrics.iter().find(|column| *column.name == *self.of.metric);
        let service = self.of.service.as_deref();
        let status = service.and_then(|name| batch.services.iter().find(|column| *column.name == *name));
        for (row, time) in batch.times.iter().enumerate().filter(|(row, _)| batch.entity.get(*row) == Some(&entity)) {
            let level = status.and_then(|column| column.levels.get(row)).filter(|level| **level != NO_STATUS);
            let value = match service {
                Some(_) => level.map(|level| f64::from(*level)),
                None => metric.and_then(|column| column.values.get(row)).copied(),
            };
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let place = (time - from) as f64 / (to - from).max(1) as f64 * (COLUMNS - 1) as f64;
            if let Some(column) = self.columns.get_mut(place as usize) {
                let (least, greatest) = column.unwrap_or((value, value));
                *column = Some((least.min(value), greatest.max(value)));
            }
            self.mark(*time, value);
        }
    }

    fn mark(&mut self, time: i64, value: f64) {
        let episodes = &self.of.episodes;
        let at = episodes.partition_point(|episode| episode.since.micros() < time);
        let begins = episodes.get(at).filter(|episode| episode.since.micros() == time);
        let alert = begins.filter(|_| self.of.aspect == Aspect::Unusual).map(|e| (time, value, e.severity));
        self.alerts.extend(alert);
    }

    /// As it is drawn. Bands are lines only where the rule judges the value itself.
    pub fn panel(self, (from, to): (i64, i64)) -> Panel {
        let of = self.of;
        let judges_value = matches!(of.aspect, Aspect::Above | Aspect::Below);
        let band = |severity| Some(Band { severity, value: of.bands.get(severity)?.get(), name: None });
        let bands = Severity::ALL.into_iter().filter_map(band).filter(|_| judges_value).collect();
        let episodes = of.episodes.iter().map(|e| (e.since.micros(), e.until.micros(), e.severity)).collect();
        let (title, unit) = (of.series.clone(), of.unit.clone());
        let begins = |column: usize| from + ((to - from) as f64 * column as f64 / COLUMNS as f64) as i64;
        let spot = |(column, values): (usize, Option<(f64, f64)>)| {
            let (least, greatest) = values?;
            Some(Spot { from: begins(column), to: begins(column), least, greatest, mean: None })
        };
        let spots = self.columns.into_iter().enumerate().filter_map(spot).collect();
        let mark = |(time, value, severity)| Mark { time, value, severity, name: None };
        let marks = self.alerts.into_iter().map(mark).collect();
        Panel { title, unit, bands, episodes, spots, marks, levels: None }
    }
}
