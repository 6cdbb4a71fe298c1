use std::sync::Arc;

/// In `Batch::entity`: the record names none.
pub const NO_ENTITY: u32 = u32::MAX;
/// In `StatusColumn::levels`: the record does not state the service's status.
pub const NO_STATUS: u8 = u8::MAX;

/// Records in columns, in the order of the input. Every column has one place per record.
///
/// The dictionaries (`entities`, column names) are the batch's own: a fold looks its series up once per batch, not
/// once per record, and blocks that are decoded apart need not agree on numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Where each record stands in its input: line of NDJSON or CSV, element of an array; from 1.
    pub rows: Vec<u64>,
    /// Microseconds since the epoch. A record without a time never gets into a batch.
    pub times: Vec<i64>,
    /// Names that `entity` points into.
    pub entities: Vec<Arc<str>>,
    /// Index into `entities`, or [`NO_ENTITY`].
    pub entity: Vec<u32>,
    /// Which of the inputs that a source reads beside each other each record is from; empty where all are from 0. Records of
    /// one lane come in the same order whenever they are read again; those of several may mix otherwise.
    pub lanes: Vec<u32>,
    pub metrics: Vec<MetricColumn>,
    pub services: Vec<StatusColumn>,
}

/// One numeric field.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricColumn {
    /// Name of the field, nested ones with dots (`content.energy`).
    pub name: Arc<str>,
    /// Finite, or NaN where the record lacks the field.
    pub values: Vec<f64>,
}

/// The status of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusColumn {
    pub name: Arc<str>,
    /// `Status::level`, or [`NO_STATUS`].
    pub levels: Vec<u8>,
}

impl Batch {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The earliest and the latest time.
    pub fn span(&self) -> Option<(i64, i64)> {
        let times = || self.times.iter().copied();
        // They mostly rise, and to see that takes less than to look for either.
        match self.times.is_sorted() {
            true => self.times.first().copied().zip(self.times.last().copied()),
            false => times().min().zip(times().max()),
        }
    }

    /// The lane of the record at this place.
    pub fn lane(&self, place: usize) -> u32 {
        self.lanes.get(place).copied().unwrap_or(0)
    }

    /// The places of the records that are later than this.
    pub fn beyond(&self, limit: Option<i64>) -> Vec<u32> {
        let Some(limit) = limit else { return Vec::new() };
        let late = self.times.iter().enumerate().filter(|(_, time)| **time > limit);
        late.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    }

    /// All records but those at these places, which rise.
    pub fn without(&self, places: &[u32]) -> Batch {
        let kept: Vec<u32> = (0..self.len() as u32).filter(|at| places.binary_search(at).is_err()).collect();
        self.select(&kept)
    }

    /// The records at these places, in this order. Places beyond the end are left out.
    pub fn select(&self, places: &[u32]) -> Batch {
        fn pick<T: Copy>(column: &[T], places: &[u32]) -> Vec<T> {
            places.iter().filter_map(|&at| column.get(at as usize).copied()).collect()
        }
        let metric = |c: &MetricColumn| MetricColumn { name: c.name.clone(), values: pick(&c.values, places) };
        let service = |c: &StatusColumn| StatusColumn { name: c.name.clone(), levels: pick(&c.levels, places) };
        Batch {
            rows: pick(&self.rows, places),
            times: pick(&self.times, places),
            entities: self.entities.clone(),
            entity: pick(&self.entity, places),
            lanes: pick(&self.lanes, places),
            metrics: self.metrics.iter().map(metric).collect(),
            services: self.services.iter().map(service).collect(),
        }
    }
}

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// As in [`Batch::rows`]; 0 of a file that was read before.
    pub row: u64,
    /// How it is written, its first thousand bytes at most.
    pub text: String,
}

impl Rejected {
    /// Bytes of a text that are kept.
    const LONGEST: usize = 1000;

    pub fn new(row: u64, raw: &[u8]) -> Rejected {
        Rejected { row, text: String::from_utf8_lossy(raw.get(..Rejected::LONGEST).unwrap_or(raw)).into_owned() }
    }
}
