use std::sync::Arc;

use super::names::Names;
use super::run::Isa;
use super::step::Shape;
use super::{LANES, Scanned};
use crate::domain::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, StatusColumn};

/// The column of times, in microseconds.
pub(super) const TIME: usize = 0;
/// The column that nobody reads.
pub(super) const NOWHERE: usize = 1;
/// The column of entities, by their number in `Names`.
pub(super) const ENTITY: usize = 2;
/// The first column of a metric; after the metrics come the services.
pub(super) const METRIC: usize = 3;

/// Services that are remembered from block to block.
pub(super) const SERVICES: usize = 256;

/// Cells of a stage, or a few more, whatever the number of columns; lines beyond them are handed over.
const CELLS: usize = 1 << 20;

/// Rows as the lanes of one chunk leave them: column by column, in each lane by lane. A lane belongs to a part of the
/// chunk, so that the rows are in order when the lanes are read one after the other.
#[derive(Debug)]
pub(super) struct Stage {
    /// Times, floats by their bits, numbers of entities, levels.
    cells: Vec<u64>,
    /// Line of each row, counted from the beginning of its lane.
    lines: Vec<u32>,
    /// Rows that a lane has room for.
    pub room: usize,
    /// Rows in each lane.
    pub rows: [usize; LANES],
    /// Lines that each lane has passed.
    pub passed: [u32; LANES],
    columns: usize,
    metrics: usize,
    /// By their column.
    pub services: Vec<Arc<str>>,
    /// Of each entity its place in the batch's dictionary.
    places: Vec<u32>,
}

impl Stage {
    pub fn new(metrics: usize) -> Stage {
        Stage {
            cells: Vec::new(),
            lines: Vec::new(),
            room: 0,
            rows: [0; LANES],
            passed: [0; LANES],
            columns: METRIC + metrics,
            metrics,
            services: Vec::new(),
            places: Vec::new(),
        }
    }

    /// The column of a service.
    pub fn service(&mut self, name: &str) -> usize {
        let known = self.services.iter().position(|service| **service == *name);
        let place = known.unwrap_or_else(|| {
            self.services.push(name.into());
            self.services.len() - 1
        });
        self.columns = METRIC + self.metrics + self.services.len();
        METRIC + self.metrics + place
    }

    pub fn forget_services(&mut self) {
        self.services.clear();
        self.columns = METRIC + self.metrics;
    }

    /// Makes room for a chunk: `rows` rows a lane, the columns `unfilled` as if no record had them.
    pub fn begin(&mut self, rows: usize, unfilled: &[usize]) {
        // An odd number of cache lines, lest the columns all fall on the same few sets of the cache.
        let most = CELLS / (LANES * self.columns);
        let room = (rows.min(most).max(self.room).div_ceil(8) | 1) * 8;
        if room != self.room || self.cells.len() < self.columns * room * LANES {
            self.room = room;
            self.cells.resize(self.columns * room * LANES, 0);
            self.lines.resize(room * LANES, 0);
        }
        (self.rows, self.passed) = ([0; LANES], [0; LANES]);
        for column in unfilled {
            let (start, length) = (column * self.stride(), self.stride());
            let missing = self.missing(*column);
            self.cells.iter_mut().skip(start).take(length).for_each(|cell| *cell = missing);
        }
    }

    /// Cells of a column.
    pub fn stride(&self) -> usize {
        self.room * LANES
    }

    /// Whether there are cells for every column of the shape, and lines for every row.
    pub fn holds(&self, shape: &Shape) -> bool {
        let columns = shape.columns.iter().max().map_or(METRIC, |last| last + 1).max(METRIC);
        self.cells.len() >= columns * self.stride() && self.lines.len() >= self.stride()
    }

    /// Whether a lane has no row left.
    pub fn is_full(&self, lane: usize) -> bool {
        self.rows.get(lane).is_none_or(|rows| *rows >= self.room)
    }

    /// The cells and the lines.
    pub fn pointers(&mut self) -> (*mut u64, *mut u32) {
        (self.cells.as_mut_ptr(), self.lines.as_mut_ptr())
    }

    /// Takes the row of a lane as it stands: the line of it that comes next.
    #[inline(always)]
    pub fn accept(&mut self, lane: usize) {
        let row = self.rows[lane]; // a lane is one of `LANES`
        if let Some(line) = self.lines.get_mut(lane * self.room + row) {
            *line = self.passed[lane];
        }
        self.rows[lane] = row + 1;
        self.passed[lane] += 1;
    }

