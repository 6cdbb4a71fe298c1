//! The prompt of a recommendation: a template in two parts, filled with facts.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{legible, render, wording_schema};
use crate::diagnostic::did_you_mean;
use crate::domain::{Fact, Language, Recommendation};

/// The line between the system's part and the user's.
const SEPARATOR: &str = "---user---";

/// A prompt as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    pub system: String,
    pub user: String,
    /// Limit of the answer, in tokens.
    pub max_tokens: u32,
}

/// Bounds of what a repeated request quotes, so that its size does not depend on what the model wrote.
const MAX_EXCERPT: usize = 600;
const MAX_REASONS: usize = 6;
const MAX_REASON: usize = 200;

impl Prompt {
    /// The same request after a rejected reply: with an excerpt of the reply and the reasons, both bounded, and
    /// nothing of earlier rounds.
    pub fn again(&self, reply: &str, reasons: &[String]) -> Prompt {
        let reasons: Vec<String> =
            reasons.iter().take(MAX_REASONS).map(|reason| format!("- {}", legible(reason, MAX_REASON))).collect();
        let user = format!(
            "{}\n\nYour last answer was rejected. It began:\n{}\n\nWhat was wrong with it:\n{}\n\n\
             Answer again with one JSON object in which all of this is mended.",
            self.user,
            legible(reply, MAX_EXCERPT),
            reasons.join("\n"),
        );
        Prompt { user, ..self.clone() }
    }
}

/// A parsed prompt file.
#[derive(Debug)]
pub struct PromptTemplate {
    environment: Environment<'static>,
}

/// Why a prompt file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadPrompt {
    pub why: String,
    /// Line of the file, from 1.
    pub line: usize,
}

impl PromptTemplate {
    /// Parses a file and renders it once with a made-up recommendation, so that unknown variables show now.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<PromptTemplate, BadPrompt> {
        let lines: Vec<&str> = text.lines().collect();
        let mut separators = lines.iter().enumerate().filter(|(_, line)| line.trim() == SEPARATOR).map(|(at, _)| at);
        let Some(at) = separators.next() else {
            return Err(BadPrompt { why: format!("no line `{SEPARATOR}` ends the system's part"), line: 1 });
        };
        if let Some(second) = separators.next() {
            return Err(BadPrompt { why: format!("a second line `{SEPARATOR}`"), line: second + 1 });
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let system = lines.get(..at).unwrap_or_default().join("\n");
        // Empty lines in front, so that line numbers are the file's.
        let user = "\n".repeat(at + 1) + &lines.get(at + 1..).unwrap_or_default().join("\n");
        for (name, part) in [("system", system), ("user", user)] {
            environment.add_template_owned(name, part.clone()).map_err(|error| bad(&error))?;
            let used = environment.get_template(name).map(|t| t.undeclared_variables(false)).unwrap_or_default();
            let known = |v: &str| VARIABLES.contains(&v) || environment.globals().any(|(global, _)| global == v);
            if let Some(unknown) = used.iter().filter(|v| !known(v)).min() {
                return Err(unknown_variable(unknown, &part));
            }
        }
        let template = PromptTemplate { environment };
        template.render(&sample(), Language::En, 1).map(|_| template)
    }

    /// # Errors
    /// A variable that this recommendation lacks, or a filter that its values do not suit.
    pub fn render(&self, about: &Recommendation, language: Language, max_tokens: u32) -> Result<Prompt, BadPrompt> {
        let variables = Variables::of(about, language);
        let part = |name| {
            let rendered = self.environment.get_template(name).and_then(|template| template.render(Serde(&variables)));
            rendered.map(|text| text.trim().to_string()).map_err(|error| bad(&error))
        };
        Ok(Prompt { system: part("system")?, user: part("user")?, max_tokens })
    }
}

fn unknown_variable(name: &str, part: &str) -> BadPrompt {
    let instead = match did_you_mean(name, VARIABLES.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the variables are {}", VARIABLES.join(", ")),
    };
    let is_it = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    let line = part.lines().position(is_it).unwrap_or(0) + 1;
    BadPrompt { why: format!("unknown variable `{name}`; {instead}"), line }
}

fn bad(error: &minijinja::Error) -> BadPrompt {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    BadPrompt { why, line: error.line().unwrap_or(1).max(1) }
}

/// Names of the fields of [`Variables`].
const VARIABLES: &[&str] = &["language", "target", "id", "facts", "template", "schema"];

