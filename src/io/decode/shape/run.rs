//! Chooses the machine code at run time and lends it memory. Every choice comes of the same source, so that all give
//! the same.

use super::LANES;
use super::kernel::{self, Sink};
use super::machine::{self, Machine, Portable};
use super::names::Names;
use super::number;
use super::stage::Stage;
use super::step::Shape;
use super::words::Words;

/// Where each lane is in the block.
pub(super) struct Lanes<'a> {
    pub block: &'a [u8],
    /// The next line of each lane.
    pub places: [usize; LANES],
    /// Where the part of each lane ends.
    pub ends: [usize; LANES],
}

/// What every line is read with.
pub(super) struct Tools<'a> {
    pub names: &'a Names,
    pub words: &'a Words,
    pub stop: u8,
    /// Longest line, in bytes, without its newline.
    pub longest: usize,
}

type Lockstep = unsafe fn(&Shape, &mut Lanes<'_>, &mut Stage, &Tools<'_>) -> [u64; LANES];
type Single = unsafe fn(&Shape, *const u8, usize, &mut Stage, &Tools<'_>) -> Option<usize>;

type Floats = unsafe fn(&[u64], &mut Vec<f64>);

/// The instructions that the scanner runs on.
#[derive(Clone, Copy)]
pub(super) struct Isa {
    /// For whoever measures.
    #[cfg_attr(not(test), expect(dead_code, reason = "figures of tests name it"))]
    pub name: &'static str,
    lockstep: Lockstep,
    single: Single,
    floats: Floats,
}

const PORTABLE: Isa =
    Isa { name: "portable", lockstep: lockstep_portable, single: single_portable, floats: floats_portable };

impl Isa {
    /// Every one that this machine has, the best first.
    pub fn all() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt");
            if avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq") && has!("avx512cd") {
                all.push(Isa {
                    name: "avx512",
                    lockstep: lockstep_avx512,
                    single: single_avx512,
                    floats: floats_avx512,
                });
            }
            if avx2 {
                all.push(Isa { name: "avx2", lockstep: lockstep_avx2, single: single_avx2, floats: floats_avx2 });
            }
        }
        all.push(PORTABLE);
        all
    }

    /// The best one that this machine has.
    pub fn best() -> Isa {
        Isa::all().first().copied().unwrap_or(PORTABLE)
    }

    /// Reads lines of `shape` in all lanes until a lane is at its end, or too near the end of the block, or at a line
    /// that is not of the shape; not zero for such a lane.
    pub fn lockstep(&self, shape: &Shape, lanes: &mut Lanes<'_>, stage: &mut Stage, tools: &Tools<'_>) -> [u64; LANES] {
        if !stage.holds(shape) {
            return [0; LANES];
        }
        // SAFETY: the machine has the instructions, as `all` asked; the stage has every column of the shape.
        unsafe { (self.lockstep)(shape, lanes, stage, tools) }
    }

    /// Reads the line at the beginning of `text` into the next row of a lane; its length if it is of the shape.
    pub fn single(
        &self,
        shape: &Shape,
        text: &[u8],
        lane: usize,
        stage: &mut Stage,
        tools: &Tools<'_>,
    ) -> Option<usize> {
        if text.len() < shape.reach || !stage.holds(shape) || stage.is_full(lane) {
            return None;
        }
        // SAFETY: the machine has the instructions, as `all` asked; there is text enough, and the stage has a row left
        // and every column of the shape.
        unsafe { (self.single)(shape, text.as_ptr(), lane, stage, tools) }
    }

    /// Appends the floats of cells.
    pub fn floats(&self, cells: &[u64], values: &mut Vec<f64>) {
        // SAFETY: the machine has the instructions, as `all` asked.
        unsafe { (self.floats)(cells, values) }
    }
}

/// See `Isa::floats`.
#[inline(always)]
fn floats(cells: &[u64], values: &mut Vec<f64>) {
    values.extend(cells.iter().map(|cell| number::unpack(*cell)));
}

