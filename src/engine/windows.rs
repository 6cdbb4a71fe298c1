//! Which window a record belongs to and when a window closes. Pure: it is told of time and never asks.
//!
//! Windows tumble, in event time, aligned to the epoch in UTC. The *watermark* of a source is the newest time that it
//! brought; that of the graph is the least of its sources', so that a window waits for the slowest. A window closes when
//! the watermark is `grace` past its end. Whether a record is late depends on the records before it only, not on how
//! they came in batches.
//!
//! When all live sources are silent, time goes on with the clock: for windows that have records in any case, for those
//! without only where a fold expects records and the sources told of now ([`Windows::silent`]). But the clock makes
//! nothing late: what comes for a window that no record has passed is carried.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{ClosedBy, Wait};
use crate::graph::Windowing;

/// Later than any time of a record, with room to add to it.
const FOREVER: i64 = i64::MAX / 4;
/// A source whose newest record was, when it came, no further behind the clock than this, or than a window is long, tells
/// of now, and not of the past. Five minutes, in microseconds.
const NOW: i64 = 5 * 60 * 1_000_000;
/// Windows without a record that are closed one by one, when the clock is further on because the process was down or the
/// machine asleep; those before them are one gap.
const MADE_UP: i64 = 64;
/// How long a source holds records back is forgotten by one second in so many.
const FORGETTING: i64 = 32;

/// The windows of a graph, all times in microseconds.
#[derive(Debug, Clone)]
pub struct Windows {
    every: i64,
    grace: i64,
    max_lateness: i64,
    /// Everything before is closed.
    boundary: Option<i64>,
    /// Everything before was passed by records. What is between this and the boundary only the clock or a drain has closed.
    passed: Option<i64>,
    sources: Vec<SourceClock>,
    /// Starts of the windows that have a record.
    open: BTreeSet<i64>,
}

/// What is known of a source's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceClock {
    pub newest: Option<i64>,
    /// How far its newest record lay behind the clock when it came; the last such figure at which it told of [now](NOW), so
    /// that its time can go on with the clock when it says no more. `None` where it never did: what is read of the past, at
    /// whatever speed, says nothing of the clock.
    pub lag: Option<i64>,
    /// How long it holds records back before it sends them together: the longest pause before records as old as it that
    /// told of [now](NOW). One without such a pause does not, however old its records: it is behind, or catches up.
    pub held: i64,
    ended: bool,
    /// Not waited for.
    idle: bool,
}

impl SourceClock {
    pub fn new(newest: Option<i64>, lag: Option<i64>, held: i64) -> SourceClock {
        SourceClock { newest, lag, held, ..SourceClock::default() }
    }

    /// How long it may say nothing before it counts as silent, at least `idle`: half as long again as it holds records
    /// back, since who sends every so often is not punctual.
    pub fn patience(&self, idle: i64) -> i64 {
        idle.max(self.held.saturating_add(self.held / 2))
    }
}

/// Where the rows of a batch belong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Rows by the start of their window; `None` are all rows of the batch.
    pub parts: Vec<(i64, Option<Vec<u32>>)>,
    /// How many rows were left out, since their window had closed, by the start of the oldest window that was open.
    pub late: BTreeMap<i64, u64>,
    /// These rows.
    pub left: Vec<u32>,
    /// Rows whose window had closed: in a later one.
    pub carried: Vec<u32>,
    /// Rows whose time is too far ahead, and that nobody has seen before: left out.
    pub ahead: Vec<u32>,
}

impl Assigned {
    /// How many of these rows are carried; `None` are all rows of a batch, which is never so when one is carried.
    pub fn carried_to(&self, rows: Option<&[u32]>) -> u64 {
        let is_carried = |row: &&u32| self.carried.binary_search(row).is_ok();
        rows.map_or(0, |rows| rows.iter().filter(is_carried).count() as u64)
    }
}

/// A window to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    pub start: i64,
    pub end: i64,
    pub by: ClosedBy,
}

impl Windows {
    pub fn new(windowing: &Windowing, sources: usize) -> Windows {
        let bounded = |wait: Wait| wait.micros().min(FOREVER);
        Windows {
            every: bounded(Wait(windowing.every.0)).max(1),
            grace: bounded(windowing.grace),
            max_lateness: bounded(windowing.max_lateness),
            boundary: None,
            passed: None,
            sources: vec![SourceClock::default(); sources],
            open: BTreeSet::new(),
        }
    }

    /// Goes on where an earlier process stopped.
    pub fn resume(
        &mut self,
        boundary: Option<i64>,
        passed: Option<i64>,
        sources: impl IntoIterator<Item = SourceClock>,
    ) {
        (self.boundary, self.passed) = (boundary, passed);
        self.sources.iter_mut().zip(sources).for_each(|(source, known)| *source = known);
    }

    /// Length of a window.
    pub fn every(&self) -> i64 {
        self.every
    }

    pub fn boundary(&self) -> Option<i64> {
        self.boundary
    }

