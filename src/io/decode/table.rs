use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::account::Account;
use super::cell::{Cell, is_name};
use super::column::{fill, take_column};
use super::entities::Entities;
use super::fields::{Field, Fields};
use super::record::Record;
use super::text::quote;
use super::time::{TimeParser, describe_time};
use super::weave::weave;
use crate::diagnostic::{Code, codes::input};
use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, Rejected, Status, StatusColumn, Timestamp};

/// Services that are remembered from one batch to the next.
const REMEMBERED_SERVICES: usize = 1024;
/// Services up to which looking at each is faster than a hash.
const FEW_SERVICES: usize = 6;
/// Bytes of status columns after which a batch ends early, so that records with ever new services stay in bounds.
const STATUS_CELLS: usize = 1 << 20;

/// The batch under construction, the record that is being read into it, and the account of what was read before.
///
/// A record is read between [`Table::begin`] and [`Table::commit`] or [`Table::reject`]. Until it is committed its
/// cells lie beyond the rows of the batch, and its faults are not counted, so that it can be read again or dropped.
pub(super) struct Table {
    limit: usize,
    /// Whether somebody asks for the bad records.
    pub keeps_rejected: bool,
    rows: Vec<u64>,
    times: Vec<i64>,
    entity: Vec<u32>,
    /// Columns may be shorter than `rows` where the newest records lack the field.
    metrics: Vec<MetricColumn>,
    services: Vec<StatusColumn>,
    service_index: HashMap<Arc<str>, usize>,
    /// The service that was named last: records tend to name them in one order.
    latest_service: usize,
    status_words: BTreeMap<String, Status>,
    time_parser: TimeParser,
    entities: Entities,
    record: Record,
    /// Per field, the `Record::serial` that last had it.
    seen: Vec<u64>,
    /// To be taken before what is under construction.
    ready: VecDeque<Batch>,
    /// Of the records of the batches that were taken, and of all bad ones.
    pub account: Account,
}

impl Table {
    pub fn new(fields: &Fields, status_words: BTreeMap<String, Status>, limit: usize) -> Table {
        Table {
            limit,
            keeps_rejected: false,
            rows: Vec::new(),
            times: Vec::new(),
            entity: Vec::new(),
            metrics: fields.metrics.iter().map(|n| MetricColumn { name: n.clone(), values: Vec::new() }).collect(),
            services: Vec::new(),
            service_index: HashMap::new(),
            latest_service: 0,
            status_words,
            time_parser: TimeParser::default(),
            entities: Entities::default(),
            record: Record::default(),
            seen: vec![0; fields.len()],
            ready: VecDeque::new(),
            account: Account::default(),
        }
    }

    /// Starts a record, in place of one that was neither committed nor rejected.
    pub fn begin(&mut self, row: u64) {
        self.roll_back();
        let record = &mut self.record;
        record.open = true;
        record.services = self.services.len();
        record.serial += 1;
        record.row = row;
        record.time = None;
        record.unreadable_time = None;
        record.entity_rank = None;
        record.no_name = None;
        record.noted.clear();
    }

    /// Notes a fault of the record, which counts if the record is kept.
    pub fn note(&mut self, code: &'static Code, detail: impl FnOnce() -> String) {
        let noted = self.account.faults.describe(code, detail);
        self.record.noted.push(noted);
    }

    /// Must be called for each field of a record before its value is put in. A field that comes again takes the place of the former.
    #[inline(always)]
    pub fn arrive(&mut self, fields: &Fields, id: usize) {
        let serial = self.record.serial;
        let Some(seen) = self.seen.get_mut(id) else { return };
        if std::mem::replace(seen, serial) == serial {
            self.arrive_again(fields, id);
        }
    }

    #[cold]
    fn arrive_again(&mut self, fields: &Fields, id: usize) {
        let Some(field) = fields.get(id) else { return };
        self.note(input::DUPLICATE_KEY, || quote(field.path.as_bytes()));
        self.clear(field);
        for (_, below) in &field.children {
            if let Some(field) = fields.get(*below) {
                self.clear(field);
            }
            if let Some(seen) = self.seen.get_mut(*below) {
                *seen = 0;
            }
        }
    }

    /// Puts the value of a field in: as the time, the name of the entity or a metric, whichever the field is.
    pub fn put(&mut self, field: &Field, cell: Cell<'_>) {
        if let Cell::Absent = cell {
            return;
        }
        if field.time {
            self.put_time(cell);
        }
        if let Some(rank) = field.entity {
            self.put_entity(field, rank, cell);
        }
        if let Some(metric) = field.metric {
            self.put_metric(field, metric, cell);
        }
        if field.statuses {
            self.note(input::WRONG_TYPE, || format!("{} is {}", quote(field.path.as_bytes()), cell.describe()));
        }
    }

