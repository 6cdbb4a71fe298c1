//! A playbook as it is written: TOML types with places. What it means and whether it makes sense is for `check`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, SourceFile, decode_file};
use crate::domain::{Figure, Language};

pub type Name = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    #[serde(default)]
    pub assumptions: BTreeMap<Name, Assumption>,
    pub actions: Vec<Action>,
}

/// A number that no telemetry states.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    pub value: Spanned<Figure>,
    /// Least and greatest value that make sense, both included.
    pub min: Option<Figure>,
    pub max: Option<Figure>,
    /// Whether only whole numbers make sense.
    #[serde(default)]
    pub integer: bool,
    pub unit: Option<String>,
    pub meaning: Texts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub id: Name,
    pub trigger: Spanned<Vec<Name>>,
    #[serde(default)]
    pub covers: Vec<Name>,
    pub when: Option<Spanned<String>>,
    pub target: Target,
    #[serde(default)]
    pub prefer: Vec<String>,
    #[serde(default)]
    pub parameters: BTreeMap<Name, Computed>,
    #[serde(default)]
    pub projections: BTreeMap<Name, Computed>,
    pub en: Option<Sentences>,
    pub fr: Option<Sentences>,
}

impl Action {
    pub fn sentences(&self, language: Language) -> Option<&Sentences> {
        match language {
            Language::En => self.en.as_ref(),
            Language::Fr => self.fr.as_ref(),
        }
    }
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    Host,
    Service,
}

/// A parameter or projection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    pub formula: Spanned<String>,
    pub unit: Option<String>,
    pub meaning: Texts,
}

/// The words of an action in one language, with slots.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentences {
    pub action: Spanned<String>,
    pub benefit_estimate: Spanned<String>,
    pub no_estimate: Spanned<String>,
    #[serde(default)]
    pub also: BTreeMap<Name, Spanned<String>>,
}

/// A text in every language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    en: String,
    fr: String,
}

impl Texts {
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Fr => &self.fr,
        }
    }
}

/// # Errors
/// Every fault of syntax, or else of keys and types.
pub fn read(source: &SourceFile) -> Result<Playbook, Vec<Diagnostic>> {
    decode_file(source)
}