    /// Empties columns of the next row of a lane.
    pub fn clear(&mut self, lane: usize, columns: &[usize]) {
        self.clear_row(lane, columns, self.rows.get(lane).copied().unwrap_or_default());
    }

    /// Empties columns of the last row of a lane.
    pub fn clear_last(&mut self, lane: usize, columns: &[usize]) {
        self.clear_row(lane, columns, self.rows.get(lane).copied().unwrap_or_default().saturating_sub(1));
    }

    fn clear_row(&mut self, lane: usize, columns: &[usize], row: usize) {
        let at = lane * self.room + row;
        for column in columns {
            let missing = self.missing(*column);
            let stride = self.stride();
            if let Some(cell) = self.cells.get_mut(column * stride + at) {
                *cell = missing;
            }
        }
    }

    /// What stands for a value that a record lacks.
    fn missing(&self, column: usize) -> u64 {
        match column {
            TIME | NOWHERE => 0,
            ENTITY => u64::from(NO_ENTITY),
            metric if metric < METRIC + self.metrics => f64::NAN.to_bits(),
            _ => u64::from(NO_STATUS),
        }
    }

    /// The rows of a lane in one column.
    fn part(&self, column: usize, lane: usize) -> &[u64] {
        let start = column * self.stride() + lane * self.room;
        let rows = self.rows.get(lane).copied().unwrap_or_default();
        self.cells.get(start..start + rows).unwrap_or_default()
    }

    /// Appends the rows of a lane to the batch. `line` is the line before the first of the lane's.
    pub fn flush(&mut self, lane: usize, line: u64, used: &[usize], names: &Names, isa: Isa, out: &mut Scanned) {
        let rows = self.rows.get(lane).copied().unwrap_or_default();
        if rows == 0 {
            return;
        }
        let Scanned { batch, room, metrics, services, .. } = out;
        let before = batch.rows.len();
        let room = (*room).saturating_sub(before);
        let lines = self.lines.iter().skip(lane * self.room).take(rows);
        batch.rows.extend(lines.map(|passed| line + 1 + u64::from(*passed)));
        batch.times.extend(self.part(TIME, lane).iter().map(|cell| cell.cast_signed()));
        for column in used.iter().filter(|column| **column >= METRIC) {
            let part = self.part(*column, lane);
            let place = column - METRIC;
            if let Some(values) = metrics.get_mut(place) {
                values.resize(before, f64::NAN);
                values.reserve(room);
                isa.floats(part, values);
            } else if let Some(levels) = services.get_mut(place - self.metrics) {
                levels.resize(before, NO_STATUS);
                levels.reserve(room);
                levels.extend(part.iter().map(|cell| *cell as u8));
            }
        }
        match used.contains(&ENTITY) {
            true => self.entities(lane, names, batch),
            false => batch.entity.resize(before + rows, NO_ENTITY),
        }
    }

    /// Numbers the entities of a lane as the batch first names them.
    fn entities(&mut self, lane: usize, names: &Names, batch: &mut Batch) {
        let mut places = std::mem::take(&mut self.places);
        places.resize(names.all.len(), NO_ENTITY);
        batch.entity.extend(self.part(ENTITY, lane).iter().map(|number| {
            let number = *number as usize;
            let (Some(place), Some(name)) = (places.get_mut(number), names.all.get(number)) else { return NO_ENTITY };
            if *place == NO_ENTITY {
                *place = batch.entities.len() as u32; // no more than rows
                batch.entities.push(name.clone());
            }
            *place
        }));
        self.places = places;
    }

    /// Makes the batch of the columns: those that have a value, services by name.
    pub fn finish(&mut self, names: &[Arc<str>], out: &mut Scanned) {
        self.places.clear();
        let rows = out.batch.rows.len();
        out.room = rows + rows / 16;
        for (name, values) in names.iter().zip(&mut out.metrics) {
            if values.iter().all(|value| value.is_nan()) {
                continue;
            }
            values.resize(rows, f64::NAN);
            let values = std::mem::take(values);
            out.batch.metrics.push(MetricColumn { name: name.clone(), values });
        }
        for (name, levels) in self.services.iter().zip(&mut out.services) {
            if levels.iter().all(|level| *level == NO_STATUS) {
                continue;
            }
            levels.resize(rows, NO_STATUS);
            let levels = std::mem::take(levels);
            out.batch.services.push(StatusColumn { name: name.clone(), levels });
        }
        out.batch.services.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