    /// Puts a metric in where nothing is to be said about it; whether that was so.
    #[inline(always)]
    pub fn push(&mut self, metric: usize, value: f64) -> bool {
        let rows = self.rows.len();
        let column = self.metrics.get_mut(metric).filter(|column| column.values.len() == rows && value.is_finite());
        column.map(|column| column.values.push(value)).is_some()
    }

    /// The place of a service; `None` if its name cannot be used.
    pub fn service(&mut self, name: &str) -> Option<usize> {
        let after = self.latest_service + 1;
        let is_it = |place: usize| self.services.get(place).is_some_and(|column| *column.name == *name);
        let known = match is_it(after) {
            true => Some(after),
            false if self.services.len() <= FEW_SERVICES => (0..self.services.len()).find(|place| is_it(*place)),
            false => self.service_index.get(name).copied(),
        };
        if let Some(place) = known {
            self.latest_service = place;
            return known;
        }
        if !is_name(name) {
            self.note(input::NAME, || format!("service {}", quote(name.as_bytes())));
            return None;
        }
        let name: Arc<str> = name.into();
        self.services.push(StatusColumn { name: name.clone(), levels: Vec::new() });
        self.service_index.insert(name, self.services.len() - 1);
        Some(self.services.len() - 1)
    }

    /// Puts the status of a service in. A status that comes again takes the place of the former.
    pub fn put_status(&mut self, service: usize, cell: Cell<'_>) {
        let rows = self.rows.len();
        let Some(column) = self.services.get_mut(service) else { return };
        let twice = fill(&mut column.levels, rows, NO_STATUS);
        let known = match cell {
            Cell::Text(word) if self.status_words.is_empty() => Status::from_word(word),
            Cell::Text(word) => self.status_words.get(word).copied().or_else(|| Status::from_word(word)),
            _ => None,
        };
        if let Some(status) = known {
            column.levels.push(status.level());
        }
        if !twice && (known.is_some() || matches!(cell, Cell::Absent)) {
            return;
        }
        let name = column.name.clone();
        if twice {
            self.note(input::DUPLICATE_KEY, || quote(name.as_bytes()));
        }
        if known.is_none() && !matches!(cell, Cell::Absent) {
            self.note(input::STATUS_WORD, || format!("{} is {}", quote(name.as_bytes()), cell.describe()));
        }
    }

    /// Ends the record, written as `raw`: into the batch if it has a time.
    pub fn commit(&mut self, fields: &Fields, raw: &[u8]) {
        let Some(time) = self.record.time else {
            let detail = self.record.unreadable_time.take();
            let name = &fields.timestamp;
            return self.reject(self.record.row, input::NO_TIME, raw, || match detail {
                Some(found) => format!("{} is {found}", quote(name.as_bytes())),
                None => format!("no {}", quote(name.as_bytes())),
            });
        };
        let row = self.record.row;
        let named = self.entity_name();
        self.record.open = false;
        let entity = if named { self.entities.place(&self.record.entity) } else { NO_ENTITY };
        self.rows.push(row);
        self.times.push(time.micros());
        self.entity.push(entity);
        for noted in self.record.noted.drain(..) {
            self.account.faults.add(row, noted);
        }
    }

    /// Counts a record, written as `raw`, that cannot be used; if it was begun, it ends so.
    pub fn reject(&mut self, row: u64, code: &'static Code, raw: &[u8], detail: impl FnOnce() -> String) {
        self.roll_back();
        if self.keeps_rejected {
            self.account.rejected.push(Rejected::new(row, raw));
        }
        self.account.reject(row, code, detail);
    }

    /// Notes a fault of the input that costs no record.
    pub fn note_at(&mut self, row: u64, code: &'static Code, detail: &str) {
        self.account.faults.note(code, row, || detail.to_string());
    }

    /// What examples of faults are to name from now on, where there are several inputs.
    pub fn set_place(&mut self, place: Option<String>) {
        self.account.faults.place = place;
    }

    /// Records that are to be taken.
    pub fn rows(&self) -> u64 {
        self.ready.iter().map(|batch| batch.len() as u64).sum::<u64>() + self.rows.len() as u64
    }

