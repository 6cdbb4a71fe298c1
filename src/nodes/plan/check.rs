//! From a playbook as written to one that can be applied: everything that can be wrong with it is found here.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean, inside};
use crate::domain::{Language, Status};
use crate::wording::slots_in;

use super::book::{self, Action, Assumption, Book, Cause, Computed, SERVICE_STATUS, Sentences};
use super::formula::{Formula, Kind, word};
use super::playbook::{self as written, Name, Playbook};
use super::scope::Scope;

/// First parts of names that are not metrics.
const RESERVED: [&str; 6] = ["assumed", "parameter", "projected", "anomaly", "target", "host"];

/// The playbook with the sentences of `language`; the other languages are checked all the same.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn check(playbook: &Playbook, source: &SourceFile, language: Language) -> Result<Book, Vec<Diagnostic>> {
    let mut checker = Checker { source, faults: Vec::new(), assumes: BTreeSet::new() };
    let assumptions = checker.assumptions(playbook, language);
    // Conditions may look at every metric that the playbook names.
    let named = playbook.actions.iter().flat_map(|a| a.trigger.get_ref().iter().chain(&a.covers));
    let metrics: Vec<Cause> = named.filter_map(|name| cause(name.get_ref()).ok()).collect();
    let everywhere = Scope::new(playbook, &metrics);
    let mut ids = BTreeSet::new();
    let mut actions = Vec::new();
    for (at, action) in playbook.actions.iter().enumerate() {
        if !ids.insert(action.id.get_ref()) {
            checker.fault(action.id.span(), format!("two actions are called `{}`", action.id), "give one another id");
        }
        let last = at + 1 == playbook.actions.len();
        actions.extend(checker.action(action, last, &everywhere, playbook, language));
    }
    if playbook.actions.is_empty() {
        checker.fault(0..0, "a playbook without actions".into(), "add `[[actions]]`");
    }
    if !checker.faults.is_empty() {
        checker.faults.sort_by_key(|fault| fault.place.as_ref().map(|(_, span)| span.start));
        return Err(checker.faults);
    }
    Ok(Book { assumptions, actions })
}

struct Checker<'a> {
    source: &'a SourceFile,
    faults: Vec<Diagnostic>,
    /// The assumptions that formulas and sentences of the action at hand use, in any language.
    assumes: BTreeSet<String>,
}