/// # Safety
/// The machine has the instructions, and the stage every column of the shape.
#[inline(always)]
unsafe fn lockstep<M: Machine>(
    shape: &Shape,
    lanes: &mut Lanes<'_>,
    stage: &mut Stage,
    tools: &Tools<'_>,
) -> [u64; LANES] {
    let last = (lanes.block.len() + 1).saturating_sub(shape.reach);
    let ends = lanes.ends.map(|end| end.min(last));
    let mut places = lanes.places;
    let (room, stride) = (stage.room, stage.stride());
    let left = (0..LANES).map(|lane| room.saturating_sub(stage.rows[lane])).min().unwrap_or(0);
    let mut done = 0;
    let mut failed = [0; LANES];
    let (cells, lines) = stage.pointers();
    let sink = Sink { cells, stride, names: tools.names, words: tools.words, stop: tools.stop };
    while done < left && (0..LANES).all(|lane| places[lane] < ends[lane]) {
        let at: [usize; LANES] = std::array::from_fn(|lane| lane * room + stage.rows[lane] + done);
        // SAFETY: every place is before the end of the block.
        let from = places.map(|place| unsafe { lanes.block.as_ptr().add(place) });
        // SAFETY: every place is `reach` before the end of the block, every row below the room of its lane.
        let (to, bad) = unsafe { kernel::lines::<M, LANES>(&shape.steps, from, at, &sink) };
        let mut all = 0;
        let mut next = places;
        for lane in 0..LANES {
            let length = (to[lane] as usize).wrapping_sub(from[lane] as usize);
            failed[lane] = bad[lane] | u64::from(length > tools.longest + 1);
            all |= failed[lane];
            next[lane] = places[lane] + length;
            // SAFETY: `at` is below the cells of a column, and there are as many lines.
            unsafe { lines.add(at[lane]).write(stage.passed[lane] + done as u32) };
        }
        if all != 0 {
            // The rows of the lanes that did well count.
            for lane in 0..LANES {
                let good = usize::from(failed[lane] == 0);
                places[lane] = if good == 1 { next[lane] } else { places[lane] };
                stage.rows[lane] += good;
                stage.passed[lane] += good as u32;
            }
            break;
        }
        places = next;
        done += 1;
    }
    for lane in 0..LANES {
        stage.rows[lane] += done;
        stage.passed[lane] += done as u32;
    }
    lanes.places = places;
    failed
}

/// # Safety
/// The machine has the instructions; `reach` bytes are readable; the stage has every column of the shape and a row left.
#[inline(always)]
unsafe fn single<M: Machine>(
    shape: &Shape,
    from: *const u8,
    lane: usize,
    stage: &mut Stage,
    tools: &Tools<'_>,
) -> Option<usize> {
    let at = lane * stage.room + stage.rows[lane];
    let stride = stage.stride();
    let (cells, _) = stage.pointers();
    let sink = Sink { cells, stride, names: tools.names, words: tools.words, stop: tools.stop };
    // SAFETY: the caller's.
    let ([to], [bad]) = unsafe { kernel::lines::<M, 1>(&shape.steps, [from], [at], &sink) };
    let length = (to as usize).wrapping_sub(from as usize);
    if bad != 0 || length > tools.longest + 1 {
        return None;
    }
    stage.accept(lane);
    Some(length)
}

/// The functions above for the instructions of one machine.
macro_rules! compile {
    ($lockstep:ident, $single:ident, $floats:ident, $machine:ty $(, $features:literal)?) => {
        /// # Safety
        /// See `lockstep`.
        $(#[target_feature(enable = $features)])?
        unsafe fn $lockstep(shape: &Shape, lanes: &mut Lanes<'_>, stage: &mut Stage, tools: &Tools<'_>) -> [u64; LANES] {
            // SAFETY: the caller's.
            unsafe { lockstep::<$machine>(shape, lanes, stage, tools) }
        }

        /// # Safety
        /// See `single`.
        $(#[target_feature(enable = $features)])?
        unsafe fn $single(
            shape: &Shape,
            from: *const u8,
            lane: usize,
            stage: &mut Stage,
            tools: &Tools<'_>,
        ) -> Option<usize> {
            // SAFETY: the caller's.
            unsafe { single::<$machine>(shape, from, lane, stage, tools) }
        }

        /// # Safety
        /// The machine has the instructions.
        $(#[target_feature(enable = $features)])?
        unsafe fn $floats(cells: &[u64], values: &mut Vec<f64>) {
            floats(cells, values);
        }
    };
}

compile!(lockstep_portable, single_portable, floats_portable, Portable);
#[cfg(target_arch = "x86_64")]
compile!(lockstep_avx2, single_avx2, floats_avx2, machine::Avx2, "avx2,bmi1,bmi2,lzcnt");
#[cfg(target_arch = "x86_64")]
compile!(
    lockstep_avx512,
    single_avx512,
    floats_avx512,
    super::avx512::Avx512,
    "avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx2,bmi1,bmi2,lzcnt"
);
