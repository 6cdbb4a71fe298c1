//! Verbs of decisions, in English and French: which say the same, which the opposite. Beginnings of words, in lower case
//! without accents. Unlike the other lists these go by language: `rais` raises in English and reasons in French.

use crate::domain::Language;

/// What a decision does to a level; its opposite may not be said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
    Neither,
}

/// Verbs that word one decision.
pub(super) struct Class {
    pub direction: Direction,
    /// By these a planned action is known to be of the class; English, French.
    heads: [&'static [&'static str]; 2],
    /// These word it as well.
    others: [&'static [&'static str]; 2],
}

fn of<T: Copy>(both: [T; 2], language: Language) -> T {
    let [en, fr] = both;
    match language {
        Language::En => en,
        Language::Fr => fr,
    }
}

impl Class {
    /// The class of a planned verb, if it is a known one.
    pub fn of_head(word: &str, language: Language) -> Option<&'static Class> {
        CLASSES.iter().find(|class| starts(of(class.heads, language), word))
    }

    pub fn has(&self, word: &str, language: Language) -> bool {
        let says = starts(of(self.heads, language), word) || starts(of(self.others, language), word);
        says && !NO_VERBS.contains(&word)
    }
}

/// Whether the word, or a part of a hyphenated one, begins like one of these.
pub(super) fn starts(stems: &[&str], folded: &str) -> bool {
    folded.split('-').any(|part| stems.iter().any(|stem| part.starts_with(stem)))
}

#[rustfmt::skip]
const CLASSES: &[Class] = &[
    Class {
        direction: Direction::Neither,
        heads: [&["failover", "standby", "switchover"], &["bascul", "secour"]],
        others: [&["take", "fail", "switch"], &["relais"]],
    },
    Class {
        direction: Direction::Neither,
        heads: [&["roll", "revert", "restor", "return", "downgrad"], &["reven", "retour", "restaur", "retabl"]],
        others: [&["undeploy", "undo", "reinstat", "back", "withdraw"], &["repass", "remett", "annul", "ramen", "retir", "remis", "retrograd"]],
    },
    Class {
        direction: Direction::Up,
        heads: [&["scal"], &["port", "pass"]],
        others: [
            &["run", "bring", "rais", "increas", "add", "grow", "expand", "extend", "deploy", "set", "mov", "spread"],
            &["augment", "ajout", "etend", "execut", "deploy", "tourn", "mett", "repart", "redimension", "mont"],
        ],
    },
    Class {
        direction: Direction::Up,
        heads: [&["resiz", "siz"], &["redimension", "dimension"]],
        others: [
            &["adjust", "set", "rais", "increas", "enlarg", "expand", "extend", "grow", "bring", "configur", "provision"],
            &["ajust", "port", "pass", "augment", "regl", "configur", "agrandi", "elargi", "etend", "fix"],
        ],
    },
    Class {
        direction: Direction::Up,
        heads: [&["rais", "increas", "expand", "enlarg", "extend"],
            &["relever", "relevez", "augment", "agrandi", "elargi", "etend"]],
        others: [
            &["add", "grow", "bump", "boost", "widen", "upsiz", "allocat", "provision", "lift"],
            &["relevant", "accroi", "hauss", "port", "pass", "ajout", "allou"],
        ],
    },
    Class {
        direction: Direction::Up,
        heads: [&["add", "introduc", "instal"], &["ajout", "introdui", "instal"]],
        others: [
            &["put", "plac", "insert", "set", "deploy", "provid", "use", "using", "enabl", "provision"],
            &["plac", "mett", "inser", "deploy", "prevoi", "utilis", "activ"],
        ],
    },
    Class {
        direction: Direction::Down,
        heads: [&["limit", "cap", "throttl", "restrict"], &["limit", "plafonn", "brid", "restrei"]],
        others: [
            &["constrain", "bound", "restrain", "reduc", "lower"],
            &["born", "conten", "maitris", "fix", "redui", "abaiss"],
        ],
    },
    Class {
        direction: Direction::Neither,
        heads: [&["restart", "reboot", "relaunch"], &["redemarr", "relanc"]],
        others: [&["recycl", "bounc"], &["reinitialis"]],
    },
    Class {
        direction: Direction::Neither,
        heads: [&["compress"], &["compress"]],
        others: [&[], &[]],
    },
    Class {
        direction: Direction::Up,
        heads: [&["improv"], &["amelior"]],
        others: [
            &["cool", "enhanc", "optimis", "optimiz", "strengthen", "increas", "better"],
            &["refroid", "optimis", "renforc", "augment"],
        ],
    },
    Class {
        direction: Direction::Neither,
        heads: [&["serv"], &["servir", "servez"]],
        others: [&["mov", "cach", "hold"], &["lire", "lisez", "deplac", "stock"]],
    },
    Class {
        direction: Direction::Neither,
        heads: [&["investigat", "examin", "inspect", "analys"], &["recherch", "examin", "inspect", "analys", "enquet"]],
        others: [
            &["look", "find", "check", "trac", "stud", "review", "determin", "identif"],
            &["cherch", "trouv", "etudi", "determin", "identifi", "verifi"],
        ],
    },
];

