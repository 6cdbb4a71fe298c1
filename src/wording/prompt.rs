//! The prompt of a recommendation: a template in two parts, filled with facts.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{render, wording_schema};
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
            environment.add_template_owned(name, part).map_err(|error| bad(&error))?;
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

fn bad(error: &minijinja::Error) -> BadPrompt {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    BadPrompt { why, line: error.line().unwrap_or(1).max(1) }
}

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
        check("a\nb\n---user---\nc\n{{ targt }}", 5, "undefined");
        check("a\n---user---\n{% for f in facts %}\n{{ f.slotz }}\n{% endfor %}", 4, "undefined");
        check("a\n---user---\n{{ language | uper }}", 3, "uper");
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
