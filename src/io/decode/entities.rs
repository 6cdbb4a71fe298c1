use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::NO_ENTITY;

/// Everything remembered from record to record: each entity's newest time, and the dictionary of the batch under
/// construction. This alone grows with the input, by the number of entities.
#[derive(Default)]
pub(super) struct Entities {
    known: HashMap<Arc<str>, Known>,
    /// Newest time of the records that name no entity.
    unnamed: Option<i64>,
    dictionary: Vec<Arc<str>>,
    batch: u64,
}

struct Known {
    name: Arc<str>,
    newest: i64,
    /// The batch that `index` is of.
    batch: u64,
    index: u32,
}

impl Entities {
    /// Takes note of a record at `time`: its entity's place in the batch's dictionary, and the newest time before it.
    pub fn observe(&mut self, name: Option<&str>, time: i64) -> (u32, Option<i64>) {
        let Some(name) = name else {
            let before = self.unnamed;
            self.unnamed = before.max(Some(time));
            return (NO_ENTITY, before);
        };
        // The rows of a batch are bounded, so the number fits.
        let next = u32::try_from(self.dictionary.len()).unwrap_or(NO_ENTITY);
        if let Some(known) = self.known.get_mut(name) {
            let before = known.newest;
            known.newest = before.max(time);
            if known.batch != self.batch {
                (known.batch, known.index) = (self.batch, next);
                self.dictionary.push(known.name.clone());
            }
            return (known.index, Some(before));
        }
        let name: Arc<str> = name.into();
        self.dictionary.push(name.clone());
        self.known.insert(name.clone(), Known { name, newest: time, batch: self.batch, index: next });
        (next, None)
    }

    /// The dictionary of the batch; that of the next starts empty.
    pub fn take_dictionary(&mut self) -> Vec<Arc<str>> {
        self.batch += 1;
        std::mem::take(&mut self.dictionary)
    }

    pub fn len(&self) -> u64 {
        self.known.len() as u64
    }
}