/// Nouns and adjectives that begin like a verb.
#[rustfmt::skip]
const NO_VERBS: &[&str] = &[
    "rollout", "rollouts", "server", "servers", "service", "services", "address", "addresses", "addition", "additional",
    "capacity", "capacities", "capture", "captured", "setting", "settings", "returned", "scalable", "portail",
];

/// Verbs that say nothing by themselves: a noun after them does.
#[rustfmt::skip]
const WEAK: &[&str] = &[
    "set", "put", "let", "make", "have", "get", "bring", "take", "perform", "mettre", "mettez", "faire", "faites",
    "prendre", "prevoir", "effectuer", "proceder",
];

pub(super) fn is_weak(word: &str) -> bool {
    WEAK.contains(&word)
}

/// Verbs that decide nothing. An action that begins with one must say the planned verb.
#[rustfmt::skip]
const IDLE: [&[&str]; 2] = [
    &["look", "check", "inspect", "watch", "monitor", "review", "observ", "consider", "discuss", "think", "leave", "leav", "keep",
        "wait", "ask", "tell", "note", "notic", "document", "ignor", "admir", "accept", "tolerat", "enjoy", "report", "studi", "study",
        "test", "measur", "verif", "nothing", "prepar", "continu", "maintain", "preserv", "disregard", "forget",
        "complet", "finish", "proceed", "pursu", "resum", "finali"],
    &["regard", "verifi", "inspect", "surveill", "observ", "examin", "consider", "discut", "pens", "laiss", "gard", "attend",
        "demand", "dire", "dites", "not", "document", "ignor", "accept", "toler", "profit", "signal", "etudi", "test", "mesur", "rien",
        "continu", "maintenir", "maintenez", "conserv", "oubli", "achev", "termin", "poursui",
        "finir", "finalis"],
];

pub(super) fn is_idle(word: &str, language: Language) -> bool {
    starts(of(IDLE, language), word)
}

const UP: [&[&str]; 2] = [
    &["rais", "increas", "extend", "enlarg", "expand", "grow", "bump", "boost", "widen", "upsiz", "upscal"],
    &["augment", "accroi", "relever", "relevez", "hauss", "agrandi", "elargi", "etendre", "etendez", "boost", "gonfl"],
];

#[rustfmt::skip]
const DOWN: [&[&str]; 2] = [
    &["lower", "reduc", "decreas", "shrink", "shrank", "shrunk", "cut", "trim", "downsiz", "downscal", "downward",
        "diminish", "lessen", "shorten", "narrow", "drop", "slash", "minimi"],
    &["abaiss", "baiss", "redui", "reduc", "diminu", "retreci", "rogn", "amoindri", "raccourci", "restrei", "alleg",
        "affaibl", "ramener", "ramenez"],
];

/// Whether the word says the opposite of a direction. `increased` tells what was; `be reduced` tells what to do.
pub(super) fn is_opposite(word: &str, direction: Direction, language: Language) -> bool {
    match direction {
        Direction::Up => starts(of(DOWN, language), word) || word == "down",
        Direction::Down => starts(of(UP, language), word) && !word.ends_with("ed"),
        Direction::Neither => false,
    }
}

