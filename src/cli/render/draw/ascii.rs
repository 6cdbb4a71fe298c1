//! A graph as boxes and lines in plain text: layers top-down, each edge a line that turns between two layers.
//!
//! A line that spans several layers passes through those between in a column of its own. Where two lines cross
//! without meeting, the one that goes down is drawn over the other; a junction always means that they meet.

mod layers;

use layers::{Layers, Slot};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Drawing, DrawnNode};
use crate::cli::render::safe;

/// The picture, with the graph's name above it.
pub fn ascii(drawing: &Drawing) -> String {
    let labels: Vec<[String; 2]> = drawing.nodes.iter().map(label).collect();
    let widths: Vec<usize> =
        labels.iter().map(|lines| lines.iter().map(|l| l.width()).max().unwrap_or(0) + 4).collect();
    let edges: Vec<(usize, usize)> = drawing.edges().map(|(from, to, _)| (from, to)).collect();
    let layers = Layers::new(&widths, &edges);

    let mut canvas = Canvas::default();
    let mut top = 0;
    for (depth, layer) in layers.rows.iter().enumerate() {
        for slot in layer {
            match slot.node {
                Some(node) => draw_box(&mut canvas, slot, top, labels.get(node), !slot.to.is_empty()),
                None => (top..top + BOX).for_each(|y| canvas.put(slot.exit(), y, "│")),
            }
        }
        top += BOX;
        if let Some(below) = layers.rows.get(depth + 1) {
            top += draw_lines(&mut canvas, layer, below, top);
        }
    }
    format!("{}\n\n{}", safe(&drawing.name), canvas.text())
}

fn label(node: &DrawnNode) -> [String; 2] {
    [safe(&node.name).into_owned(), node.kind_line()]
}

/// Lines of a box.
const BOX: usize = 4;

fn draw_box(canvas: &mut Canvas, slot: &Slot, top: usize, label: Option<&[String; 2]>, leads_on: bool) {
    let (left, right) = (slot.x, slot.x + slot.width - 1); // no box is narrower than its two borders
    for x in left + 1..right {
        canvas.put(x, top, "─");
        canvas.put(x, top + BOX - 1, "─");
    }
    for y in top + 1..top + BOX - 1 {
        canvas.put(left, y, "│");
        canvas.put(right, y, "│");
    }
    for (x, y, corner) in [(left, 0, "┌"), (right, 0, "┐"), (left, BOX - 1, "└"), (right, BOX - 1, "┘")] {
        canvas.put(x, top + y, corner);
    }
    if leads_on {
        canvas.put(slot.exit(), top + BOX - 1, "┬");
    }
    for (at, line) in label.into_iter().flatten().enumerate() {
        canvas.write(left + 2, top + 1 + at, line);
    }
}

/// The lines between two layers; gives the number of rows that they take.
fn draw_lines(canvas: &mut Canvas, above: &[Slot], below: &[Slot], top: usize) -> usize {
    let entries = |slot: usize| -> Vec<usize> {
        below.iter().flat_map(|b| &b.entries).filter(|(from, _)| *from == slot).map(|(_, column)| *column).collect()
    };
    // A row of its own for each slot whose line turns; rows are shared by lines that lie side by side.
    let mut rows: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut turns: Vec<Option<usize>> = Vec::new();
    for (at, slot) in above.iter().enumerate() {
        let ends = entries(at);
        let (from, to) = reach(slot.exit(), &ends);
        if ends.is_empty() || from == to {
            turns.push(None);
            continue;
        }
        let free = |row: &Vec<(usize, usize)>| row.iter().all(|(start, end)| to + 1 < *start || end + 1 < from);
        let row = rows.iter().position(free).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(Vec::new());
        }
        if let Some(taken) = rows.get_mut(row) {
            taken.push((from, to));
        }
        turns.push(Some(row));
    }
    let height = rows.len();
    let mut tracks = Tracks::new(height);
    for (at, (slot, turn)) in above.iter().zip(turns).enumerate() {
        let ends = entries(at);
        match turn {
            Some(row) => tracks.turn(slot.exit(), row, &ends),
            None if !ends.is_empty() => tracks.down(slot.exit(), 0, height),
            None => {}
        }
    }
    tracks.draw(canvas, top);
    for slot in below {
        for (_, column) in &slot.entries {
            canvas.put(*column, top + height, if slot.node.is_some() { "▼" } else { "│" });
        }
    }
    height + 1
}

