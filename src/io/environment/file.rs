//! `agent.toml`: settings by the names that they have in the environment.

use std::path::Path;

use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, SourceFile, codes, did_you_mean, line_and_column, parse_toml};

use super::settings::{SETTINGS, setting};

/// Names with values, and what is wrong beside.
pub type Read = (Vec<(String, String)>, Vec<Diagnostic>);

/// The settings of the file.
///
/// # Errors
/// AG0212: it cannot be read, is no TOML, or has a value that is none.
pub fn read(path: &Path) -> Result<Read, Diagnostic> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Diagnostic::new(codes::model::CONFIG, format!("cannot read the settings in `{name}`: {e}")))?;
    parse(&name, text)
}

/// Places are told as lines, without their text: it may hold a credential.
fn parse(name: &str, text: String) -> Result<Read, Diagnostic> {
    let source = SourceFile::new(name, text);
    let line = |at: usize| line_and_column(&source.text, at).0;
    let table = parse_toml(&source).map_err(|faults| {
        let at = faults.first().and_then(|fault| fault.place.as_ref()).map_or(0, |(_, span)| span.start);
        let message = format!("line {} of `{name}` is no TOML", line(at));
        Diagnostic::new(codes::model::CONFIG, message).help("write `NAME = \"value\"`")
    })?;
    let (mut pairs, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        let (name, line) = (key.get_ref().as_ref(), line(key.span().start));
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            _ => {
                let message = format!("{name} on line {line} of `{}` is no text, number or truth value", source.name);
                let help = "all settings stand at the top, by the names that they have in the environment";
                return Err(Diagnostic::new(codes::model::CONFIG, message).help(help));
            }
        };
        if (name.starts_with("AGENT_") || name.starts_with("LLM_")) && setting(name).is_none() {
            let message = format!("line {line} of `{}` sets {name}, which nothing reads", source.name);
            let near = did_you_mean(name, SETTINGS.iter().map(|setting| setting.name));
            let help = near.map_or("`agent config` lists the settings".to_string(), |n| format!("did you mean {n}?"));
            problems.push(Diagnostic::new(codes::model::UNKNOWN_SETTING, message).help(help));
        }
        pairs.push((name.to_string(), text));
    }
    Ok((pairs, problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_environment_would_say() {
        let text =
            "LLM_MODEL = \"m\"\nLLM_TIMEOUT = 2.5\nAGENT_KEEP_RUNS = 7\nOTEL_SDK_DISABLED = true\nALERT_URL = 'u'\n";
        let (mut pairs, problems) = parse("agent.toml", text.to_string()).unwrap();
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            pairs,
            ["AGENT_KEEP_RUNS=7", "ALERT_URL=u", "LLM_MODEL=m", "LLM_TIMEOUT=2.5", "OTEL_SDK_DISABLED=true"]
        );
        assert_eq!(problems, []);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        for (text, expected) in [
            ("A = 1\nLLM_API_KEY = sk-secret\n", "AG0212: line 2 of `c.toml` is no TOML"),
            ("[llm]\nkey = 'sk-secret'", "AG0212: llm on line 1 of `c.toml` is no text, number or truth value"),
            ("A = ['sk-secret']", "AG0212: A on line 1 of `c.toml` is no text, number or truth value"),
        ] {
            let fault = parse("c.toml", text.to_string()).unwrap_err();
            assert_eq!(fault.to_string(), expected);
            assert!(!format!("{fault:?}").contains("sk-secret"), "{fault:?}");
        }
        let (_, problems) = parse("c.toml", "\nLLM_TIMOUT = 3\n".to_string()).unwrap();
        let told: Vec<String> = problems.iter().map(|p| format!("{p} [{}]", p.help.as_deref().unwrap())).collect();
        assert_eq!(
            told,
            ["AG0213: line 2 of `c.toml` sets LLM_TIMOUT, which nothing reads [did you mean LLM_TIMEOUT?]"]
        );
    }
}
