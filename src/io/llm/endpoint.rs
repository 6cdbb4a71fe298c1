//! Which endpoint, from variables only: `LLM_PROVIDER` decides; else `LLM_BASE_URL`; else the first provider of the
//! table whose key or base URL is set.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use reqwest::Url;

use super::dialect::{self, DIALECTS, Dialect};
use super::limiter::Rates;
use super::secret::Secret;
use crate::diagnostic::{Code, Diagnostic, codes, did_you_mean};
use crate::domain::ModelIdentity;
use crate::io::environment::Environment;

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
    pub origin: Origin,
}

/// Which variables decided. `None` where the table of providers did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    pub provider: Option<&'static str>,
    pub base_url: Option<&'static str>,
    pub model: Option<&'static str>,
    pub key: Option<&'static str>,
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
        let model = environment.get("LLM_MODEL").map(|model| ("LLM_MODEL", model.trim()));
        Endpoint::chosen(choice, model, environment).map(Some)
    }

    /// The endpoint of the variables and those of `LLM_FALLBACKS` behind it; none when there is no model.
    ///
    /// # Errors
    /// AG0201 to AG0204, AG0221 for an entry of `LLM_FALLBACKS` that names no endpoint.
    pub fn all_from_environment(environment: &Environment) -> Result<Vec<Endpoint>, Diagnostic> {
        let Some(first) = Endpoint::from_environment(environment)? else {
            return Ok(Vec::new());
        };
        let mut all = vec![first];
        let entries = environment.get(FALLBACKS).unwrap_or_default().split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let (choice, model) = Choice::of_entry(entry, environment)?;
            let known = all.iter().find(|other| other.base_url == choice.base_url);
            let known = known.and_then(|other| Some((other.origin.key?, other.key.clone()?)));
            let choice = Choice { known_key: known, ..choice };
            all.push(Endpoint::chosen(choice, model.map(|model| (FALLBACKS, model)), environment)?);
        }
        Ok(all)
    }

    fn chosen(
        choice: Choice,
        model: Option<(&'static str, &str)>,
        environment: &Environment,
    ) -> Result<Endpoint, Diagnostic> {
        let Choice { dialect, base_url, key_variables, known_key, notice, mut origin } = choice;
        origin.model = model.map(|(variable, _)| variable);
        let model = match (model, dialect.model) {
            (Some((_, model)), _) => model.to_string(),
            (None, Some(model)) => model.to_string(),
            (None, None) if origin.provider == Some(FALLBACKS) => {
                let help = "write PROVIDER/MODEL or URL#MODEL";
                return Err(not_a_fallback(format!("{} has no default model", dialect.name), help));
            }
            (None, None) => {
                return Err(missing(format!("{} has no default model", dialect.name), "set LLM_MODEL to its name"));
            }
        };
        let variable = key_variables.iter().find_map(|name| Some((*name, environment.get(name)?)));
        let key = match variable {
            Some((name, value)) => Some((name, Secret::parse(name, value)?)),
            None if dialect.key_required && known_key.is_none() => {
                let message = format!("no key for {}", dialect.name);
                return Err(missing(message, &format!("set {}", key_variables.join(" or "))));
            }
            None => known_key,
        };
        origin.key = key.as_ref().map(|(variable, _)| *variable);
        let headers = dialect.headers.iter().filter_map(|(header, variable)| {
            environment.get(variable).map(|value| Ok((*header, Secret::parse(variable, value)?)))
        });
        Ok(Endpoint {
            dialect,
            base_url,
            model,
            key: key.map(|(_, key)| key),
            headers: headers.collect::<Result<_, Diagnostic>>()?,
            limits: Limits::from_environment(environment)?,
            label: environment.get("LLM_LABEL").map(|label| label.trim().to_string()),
            notice,
            origin,
        })
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

/// Further endpoints, in their order: `PROVIDER`, `PROVIDER/MODEL` or `URL#MODEL`, with commas between.
const FALLBACKS: &str = "LLM_FALLBACKS";

/// The provider, and where its key may be.
struct Choice {
    dialect: &'static Dialect,
    base_url: String,
    key_variables: Vec<&'static str>,
    /// The key that goes to this place already, and its variable; where none of those variables is set.
    known_key: Option<(&'static str, Secret)>,
    notice: Option<String>,
    origin: Origin,
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
            let idle = ["LLM_API_KEY", "LLM_MODEL", FALLBACKS].into_iter().find(|name| environment.get(name).is_some());
            return match idle {
                None => Ok(None),
                Some(name) => Err(missing(
                    format!("{name} is set, but nothing says which endpoint it is for"),
                    "set LLM_PROVIDER or LLM_BASE_URL, or unset it",
                )),
            };
        };
        let mut choice = Choice::of_key(dialect, environment)?;
        choice.origin.provider = Some(*variable);
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
            let message = format!("LLM_PROVIDER is `{name}`, which is not known");
            return Err(Diagnostic::new(codes::model::PROVIDER, message).help(nearest_provider(name)));
        };
        let (base_url, of_base_url) = match environment.get("LLM_BASE_URL") {
            Some(url) => (base_url("LLM_BASE_URL", url, "")?.0, Some("LLM_BASE_URL")),
            None => own_base_url(dialect, environment).map(|own| (own.url, own.variable))?,
        };
        let key_variables = [&["LLM_API_KEY"], dialect.key_variables].concat();
        let origin = Origin { provider: Some("LLM_PROVIDER"), base_url: of_base_url, ..Origin::default() };
        Ok(Choice { dialect, base_url, key_variables, known_key: None, notice: None, origin })
    }

    /// One entry of `LLM_FALLBACKS`, and the model that it names. Keys are the providers' own: `LLM_API_KEY` belongs to
    /// the first endpoint, and no key goes to a host that the user has not named it for.
    fn of_entry<'a>(entry: &'a str, environment: &Environment) -> Result<(Choice, Option<&'a str>), Diagnostic> {
        let origin = Origin { provider: Some(FALLBACKS), base_url: None, ..Origin::default() };
        if entry.contains("://") {
            let (url, model) = entry.split_once('#').map_or((entry, None), |(url, model)| (url, Some(model.trim())));
            let (base_url, host) = base_url(FALLBACKS, url, "")?;
            let dialect = dialect::of_host(&host);
            let own = dialect.key_variables;
            let key_variables = if dialect.hosts.is_empty() { vec!["LLM_FALLBACKS_API_KEY"] } else { own.to_vec() };
            let origin = Origin { base_url: Some(FALLBACKS), ..origin };
            let choice = Choice { dialect, base_url, key_variables, known_key: None, notice: None, origin };
            return Ok((choice, model.filter(|model| !model.is_empty())));
        }
        let (name, model) = entry.split_once('/').map_or((entry, None), |(name, model)| (name, Some(model.trim())));
        let Some(dialect) = dialect::named(&name.trim().to_ascii_lowercase()) else {
            let help = format!("{}; or write URL#MODEL", nearest_provider(name));
            return Err(not_a_fallback(format!("`{name}` is no provider"), &help));
        };
        if dialect.base_url.is_none() && dialect.base_url_variables.is_empty() {
            let message = format!("{} has no common base URL", dialect.name);
            return Err(not_a_fallback(message, "write URL#MODEL"));
        }
        let own = own_base_url(dialect, environment)?;
        let origin = Origin { base_url: own.variable, ..origin };
        let key_variables = dialect.key_variables.to_vec();
        let choice = Choice { dialect, base_url: own.url, key_variables, known_key: None, notice: None, origin };
        Ok((choice, model.filter(|model| !model.is_empty())))
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
        let by = Some("LLM_BASE_URL");
        let origin = Origin { provider: by, base_url: by, ..Origin::default() };
        Ok(Choice { dialect, base_url, key_variables, known_key: None, notice, origin })
    }

    /// A provider by its own variables.
    fn of_key(dialect: &'static Dialect, environment: &Environment) -> Result<Choice, Diagnostic> {
        let own = own_base_url(dialect, environment)?;
        // OPENAI_BASE_URL is often another server that speaks the same protocol, with its own gaps.
        let speaks = if dialect.hosts.is_empty() { dialect } else { dialect::of_host(&own.host) };
        let key_variables = [dialect.key_variables, &["LLM_API_KEY"]].concat();
        let origin = Origin { base_url: own.variable, ..Origin::default() };
        Ok(Choice { dialect: speaks, base_url: own.url, key_variables, known_key: None, notice: None, origin })
    }
}

