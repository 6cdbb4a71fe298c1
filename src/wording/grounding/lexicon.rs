//! Words that count, measure, promise or destroy, in English and French. All lists are in lower case without
//! accents; both languages are always applied, since a model may answer in either. Word lists are laid out by hand:
//! one word a line would make pages of them.

use super::list::List;

/// Numbers, multiples and fractions: never grounded, wherever they stand.
#[rustfmt::skip]
static NUMBERS: List = List::of(&[
    "zero", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty",
    "sixty", "seventy", "eighty", "ninety", "hundred", "hundreds", "thousand", "thousands", "million", "millions",
    "billion", "billions", "dozen", "dozens", "tens", "third", "thirds", "fourth", "fifth", "sixth", "seventh",
    "eighth", "ninth", "tenth", "quarter", "quarters", "half", "halves", "halve", "halved", "halving", "twice",
    "thrice", "double", "doubled", "doubles", "doubling", "triple", "tripled", "triples", "tripling", "quadruple",
    "quadrupled", "quadruples", "quadrupling", "percent", "trois", "quatre", "cinq", "sept", "huit", "dix", "onze",
    "douze", "treize", "quatorze", "quinze", "seize", "vingt", "vingts", "trente", "quarante", "cinquante",
    "soixante", "septante", "huitante", "octante", "nonante", "cent", "cents", "mille", "millier", "milliers",
    "milliard", "milliards", "dizaine", "dizaines", "douzaine", "douzaines", "quinzaine", "vingtaine", "trentaine",
    "quarantaine", "cinquantaine", "centaine", "centaines", "deuxieme", "troisieme", "quatrieme", "cinquieme",
    "sixieme", "septieme", "huitieme", "neuvieme", "dixieme", "centieme", "moitie", "moities", "demi", "demie",
    "demis", "quart", "quarts", "doubler", "doublee", "doublent", "doublera", "doublerait", "doublant", "tripler",
    "triplee", "triplent", "triplera", "triplerait", "quadrupler", "pourcent", "pourcents",
]);

/// Hyphenated terms of the trade that hold a number word and count nothing.
#[rustfmt::skip]
const TERMS_WITH_NUMBERS: &[&str] = &[
    "third-party", "half-open", "double-check", "double-checked", "two-way", "two-phase", "two-factor", "one-off",
    "one-way", "one-to-one", "one-time",
];

/// Words with capitals that are no names.
#[rustfmt::skip]
pub(super) const TERMS: &[&str] = &[
    "HTTP", "HTTPS", "JSON", "vCPU", "vCPUs", "gRPC", "mTLS", "eBPF", "kWh", "kW", "SaaS", "PaaS", "IaaS", "DevOps", "PIDs",
];

/// Nouns that a number counts.
#[rustfmt::skip]
static COUNTED: List = List::of(&[
    "replica", "replicas", "instance", "instances", "host", "hosts", "server", "servers", "node", "nodes", "pod",
    "pods", "container", "containers", "copy", "copies", "thread", "threads", "worker", "workers", "connection",
    "connections", "request", "requests", "record", "records", "process", "processes", "core", "cores", "cpu", "cpus",
    "alert", "alerts", "volume", "volumes", "disk", "disks", "machine", "machines", "replique", "repliques", "hote",
    "hotes", "serveur", "serveurs", "noeud", "noeuds", "conteneur", "conteneurs", "copie", "copies", "connexion",
    "connexions", "requete", "requetes", "enregistrement", "enregistrements", "processus", "coeur", "coeurs",
    "alerte", "alertes", "disque", "disques", "mesure", "mesures", "releve", "releves", "service", "services", "fois",
    "time", "times", "cache", "caches", "pool", "pools",
]);

/// Parts of names of machines and services, which no other word with a hyphen has.
const NAME_PARTS: &[&str] = &[
    "db", "svc", "srv", "prod", "stg", "staging", "preprod", "canary", "gw", "lb", "mq", "eu", "us", "az", "sql",
    "dev", "kube",
];

