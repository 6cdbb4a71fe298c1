//! Words for high and low, up and down, online and offline, in English and French; beginnings of words, in lower case
//! without accents.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Above,
    Below,
    Rising,
    Falling,
    Online,
    Offline,
}

impl Level {
    pub(super) fn opposite(self) -> Level {
        match self {
            Level::Above => Level::Below,
            Level::Below => Level::Above,
            Level::Rising => Level::Falling,
            Level::Falling => Level::Rising,
            Level::Online => Level::Offline,
            Level::Offline => Level::Online,
        }
    }

    pub(super) fn is_state(self) -> bool {
        matches!(self, Level::Online | Level::Offline)
    }
}

#[rustfmt::skip]
const LEVELS: &[(Level, &[&str])] = &[
    (Level::Above, &["above", "exceed", "beyond", "higher", "highest", "topped", "surpass", "au-dessus",
        "au-dela", "superieur", "depass", "exced"]),
    (Level::Below, &["below", "under", "beneath", "lower", "lowest", "within", "bottom", "dipp", "fell", "sank", "sunk",
        "declined", "dropped", "sous", "inferieur", "en-dessous", "en-deca"]),
    (Level::Rising, &["ris", "rose", "increas", "climb", "grow", "grew", "jump", "soar", "surg", "worsen", "augment",
        "grimp", "accroi", "empir", "hauss", "aggrav", "monter", "monte", "montait", "raise", "raisin", "relever", "relevant"]),
    (Level::Falling, &["fall", "drop", "decreas", "reduc", "declin", "sink", "shrink", "baiss", "diminu", "redui",
        "chut", "descend", "tomb", "retomb", "abaiss", "recul", "lessen", "dwindl", "shrank"]),
    (Level::Online, &["online", "available", "healthy", "disponible"]),
    (Level::Offline, &["offline", "unavailable", "degraded", "unhealthy", "indisponible", "degrade"]),
];

/// The level that the word at a place tells, with the place where its words start. `word` gives the word at a place,
/// empty where there is none.
pub(super) fn level<'a>(at: usize, word: impl Fn(usize) -> &'a str) -> Option<(Level, usize)> {
    let before = at.checked_sub(1);
    let pairs = match (before.map_or("", &word), word(at)) {
        ("at", "least") | ("or", "more") | ("ou", "plus") | ("au", "moins") => Some(Level::Above),
        ("at", "most") | ("or", "less") | ("ou", "moins") | ("au", "plus") => Some(Level::Below),
        ("to", "lower") => Some(Level::Falling),
        ("go" | "goes" | "went" | "going" | "move" | "moves" | "moved" | "shoot" | "shot", "up") => Some(Level::Rising),
        ("go" | "goes" | "went" | "going" | "come" | "comes" | "came" | "coming", "down") => Some(Level::Falling),
        ("en", "ligne") => Some(Level::Online),
        ("hors", "ligne") => Some(Level::Offline),
        _ => None,
    };
    if let (Some(level), Some(start)) = (pairs, before) {
        return Some((level, start));
    }
    let this = word(at);
    // `over` spreads as often as it exceeds.
    let (level, _) = LEVELS.iter().find(|(_, stems)| stems.iter().any(|stem| this.starts_with(stem)))?;
    (!NO_LEVELS.contains(&this)).then_some((*level, at))
}

/// `s'élever` from a figure to another; alone it is `amount`.
pub(super) const ROSE: &[&str] = &["elever", "eleverait", "eleve", "eleverent", "eleveraient", "elevait"];

/// Words for below that are of a fall.
pub(super) const FELL: &[&str] = &["fell", "dipped", "sank", "sunk", "declined", "dropped", "lowered"];

/// Whether the word tells that something is online or not.
pub(super) fn is_state(word: &str) -> bool {
    let states = LEVELS.iter().filter(|(level, _)| level.is_state());
    word == "ligne" || states.flat_map(|(_, stems)| *stems).any(|stem| word.starts_with(stem))
}

/// Words that begin like one.
const NO_LEVELS: &[&str] =
    &["underlying", "understand", "peaks", "bottleneck", "bottlenecks", "riser", "risk", "risks", "risque", "risques"];

/// What turns a level around when it stands before it.
#[rustfmt::skip]
pub(super) const DENYING: &[&str] = &[
    "not", "never", "isn", "wasn", "weren", "aren", "doesn", "didn", "wouldn", "pas", "jamais",
];

/// The same right before it.
pub(super) const LACKING: &[&str] = &["no", "without", "plus", "sans"];

#[cfg(test)]
mod tests {
    use super::super::lexicon::fold;
    use super::*;

    #[test]
    fn every_stem_is_as_words_are_looked_up() {
        for stem in LEVELS.iter().flat_map(|(_, stems)| *stems).chain(NO_LEVELS).chain(DENYING) {
            assert_eq!(*stem, fold(&stem.to_lowercase()));
        }
    }
}
