//! The names that a formula or a sentence may use, and whose anomalies each needs. Looked up in what the playbook says;
//! all of them are written down only for a message.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Cause;
use super::facts;
use super::playbook::Playbook;

/// The host is a fact of its own, which is there only where records name one.
const HOST: &[&str] = &["host"];

#[derive(Clone)]
pub struct Scope<'a> {
    playbook: &'a Playbook,
    /// What is answered, by prefix.
    causes: Vec<(&'a str, &'a Cause)>,
    /// Parameters and projections so far, each with the prefixes without whose anomalies it is not there, in order.
    computed: BTreeMap<String, Vec<&'a str>>,
    /// Sentences may use more than numbers.
    in_sentences: bool,
}

impl<'a> Scope<'a> {
    /// What formulas may use that look at these causes.
    pub fn new(playbook: &'a Playbook, causes: &'a [Cause]) -> Scope<'a> {
        let mut causes: Vec<_> = causes.iter().map(|cause| (cause.prefix(), cause)).collect();
        causes.sort_by_key(|(prefix, _)| *prefix);
        causes.dedup_by_key(|(prefix, _)| *prefix); // causes of one prefix have the same facts
        Scope { playbook, causes, computed: BTreeMap::new(), in_sentences: false }
    }

    pub fn of_sentences(self) -> Scope<'a> {
        Scope { in_sentences: true, ..self }
    }

    /// Adds a parameter or projection.
    pub fn insert(&mut self, fact: &str, needs: Vec<&'a str>) {
        self.computed.insert(fact.to_string(), needs);
    }

    /// The prefixes without whose anomalies the fact is not there, in order; `None` when there is no such fact.
    pub fn needs(&self, name: &str) -> Option<&[&'a str]> {
        if let Some(assumption) = name.strip_prefix("assumed.") {
            return self.playbook.assumptions.contains_key(assumption).then_some(&[]);
        }
        if let Some(needs) = self.computed.get(name) {
            return Some(needs);
        }
        match name {
            "target" if self.in_sentences => return Some(&[]),
            "host" if self.in_sentences => return Some(HOST),
            _ => {}
        }
        let (prefix, measure) = name.rsplit_once('.')?;
        let at = self.causes.binary_search_by_key(&prefix, |(prefix, _)| prefix).ok()?;
        let (prefix, cause) = self.causes.get(at)?;
        facts::has(cause, measure, self.in_sentences).then_some(std::slice::from_ref(prefix))
    }

    /// What all of these need together.
    pub fn needs_of(&self, names: &BTreeSet<String>) -> Vec<&'a str> {
        let needs = names.iter().filter_map(|name| self.needs(name)).flatten().copied();
        needs.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every name.
    pub fn names(&self) -> BTreeSet<String> {
        let assumed = self.playbook.assumptions.keys().map(|name| format!("assumed.{name}"));
        let measured = self.causes.iter().flat_map(|(prefix, cause)| {
            facts::measures_of(cause, self.in_sentences).map(move |measure| format!("{prefix}.{measure}"))
        });
        let others = ["host", "target"].into_iter().filter(|_| self.in_sentences).map(str::to_string);
        assumed.chain(measured).chain(self.computed.keys().cloned()).chain(others).collect()
    }
}
