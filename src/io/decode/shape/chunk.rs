use std::ops::Range;

use super::run::{Lanes, Tools};
use super::step::{FRESH, Shape, TEXT};
use super::{LANES, LESSON_EVERY, LESSONS, Lines, Scanned, Scanner, line_end};
use crate::io::decode::cell::is_name;
use crate::io::decode::fields::Fields;
use crate::io::decode::text::trim;

/// Lines of a chunk that are tried to adapt a shape to, in vain.
const FAILED_ADAPTIONS: u32 = 16;
/// Bytes of a chunk for which it pays to read lanes in step.
const WORTHWHILE: usize = 1 << 8;

/// What becomes of a chunk.
struct Course {
    /// Lines that each lane hands over, and how many lines of the lane came before.
    others: [Vec<(Range<usize>, u64)>; LANES],
    /// Lines taken by each shape but the first.
    hits: Vec<usize>,
    failed_adaptions: u32,
    /// Where lines begin that a shape could be made of.
    examples: Vec<usize>,
}

impl Scanner {
    /// Reads whole lines of the block.
    pub(super) fn chunk(&mut self, fields: &Fields, block: &[u8], range: Range<usize>, out: &mut Scanned) {
        if self.shapes.is_empty() {
            return out.hand_over(block, range, out.lines);
        }
        let mut lanes = self.begin(block, &range);
        let mut course = Course {
            others: Default::default(),
            hits: vec![0; self.shapes.len()],
            failed_adaptions: 0,
            examples: Vec::new(),
        };
        while let Some(first) = self.shapes.first().filter(|_| range.len() >= WORTHWHILE) {
            let tools = tools(&self.form, &self.names, &self.words, self.longest);
            let failed = self.isa.lockstep(first, &mut lanes, &mut self.stage, &tools);
            if failed == [0; LANES] {
                break;
            }
            for (lane, _) in failed.iter().enumerate().filter(|(_, failed)| **failed != 0) {
                self.alone(&mut lanes, lane, &mut course);
            }
        }
        for lane in 0..LANES {
            while lanes.places.get(lane) < lanes.ends.get(lane) {
                self.alone(&mut lanes, lane, &mut course);
            }
        }
        self.close(&course, out);
        if range.end == block.len() && !block.ends_with(b"\n") {
            out.lines -= 1; // the last line has not ended
        }
        self.chunks += 1;
        if self.chunks.is_multiple_of(LESSON_EVERY) {
            self.lessons = (self.lessons + 1).min(LESSONS);
        }
        // What no line was of for some chunks is not tried again and again.
        self.shapes.retain(|shape| shape.score > 0);
        for example in course.examples {
            self.learn(fields, block.get(example..range.end).unwrap_or_default());
        }
    }

