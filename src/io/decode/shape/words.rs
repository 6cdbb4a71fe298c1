use std::collections::BTreeMap;

use super::number::flag;
use crate::domain::{NO_STATUS, Status};
use crate::io::decode::csv::is_missing;
use crate::io::decode::escape::unescape;
use crate::io::decode::text::trim;

/// Longest word, so that one load holds it and what ends it.
const LENGTH: usize = 15;
const PLACES: usize = 64;
const FREE: u128 = u128::MAX;

/// Spellings with escapes that are looked for a place for: each costs some time.
const SPELLINGS: u32 = 16;

/// The words for a status as they stand in the text, each at a place of its own that is found by one multiplication.
#[derive(Debug)]
pub(super) struct Words {
    places: [(u128, u64); PLACES],
    multiplier: u64,
    csv: bool,
    /// The level of each word.
    levels: BTreeMap<String, u64>,
    /// What has a place.
    keys: Vec<(u128, u64)>,
    /// Spellings that may yet be learned.
    spellings: u32,
    /// What most words are: the one that was learned last. Of JSON only.
    pub usual: Option<Usual>,
}

/// A word that is found by a look at its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    key: u128,
    /// Ones over the key.
    mask: u128,
    /// Bytes, without the quote behind it.
    pub length: usize,
    pub level: u64,
}

impl Usual {
    /// Whether each of the texts begins with it.
    #[inline(always)]
    pub fn begins<const N: usize>(&self, texts: [u128; N]) -> bool {
        texts.into_iter().fold(0, |differ, text| differ | (text ^ self.key) & self.mask) == 0
    }
}

impl Words {
    /// Words that are too long or too many are left out. In `csv` the empty word means that no status is stated.
    pub fn new(own: &BTreeMap<String, Status>, csv: bool) -> Words {
        let mut levels: BTreeMap<String, u64> =
            Status::ALL.into_iter().map(|status| (status.word().to_string(), u64::from(status.level()))).collect();
        levels.extend(own.iter().map(|(word, status)| (word.clone(), u64::from(status.level()))));
        let plain = levels.iter().filter(|(word, _)| if csv { is_cell(word) } else { is_string(word) });
        let empty = csv.then_some(("", u64::from(NO_STATUS)));
        let all = plain.map(|(word, level)| (word.as_str(), *level)).chain(empty);
        let keys: Vec<(u128, u64)> =
            all.filter_map(|(word, level)| Some((key(word.as_bytes(), csv)?, level))).collect();
        let (places, multiplier, _) = arrange(&keys);
        Words { places, multiplier, csv, levels, keys, spellings: SPELLINGS, usual: None }
    }

    /// The level of a word, and the highest bit if there is no such word. The key is that of [`key`].
    #[inline(always)]
    pub fn find(&self, key: u128) -> (u64, u64) {
        let (word, level) = self.places[at(key, self.multiplier)]; // six bits
        (level, flag(word != key))
    }

    /// Whether a text is found from now on: a word, or in JSON one that is written with escapes.
    pub fn learn(&mut self, text: &[u8]) -> bool {
        let Some(key) = key(text, self.csv) else { return false };
        let (known, unknown) = self.find(key);
        let level = if unknown == 0 { Some(known) } else { self.add(text, key) };
        let Some(level) = level else { return false };
        let mask = u128::MAX >> (8 * (LENGTH - text.len())); // `key` has seen to its length
        self.usual = (!self.csv).then_some(Usual { key, mask, length: text.len(), level });
        true
    }

    /// Finds a place for a spelling that is not known; its level.
    fn add(&mut self, text: &[u8], key: u128) -> Option<u64> {
        let level = self.spelled(text).filter(|_| self.spellings > 0)?;
        self.spellings -= 1;
        self.keys.push((key, level));
        let (places, multiplier, placed) = arrange(&self.keys);
        if placed < self.keys.len() {
            self.keys.pop();
            return None;
        }
        (self.places, self.multiplier) = (places, multiplier);
        Some(level)
    }

    /// The level of the word that a text of JSON with escapes means.
    fn spelled(&self, text: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(text).ok().filter(|text| !self.csv && text.contains('\\'))?;
        self.levels.get(&unescape(&format!("\"{text}\""))?).copied()
    }
}

/// A place for as many keys as can be, the multiplier that leads there, and how many they are.
fn arrange(keys: &[(u128, u64)]) -> ([(u128, u64); PLACES], u64, usize) {
    let mut best = place(keys, 1);
    for seed in 1u64..5000 {
        if best.2 == keys.len() {
            break;
        }
        let other = place(keys, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        if other.2 > best.2 {
            best = other;
        }
    }
    best
}

fn place(keys: &[(u128, u64)], multiplier: u64) -> ([(u128, u64); PLACES], u64, usize) {
    let mut places = [(FREE, 0); PLACES];
    let mut placed = 0;
    for (key, level) in keys {
        if let Some(place) = places.get_mut(at(*key, multiplier)).filter(|place| place.0 == FREE) {
            *place = (*key, *level);
            placed += 1;
        }
    }
    (places, multiplier, placed)
}

#[inline(always)]
fn at(key: u128, multiplier: u64) -> usize {
    ((key as u64 ^ ((key >> 64) as u64).rotate_left(29)).wrapping_mul(multiplier) >> 58) as usize
}

/// A text and zeros behind it. In JSON the quote that ends it belongs to it, lest a text that ends with zeros be taken
/// for one without; in CSV these are blanks, which do not count.
pub(super) fn key(text: &[u8], csv: bool) -> Option<u128> {
    let mut bytes = [0; LENGTH + 1];
    bytes.get_mut(..text.len()).filter(|_| text.len() <= LENGTH)?.copy_from_slice(text);
    if !csv {
        *bytes.get_mut(text.len())? = b'"';
    }
    Some(u128::from_le_bytes(bytes))
}

/// Whether a string of JSON may stand in the text as it is.
fn is_string(word: &str) -> bool {
    word.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
}

/// Whether a cell of CSV without quotes means this word.
fn is_cell(word: &str) -> bool {
    trim(word.as_bytes()).len() == word.len() && !is_missing(word.as_bytes())
}