impl Checker<'_> {
    fn fault(&mut self, at: Range<usize>, message: String, help: impl Into<String>) {
        self.faults.push(Diagnostic::new(codes::graph::PLAYBOOK, message).at(self.source, at).help(help));
    }

    fn assume(&mut self, fact: &str) {
        if let Some(name) = fact.strip_prefix("assumed.") {
            self.assumes.insert(name.to_string());
        }
    }

    fn assumptions(&mut self, playbook: &Playbook, language: Language) -> Vec<Assumption> {
        let mut assumptions = Vec::new();
        for (name, assumption) in &playbook.assumptions {
            self.identifier(name, "an assumption");
            let value = *assumption.value.get_ref();
            let range = book::Range { min: assumption.min, max: assumption.max, integer: assumption.integer };
            if !range.holds(value) {
                let message = format!("`{name}` cannot be {value}: it is to be {range}");
                self.fault(assumption.value.span(), message, "change the value, or what the playbook allows");
            }
            assumptions.push(Assumption {
                name: name.get_ref().clone(),
                value,
                range,
                unit: assumption.unit.clone(),
                meaning: assumption.meaning.get(language).to_string(),
            });
        }
        assumptions
    }

    fn identifier(&mut self, name: &Name, what: &str) {
        let text = name.get_ref();
        let fits = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !fits || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            let message = format!("`{text}` cannot name {what}");
            self.fault(name.span(), message, "use lower-case letters, digits and `_`, a letter first");
        }
    }

    /// `None` only when faults were noted.
    fn action(
        &mut self,
        action: &written::Action,
        last: bool,
        everywhere: &Scope<'_>,
        playbook: &Playbook,
        language: Language,
    ) -> Option<Action> {
        self.id(&action.id);
        let faults = self.faults.len();
        let trigger = self.causes(action.trigger.get_ref());
        let mut covers = trigger.clone();
        covers.extend(self.causes(&action.covers).into_iter().filter(|cause| !trigger.contains(cause)));
        self.catch_all(action, &covers, last);
        if self.faults.len() > faults {
            return None; // which facts there are is not known
        }
        let when = action.when.as_ref().and_then(|when| self.formula(when, Kind::Condition, everywhere, None));
        let certain = match trigger.split_first() {
            Some((first, rest)) if rest.iter().all(|cause| cause.prefix() == first.prefix()) => Some(first.prefix()),
            _ => None, // any one of several may have triggered
        };
        let mut scope = Scope::new(playbook, &covers);
        let computed = self.computed(action, &mut scope, language);
        let scope = scope.of_sentences();
        computed.iter().flat_map(|c| &c.formula.variables).for_each(|name| self.assume(name));
        let sentences = self.sentences(action, &covers, certain, &scope, language);
        let assumes = std::mem::take(&mut self.assumes);
        let sentences = sentences?;
        Some(Action {
            id: action.id.get_ref().clone(),
            trigger,
            covers,
            when,
            target: action.target,
            prefer: action.prefer.clone(),
            assumes,
            computed,
            sentences,
        })
    }

    fn id(&mut self, id: &Name) {
        let text = id.get_ref();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            self.fault(id.span(), format!("`{text}` is no id"), "use lower-case letters, digits and `-`: `scale-out`");
        }
    }

    fn causes(&mut self, names: &[Name]) -> Vec<Cause> {
        let mut causes = Vec::new();
        for name in names {
            match cause(name.get_ref()) {
                Ok(cause) => causes.push(cause),
                Err((message, help)) => self.fault(name.span(), message, help),
            }
        }
        causes
    }

    /// Without an action for whatever is left, an anomaly of a metric that nobody thought of would get lost.
    fn catch_all(&mut self, action: &written::Action, covers: &[Cause], last: bool) {
        let any = covers.contains(&Cause::Any);
        if action.trigger.get_ref().is_empty() {
            let help = "name the metrics that call for the action: `trigger = [\"cpu_usage\"]`";
            self.fault(action.trigger.span(), format!("nothing triggers `{}`", action.id), help);
        } else if last && !any {
            let help = "end the playbook with an action that has `trigger = [\"*\"]`";
            self.fault(action.trigger.span(), "the last action does not take whatever is left".into(), help);
        } else if any && (!last || covers.len() > 1 || action.when.is_some()) {
            let help = "only the last action has it, alone and without `when`";
            self.fault(action.trigger.span(), "`*` takes every anomaly that is left".into(), help);
        }
    }

    /// Parameters and projections in an order in which each uses only what stands before it; adds them to `scope`.
    fn computed(&mut self, action: &written::Action, scope: &mut Scope<'_>, language: Language) -> Vec<Computed> {
        let parameters = action.parameters.iter().map(|(name, c)| (name, c, format!("parameter.{name}"), true));
        let projections = action.projections.iter().map(|(name, c)| (name, c, format!("projected.{name}"), false));
        let all: Vec<_> = parameters.chain(projections).collect();
        let mut known = scope.clone();
        all.iter().for_each(|(_, _, fact, _)| known.insert(fact, Vec::new()));
        let mut waiting = Vec::new();
        for (name, computed, fact, is_parameter) in all {
            self.identifier(name, "a computed figure");
            if is_parameter && name.get_ref() == "host" {
                self.fault(name.span(), "`host` is always the name of the host".into(), "choose another name");
            }
            let Some(formula) = self.formula(&computed.formula, Kind::Number, &known, Some(action)) else {
                scope.insert(&fact, Vec::new()); // known, so that nothing that uses it is blamed
                continue;
            };
            let parameter = is_parameter.then(|| name.get_ref().clone());
            let (unit, meaning) = (computed.unit.clone(), computed.meaning.get(language).to_string());
            waiting.push((computed.formula.span(), Computed { fact, parameter, formula, unit, meaning }));
        }
        let mut ordered: Vec<Computed> = Vec::new();
        while let Some(next) =
            waiting.iter().position(|(_, c)| c.formula.variables.iter().all(|name| scope.needs(name).is_some()))
        {
            let (_, computed) = waiting.remove(next); // `position` found it
            let needs = scope.needs_of(&computed.formula.variables);
            scope.insert(&computed.fact, needs);
            ordered.push(computed);
        }
        for (at, computed) in waiting {
            let message = format!("`{}` cannot be computed before itself", computed.fact);
            scope.insert(&computed.fact, Vec::new());
            self.fault(at, message, "break the circle of formulas that use each other");
        }
        let measured =
            |c: &Computed| c.parameter.is_some() && scope.needs(&c.fact).is_some_and(|needs| !needs.is_empty());
        if self.faults.is_empty() && !ordered.iter().any(measured) {
            let message = format!("no parameter of `{}` depends on a measured fact", action.id);
            self.fault(action.id.span(), message, "add one, so that other telemetry gives other parameters");
        }
        ordered
    }

    fn formula(
        &mut self,
        text: &toml::Spanned<String>,
        kind: Kind,
        scope: &Scope<'_>,
        of: Option<&written::Action>,
    ) -> Option<Formula> {
        let formula = match Formula::parse(text.get_ref(), kind) {
            Ok(formula) => formula,
            Err(flaw) => {
                self.fault(inside(self.source, text, &flaw.at), flaw.message, "the manual of `plan` shows formulas");
                return None;
            }
        };
        let mut fits = true;
        for name in formula.variables.iter().filter(|name| scope.needs(name).is_none()) {
            let message = match of {
                Some(action) => format!("`{name}` is no number that the action `{}` has", action.id),
                None => format!("`{name}` is no number that the playbook has"),
            };
            let at = inside(self.source, text, &word(text.get_ref(), name));
            self.fault(at, message, remedy(name, scope));
            fits = false;
        }
        fits.then_some(formula)
    }

    /// Checks the sentences of every language and gives those of `language`.
    fn sentences(
        &mut self,
        action: &written::Action,
        covers: &[Cause],
        certain: Option<&str>,
        scope: &Scope<'_>,
        language: Language,
    ) -> Option<Sentences> {
        for one in Language::ALL {
            let Some(sentences) = action.sentences(one) else {
                let message = format!("the action `{}` lacks its `{}` sentences", action.id, one.code());
                self.fault(action.id.span(), message, format!("add `[actions.{}]`", one.code()));
                continue;
            };
            for text in [&sentences.action, &sentences.no_estimate] {
                self.slots(text, scope, Some(&[certain, None]));
                if covers.contains(&Cause::Any) {
                    self.nothing_computed(text);
                }
            }
            self.slots(&sentences.benefit_estimate, scope, None);
            for (key, text) in &sentences.also {
                if key.get_ref() != "host" && !covers.iter().any(|cause| cause.prefix() == key.get_ref()) {
                    let message = format!("`{}` does not cover `{key}`", action.id);
                    self.fault(key.span(), message, "add it to `covers`, or remove the sentence");
                }
                self.slots(text, scope, Some(&[certain, Some(key.get_ref())]));
            }
            for other in Language::ALL.into_iter().filter_map(|other| Some((other, action.sentences(other)?))) {
                for key in sentences.also.keys().filter(|key| !other.1.also.contains_key(*key)) {
                    let message = format!("`also.{key}` is there in `{}` but not in `{}`", one.code(), other.0.code());
                    self.fault(key.span(), message, "every addition is wanted in every language");
                }
            }
        }
        let sentences = action.sentences(language)?;
        let order = covers.iter().map(Cause::prefix).chain(["host"]);
        let mut also: Vec<(String, String)> = Vec::new();
        for key in order {
            if let Some(text) = sentences.also.get(key).filter(|_| also.iter().all(|(other, _)| other != key)) {
                also.push((key.to_string(), text.get_ref().clone()));
            }
        }
        Some(Sentences {
            action: sentences.action.get_ref().clone(),
            benefit_estimate: sentences.benefit_estimate.get_ref().clone(),
            no_estimate: sentences.no_estimate.get_ref().clone(),
            also,
        })
    }

    /// Every slot is a fact of the action, one that is there whenever the sentence is used; no brace stands alone.
    fn slots(&mut self, text: &toml::Spanned<String>, scope: &Scope<'_>, there: Option<&[Option<&str>]>) {
        let slots = slots_in(text.get_ref());
        for slot in &slots {
            self.assume(slot.name);
            let Some(needs) = scope.needs(slot.name) else {
                let (at, message) =
                    (inside(self.source, text, &slot.span), format!("no fact is named `{}`", slot.name));
                self.fault(at, message, remedy(slot.name, scope));
                continue;
            };
            if let Some(lacking) = there.and_then(|there| needs.iter().find(|need| !there.contains(&Some(need)))) {
                let message = format!("`{}` is only there together with `{lacking}`", slot.name);
                self.fault(inside(self.source, text, &slot.span), message, format!("say it in `also.{lacking}`"));
            }
        }
        let mut slots = slots.into_iter().peekable();
        for at in memchr::memchr2_iter(b'{', b'}', text.get_ref().as_bytes()) {
            while slots.next_if(|slot| slot.span.end <= at).is_some() {}
            if !slots.peek().is_some_and(|slot| slot.span.contains(&at)) {
                let at = inside(self.source, text, &(at..at + 1));
                self.fault(at, "a brace that belongs to no slot".into(), "a slot is written `{name}`, without blanks");
            }
        }
    }

    /// The sentences that stand in when all else fails must not fail.
    fn nothing_computed(&mut self, text: &toml::Spanned<String>) {
        for slot in slots_in(text.get_ref()) {
            if slot.name.starts_with("parameter.") || slot.name.starts_with("projected.") {
                let at = inside(self.source, text, &slot.span);
                let message = format!("`{}` might not be computable, and no other action comes after this", slot.name);
                self.fault(at, message, "use measured facts here, or `benefit_estimate`");
            }
        }
    }
}