    /// Deals the lines to the lanes and makes room for them.
    fn begin<'a>(&mut self, block: &'a [u8], range: &Range<usize>) -> Lanes<'a> {
        let text = block.get(..range.end).unwrap_or(block);
        let mut lanes = Lanes { block, places: [range.start; LANES], ends: [range.end; LANES] };
        for lane in 1..LANES {
            let cut = line_end(text, range.start + range.len() * lane / LANES).min(range.end);
            let cut = if range.is_empty() { range.end } else { cut };
            lanes.places[lane] = cut; // a lane is one of `LANES`
            lanes.ends[lane - 1] = cut;
        }
        self.shapes.sort_by_key(|shape| std::cmp::Reverse(shape.score));
        let mut used: Vec<usize> = self.shapes.iter().flat_map(|shape| shape.columns.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        let first = self.shapes.first().map(|shape| shape.columns.clone()).unwrap_or_default();
        let without = |all: &[usize], some: &[usize]| -> Vec<usize> {
            all.iter().copied().filter(|column| !some.contains(column)).collect()
        };
        for shape in &mut self.shapes {
            shape.extra = without(&shape.columns, &first);
            shape.lacking = without(&used, &shape.columns);
        }
        let shortest = self.shapes.iter().map(|shape| shape.shortest).min().unwrap_or(1).max(1);
        let longest = lanes.ends.iter().zip(lanes.places).map(|(end, place)| end.saturating_sub(place)).max();
        self.stage.begin(longest.unwrap_or(0) / shortest + 2, &without(&used, &first));
        lanes
    }

    /// Reads the next line of one lane: by whichever shape it is of, or one that adapts to it; or hands it over.
    fn alone(&mut self, lanes: &mut Lanes<'_>, lane: usize, course: &mut Course) {
        let place = lanes.places[lane]; // a lane is one of `LANES`
        let mut length = None;
        for which in 0..self.shapes.len() {
            length = self.attempt(which, lanes.block, place, lane, course);
            if length.is_some() {
                break;
            }
        }
        if length.is_none() && course.failed_adaptions < FAILED_ADAPTIONS {
            length = self.adapt_any(lanes, lane, course);
        }
        if let Some(length) = length {
            lanes.places[lane] = (place + length).min(lanes.block.len());
            return;
        }
        let end = line_end(lanes.block, place + 1);
        let line = lanes.block.get(place..end).unwrap_or_default();
        if course.examples.len() < 2 && line.len() > 8 {
            course.examples.push(place);
        }
        if let (Some(others), Some(passed)) = (course.others.get_mut(lane), self.stage.passed.get_mut(lane)) {
            others.push((place..end, u64::from(*passed)));
            *passed += 1;
        }
        lanes.places[lane] = end;
    }

    /// Reads a line by a shape; its length.
    fn attempt(&mut self, which: usize, block: &[u8], place: usize, lane: usize, course: &mut Course) -> Option<usize> {
        let shape = self.shapes.get(which)?;
        let mut text = block.get(place..)?;
        if text.len() < shape.reach {
            self.tail.clear();
            self.tail.extend(text);
            if !text.ends_with(b"\n") {
                self.tail.push(b'\n');
            }
            self.tail.resize(shape.reach.max(self.tail.len()), 0);
            text = &self.tail;
        }
        let tools = tools(&self.form, &self.names, &self.words, self.longest);
        let length = self.isa.single(shape, text, lane, &mut self.stage, &tools);
        if length.is_none() {
            self.stage.clear(lane, &shape.extra);
        } else {
            self.stage.clear_last(lane, &shape.lacking);
            if let Some(hits) = course.hits.get_mut(which) {
                *hits += 1;
            }
        }
        length
    }

    /// Adapts a shape to the next line of a lane and reads it.
    fn adapt_any(&mut self, lanes: &Lanes<'_>, lane: usize, course: &mut Course) -> Option<usize> {
        let place = *lanes.places.get(lane)?;
        let mut line = lanes.block.get(place..line_end(lanes.block, place + 1))?.to_vec();
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let mut shapes = std::mem::take(&mut self.shapes);
        let found = shapes.iter_mut().position(|shape| self.adapt(shape, &line));
        self.shapes = shapes;
        let length = found.and_then(|which| self.attempt(which, lanes.block, place, lane, course));
        if length.is_none() {
            course.failed_adaptions += 1;
        }
        length
    }

    /// See `Shape::adapt`. Remembers the entity of the line, if it has a name that can be used.
    pub(super) fn adapt(&mut self, shape: &mut Shape, line: &[u8]) -> bool {
        let Scanner { names, words, form, .. } = self;
        let csv = matches!(form, Lines::Csv { .. });
        shape.adapt(line, stop(form), words, |name| {
            if names.contains(name) {
                return true;
            }
            // In CSV blanks around a name do not count, and some words mean that there is none.
            let whole = !csv || (trim(name).len() == name.len() && !crate::io::decode::csv::is_missing(name));
            let text = std::str::from_utf8(name).ok().filter(|text| whole && name.len() <= TEXT && is_name(text));
            text.is_some_and(|text| names.insert(text))
        })
    }

    /// Writes what the lanes have to the batch.
    fn close(&mut self, course: &Course, out: &mut Scanned) {
        let rows: usize = self.stage.rows.iter().sum();
        let others: usize = course.hits.iter().skip(1).sum();
        let mut used = Vec::new();
        for (which, (shape, hits)) in self.shapes.iter_mut().zip(&course.hits).enumerate() {
            let hits = if which == 0 { rows - others.min(rows) } else { *hits };
            if shape.score == FRESH && hits >= 8 {
                self.lessons = (self.lessons + 1).min(LESSONS);
            }
            shape.score = shape.score / 2 + 16 * hits as u64;
            if hits > 0 {
                used.extend(&shape.columns);
            }
        }
        used.sort_unstable();
        used.dedup();
        out.services.resize_with(self.stage.services.len().max(out.services.len()), Vec::new);
        for (lane, others) in course.others.iter().enumerate() {
            let before = out.lines;
            for (range, passed) in others {
                out.other(range.clone(), before + passed + 1);
            }
            self.stage.flush(lane, before, &used, &self.names, self.isa, out);
            out.lines += u64::from(self.stage.passed.get(lane).copied().unwrap_or_default());
        }
    }
}

fn stop(form: &Lines) -> u8 {
    match form {
        Lines::Csv { delimiter, .. } => *delimiter,
        Lines::Ndjson | Lines::Array => b'"',
    }
}

fn tools<'a>(form: &Lines, names: &'a super::Names, words: &'a super::Words, longest: usize) -> Tools<'a> {
    Tools { names, words, stop: stop(form), longest }
}
