//! A store that several may ask at a time: each question has a connection of its own while it is answered.

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::port::{Answer, Archive};

/// A store for whoever asks.
pub struct Reader {
    place: Place,
    idle: Mutex<Vec<Store>>,
}

impl Reader {
    /// # Errors
    /// There is no store, or it is not of this program's version.
    pub fn open(place: &Place) -> Result<Reader, Diagnostic> {
        Ok(Reader { place: place.clone(), idle: Mutex::new(vec![Store::open(place)?]) })
    }

    fn ask<T>(&self, question: impl FnOnce(&mut Store) -> Answer<T>) -> Answer<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut store = match idle {
            Some(store) => store,
            None => Store::open(&self.place).map_err(ReadError::Store)?,
        };
        let answer = question(&mut store);
        // A connection that failed may be broken.
        if !matches!(answer, Err(ReadError::Store(_))) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(store);
        }
        answer
    }
}

impl Archive for Reader {
    fn reports(&self, filter: &ReportFilter, paging: &Paging) -> Answer<Page<KeptReport>> {
        self.ask(|store| store.reports(filter, paging))
    }
    fn report(&self, id: i64) -> Answer<Option<KeptReport>> {
        self.ask(|store| store.report(id))
    }
    fn anomalies(&self, filter: &AnomalyFilter, paging: &Paging) -> Answer<Page<KeptAnomaly>> {
        self.ask(|store| store.anomalies(filter, paging))
    }
    fn episodes(&self, filter: &EpisodeFilter, paging: &Paging) -> Answer<Page<KeptEpisode>> {
        self.ask(|store| store.episodes(filter, paging))
    }
    fn runs(&self, filter: &RunFilter, paging: &Paging) -> Answer<Page<KeptRun>> {
        self.ask(|store| store.runs(filter, paging))
    }
    fn run(&self, id: &str) -> Answer<Option<KeptRun>> {
        self.ask(|store| store.run(id))
    }
    fn series(&self, selection: &Selection, paging: &Paging) -> Answer<Page<Series>> {
        self.ask(|store| store.series(selection, paging))
    }
    fn measurements(&self, selection: &Selection, paging: &Paging) -> Answer<Page<Sample>> {
        self.ask(|store| store.measurements(selection, paging))
    }
    fn aggregates(&self, selection: &Selection, step: i64, paging: &Paging) -> Answer<Page<Bucket>> {
        self.ask(|store| store.aggregates(selection, step, paging))
    }
    fn ranking(&self, attribute: &str, selection: &Selection) -> Answer<Vec<Group>> {
        self.ask(|store| store.ranking(attribute, selection))
    }
}
