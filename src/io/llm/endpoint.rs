//! Which endpoint, from variables only: `LLM_PROVIDER` decides; else `LLM_BASE_URL`; else the first provider of the
//! table whose key or base URL is set.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use reqwest::Url;

use super::dialect::{self, DIALECTS, Dialect};
use super::environment::Environment;
use super::limiter::Rates;
use super::secret::Secret;
use crate::diagnostic::{Code, Diagnostic, codes, did_you_mean};
use crate::domain::ModelIdentity;

/// An endpoint of a model, with everything that a request to it needs.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub dialect: &'static Dialect,
    /// Without a trailing slash, user, query or fragment.
    pub base_url: String,
    pub model: String,
    pub key: Option<Secret>,
    /// Further headers by lower-case name.
    pub headers: Vec<(&'static str, Secret)>,
    pub limits: Limits,
    /// Written into the header of a cassette.
    pub label: Option<String>,
    /// Which provider was chosen and why, when the environment would have allowed another one too.
    pub notice: Option<String>,
}

/// What bounds the calls of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One HTTP exchange.
    pub timeout: Duration,
    /// All exchanges and waits of a run, from its first call.
    pub deadline: Duration,
    /// Exchanges at one time.
    pub concurrency: u32,
    /// Exchanges and tokens in any minute.
    pub rates: Rates,
    /// The first wait before another try, when the endpoint names none.
    pub backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(120),
            concurrency: 8,
            rates: Rates::default(),
            backoff: Duration::from_millis(500),
        }
    }
}

impl Limits {
    fn from_environment(environment: &Environment) -> Result<Limits, Diagnostic> {
        let default = Limits::default();
        Ok(Limits {
            timeout: seconds(environment, "LLM_TIMEOUT")?.unwrap_or(default.timeout),
            deadline: seconds(environment, "LLM_DEADLINE")?.unwrap_or(default.deadline),
            concurrency: whole(environment, "LLM_CONCURRENCY", 1024, "leave it out for 8")?
                .map_or(default.concurrency, NonZeroU32::get),
            rates: Rates {
                requests: whole(environment, "LLM_REQUESTS_PER_MINUTE", MOST, NO_BOUND)?,
                tokens: whole(environment, "LLM_TOKENS_PER_MINUTE", MOST, NO_BOUND)?.map(NonZeroU64::from),
            },
            ..default
        })
    }
}

/// Of what is bounded by the minute or by the run.
pub(super) const MOST: u32 = 1_000_000_000;
pub(super) const NO_BOUND: &str = "leave it out for no bound";

/// A whole number from 1 on.
pub(super) fn whole(
    environment: &Environment,
    variable: &str,
    most: u32,
    help: &str,
) -> Result<Option<NonZeroU32>, Diagnostic> {
    let Some(text) = environment.get(variable) else { return Ok(None) };
    let number: Option<NonZeroU32> = text.trim().parse().ok();
    number.filter(|number| number.get() <= most).map(Some).ok_or_else(|| {
        let message = format!("{variable} is `{}`, not a whole number from 1 to {most}", text.trim());
        Diagnostic::new(codes::model::SETTING, message).help(help)
    })
}

fn seconds(environment: &Environment, variable: &str) -> Result<Option<Duration>, Diagnostic> {
    let Some(text) = environment.get(variable) else { return Ok(None) };
    let number: Option<f64> = text.trim().parse().ok().filter(|n| (0.001..=86_400.0).contains(n));
    match number {
        Some(number) => Ok(Some(Duration::from_secs_f64(number))), // in range, so it cannot panic
        None => {
            let message = format!("{variable} is `{}`, not a number of seconds from 0.001 to 86400", text.trim());
            Err(Diagnostic::new(codes::model::SETTING, message).help("write it as in `30`"))
        }
    }
}

impl Endpoint {
    /// `None` when no variable says anything about a model.
    ///
    /// # Errors
    /// AG0201 to AG0204: an unknown provider, or a setting that is missing or not usable.
    pub fn from_environment(environment: &Environment) -> Result<Option<Endpoint>, Diagnostic> {
        let Some(choice) = Choice::of(environment)? else {
            return Ok(None);
        };
        let Choice { dialect, base_url, key_variables, notice } = choice;
        let model = match (environment.get("LLM_MODEL"), dialect.model) {
            (Some(model), _) => model.trim().to_string(),
            (None, Some(model)) => model.to_string(),
            (None, None) => {
                return Err(missing(format!("{} has no default model", dialect.name), "set LLM_MODEL to its name"));
            }
        };
        let variable = key_variables.into_iter().find_map(|name| Some((name, environment.get(name)?)));
        let key = match variable {
            Some((name, value)) => Some(Secret::parse(name, value)?),
            None if dialect.key_required => {
                let names = dialect.key_variables.join(" or ");
                return Err(missing(format!("no key for {}", dialect.name), &format!("set {names}, or LLM_API_KEY")));
            }
            None => None,
        };
        let headers = dialect.headers.iter().filter_map(|(header, variable)| {
            environment.get(variable).map(|value| Ok((*header, Secret::parse(variable, value)?)))
        });
        Ok(Some(Endpoint {
            dialect,
            base_url,
            model,
            key,
            headers: headers.collect::<Result<_, Diagnostic>>()?,
            limits: Limits::from_environment(environment)?,
            label: environment.get("LLM_LABEL").map(|label| label.trim().to_string()),
            notice,
        }))
    }