/// What such names end with, and other words as well.
#[rustfmt::skip]
const NAME_ENDS: &[&str] = &[
    "api", "service", "server", "exporter", "system", "cluster", "node", "worker", "proxy", "backend", "frontend", "gateway", "queue",
    "relay", "agent", "scheduler", "broker", "store", "bus",
];

/// What other words with such an end begin with: `in-cluster`, `reverse-proxy`, `multi-node`.
#[rustfmt::skip]
const NO_NAME_STARTS: &[&str] = &[
    "in", "multi", "cross", "per", "single", "inter", "intra", "sub", "non", "pre", "post", "web", "reverse", "back", "front", "open",
    "operating", "self", "micro", "whole", "full", "mono", "hors", "application", "file", "stand", "out", "of",
];

/// Whether a word with a hyphen is shaped like the name of a machine or a service: `payments-db`, `orders-api`.
pub(super) fn is_named_by_parts(folded: &str) -> bool {
    let Some((start, rest)) = folded.split_once('-') else { return false };
    let end = rest.rsplit('-').next().unwrap_or_default();
    folded.split('-').any(|part| NAME_PARTS.contains(&part))
        || NAME_ENDS.contains(&end) && !NO_NAME_STARTS.contains(&start) && !is_number(start)
}

#[rustfmt::skip]
const SHARERS: &[&str] = &[
    "client", "user", "customer", "tenant", "session", "caller", "consumer", "subscriber", "entry", "endpoint", "entree", "utilisateur",
    "appelant", "abonne", "interface", "address", "adresse", "ip", "shard", "partition", "zone", "region", "query",
];

#[rustfmt::skip]
static TIME_UNITS: List = List::of(&[
    "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "year", "years", "millisecond", "milliseconds", "seconde", "secondes", "heure", "heures", "jour", "jours",
    "journee", "journees", "semaine", "semaines", "mois", "an", "ans", "annee", "annees", "milliseconde",
    "millisecondes",
]);

/// Other units, as words of a sentence.
#[rustfmt::skip]
static UNITS: List = List::of(&[
    "percent", "pourcent", "s", "sec", "secs", "min", "mins", "h", "hrs", "celsius", "fahrenheit", "kelvin", "degrees",
    "degres", "c", "points", "pts", "euros", "dollars", "eur", "usd", "x", "fold", "percentage", "cores", "coeurs",
    "rpm", "rps", "qps", "tps", "iops",
]);

/// What a prefix of the International System or of powers of two may stand before; a lone one is a unit in the plural.
const PREFIXED: &[&str] = &["byte", "octet", "bit", "watt", "hertz", "volt", "ampere", "joule", "second", "seconde"];

const PREFIXES: &[&str] =
    &["nano", "micro", "milli", "kilo", "mega", "giga", "tera", "peta", "exa", "kibi", "mebi", "gibi", "tebi", "pebi"];

/// The same as symbols.
const SYMBOLS: &[&str] = &["b", "o", "bps", "w", "wh", "hz", "s", "v", "a", "j"];

const SYMBOL_PREFIXES: &[&str] = &["n", "u", "m", "k", "g", "t", "p", "ki", "mi", "gi", "ti", "pi"];

/// `terabytes`, `mb`, `kwh`; not `to`, `us` and the like, which are words first.
fn is_prefixed(folded: &str) -> bool {
    let singular = folded.strip_suffix('s').unwrap_or(folded);
    let named = PREFIXED.iter().any(|unit| {
        let prefix = singular.strip_suffix(unit).or_else(|| folded.strip_suffix(unit));
        prefix.is_some_and(|prefix| PREFIXES.contains(&prefix) || prefix.is_empty() && singular != folded)
    });
    let symbol = SYMBOLS.iter().any(|unit| {
        folded.strip_suffix(unit).is_some_and(|prefix| SYMBOL_PREFIXES.contains(&prefix) || prefix.is_empty())
    });
    named || symbol && !["a", "ma", "ta", "pa", "b", "o", "j", "v", "to", "us", "as", "ps"].contains(&folded)
}