    /// See [`Windows::close`].
    pub fn passed(&self) -> Option<i64> {
        self.passed
    }

    pub fn newest(&self, source: usize) -> Option<i64> {
        self.sources.get(source)?.newest
    }

    /// What is known of a source's time.
    pub fn clock(&self, source: usize) -> SourceClock {
        self.sources.get(source).copied().unwrap_or_default()
    }

    /// Records have come of a source, the first of them this `oldest`, at this time of the clock and after such a `pause`.
    pub fn heard(&mut self, source: usize, now: i64, oldest: i64, pause: i64) {
        let nearness = self.every.max(NOW);
        let Some(source) = self.sources.get_mut(source) else { return };
        let lag = source.newest.map(|newest| now.saturating_sub(newest));
        source.lag = lag.filter(|lag| *lag <= nearness).or(source.lag);
        let held = pause.min(now.saturating_sub(oldest)).max(0);
        let held = if held <= nearness { held } else { 0 }; // an outage
        source.held = held.max(source.held.saturating_sub(pause / FORGETTING));
    }

    /// How many windows have records and are not closed.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes the times of a batch. Times beyond `limit` are too far ahead to be believed. `known` says of rows that
    /// an earlier process had seen already how it took them; the others, all where it is empty, are placed by the rules.
    pub fn assign(&mut self, source: usize, times: &[i64], limit: Option<i64>, known: &[Option<Known>]) -> Assigned {
        let others = self.watermark_without(source);
        let mut newest = self.newest(source);
        let assigned = match self.whole(times, limit, newest, others, known) {
            Some(start) => {
                newest = newest.max(times.iter().copied().max());
                Assigned { parts: vec![(start, None)], ..Assigned::default() }
            }
            None => self.row_by_row(times, limit, &mut newest, others, known),
        };
        self.open.extend(assigned.parts.iter().map(|(start, _)| *start));
        if let Some(clock) = self.sources.get_mut(source) {
            (clock.newest, clock.idle) = (newest, false);
        }
        assigned
    }

    /// The one window of a batch whose times do not fall and which are all of it: the common case.
    fn whole(
        &self,
        times: &[i64],
        limit: Option<i64>,
        newest: Option<i64>,
        others: Option<i64>,
        known: &[Option<Known>],
    ) -> Option<i64> {
        let (first, last) = (*times.first()?, *times.last()?);
        let believed = limit.is_none_or(|limit| last <= limit);
        let rises = times.is_sorted() && newest.is_none_or(|newest| newest <= first);
        if !(believed && rises && known.is_empty()) {
            return None;
        }
        let closed = self.closed_at(newest.unwrap_or(first), others);
        let one = self.window_of(first) == self.window_of(last);
        (one && closed.is_none_or(|closed| first >= closed)).then(|| self.window_of(first))
    }

    fn row_by_row(
        &self,
        times: &[i64],
        limit: Option<i64>,
        newest: &mut Option<i64>,
        others: Option<i64>,
        known: &[Option<Known>],
    ) -> Assigned {
        let mut assigned = Assigned::default();
        for (row, &time) in times.iter().enumerate() {
            let known = known.get(row).copied().flatten();
            if limit.is_some_and(|limit| time > limit) {
                assigned.ahead.extend(known.is_none().then_some(row as u32));
                assigned.left.push(row as u32);
                continue;
            }
            let closed = self.closed_at(newest.unwrap_or(time), others);
            let cut_off = self.is_cut_off(time, newest.unwrap_or(time), others);
            *newest = (*newest).max(Some(time));
            let too_late = closed.filter(|closed| time < *closed);
            let start = match (known, too_late) {
                (Some(Known::Left), _) => continue,
                (Some(Known::Carried(start)), _) => start,
                (Some(Known::Taken), _) if self.boundary.is_some_and(|boundary| time < boundary) => continue,
                (Some(Known::Taken), _) | (None, None) => self.window_of(time),
                (None, Some(closed)) if cut_off || closed - time <= self.max_lateness => closed,
                (None, Some(closed)) => {
                    *assigned.late.entry(closed).or_default() += 1;
                    assigned.left.push(row as u32);
                    continue;
                }
            };
            if time < start {
                assigned.carried.push(row as u32);
            }
            // Neighbours mostly share a window, and a batch has few.
            match assigned.parts.iter_mut().rev().find(|(known, _)| *known == start) {
                Some((_, Some(rows))) => rows.push(row as u32),
                _ => assigned.parts.push((start, Some(vec![row as u32]))),
            }
        }
        assigned
    }

    /// The source was not heard for so long that it is not waited for until it is heard again.
    pub fn idle(&mut self, source: usize) {
        if let Some(source) = self.sources.get_mut(source) {
            source.idle = true;
        }
    }

    pub fn end(&mut self, source: usize) {
        if let Some(source) = self.sources.get_mut(source) {
            source.ended = true;
        }
    }

