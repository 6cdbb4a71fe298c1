//! Where everything stands: layers by the longest way from a start, an order inside each that keeps lines short, and
//! columns. Knows widths and edges only.

use std::collections::BTreeMap;

/// Columns between two boxes.
const GAP: usize = 3;

/// A place in a layer: a node, or a line that passes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub node: Option<usize>,
    pub x: usize,
    pub width: usize,
    /// Where lines come in: the slot of the layer above, and the column.
    pub entries: Vec<(usize, usize)>,
    /// Slots of the next layer that its line leads to.
    pub to: Vec<usize>,
}

impl Slot {
    /// Column where its line goes out below.
    pub fn exit(&self) -> usize {
        self.x + self.width / 2
    }
}

pub(super) struct Layers {
    pub rows: Vec<Vec<Slot>>,
}

impl Layers {
    /// `widths` of the nodes, and edges between them. Edges that would lead upwards (a cycle) are left out.
    pub fn new(widths: &[usize], edges: &[(usize, usize)]) -> Layers {
        let depth = depths(widths.len(), edges);
        let mut layers = Layers { rows: Vec::new() };
        layers.rows.resize(depth.iter().max().map_or(0, |deepest| deepest + 1), Vec::new());
        // Where a node, or the line of a node at some depth, stands: (layer, place in it).
        let mut stands: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (node, (at, width)) in depth.iter().zip(widths).enumerate() {
            stands.insert((node, *at), layers.add(*at, Some(node), *width));
        }
        for (from, to) in edges {
            let (Some(&start), Some(&end)) = (depth.get(*from), depth.get(*to)) else { continue };
            if end <= start {
                continue;
            }
            let mut place = stands.get(&(*from, start)).copied().unwrap_or(0); // every node was put there above
            for at in start + 1..=end {
                let next = if at == end {
                    stands.get(&(*to, end)).copied().unwrap_or(0)
                } else {
                    *stands.entry((*from, at)).or_insert_with(|| layers.add(at, None, 1))
                };
                layers.link(at - 1, place, next);
                place = next;
            }
        }
        layers.order();
        layers.widen();
        layers.place();
        layers.part_entries();
        layers
    }

    fn add(&mut self, depth: usize, node: Option<usize>, width: usize) -> usize {
        let Some(row) = self.rows.get_mut(depth) else { return 0 };
        row.push(Slot { node, x: 0, width, entries: Vec::new(), to: Vec::new() });
        row.len() - 1
    }

    fn link(&mut self, depth: usize, from: usize, to: usize) {
        if let Some(slot) = self.rows.get_mut(depth).and_then(|row| row.get_mut(from))
            && !slot.to.contains(&to)
        {
            slot.to.push(to);
        }
    }

    /// For every slot of a layer the slots of the layer above (or below) that it is linked with.
    fn neighbours(&self, depth: usize, above: bool) -> Vec<Vec<usize>> {
        let row = self.rows.get(depth).map_or(&[][..], Vec::as_slice);
        if !above {
            return row.iter().map(|slot| slot.to.clone()).collect();
        }
        let mut found = vec![Vec::new(); row.len()];
        for (at, slot) in depth.checked_sub(1).and_then(|d| self.rows.get(d)).into_iter().flatten().enumerate() {
            for to in &slot.to {
                if let Some(list) = found.get_mut(*to) {
                    list.push(at);
                }
            }
        }
        found
    }

    /// Sorts each layer by the mean place of its neighbours, down and up by turns, so that fewer lines cross.
    fn order(&mut self) {
        for sweep in 0..4 {
            let down = sweep % 2 == 0;
            let depths: Vec<usize> =
                if down { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() };
            for depth in depths {
                let mean: Vec<f64> = self
                    .neighbours(depth, down)
                    .iter()
                    .enumerate()
                    .map(|(at, list)| match list.len() {
                        0 => at as f64,
                        count => list.iter().sum::<usize>() as f64 / count as f64,
                    })
                    .collect();
                let mut order: Vec<usize> = (0..mean.len()).collect();
                order.sort_by(|a, b| mean.get(*a).unwrap_or(&0.0).total_cmp(mean.get(*b).unwrap_or(&0.0)));
                self.reorder(depth, &order);
            }
        }
    }

