use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::NO_ENTITY;

/// Names that are remembered from one batch to the next.
const REMEMBERED: usize = 1 << 14;

/// The names of entities: the dictionary of the batch under construction, and those of the batches before, so that
/// a name is not made anew for every batch.
#[derive(Default)]
pub(super) struct Entities {
    known: Vec<Known>,
    places: HashMap<Arc<str>, usize>,
    /// The one that was named last.
    latest: usize,
    dictionary: Vec<Arc<str>>,
    batch: u64,
}

struct Known {
    name: Arc<str>,
    /// The batch that `index` is of.
    batch: u64,
    index: u32,
    /// Which was named after it the last time: entities tend to report in turn.
    next: usize,
}

impl Entities {
    /// The entity's place in the batch's dictionary.
    pub fn place(&mut self, name: &str) -> u32 {
        let guess = self.known.get(self.latest).map_or(0, |latest| latest.next);
        let place = match self.known.get(guess) {
            Some(known) if *known.name == *name => guess,
            _ => self.find(name),
        };
        if let Some(latest) = self.known.get_mut(self.latest) {
            latest.next = place;
        }
        self.latest = place;
        let Some(known) = self.known.get_mut(place) else { return NO_ENTITY };
        if known.batch != self.batch {
            // The rows of a batch are bounded, so the number fits.
            known.index = u32::try_from(self.dictionary.len()).unwrap_or(NO_ENTITY);
            known.batch = self.batch;
            self.dictionary.push(known.name.clone());
        }
        known.index
    }

    fn find(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name: Arc<str> = name.into();
        let place = self.known.len();
        self.known.push(Known { name: name.clone(), batch: self.batch.wrapping_sub(1), index: 0, next: place + 1 });
        self.places.insert(name, place);
        place
    }

    /// The dictionary of the batch; that of the next starts empty.
    pub fn take_dictionary(&mut self) -> Vec<Arc<str>> {
        self.batch += 1;
        if self.known.len() > REMEMBERED {
            self.known.clear();
            self.places.clear();
        }
        std::mem::take(&mut self.dictionary)
    }
}