    /// Whether the batch must be taken before the next record.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.limit || self.rows.len().saturating_mul(self.services.len()) > STATUS_CELLS
    }

    /// The next batch, if there is a record; another is begun.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.ready.pop_front().or_else(|| self.build())?;
        self.account.count(&batch);
        Some(batch)
    }

    /// Ends the batch under construction.
    pub fn flush(&mut self) {
        let batch = self.build();
        self.ready.extend(batch);
    }

    /// Puts rows that were read elsewhere among those of batches that were built here, all to be taken.
    pub fn weave(&mut self, rows: Batch, built: Vec<Batch>) {
        weave(rows, built, self.limit, &mut self.ready);
    }

    pub fn status_words(&self) -> &BTreeMap<String, Status> {
        &self.status_words
    }

    /// What was put in since the last batch, as one. It is not counted yet.
    pub fn build(&mut self) -> Option<Batch> {
        if self.rows.is_empty() {
            return None;
        }
        self.roll_back();
        let rows = self.rows.len();
        let mut batch = Batch {
            rows: take_column(&mut self.rows),
            times: take_column(&mut self.times),
            entities: self.entities.take_dictionary(),
            entity: take_column(&mut self.entity),
            lanes: Vec::new(),
            metrics: Vec::new(),
            services: Vec::new(),
        };
        for column in self.metrics.iter_mut().filter(|column| !column.values.is_empty()) {
            column.values.resize(rows, f64::NAN);
            batch.metrics.push(MetricColumn { name: column.name.clone(), values: take_column(&mut column.values) });
        }
        for column in self.services.iter_mut().filter(|column| !column.levels.is_empty()) {
            column.levels.resize(rows, NO_STATUS);
            batch.services.push(StatusColumn { name: column.name.clone(), levels: take_column(&mut column.levels) });
        }
        if self.services.len() > REMEMBERED_SERVICES {
            self.services.clear();
            self.service_index.clear();
        }
        Some(batch)
    }

    fn put_time(&mut self, cell: Cell<'_>) {
        let time = match cell {
            Cell::Number(value) => Timestamp::from_epoch(value),
            Cell::Whole(value) => Timestamp::from_epoch(value as f64),
            Cell::Text(text) => self.time_parser.parse(text),
            Cell::Absent | Cell::Other(_) => None,
        };
        self.record.time = time;
        self.record.unreadable_time = if time.is_none() { Some(describe_time(cell)) } else { None };
    }

    fn put_entity(&mut self, field: &Field, rank: usize, cell: Cell<'_>) {
        if self.record.entity_rank.is_some_and(|best| best < rank) {
            return;
        }
        let name = &mut self.record.entity;
        match cell {
            Cell::Text(text) => {
                name.clear();
                name.push_str(text);
            }
            Cell::Whole(_) | Cell::Number(_) => *name = cell.describe(),
            Cell::Absent | Cell::Other(_) => {
                self.record.no_name = Some(format!("{} is {}", quote(field.path.as_bytes()), cell.describe()));
                return;
            }
        }
        self.record.entity_rank = Some(rank);
    }

    /// Whether the record names its entity; a name that cannot be used is noted.
    fn entity_name(&mut self) -> bool {
        if self.record.entity_rank.is_some() {
            let usable = is_name(&self.record.entity);
            if !usable {
                let noted = self.account.faults.describe(input::NAME, || quote(self.record.entity.as_bytes()));
                self.record.noted.push(noted);
            }
            return usable;
        }
        if let Some(detail) = self.record.no_name.take() {
            self.note(input::NAME, || detail);
        }
        false
    }

    fn put_metric(&mut self, field: &Field, metric: usize, cell: Cell<'_>) {
        let value = match cell {
            Cell::Number(value) => value,
            // The same, and sooner where it fits.
            Cell::Whole(value) => i64::try_from(value).map_or_else(|_| value as f64, |value| value as f64),
            // A name is no metric gone wrong.
            Cell::Text(_) if field.entity.is_some() => return,
            wrong => {
                let detail = || format!("{} is {}", quote(field.path.as_bytes()), wrong.describe());
                return self.note(input::WRONG_TYPE, detail);
            }
        };
        if !value.is_finite() {
            return self.note(input::NOT_FINITE, || format!("{} is {value}", quote(field.path.as_bytes())));
        }
        let rows = self.rows.len();
        let Some(column) = self.metrics.get_mut(metric) else { return };
        let twice = fill(&mut column.values, rows, f64::NAN);
        column.values.push(value);
        if twice {
            // Two fields that `rename` gives one name.
            self.note(input::DUPLICATE_KEY, || quote(field.path.as_bytes()));
        }
    }

    /// Forgets what the record has of a field.
    fn clear(&mut self, field: &Field) {
        let rows = self.rows.len();
        if let Some(column) = field.metric.and_then(|metric| self.metrics.get_mut(metric)) {
            column.values.truncate(rows);
        }
        if field.statuses {
            self.services.iter_mut().for_each(|column| column.levels.truncate(rows));
        }
        if field.time {
            self.record.time = None;
            self.record.unreadable_time = None;
        }
        if field.entity.is_some() && field.entity == self.record.entity_rank {
            self.record.entity_rank = None;
        }
    }

    /// Removes the cells of a record that did not get into the batch.
    fn roll_back(&mut self) {
        if !std::mem::take(&mut self.record.open) {
            return;
        }
        let rows = self.rows.len();
        self.metrics.iter_mut().for_each(|column| column.values.truncate(rows));
        for column in self.services.drain(self.record.services.min(self.services.len())..) {
            self.service_index.remove(&column.name);
        }
        self.services.iter_mut().for_each(|column| column.levels.truncate(rows));
    }
}