    /// Puts the slots of a layer into `order` (old places), and tells the layer above.
    fn reorder(&mut self, depth: usize, order: &[usize]) {
        let Some(row) = self.rows.get_mut(depth) else { return };
        *row = order.iter().filter_map(|old| row.get(*old).cloned()).collect();
        let mut now = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(place) = now.get_mut(*old) {
                *place = new;
            }
        }
        let above = depth.checked_sub(1).and_then(|d| self.rows.get_mut(d));
        for to in above.into_iter().flatten().flat_map(|slot| slot.to.iter_mut()) {
            *to = now.get(*to).copied().unwrap_or(*to);
        }
    }

    /// Columns: every slot under the middle of those above it, then over the middle of those below, as far as its
    /// neighbours leave room.
    fn place(&mut self) {
        for row in &mut self.rows {
            let mut x = 0;
            for slot in row {
                slot.x = x;
                x += slot.width + GAP;
            }
        }
        for down in [true, false, true] {
            let depths: Vec<usize> =
                if down { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() };
            for depth in depths {
                self.settle(depth, down);
            }
        }
    }

    fn settle(&mut self, depth: usize, above: bool) {
        let other = if above { depth.checked_sub(1) } else { Some(depth + 1) };
        let Some(other) = other.and_then(|d| self.rows.get(d)) else { return };
        let exits: Vec<i64> = other.iter().map(|slot| slot.exit() as i64).collect();
        let neighbours = self.neighbours(depth, above);
        let Some(row) = self.rows.get_mut(depth) else { return };
        // The wished left edge of each; without neighbours where it stands.
        let wished: Vec<i64> = row
            .iter()
            .zip(&neighbours)
            .map(|(slot, list)| {
                let found: Vec<i64> = list.iter().filter_map(|at| exits.get(*at).copied()).collect();
                match found.len() as i64 {
                    0 => slot.x as i64,
                    count => found.iter().sum::<i64>() / count - (slot.width / 2) as i64,
                }
            })
            .collect();
        let mut placed: Vec<i64> = Vec::with_capacity(row.len());
        let mut free = i64::MIN;
        for (slot, wish) in row.iter().zip(&wished) {
            let x = (*wish).max(free);
            placed.push(x);
            free = x + (slot.width + GAP) as i64;
        }
        // Being pushed moves to the right only; half of the mean push is given back.
        let pushed: i64 = placed.iter().zip(&wished).map(|(x, wish)| x - wish).sum();
        let back = pushed / placed.len().max(1) as i64;
        let left = placed.first().map_or(0, |x| (x - back).min(0));
        for (slot, x) in row.iter_mut().zip(&placed) {
            slot.x = usize::try_from(x - back - left).unwrap_or(0); // `left` makes the first one zero at least
        }
        if left < 0 {
            // The layer reaches further left than the sheet: everything else moves right.
            let shift = left.unsigned_abs() as usize;
            for (at, row) in self.rows.iter_mut().enumerate() {
                row.iter_mut().filter(|_| at != depth).for_each(|slot| slot.x += shift);
            }
        }
    }

    /// Gives every box room for a column per line that comes in.
    fn widen(&mut self) {
        for depth in 0..self.rows.len() {
            let feeders = self.neighbours(depth, true);
            for (slot, feeders) in self.rows.get_mut(depth).into_iter().flatten().zip(&feeders) {
                if slot.node.is_some() {
                    slot.width = slot.width.max(2 * feeders.len() + 3);
                }
            }
        }
    }

    /// Chooses the columns where lines come in. No two share one, and none lies under the exit of a slot that does not
    /// lead there: else two lines would run over each other and seem to meet.
    fn part_entries(&mut self) {
        for depth in 1..self.rows.len() {
            let mut feeders = self.neighbours(depth, true);
            let exits: Vec<Option<usize>> = match depth.checked_sub(1).and_then(|d| self.rows.get(d)) {
                Some(above) => above.iter().map(|slot| (!slot.to.is_empty()).then(|| slot.exit())).collect(),
                None => Vec::new(),
            };
            for (slot, feeders) in self.rows.get_mut(depth).into_iter().flatten().zip(&mut feeders) {
                feeders.sort_by_key(|feeder| exits.get(*feeder));
                let columns = entry_columns(slot, feeders, &exits);
                slot.entries = feeders.iter().copied().zip(columns).collect();
                if let (None, Some((_, column))) = (slot.node, slot.entries.first()) {
                    slot.x = *column;
                }
            }
        }
    }
}

/// A column for each feeder, rising. Straight under its exit where that is possible, else near the middle.
fn entry_columns(slot: &Slot, feeders: &[usize], exits: &[Option<usize>]) -> Vec<usize> {
    let middle = slot.exit();
    let inside: Vec<usize> = match slot.node {
        Some(_) => (slot.x + 1..slot.x + slot.width - 1).collect(), // a box is wider than its borders
        None => (middle.saturating_sub(1)..=middle + 1).collect(),
    };
    // Every other column first, for the look of it.
    let mut free: Vec<usize> = inside.iter().copied().filter(|column| !exits.contains(&Some(*column))).collect();
    free.sort_by_key(|column| ((column.abs_diff(middle) + feeders.len()).is_multiple_of(2), column.abs_diff(middle)));
    // Boxes are wide enough for all; should they not be, lines share the middle.
    let mut columns: Vec<usize> = free.into_iter().chain(std::iter::repeat(middle)).take(feeders.len()).collect();
    columns.sort_unstable();
    for (at, feeder) in feeders.iter().enumerate() {
        let Some(exit) = exits.get(*feeder).copied().flatten().filter(|exit| inside.contains(exit)) else { continue };
        let after = at.checked_sub(1).and_then(|before| columns.get(before)).is_none_or(|column| *column < exit);
        let before = columns.get(at + 1).is_none_or(|column| exit < *column);
        if let (true, true, Some(column)) = (after, before, columns.get_mut(at)) {
            *column = exit;
        }
    }
    columns
}

/// The longest way from a start to each node. In a cycle it stops growing at the number of nodes.
fn depths(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut depth = vec![0; count];
    for _ in 0..count {
        let mut changed = false;
        for (from, to) in edges.iter().filter(|(from, to)| from != to) {
            let least = depth.get(*from).map_or(0, |d| d + 1);
            if let Some(at) = depth.get_mut(*to)
                && *at < least
                && least < count
            {
                *at = least;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depth
}