    /// For the run record.
    pub fn identity(&self) -> ModelIdentity {
        ModelIdentity {
            provider: self.dialect.name.to_string(),
            model: self.model.clone(),
            base_url: self.base_url.clone(),
        }
    }
}

/// `mistral · mistral-small-latest · https://api.mistral.ai/v1`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {} · {}", self.dialect.name, self.model, self.base_url)
    }
}

/// The provider, and where its key may be.
struct Choice {
    dialect: &'static Dialect,
    base_url: String,
    key_variables: Vec<&'static str>,
    notice: Option<String>,
}

impl Choice {
    fn of(environment: &Environment) -> Result<Option<Choice>, Diagnostic> {
        if let Some(name) = environment.get("LLM_PROVIDER") {
            return Choice::of_provider(name.trim(), environment).map(Some);
        }
        if let Some(url) = environment.get("LLM_BASE_URL") {
            return Choice::of_url(url, environment).map(Some);
        }
        let present: Vec<(&'static Dialect, &'static str)> = DIALECTS
            .iter()
            .filter_map(|dialect| {
                // A key of a server of one's own says where it is allowed in, not that it should be asked.
                let keys: &[&str] = if dialect.key_required { dialect.key_variables } else { &[] };
                let variables = keys.iter().chain(dialect.base_url_variables);
                variables.copied().find(|v| environment.get(v).is_some()).map(|variable| (dialect, variable))
            })
            .collect();
        let Some(((dialect, variable), others)) = present.split_first() else {
            let idle = ["LLM_API_KEY", "LLM_MODEL"].into_iter().find(|name| environment.get(name).is_some());
            return match idle {
                None => Ok(None),
                Some(name) => Err(missing(
                    format!("{name} is set, but nothing says which endpoint it is for"),
                    "set LLM_PROVIDER or LLM_BASE_URL, or unset it",
                )),
            };
        };
        let mut choice = Choice::of_key(dialect, environment)?;
        if !others.is_empty() {
            let others: Vec<&str> = others.iter().map(|(_, variable)| *variable).collect();
            choice.notice = Some(format!(
                "model provider {}: {variable} is set ({} too; LLM_PROVIDER decides)",
                dialect.name,
                others.join(", ")
            ));
        }
        Ok(Some(choice))
    }

    fn of_provider(name: &str, environment: &Environment) -> Result<Choice, Diagnostic> {
        let Some(dialect) = dialect::named(&name.to_ascii_lowercase()) else {
            let names: Vec<&str> = DIALECTS.iter().map(|d| d.name).collect();
            let help = match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of: {}", names.join(", ")),
            };
            let message = format!("LLM_PROVIDER is `{name}`, which is not known");
            return Err(Diagnostic::new(codes::model::PROVIDER, message).help(help));
        };
        let base_url = match environment.get("LLM_BASE_URL") {
            Some(url) => base_url("LLM_BASE_URL", url, "")?.0,
            None => own_base_url(dialect, environment)?.0,
        };
        let key_variables = [&["LLM_API_KEY"], dialect.key_variables].concat();
        Ok(Choice { dialect, base_url, key_variables, notice: None })
    }

    fn of_url(url: &str, environment: &Environment) -> Result<Choice, Diagnostic> {
        let (base_url, host) = base_url("LLM_BASE_URL", url, "")?;
        let dialect = dialect::of_host(&host);
        // The key of a provider goes to that provider's host only, unless LLM_PROVIDER says otherwise.
        let key_variables = [&["LLM_API_KEY"], dialect.key_variables].concat();
        let unused = DIALECTS
            .iter()
            .filter(|other| other.name != dialect.name && other.key_required)
            .flat_map(|other| other.key_variables)
            .find(|name| environment.get(name).is_some());
        let notice = unused.map(|name| {
            format!("model provider {}: LLM_BASE_URL is set ({name} too, not used; LLM_PROVIDER decides)", dialect.name)
        });
        Ok(Choice { dialect, base_url, key_variables, notice })
    }

    /// A provider by its own variables.
    fn of_key(dialect: &'static Dialect, environment: &Environment) -> Result<Choice, Diagnostic> {
        let (base_url, host) = own_base_url(dialect, environment)?;
        // OPENAI_BASE_URL is often another server that speaks the same protocol, with its own gaps.
        let speaks = if dialect.host.is_empty() { dialect } else { dialect::of_host(&host) };
        let key_variables = [dialect.key_variables, &["LLM_API_KEY"]].concat();
        Ok(Choice { dialect: speaks, base_url, key_variables, notice: None })
    }
}

