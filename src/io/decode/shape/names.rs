use std::sync::Arc;

use super::number::flag;
use super::step::key_of;

/// Names that are remembered from block to block.
const REMEMBERED: usize = 1 << 16;
const FREE: u32 = u32::MAX;
/// Places that are looked at for a name. One that finds none of them free stays unknown, whoever chose the names.
const PROBES: usize = 16;

/// The names of entities, by their bytes. Numbers of names hold until [`Names::bound`].
#[derive(Debug)]
pub(super) struct Names {
    /// A power of two of places, at most half of them taken.
    places: Vec<([u64; 4], u32)>,
    pub all: Vec<Arc<str>>,
}

impl Names {
    pub fn new() -> Names {
        Names { places: vec![([0; 4], FREE); 64], all: Vec::new() }
    }

    /// Forgets all names if there are too many.
    pub fn bound(&mut self) {
        if self.all.len() > REMEMBERED {
            *self = Names::new();
        }
    }

    /// The number of a name, and the highest bit if it is not known.
    #[inline(always)]
    pub fn find(&self, key: [u64; 4]) -> (u64, u64) {
        let (first, last) = (self.at(key), self.places.len() - 1);
        for at in first..first + PROBES {
            let (name, number) = self.places[at & last]; // not empty, so `last` is a place
            if number == FREE || name == key {
                return (u64::from(number), flag(number == FREE));
            }
        }
        (0, flag(true))
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        key_of(name).is_some_and(|key| self.find(key).1 == 0)
    }

    /// Remembers a name of at most 31 bytes that is not known; whether there was room for it.
    pub fn insert(&mut self, name: &str) -> bool {
        let Some(key) = key_of(name.as_bytes()) else { return false };
        let Ok(number) = u32::try_from(self.all.len()) else { return false };
        if (self.all.len() + 1) * 2 > self.places.len() {
            let room = self.places.len() * 4;
            let old = std::mem::replace(&mut self.places, vec![([0; 4], FREE); room]);
            for (key, number) in old.into_iter().filter(|(_, number)| *number != FREE) {
                self.put(key, number);
            }
        }
        let placed = self.put(key, number);
        if placed {
            self.all.push(name.into());
        }
        placed
    }

    fn put(&mut self, key: [u64; 4], number: u32) -> bool {
        let (first, last) = (self.at(key), self.places.len() - 1);
        let free = (first..first + PROBES).find(|at| self.places.get(at & last).is_some_and(|place| place.1 == FREE));
        let place = free.and_then(|at| self.places.get_mut(at & last));
        place.map(|place| *place = (key, number)).is_some()
    }

    #[inline(always)]
    fn at(&self, key: [u64; 4]) -> usize {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let [a, b, c, d] = key;
        let low = u128::from(a ^ FACTOR) * u128::from(b ^ FACTOR.rotate_left(17));
        let high = u128::from(c ^ FACTOR.rotate_left(31)) * u128::from(d ^ FACTOR.rotate_left(47));
        let mixed = (low as u64 ^ (low >> 64) as u64).wrapping_add(high as u64 ^ (high >> 64) as u64);
        (mixed.wrapping_mul(FACTOR) >> 32) as usize
    }
}
