use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::block::{Blocks, Decoded, Desk, Start, Trouble};
use super::framing::Framing;

/// Blocks per thread that may be decoded before they are taken.
const AHEAD: u64 = 2;

/// Threads that decode the blocks of an input ahead of whoever takes them, in order. The taker is one of them: as long
/// as its block is not ready and there is another to decode, it decodes.
pub(super) struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    blocks: Blocks,
    /// As it probably is where a block begins.
    framing: Framing,
    progress: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    /// The block that nobody has begun with.
    next: u64,
    /// The block that is taken next.
    taken: u64,
    /// Most blocks between the two.
    ahead: u64,
    done: BTreeMap<u64, Result<Decoded, Trouble>>,
    /// Threads that wait for a change. To tell nobody is a call of the system too.
    waiting: usize,
    stop: bool,
}

impl Crew {
    /// Sets the threads to the blocks from `first` on; a desk each.
    pub fn start(blocks: &Blocks, framing: &Framing, first: u64, desks: Vec<Desk>) -> Crew {
        let ahead = (desks.len() as u64 + 1) * AHEAD;
        let shared = Arc::new(Shared {
            blocks: blocks.clone(),
            framing: framing.fork(),
            progress: Mutex::new(Progress {
                next: first,
                taken: first,
                ahead,
                done: BTreeMap::new(),
                waiting: 0,
                stop: false,
            }),
            changed: Condvar::new(),
        });
        let mut threads = Vec::new();
        for desk in desks {
            let shared = shared.clone();
            let thread = Builder::new().name("decode".to_string()).spawn(move || shared.work(desk));
            // Where no more threads are to be had, fewer do it.
            threads.extend(thread);
        }
        Crew { shared, threads }
    }

    /// The next block in order. `None` tells the taker to decode it.
    pub fn take(&mut self, desk: &mut Desk) -> Option<Result<Decoded, Trouble>> {
        let mut progress = self.shared.lock();
        loop {
            let wanted = progress.taken;
            if let Some(decoded) = progress.done.remove(&wanted) {
                progress.taken += 1;
                self.shared.tell(progress);
                return Some(decoded);
            }
            match self.shared.begin(&mut progress) {
                Some(number) if number == wanted => {
                    progress.taken += 1;
                    return None;
                }
                Some(number) => {
                    drop(progress);
                    let decoded = desk.decode(&self.shared.blocks, number, &Start::Guess(&self.shared.framing));
                    progress = self.shared.lock();
                    progress.done.insert(number, decoded);
                }
                None => progress = self.shared.wait(progress),
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let mut progress = self.shared.lock();
        progress.stop = true;
        self.shared.tell(progress);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut progress: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        progress.waiting += 1;
        let mut progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        progress.waiting -= 1;
        progress
    }

    /// Wakes those who wait for a change, if there are any.
    fn tell(&self, progress: MutexGuard<'_, Progress>) {
        let is_awaited = progress.waiting > 0;
        drop(progress); // or who wakes waits for it
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// The number of a block to decode, if it is time for one.
    fn begin(&self, progress: &mut Progress) -> Option<u64> {
        let number = progress.next;
        let due = number < self.blocks.count() && number < progress.taken + progress.ahead;
        progress.next += u64::from(due);
        due.then_some(number)
    }

    /// What a thread does.
    fn work(&self, mut desk: Desk) {
        let mut progress = self.lock();
        while !progress.stop && progress.next < self.blocks.count() {
            let Some(number) = self.begin(&mut progress) else {
                progress = self.wait(progress);
                continue;
            };
            drop(progress);
            let mut report = Report { shared: self, number, decoded: None };
            report.decoded = Some(desk.decode(&self.blocks, number, &Start::Guess(&self.framing)));
            drop(report);
            progress = self.lock();
        }
    }
}

/// Tells the taker about a block, even if decoding it has panicked.
struct Report<'a> {
    shared: &'a Shared,
    number: u64,
    decoded: Option<Result<Decoded, Trouble>>,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let decoded = self.decoded.take().unwrap_or(Err(Trouble::Lost));
        let mut progress = self.shared.lock();
        progress.done.insert(self.number, decoded);
        self.shared.tell(progress);
    }
}
