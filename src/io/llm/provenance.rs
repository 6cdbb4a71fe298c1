//! Which graph a cassette was recorded with: nothing is decided by it, but who replays it with another one is told so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A graph file and what it is made of. No name says where on a machine a file lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Name of the graph file.
    pub file: String,
    /// Of its text.
    pub fingerprint: String,
    /// Fingerprints of the files that its nodes read, as `recommendation.md of wording`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Provenance {
    /// In what the graph of a replay is another one than this, which was recorded; `None` where it is the same.
    pub fn unlike(&self, now: &Provenance) -> Option<String> {
        let mut unlike = Vec::new();
        if self.file != now.file {
            unlike
                .push(format!("the cassette was recorded with the graph `{}`, and this is `{}`", self.file, now.file));
        }
        if self.fingerprint != now.fingerprint && self.file == now.file {
            unlike.push(format!("the graph `{}` is not what it was when the cassette was recorded", self.file));
        }
        let names = self.files.keys().chain(now.files.keys().filter(|name| !self.files.contains_key(*name)));
        unlike.extend(names.filter_map(|name| match (self.files.get(name), now.files.get(name)) {
            (Some(before), Some(after)) if before == after => None,
            (Some(_), Some(_)) => Some(format!("`{name}` has changed since")),
            (Some(_), None) => Some(format!("`{name}` was a file of that graph, and is none of this")),
            (None, _) => Some(format!("`{name}` was no file of that graph")),
        }));
        (!unlike.is_empty()).then(|| unlike.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unlike_is_named() {
        let of = |file: &str, fingerprint: &str, files: &[(&str, &str)]| Provenance {
            file: file.into(),
            fingerprint: fingerprint.into(),
            files: files.iter().map(|(name, print)| (name.to_string(), print.to_string())).collect(),
        };
        let recorded = of("a.toml", "1", &[("x.toml of rules", "2"), ("p.md of words", "3")]);
        for (now, expected) in [
            (recorded.clone(), None),
            (
                of("a.toml", "9", &[("x.toml of rules", "2"), ("p.md of words", "3")]),
                Some("the graph `a.toml` is not what it was when the cassette was recorded"),
            ),
            (
                of("a.toml", "1", &[("x.toml of rules", "2"), ("p.md of words", "9")]),
                Some("`p.md of words` has changed since"),
            ),
            (
                of("b.toml", "9", &[("x.toml of rules", "2"), ("q.md of words", "3")]),
                Some(
                    "the cassette was recorded with the graph `a.toml`, and this is `b.toml`; `p.md of words` was a file of that graph, \
                     and is none of this; `q.md of words` was no file of that graph",
                ),
            ),
        ] {
            assert_eq!(recorded.unlike(&now).as_deref(), expected);
        }
    }
}