    /// The next window that is due, in the order of time; [`Windows::close`] closes it. `silence` is how long no
    /// record came of any source: while all are idle, time goes on with the clock.
    pub fn due(&self, silence: i64) -> Option<Closing> {
        let (reached, by) = if self.sources.iter().all(|s| s.ended) {
            (Some(FOREVER), ClosedBy::End)
        } else if self.sources.iter().all(|s| s.ended || s.idle) {
            let newest = self.sources.iter().filter_map(|s| s.newest).max();
            (newest.map(|newest| newest.saturating_add(silence)), ClosedBy::Idle)
        } else {
            // Sources that have ended, or are not waited for, hold nothing up; one that was not heard yet holds all.
            let waited_for = self.sources.iter().filter(|s| !s.ended && !s.idle);
            (waited_for.map(|s| s.newest).min().flatten(), ClosedBy::Watermark)
        };
        let next = self.next(by)?;
        (next.end <= reached?.saturating_sub(self.grace) || by == ClosedBy::End).then_some(next)
    }

    /// The next window in which nothing came, if it is over: once all live sources are silent, time goes on with the clock,
    /// as far behind it as they were.
    pub fn silent(&self, now: i64) -> Option<Closing> {
        let running = self.sources.iter().filter(|s| !s.ended);
        if !self.open.is_empty() || running.clone().any(|s| !s.idle) {
            return None;
        }
        let boundary = self.boundary?;
        let lag = running.filter_map(|s| s.lag).max()?;
        let over = self.floor(now.saturating_sub(lag).saturating_sub(self.grace));
        let start = boundary.max(over.saturating_sub(self.every.saturating_mul(MADE_UP)));
        let end = self.end_of(start);
        (end <= over).then_some(Closing { start, end, by: ClosedBy::Idle })
    }

    /// The next window to close when the run is asked to stop. What is still to come of the last one will be a window of
    /// its own, so this one ends with its newest record.
    pub fn drained(&self) -> Option<Closing> {
        let next = self.next(ClosedBy::Drain)?;
        let newest = self.sources.iter().filter_map(|s| s.newest).max();
        let end = newest.filter(|_| self.open.len() == 1).map_or(next.end, |newest| next.end.min(newest + 1));
        Some(Closing { end: end.max(next.start + 1), ..next })
    }

    fn next(&self, by: ClosedBy) -> Option<Closing> {
        let start = *self.open.first()?;
        Some(Closing { start, end: self.end_of(start), by })
    }

    /// Everything before `end` counts as closed from here on; where records did it, also as passed.
    pub fn close(&mut self, end: i64, by: ClosedBy) {
        self.open = self.open.split_off(&end);
        self.boundary = self.boundary.max(Some(end));
        if matches!(by, ClosedBy::Watermark | ClosedBy::End) {
            self.passed = self.passed.max(Some(end));
        }
    }

    /// Before which time everything counts as closed, when the newest of a source is `newest` and that of the others at
    /// least `others`.
    fn closed_at(&self, newest: i64, others: Option<i64>) -> Option<i64> {
        self.boundary.max(self.passed_at(newest, others))
    }

    /// The same by the watermark alone; `None` while a source that was not heard yet holds everything open.
    fn passed_at(&self, newest: i64, others: Option<i64>) -> Option<i64> {
        let reached = others.map_or(newest, |others| newest.min(others));
        (others != Some(i64::MIN)).then(|| self.floor(reached.saturating_sub(self.grace)))
    }

    /// Whether a record comes in time but for a drain or the clock, which have closed its window early. It belongs to what
    /// comes next, be it the rest of a window that the drain has cut: neither a stop nor a silence loses records.
    fn is_cut_off(&self, time: i64, newest: i64, others: Option<i64>) -> bool {
        let passed = self.passed.max(self.passed_at(newest, others));
        self.boundary.is_some_and(|boundary| time < boundary) && passed.is_none_or(|passed| time >= passed)
    }

    /// The least newest time of the other sources that are waited for; `i64::MIN` where one was not heard yet.
    fn watermark_without(&self, source: usize) -> Option<i64> {
        let others = self.sources.iter().enumerate().filter(|(at, s)| *at != source && !s.ended && !s.idle);
        others.map(|(_, s)| s.newest.unwrap_or(i64::MIN)).min()
    }

    /// The start of the window of a time that is not closed. Only the window that a drain has cut begins elsewhere than
    /// at a multiple.
    fn window_of(&self, time: i64) -> i64 {
        self.boundary.map_or(self.floor(time), |boundary| self.floor(time).max(boundary))
    }

    fn floor(&self, time: i64) -> i64 {
        time.div_euclid(self.every).saturating_mul(self.every)
    }

    /// The end of the window that starts there.
    pub fn end_of(&self, start: i64) -> i64 {
        self.floor(start).saturating_add(self.every)
    }
}

/// How an earlier process took a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// In its own window.
    Taken,
    /// In a later window than its own, which starts there and is still open.
    Carried(i64),
    /// Not at all: it was late, and is counted.
    Left,
}