fn own_base_url(dialect: &Dialect, environment: &Environment) -> Result<(String, String), Diagnostic> {
    let set = dialect.base_url_variables.iter().find_map(|name| Some((*name, environment.get(name)?)));
    match (set, dialect.base_url) {
        (Some((name, url)), _) => base_url(name, url, dialect.base_url_suffix),
        (None, Some(url)) => base_url(dialect.name, url, ""),
        (None, None) => {
            let names = [dialect.base_url_variables, &["LLM_BASE_URL"]].concat().join(" or ");
            Err(missing(format!("{} has no common base URL", dialect.name), &format!("set {names}")))
        }
    }
}

/// The URL in its plain form, and its host. Credentials in a URL would end up in logs and records, so they are refused.
fn base_url(variable: &str, text: &str, suffix: &str) -> Result<(String, String), Diagnostic> {
    let refuse = |code: &'static Code, why: &str| {
        Err(Diagnostic::new(code, format!("{variable} {why}")).help("write it as in `http://localhost:8080/v1`"))
    };
    let Ok(url) = Url::parse(text.trim()) else {
        return refuse(codes::model::SETTING, "is not a URL");
    };
    let host = match url.host_str() {
        Some(host) if matches!(url.scheme(), "http" | "https") => host.to_string(),
        _ => return refuse(codes::model::SETTING, "is not an http or https URL"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(codes::model::SETTING, "has a user or password in it; a key belongs in LLM_API_KEY");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(codes::model::SETTING, "has a query or fragment; the path of the request is appended to it");
    }
    let plain = url.as_str().trim_end_matches('/');
    let plain = plain.strip_suffix("/chat/completions").unwrap_or(plain);
    let plain = plain.strip_suffix(suffix).unwrap_or(plain).trim_end_matches('/');
    Ok((format!("{plain}{suffix}"), host))
}