pub(super) fn is_number(folded: &str) -> bool {
    let plain = !TERMS_WITH_NUMBERS.contains(&folded);
    let mut parts = folded.split('-');
    // `zero-hurry` counts nothing.
    let cardinal = parts.next().is_some_and(|part| ["zero", "one", "two", "three"].contains(&part));
    let harmless = cardinal && parts.next().is_some_and(|noun| !is_counted(noun) && !NUMBERS.has(noun));
    plain
        && !(harmless && folded.split('-').count() == 2)
        && folded.split('-').any(|part| NUMBERS.has(part) || is_multiple(part) || is_roman(part))
}

/// `tenfold`, but not `manifold`.
fn is_multiple(word: &str) -> bool {
    let multiplies = ["doubl", "tripl", "quadrupl", "quintupl", "sextupl", "septupl", "octupl", "decupl", "centupl"];
    let multiplies = multiplies.iter().any(|stem| word.starts_with(stem)) && !word.starts_with("doublon");
    multiplies || word.strip_suffix("fold").is_some_and(|stem| NUMBERS.has(stem) || stem == "many" || stem == "several")
}

/// `ii`, `iv`: two letters or more. Words of a sentence are not made of these letters.
fn is_roman(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| "ivx".contains(c))
}

pub(super) fn is_counted(folded: &str) -> bool {
    COUNTED.has(folded) || is_unit(folded)
}

/// Of things that are counted one by one, so that no figure with a unit stands before them.
pub(super) fn is_counted_in_plural(folded: &str) -> bool {
    COUNTED.has(folded)
        && folded.ends_with('s')
        && !["mesures", "releves", "cpus", "processus", "fois", "times", "services", "caches"].contains(&folded)
}

/// What a limit may be of each of.
pub(super) fn is_sharer(folded: &str) -> bool {
    let singular = folded.strip_suffix('s').unwrap_or(folded);
    COUNTED.has(folded) || SHARERS.contains(&singular)
}

pub(super) fn is_time_unit(folded: &str) -> bool {
    TIME_UNITS.has(folded)
}

/// Units that are words, time included. Not `an`, which is a word of English first.
pub(super) fn is_unit(folded: &str) -> bool {
    (UNITS.has(folded) || TIME_UNITS.has(folded) || is_prefixed(folded)) && folded != "an"
}

/// Whether a name would read as a figure if a sentence used it: `3`, `50ms`, `two`. Such names need their slot.
pub(super) fn is_quantity(name: &str) -> bool {
    let letters = name.trim_start_matches(|c: char| c.is_ascii_digit() || "-+.,:".contains(c));
    let separators = name.chars().filter(|c| ".:".contains(*c)).count();
    match name.chars().next() {
        None => true,
        // An address such as 10.0.0.5 is no figure.
        Some(c) if !c.is_alphabetic() => (letters.is_empty() && separators < 2) || is_unit(&letters.to_lowercase()),
        Some(_) if name.contains(['_', '.']) => false,
        Some(_) => {
            let lower = fold(&name.to_lowercase());
            is_number(&lower) || is_unit(&lower)
        }
    }
}

/// Certainty. Exact words.
#[rustfmt::skip]
pub(super) static PROMISES: List = List::of(&[
    "will", "shall", "ll", "won", "always", "never", "forever", "permanently", "definitely", "definitively",
    "certainly", "undoubtedly", "surely", "completely", "totally", "fully", "instantly", "immediately", "impossible",
    "flawless", "flawlessly", "foolproof", "infallible", "ensure", "ensures", "ensuring", "assure", "assures",
    "assured", "toujours", "jamais", "definitivement", "certainement", "surement", "assurement", "totalement",
    "completement", "entierement", "integralement", "immediatement", "instantanement", "infaillible",
    "infailliblement", "assurer", "assurera", "assurant", "indubitablement", "sure", "certainty", "certainties",
    "certitude", "inevitable", "inevitably", "inevitablement",
]);

