//! The settings, as `agent config` shows them.

use serde::Serialize;

use super::{Style, safe};
use crate::io::environment::{Origin, Setting};

/// What stands for a credential.
const MASK: &str = "***";

/// A setting and its value.
#[derive(Debug, Serialize)]
pub struct Shown {
    name: &'static str,
    /// Without credentials; `None` where nothing is set and nothing is built in.
    value: Option<String>,
    /// `flag`, `environment`, `file` or `default`.
    from: &'static str,
    /// The flag or the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    secret: bool,
    help: &'static str,
}

impl Shown {
    pub fn new(setting: &'static Setting, value: Option<&str>, origin: Origin) -> Shown {
        let value = value.map(|value| if setting.secret { MASK.to_string() } else { without_credentials(value) });
        let (from, place) = match origin {
            Origin::Flag(flag) => ("flag", Some(flag.to_string())),
            Origin::Process => ("environment", None),
            Origin::File(path) => ("file", Some(path.display().to_string())),
            Origin::Default => ("default", None),
        };
        Shown { name: setting.name, value, from, place, secret: setting.secret, help: setting.help }
    }
}

/// A line for each setting, and one of what it is.
pub fn text(settings: &[Shown], style: Style) -> String {
    let mut text = String::new();
    for shown in settings {
        let place = shown.place.as_deref().map_or_else(|| shown.from.into(), safe);
        let value = match &shown.value {
            Some(value) => format!("{} = {}  ({place})", style.bold(shown.name), safe(value)),
            None => format!("{} is not set", style.bold(shown.name)),
        };
        text.push_str(&format!("{value}\n    {}\n", shown.help));
    }
    text
}

pub fn json(settings: &[Shown]) -> String {
    serde_json::to_string_pretty(settings).unwrap_or_default() + "\n" // text and truth values always serialise
}

/// The value without what stands before an `@` or behind a `?` of an address. There may be several in a list, and what is
/// a comma of the list or of a password nobody can tell: rather too much is masked.
fn without_credentials(value: &str) -> String {
    let mut parts = value.split("://");
    let mut shown = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let part = part.rsplit_once('@').map_or(part.to_string(), |(_, rest)| format!("{MASK}@{rest}"));
        let part = part.split_once('?').map_or(part.clone(), |(rest, _)| format!("{rest}?{MASK}"));
        shown = format!("{shown}://{part}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::environment::setting;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        for (value, expected) in [
            ("http://localhost:8080/v1", "http://localhost:8080/v1"),
            ("https://user:sk@host/v1", "https://***@host/v1"),
            ("https://host/v1?key=sk&x=1", "https://host/v1?***"),
            ("mistral,https://a:sk@h/v1#model,x", "mistral,https://***@h/v1#model,x"),
            ("https://a:s@k@h", "https://***@h"),
            ("https://a:s,/k@h,https://h/?key=a,b", "https://***@h,https://h/?***"),
            ("agent=debug,info", "agent=debug,info"),
        ] {
            assert_eq!(without_credentials(value), expected);
        }
        let shown = Shown::new(setting("LLM_API_KEY").unwrap(), Some("sk-secret"), Origin::Process);
        let style = Style { color: false, width: 100 };
        let printed = text(&[shown], style);
        assert!(printed.starts_with("LLM_API_KEY = ***  (environment)\n    the key"), "{printed}");
    }
}