/// What a prompt may name; the manual of `draft` lists it.
#[derive(Serialize)]
struct Variables<'a> {
    language: &'static str,
    target: &'a str,
    id: &'a str,
    facts: Vec<FactVariables<'a>>,
    template: TemplateVariables<'a>,
    schema: String,
}

#[derive(Serialize)]
struct FactVariables<'a> {
    slot: String,
    value: String,
    meaning: &'a str,
    subject: &'a str,
    time: Option<String>,
}

#[derive(Serialize)]
struct TemplateVariables<'a> {
    action: &'a str,
    benefit_estimate: &'a str,
}

impl<'a> Variables<'a> {
    fn of(about: &'a Recommendation, language: Language) -> Variables<'a> {
        let fact = |fact: &'a Fact| FactVariables {
            slot: format!("{{{}}}", fact.name),
            value: render(fact, language),
            meaning: &fact.meaning,
            subject: &fact.subject,
            time: fact.time.map(|time| time.to_string()),
        };
        Variables {
            language: match language {
                Language::En => "English",
                Language::Fr => "French",
            },
            target: &about.target,
            id: &about.id,
            facts: about.facts.iter().map(fact).collect(),
            template: TemplateVariables {
                action: &about.slots.action,
                benefit_estimate: &about.slots.benefit_estimate,
            },
            schema: wording_schema().to_string(),
        }
    }
}

/// Stands for any recommendation while a prompt is checked.
fn sample() -> Recommendation {
    use crate::domain::{FactValue, Figure, Severity, WordingSource, Words};
    let words = Words { action: "Scale {target} out.".into(), benefit_estimate: "Less load per replica.".into() };
    Recommendation {
        id: "scale-out:sample".into(),
        target: "sample".into(),
        severity: Severity::Low,
        anomalies: Vec::new(),
        incident: None,
        episodes: Vec::new(),
        parameters: std::collections::BTreeMap::new(),
        facts: vec![Fact {
            name: "sample.value".into(),
            value: FactValue::Number(Figure::ZERO),
            unit: Some("%".into()),
            subject: "sample".into(),
            time: None,
            meaning: "a sample".into(),
        }],
        slots: words.clone(),
        words,
        wording: WordingSource::Template,
        others: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: usize, why: &str) {
        let bad = PromptTemplate::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(bad.line, line, "{bad}");
        assert!(bad.why.contains(why), "{bad}");
    }

    #[test]
    fn faults_of_a_prompt_carry_the_line_of_the_file() {
        check("Write.", 1, "---user---");
        check("a\n---user---\nb\n---user---\n", 4, "second");
        check("{% if %}\n---user---\n", 1, "syntax error");
        check("a\nb\n---user---\nc\n{{ targt }}", 5, "unknown variable `targt`; did you mean `target`?");
        check("{% if id == 'x' %}\n{{ severity }}{% endif %}\n---user---\nb", 2, "the variables are language, target,");
        check("a\n---user---\n{% for f in facts %}\n{{ f.slotz }}\n{% endfor %}", 4, "undefined");
        check("a\n---user---\n{{ language | uper }}", 3, "uper");
    }

    #[test]
    fn the_variables_are_the_fields() {
        let about = sample();
        let fields = serde_json::to_value(Variables::of(&about, Language::En)).unwrap();
        let mut names: Vec<&str> = fields.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut listed = VARIABLES.to_vec();
        listed.sort_unstable();
        assert_eq!(names, listed);
        assert!(PromptTemplate::parse("{{ range(3) }}{{ dict(a=1) }}\n---user---\n").is_ok());
    }

    #[test]
    fn both_parts_are_rendered_with_the_same_variables() {
        let text = "Answer in {{ language }}.\n---user---\n{% for f in facts %}{{ f.slot }} is {{ f.value }}, \
                    {{ f.meaning }} of {{ f.subject }} at {{ f.time or 'no time' }}{% endfor %}\n{{ template.action }}";
        let prompt = PromptTemplate::parse(text).unwrap().render(&sample(), Language::Fr, 7).unwrap();
        assert_eq!(prompt.system, "Answer in French.");
        assert_eq!(prompt.user, "{sample.value} is 0\u{a0}%, a sample of sample at no time\nScale {target} out.");
        assert_eq!(prompt.max_tokens, 7);
    }
}