/// The same, as beginnings of words.
pub(super) static PROMISE_STEMS: List =
    List::of(&["eliminat", "eradicat", "promis", "promet", "elimin", "eradiqu", "disappear", "vanish", "dispara"]);

#[rustfmt::skip]
pub(super) const PROMISE_PHRASES: &[&str] = &[
    "risk-free", "no risk", "without risk", "without fail", "for sure", "once and for all", "for good", "no doubt",
    "sans risque", "aucun risque", "a coup sur", "sans aucun doute", "une fois pour toutes", "sans faute",
];

/// Beginnings of words that promise in either sentence.
pub(super) const GUARANTEE_STEMS: &[&str] = &["guarant", "garant"];

/// What may stand before a guarantee: an estimate may say that it is none.
#[rustfmt::skip]
pub(super) const DENIALS: &[&str] = &[
    "not a", "not", "no", "cannot be", "can not be", "without", "without any", "does not", "isn t", "isn t a",
    "doesn t", "can t be", "pas", "pas une", "sans", "sans aucune", "aucune", "ne peut etre", "ne", "ne le", "ne la",
];

/// Beginnings of words that destroy or switch off. Allowed where the planned action itself says so.
#[rustfmt::skip]
pub(super) static DRASTIC_STEMS: List = List::of(&[
    "delet", "erase", "erasing", "wipe", "wiping", "destroy", "destruct", "purg", "kill", "terminat", "uninstall",
    "disabl", "decommission", "shutdown", "shutting", "ignor", "supprim", "effac", "detrui", "tuer", "desinstall",
    "desactiv", "eteind", "eteign", "neglig", "neglect", "forbid", "prohibit", "suspend", "paus", "interdi", "proscri",
]);

pub(super) const DRASTIC_PHRASES: &[&str] = &["shut down", "turn off", "switch off", "power off", "mettre hors"];

#[rustfmt::skip]
pub(super) static APPROXIMATELY: List = List::of(&[
    "about", "around", "roughly", "nearly", "almost", "approximately", "some", "only", "just", "near", "close", "circa", "an", "estimated",
    "the", "expected", "environ", "presque", "quelque", "autour", "approximativement", "seulement", "pres",
]);

/// Beginnings of words that change a level; with `de` and a figure, by that much.
pub(super) static CHANGE_STEMS: List = List::of(&[
    "baiss", "redui", "reduc", "diminu", "augment", "hauss", "gain", "gagn", "chut", "recul", "accroi", "amelior",
]);

/// Parts of names of facts that are changes themselves.
pub(super) const CHANGES: &[&str] = &["reduction", "increase", "drop", "saving", "saved", "fewer", "decrease"];

/// What makes an increment of a number before it.
#[rustfmt::skip]
pub(super) const MORE: &[&str] = &[
    "more", "additional", "extra", "further", "other", "fewer", "less", "supplementaires", "supplementaire",
    "additionnelles", "additionnels", "autres", "nouvelles", "nouveaux",
];

/// What says that something is not done, or not to be. Not `ne` and `n`, which never negate alone.
#[rustfmt::skip]
pub(super) static NEGATIONS: List = List::of(&[
    "not", "don", "dont", "doesn", "shouldn", "never", "cannot", "needless", "unnecessary", "pointless", "pas", "jamais",
    "aucunement", "nullement", "inutile", "superflu", "superflue",
]);