fn missing(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(codes::model::PROVIDER, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-0123456789";

    /// `provider|base URL|model|has a key|notice`, `-` for no endpoint, or the code, message and help.
    fn chosen(pairs: &[(&str, &str)]) -> String {
        match Endpoint::from_environment(&Environment::from_pairs(pairs.iter().copied())) {
            Ok(None) => "-".into(),
            Ok(Some(e)) => {
                assert!(!format!("{e} {e:?}").contains(KEY));
                let key = if e.key.is_some() { "key" } else { "no key" };
                format!("{}|{}|{}|{key}|{}", e.dialect.name, e.base_url, e.model, e.notice.unwrap_or_default())
            }
            Err(d) => format!("{d} [{}]", d.help.clone().unwrap_or_default()),
        }
    }

    #[test]
    fn the_environment_chooses_the_endpoint() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "-"),
            (&[("OPENAI_API_KEY", "")], "-"),
            (&[("OPENAI_API_KEY", KEY)], "openai|https://api.openai.com/v1|gpt-4.1-mini|key|"),
            (&[("MISTRAL_API_KEY", KEY), ("LLM_MODEL", "m")], "mistral|https://api.mistral.ai/v1|m|key|"),
            (
                &[("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", KEY)],
                "openai|https://api.openai.com/v1|gpt-4.1-mini|key|model provider openai: OPENAI_API_KEY is set \
                 (MISTRAL_API_KEY too; LLM_PROVIDER decides)",
            ),
            (
                &[("OPENAI_API_KEY", KEY), ("MISTRAL_API_KEY", KEY), ("LLM_PROVIDER", "Mistral")],
                "mistral|https://api.mistral.ai/v1|mistral-small-latest|key|",
            ),
            (
                &[("LLM_BASE_URL", "http://127.0.0.1:8080/v1/"), ("LLM_MODEL", "m"), ("OPENAI_API_KEY", KEY)],
                "custom|http://127.0.0.1:8080/v1|m|no key|model provider custom: LLM_BASE_URL is set \
                 (OPENAI_API_KEY too, not used; LLM_PROVIDER decides)",
            ),
            (
                &[("LLM_BASE_URL", "https://api.mistral.ai/v1/chat/completions"), ("LLM_API_KEY", KEY)],
                "mistral|https://api.mistral.ai/v1|mistral-small-latest|key|",
            ),
            (
                &[("OPENAI_BASE_URL", "http://localhost:11434/v1"), ("OPENAI_API_KEY", "none"), ("LLM_MODEL", "m")],
                "custom|http://localhost:11434/v1|m|key|",
            ),
            (&[("OLLAMA_BASE_URL", "http://gpu:11434/v1")], "ollama|http://gpu:11434/v1|llama3.2|no key|"),
            (&[("LLM_PROVIDER", "ollama")], "ollama|http://localhost:11434/v1|llama3.2|no key|"),
            (
                &[
                    ("AZURE_OPENAI_ENDPOINT", "https://t.openai.azure.com/"),
                    ("AZURE_OPENAI_API_KEY", KEY),
                    ("LLM_MODEL", "d"),
                ],
                "azure|https://t.openai.azure.com/openai/v1|d|key|",
            ),
            (
                &[("LLM_PROVIDER", "mistrl")],
                "AG0201: LLM_PROVIDER is `mistrl`, which is not known [did you mean `mistral`?]",
            ),
            (&[("LLM_PROVIDER", "openai")], "AG0201: no key for openai [set OPENAI_API_KEY, or LLM_API_KEY]"),
            (&[("LLM_PROVIDER", "custom")], "AG0201: custom has no common base URL [set LLM_BASE_URL]"),
            (
                &[("LLM_BASE_URL", "http://localhost:1/v1")],
                "AG0201: custom has no default model [set LLM_MODEL to its name]",
            ),
            (
                &[("LLM_API_KEY", KEY)],
                "AG0201: LLM_API_KEY is set, but nothing says which endpoint it is for \
                 [set LLM_PROVIDER or LLM_BASE_URL, or unset it]",
            ),
            (
                &[("LLM_BASE_URL", "http://u:sk-0123456789@h/v1"), ("LLM_MODEL", "m")],
                "AG0203: LLM_BASE_URL has a user or password in it; a key belongs in LLM_API_KEY \
                 [write it as in `http://localhost:8080/v1`]",
            ),
            (
                &[("LLM_BASE_URL", "localhost:8080"), ("LLM_MODEL", "m")],
                "AG0203: LLM_BASE_URL is not an http or https URL [write it as in `http://localhost:8080/v1`]",
            ),
            (
                &[("OPENAI_API_KEY", "sk-01234\n56789")],
                "AG0204: OPENAI_API_KEY has a line break or another control character in it \
                 [set OPENAI_API_KEY to the key alone]",
            ),
            (
                &[("OPENAI_API_KEY", KEY), ("LLM_TIMEOUT", "soon")],
                "AG0203: LLM_TIMEOUT is `soon`, not a number of seconds from 0.001 to 86400 [write it as in `30`]",
            ),
            (
                &[("OPENAI_API_KEY", KEY), ("LLM_DEADLINE", "NaN")],
                "AG0203: LLM_DEADLINE is `NaN`, not a number of seconds from 0.001 to 86400 [write it as in `30`]",
            ),
            (
                &[("OPENAI_API_KEY", KEY), ("LLM_CONCURRENCY", "0")],
                "AG0203: LLM_CONCURRENCY is `0`, not a whole number from 1 to 1024 [leave it out for 8]",
            ),
            (
                &[("OPENAI_API_KEY", KEY), ("LLM_TOKENS_PER_MINUTE", "1e5")],
                "AG0203: LLM_TOKENS_PER_MINUTE is `1e5`, not a whole number from 1 to 1000000000 \
                 [leave it out for no bound]",
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(chosen(pairs), *expected, "{pairs:?}");
        }
    }

    #[test]
    fn limits_come_from_the_environment() {
        let env = [
            ("OPENAI_API_KEY", KEY),
            ("LLM_TIMEOUT", "1.5"),
            ("LLM_DEADLINE", " 60 "),
            ("LLM_CONCURRENCY", "2"),
            ("LLM_REQUESTS_PER_MINUTE", "30"),
            ("LLM_TOKENS_PER_MINUTE", "100000"),
        ];
        let endpoint = Endpoint::from_environment(&Environment::from_pairs(env)).unwrap().unwrap();
        let expected = Limits {
            timeout: Duration::from_millis(1500),
            deadline: Duration::from_secs(60),
            concurrency: 2,
            rates: Rates { requests: NonZeroU32::new(30), tokens: NonZeroU64::new(100_000) },
            ..Limits::default()
        };
        assert_eq!(endpoint.limits, expected);
    }
}
