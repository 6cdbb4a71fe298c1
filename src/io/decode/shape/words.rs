use std::collections::BTreeMap;

use super::number::flag;
use crate::domain::{NO_STATUS, Status};

/// Longest word, so that one load holds it and what ends it.
const LENGTH: usize = 15;
const PLACES: usize = 64;
const FREE: u128 = u128::MAX;

/// The words for a status, each at a place of its own that is found by one multiplication.
#[derive(Debug)]
pub(super) struct Words {
    places: [(u128, u64); PLACES],
    multiplier: u64,
}

impl Words {
    /// Words that are too long or too many are left out. `empty`: the empty word means that no status is stated.
    pub fn new(own: &BTreeMap<String, Status>, empty: bool) -> Words {
        let mut all: BTreeMap<&str, u64> =
            Status::ALL.into_iter().map(|status| (status.word(), u64::from(status.level()))).collect();
        all.extend(own.iter().map(|(word, status)| (word.as_str(), u64::from(status.level()))));
        if empty {
            all.insert("", u64::from(NO_STATUS));
        }
        let keys: Vec<(u128, u64)> =
            all.iter().filter_map(|(word, level)| Some((key(word.as_bytes())?, *level))).collect();
        let mut best = Words::place(&keys, 1);
        for seed in 1u64..5000 {
            if best.1 == keys.len() {
                break;
            }
            let other = Words::place(&keys, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            if other.1 > best.1 {
                best = other;
            }
        }
        best.0
    }

    /// The words that find a place with this multiplier, and how many they are.
    fn place(keys: &[(u128, u64)], multiplier: u64) -> (Words, usize) {
        let mut words = Words { places: [(FREE, 0); PLACES], multiplier };
        let mut placed = 0;
        for (key, level) in keys {
            let at = words.at(*key);
            if let Some(place) = words.places.get_mut(at).filter(|place| place.0 == FREE) {
                *place = (*key, *level);
                placed += 1;
            }
        }
        (words, placed)
    }

    #[inline(always)]
    fn at(&self, key: u128) -> usize {
        ((key as u64 ^ ((key >> 64) as u64).rotate_left(29)).wrapping_mul(self.multiplier) >> 58) as usize
    }

    /// The level of a word, and the highest bit if there is no such word.
    #[inline(always)]
    pub fn find(&self, key: u128) -> (u64, u64) {
        let (word, level) = self.places[self.at(key)]; // six bits
        (level, flag(word != key))
    }

    pub fn get(&self, word: &[u8]) -> Option<u64> {
        let (level, bad) = self.find(key(word)?);
        (bad == 0).then_some(level)
    }
}

fn key(word: &[u8]) -> Option<u128> {
    let mut bytes = [0; 16];
    bytes.get_mut(..word.len()).filter(|_| word.len() <= LENGTH)?.copy_from_slice(word);
    Some(u128::from_le_bytes(bytes))
}