/// What makes a condition of its clause.
#[rustfmt::skip]
pub(super) const CONDITIONS: &[&str] = &[
    "if", "whether", "provided", "providing", "assuming", "supposing", "condition", "si", "supposant", "supposer", "suppose", "hypothese", "admettant", "admettre", "reserve", "cas",
    "admet", "pourvu",
];

/// Words whose dot ends no sentence.
pub(super) const ABBREVIATIONS: &[&str] = &["ex", "etc", "approx", "env", "resp", "vs", "incl"];

/// What is done to something that is there.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[&str] = &[
    "restart", "reboot", "failover", "rollback", "flush", "purge", "reset", "shutdown", "upgrade", "update",
    "migration", "restore", "redemarrage", "bascule", "reinitialisation", "vidage", "arret",
];

/// Frequent words that tell the languages apart.
#[rustfmt::skip]
pub(super) static ENGLISH: List = List::of(&[
    "the", "and", "to", "of", "for", "with", "from", "its", "is", "by", "this", "that", "it", "at", "be", "should",
    "would", "could", "until", "so", "if", "when", "which", "than", "has", "have",
]);
#[rustfmt::skip]
pub(super) static FRENCH: List = List::of(&[
    "le", "la", "les", "des", "du", "de", "et", "une", "un", "pour", "avec", "est", "dans", "au", "aux", "cette",
    "ses", "qui", "que", "devrait", "pourrait", "afin", "si", "vers", "jusqu", "d", "l",
]);

/// Words that end like a French future tense and are none.
#[rustfmt::skip]
pub(super) const NO_FUTURE: &[&str] = &[
    "camera", "opera", "agora", "infra", "extra", "para", "tera", "ultra", "intra",
];

/// Words that sentences are held together by.
pub(super) fn is_function_word(folded: &str) -> bool {
    ENGLISH.has(folded) || FRENCH.has(folded)
}

/// A word without the accents of French.
pub(super) fn fold(lower: &str) -> String {
    let mut folded = String::with_capacity(lower.len());
    for c in lower.chars() {
        match c {
            'à' | 'â' | 'ä' | 'á' | 'ã' | 'å' => folded.push('a'),
            'ç' => folded.push('c'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'î' | 'ï' | 'í' | 'ì' => folded.push('i'),
            'ñ' => folded.push('n'),
            'ô' | 'ö' | 'ó' | 'ò' | 'õ' => folded.push('o'),
            'ù' | 'û' | 'ü' | 'ú' => folded.push('u'),
            'ÿ' => folded.push('y'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            c => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_as_words_are_looked_up() {
        let lists = [
            NUMBERS.words,
            TERMS_WITH_NUMBERS,
            COUNTED.words,
            TIME_UNITS.words,
            UNITS.words,
            SHARERS,
            NAME_PARTS,
            NAME_ENDS,
            NO_NAME_STARTS,
            PROMISES.words,
            PROMISE_STEMS.words,
            PROMISE_PHRASES,
            GUARANTEE_STEMS,
            DENIALS,
            DRASTIC_STEMS.words,
            DRASTIC_PHRASES,
            APPROXIMATELY.words,
            CHANGE_STEMS.words,
            MORE,
            NEGATIONS.words,
            ABBREVIATIONS,
            OPERATIONS,
            ENGLISH.words,
            FRENCH.words,
            NO_FUTURE,
        ];
        for word in lists.into_iter().flatten() {
            assert_eq!(*word, fold(&word.to_lowercase()));
        }
        assert!(!ENGLISH.words.iter().any(|word| FRENCH.has(word)));
    }

    #[test]
    fn names_that_read_as_figures_are_told_apart() {
        for name in ["3", "1.5", "50ms", "3x", "two", "20-30", "s", "quatre-vingts", ""] {
            assert!(is_quantity(name), "{name}");
        }
        for name in ["web-1", "3scale", "10.0.0.5", "api_gateway", "db", "node7", "::1"] {
            assert!(!is_quantity(name), "{name}");
        }
    }
}