/// What a name in `trigger` or `covers` stands for; else what is wrong and what to do.
fn cause(name: &str) -> Result<Cause, (String, String)> {
    if name == "*" {
        return Ok(Cause::Any);
    }
    if name == SERVICE_STATUS {
        return Ok(Cause::Service(None));
    }
    if let Some(word) = name.strip_prefix("service_status:") {
        return match Status::from_word(word) {
            Some(status) if status != Status::Online => Ok(Cause::Service(Some(status))),
            _ => Err((format!("`{word}` is no status that calls for an action"), "it is degraded or offline".into())),
        };
    }
    if name.is_empty() || name.split('.').next().is_some_and(|first| RESERVED.contains(&first)) {
        return Err((format!("`{name}` cannot name a metric"), format!("kept for facts: {}", RESERVED.join(", "))));
    }
    Ok(Cause::Metric(name.to_string()))
}

fn remedy(name: &str, scope: &Scope<'_>) -> String {
    let names = scope.names();
    match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let first = |name: &String| name.rsplit_once('.').map_or(name.clone(), |(prefix, _)| format!("{prefix}.…"));
            let families: BTreeSet<String> = names.iter().map(first).collect();
            format!("there are {}", families.into_iter().collect::<Vec<_>>().join(", "))
        }
    }
}
