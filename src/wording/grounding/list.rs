//! Lists of words, looked up by their first byte: every word of a draft is held to dozens of them.

use std::sync::OnceLock;

/// Words, or beginnings of words.
pub(super) struct List {
    pub words: &'static [&'static str],
    by_first: OnceLock<Vec<Vec<&'static str>>>,
}

impl List {
    pub const fn of(words: &'static [&'static str]) -> List {
        List { words, by_first: OnceLock::new() }
    }

    /// Whether the word is one of them.
    pub fn has(&self, word: &str) -> bool {
        self.alike(word).contains(&word)
    }

    /// The first of them that the word begins with.
    pub fn beginning(&self, word: &str) -> Option<&'static str> {
        self.alike(word).iter().find(|beginning| word.starts_with(**beginning)).copied()
    }

    /// Those that have the first byte of the word, in their order.
    pub fn alike(&self, word: &str) -> &[&'static str] {
        let by_first = self.by_first.get_or_init(|| {
            let mut by_first = vec![Vec::new(); 256];
            for word in self.words {
                if let Some(words) = word.bytes().next().and_then(|first| by_first.get_mut(usize::from(first))) {
                    words.push(*word);
                }
            }
            by_first
        });
        let words = word.bytes().next().and_then(|first| by_first.get(usize::from(first)));
        words.map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_beginnings_are_found() {
        static LIST: List = List::of(&["replic", "rep", "two"]);
        assert!(LIST.has("two") && !LIST.has("twofold") && !LIST.has("") && !LIST.has("é"));
        assert_eq!(
            ["replicas", "report", "tw", ""].map(|word| LIST.beginning(word)),
            [Some("replic"), Some("rep"), None, None]
        );
    }
}