/// Verbs that leave a decision undone, whichever it is.
#[rustfmt::skip]
const UNDOING: [&[&str]; 2] = [
    &["keep", "kept", "cancel", "avoid", "skip", "ignor", "stop", "disabl", "abandon", "postpon", "defer", "delay",
        "refus", "reject", "forbid", "prohibit", "prevent", "halt", "abort", "suspend", "paus", "undo", "revers",
        "withdraw", "revok", "remov", "lift", "waiv", "relax", "loosen", "refrain", "forget", "discard", "dismiss",
        "oppos", "declin", "forgo", "forward", "leav", "exclud", "disregard", "bypass", "overrul"],
    &["garder", "gardez", "gardant", "conserv", "maintenir", "maintenez", "maintien", "annul", "evit", "ignor",
        "arret", "stopp", "suspend", "interromp", "abandonn", "reporter", "reportez", "differer", "differez", "refus",
        "interdi", "empech", "renonc", "cess", "desactiv", "omet", "laisser", "laissez", "retirer", "retirez", "enlev",
        "lever", "levez", "assoupli", "desserr", "rejet", "retarder", "retardez", "ajourn"],
];

pub(super) fn is_undoing(word: &str, language: Language) -> bool {
    starts(of(UNDOING, language), word)
}

/// The same in several words. Before a figure `instead of` compares.
pub(super) const UNDOING_PHRASES: &[&str] =
    &["rather than", "instead of", "plutot que", "au lieu de", "au lieu d", "a la version suivante"];

/// The decision taken back as a whole.
pub(super) const TAKING_BACK: &[&str] = &["ne le faites pas", "ne pas le faire", "do not do it", "don t do it"];

/// `to the newest release`, `à la dernière version`: forward, where the way is back.
pub(super) fn leads_forward(words: &[&str]) -> bool {
    let [to, article, newest, release] = words else { return false };
    ["to", "a", "deploy", "install", "ship", "push", "promote", "deployer", "installer", "livrer"].contains(to)
        && ["the", "its", "la", "sa"].contains(article)
        && ["newest", "latest", "next", "derniere", "nouvelle"].contains(newest)
        && ["release", "version", "build", "livraison"].contains(release)
}

/// `keep an eye on it`, `keep watching`, `garder un œil`: keeps nothing.
pub(super) fn watches(next: &str, after: &str) -> bool {
    ["eye", "watch", "oeil"].contains(&after)
        || ["watch", "monitor", "track", "observ", "check", "tabs", "surveill"]
            .iter()
            .any(|stem| next.starts_with(stem))
}

/// Two ways to do a thing. An action may not take one where the plan takes the other.
#[rustfmt::skip]
const ANTONYMS: &[[&[&str]; 2]] = &[
    [&["early", "earlier", "sooner"], &["late", "later", "longer"]],
    [&["tot"], &["tard", "longtemps"]],
    [&["close", "closing", "fermer"], &["open", "opening", "ouvrir", "ouvrant"]],
    [&["more", "davantage"], &["fewer", "less", "moins"]],
    [&["inbound", "incoming", "entrant"], &["outbound", "outgoing", "sortant"]],
];

/// Whether the plan takes one of two ways and the word the other.
pub(super) fn is_other_way(word: &str, is_planned: impl Fn(&str) -> bool) -> bool {
    let has = |way: &[&str]| way.contains(&word);
    let planned = |way: &[&str]| way.iter().any(|word| is_planned(word));
    ANTONYMS.iter().any(|[a, b]| has(a) && planned(b) && !planned(a) || has(b) && planned(a) && !planned(b))
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::fold;
    use super::*;

    #[test]
    fn every_stem_is_as_words_are_looked_up() {
        let classes = CLASSES.iter().flat_map(|class| class.heads.into_iter().chain(class.others));
        let lists = classes.chain(UP).chain(DOWN).chain(UNDOING).chain([NO_VERBS, WEAK, UNDOING_PHRASES]);
        for stem in lists.flatten() {
            assert_eq!(*stem, fold(&stem.to_lowercase()));
        }
    }
}