/// A base URL of a provider.
struct Own {
    url: String,
    host: String,
    /// `None`: it is the one of the table.
    variable: Option<&'static str>,
}

fn own_base_url(dialect: &Dialect, environment: &Environment) -> Result<Own, Diagnostic> {
    let set = dialect.base_url_variables.iter().find_map(|name| Some((*name, environment.get(name)?)));
    let (found, variable) = match (set, dialect.base_url) {
        (Some((name, url)), _) => (base_url(name, url, dialect.base_url_suffix)?, Some(name)),
        (None, Some(url)) => (base_url(dialect.name, url, "")?, None),
        (None, None) => {
            let names = [dialect.base_url_variables, &["LLM_BASE_URL"]].concat().join(" or ");
            return Err(missing(format!("{} has no common base URL", dialect.name), &format!("set {names}")));
        }
    };
    Ok(Own { url: found.0, host: found.1, variable })
}

fn nearest_provider(name: &str) -> String {
    let names: Vec<&str> = DIALECTS.iter().map(|d| d.name).collect();
    match did_you_mean(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of: {}", names.join(", ")),
    }
}

fn not_a_fallback(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(codes::model::FALLBACKS, format!("an entry of {FALLBACKS} names no endpoint: {message}")).help(help)
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
#[path = "endpoint_tests.rs"]
mod tests;