/// The leftmost and the rightmost column that a line touches.
fn reach(exit: usize, ends: &[usize]) -> (usize, usize) {
    ends.iter().fold((exit, exit), |(from, to), end| (from.min(*end), to.max(*end)))
}

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// What lies on a place between two layers: a corner or end of lines, one that goes through downwards or sideways.
#[derive(Debug, Clone, Copy, Default)]
struct Crossing {
    meets: bool,
    ways: u8,
}

/// The places between two layers.
struct Tracks {
    rows: Vec<Vec<Crossing>>,
}

impl Tracks {
    fn new(height: usize) -> Tracks {
        Tracks { rows: vec![Vec::new(); height] }
    }

    fn add(&mut self, x: usize, y: usize, ways: u8, meets: bool) {
        let Some(row) = self.rows.get_mut(y) else { return };
        if row.len() <= x {
            row.resize(x + 1, Crossing::default());
        }
        if let Some(place) = row.get_mut(x) {
            place.ways |= ways;
            place.meets |= meets;
        }
    }

    /// Straight down through the rows from `from` to before `to`.
    fn down(&mut self, x: usize, from: usize, to: usize) {
        (from..to).for_each(|y| self.add(x, y, UP | DOWN, false));
    }

    /// Down to `row`, sideways along it, and down again to every end.
    fn turn(&mut self, exit: usize, row: usize, ends: &[usize]) {
        let (from, to) = reach(exit, ends);
        self.down(exit, 0, row);
        self.add(exit, row, UP, true);
        for x in from..=to {
            let ways = if x > from { LEFT } else { 0 } | if x < to { RIGHT } else { 0 };
            self.add(x, row, ways, x == from || x == to);
        }
        for end in ends {
            self.add(*end, row, DOWN, true);
            self.down(*end, row + 1, self.rows.len());
        }
    }

    fn draw(&self, canvas: &mut Canvas, top: usize) {
        for (y, row) in self.rows.iter().enumerate() {
            for (x, place) in row.iter().enumerate().filter(|(_, place)| place.ways != 0) {
                // Lines that cross without meeting: the one downwards lies over the other.
                let ways = if place.meets || place.ways & UP == 0 { place.ways } else { UP | DOWN };
                canvas.put(x, top + y, line_of(ways));
            }
        }
    }
}

fn line_of(ways: u8) -> &'static str {
    const LINES: [&str; 16] = [" ", "│", "│", "│", "─", "┘", "┐", "┤", "─", "└", "┌", "├", "─", "┴", "┬", "┼"];
    LINES.get(usize::from(ways)).copied().unwrap_or(" ")
}

/// A growing sheet of characters, one string per column (empty behind a wide character).
#[derive(Default)]
struct Canvas {
    rows: Vec<Vec<String>>,
}

impl Canvas {
    fn put(&mut self, x: usize, y: usize, what: &str) {
        if self.rows.len() <= y {
            self.rows.resize(y + 1, Vec::new());
        }
        let Some(row) = self.rows.get_mut(y) else { return };
        if row.len() <= x {
            row.resize(x + 1, " ".to_string());
        }
        if let Some(place) = row.get_mut(x) {
            what.clone_into(place);
        }
    }

    fn write(&mut self, x: usize, y: usize, text: &str) {
        let mut at = x;
        for c in text.chars() {
            match c.width().unwrap_or(0) {
                // A mark on the character before it.
                0 => {
                    let before = self.rows.get_mut(y).and_then(|row| row.get_mut(at.saturating_sub(1)));
                    before.into_iter().for_each(|place| place.push(c));
                }
                width => {
                    self.put(at, y, c.encode_utf8(&mut [0; 4]));
                    (1..width).for_each(|behind| self.put(at + behind, y, ""));
                    at += width;
                }
            }
        }
    }

    fn text(&self) -> String {
        self.rows.iter().map(|row| format!("{}\n", row.concat().trim_end())).collect()
    }
}
