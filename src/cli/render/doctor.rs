//! What `agent doctor` found, and what to do about it.

use serde::Serialize;

use super::text::counted;
use super::{Style, safe};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::io::llm::{Endpoint, Output, Probed, RungProbe, RungResult, Trouble, TroubleKind};

#[derive(Debug, Serialize)]
pub struct Checkup {
    /// All endpoints are.
    pub usable: bool,
    /// The first and its fallbacks; none where no model is configured.
    pub endpoints: Vec<EndpointCheck>,
    /// Lines for `.env` that make the same choices; of a key only its variable.
    pub environment: Vec<String>,
    /// What is wrong with the variables themselves.
    pub problem: Option<Problem>,
}

#[derive(Debug, Serialize)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct EndpointCheck {
    pub provider: Chosen,
    pub base_url: Chosen,
    pub model: Chosen,
    pub key: Option<Key>,
    /// What else would have been possible.
    pub note: Option<String>,
    /// How many models it lists; `None` where it gives no list.
    pub models: Option<usize>,
    pub lists_model: bool,
    /// Why there is no list.
    pub unlisted: Option<String>,
    pub rungs: Vec<RungProbe>,
    /// Fields that it refused.
    pub refused: Vec<&'static str>,
    /// What runs ask for.
    pub rung: Option<Output>,
    pub usable: bool,
    pub trouble: Option<Trouble>,
    pub remedy: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Chosen {
    pub value: String,
    /// The variable that decided; `None` where the table of providers did.
    pub by: Option<&'static str>,
}

/// Which key it is, as far as may be told.
#[derive(Debug, Serialize)]
pub struct Key {
    pub variable: Option<&'static str>,
    pub length: usize,
    pub ends_with: Option<String>,
}

impl Checkup {
    pub fn of_problem(problem: Problem) -> Checkup {
        Checkup { usable: false, endpoints: Vec::new(), environment: Vec::new(), problem: Some(problem) }
    }
}

impl Problem {
    /// `listed` are models to choose from.
    pub fn new(fault: &Diagnostic, listed: &[String]) -> Problem {
        let some = (!listed.is_empty()).then(|| format!("the endpoint lists {}", few(listed)));
        let help: Vec<String> = fault.help.iter().cloned().chain(some).collect();
        let help = (!help.is_empty()).then(|| help.join("; "));
        Problem { code: fault.code.id, message: fault.message.clone(), help }
    }
}

impl EndpointCheck {
    pub fn new(endpoint: &Endpoint, probed: Probed) -> EndpointCheck {
        let Probed { models, rungs, refused, rung, trouble } = probed;
        let origin = endpoint.origin;
        let chosen = |value: &str, by| Chosen { value: value.to_string(), by };
        let key = endpoint.key.as_ref().map(|key| {
            let (length, ends_with) = key.hint();
            Key { variable: origin.key, length, ends_with: ends_with.map(String::from) }
        });
        let listed = models.as_ref().ok();
        let remedy = trouble.as_ref().map(|trouble| remedy(trouble, endpoint, listed.map_or(&[], |m| m), &rungs));
        EndpointCheck {
            provider: chosen(endpoint.dialect.name, origin.provider),
            base_url: chosen(&endpoint.base_url, origin.base_url),
            model: chosen(&endpoint.model, origin.model),
            key,
            note: endpoint.notice.clone(),
            models: listed.map(Vec::len),
            lists_model: listed.is_some_and(|names| names.contains(&endpoint.model)),
            unlisted: models.err(),
            rungs,
            refused,
            rung,
            usable: trouble.is_none(),
            trouble,
            remedy,
        }
    }
}

/// What to do about it.
fn remedy(trouble: &Trouble, endpoint: &Endpoint, listed: &[String], rungs: &[RungProbe]) -> String {
    let origin = endpoint.origin;
    let place = origin.base_url.map_or("LLM_BASE_URL".to_string(), String::from);
    let model = origin.model.unwrap_or("LLM_MODEL");
    match trouble.kind {
        TroubleKind::Key => match origin.key {
            Some(variable) => format!("check {variable}: the endpoint does not take it"),
            None => {
                let names = [&["LLM_API_KEY"], endpoint.dialect.key_variables].concat();
                format!("the endpoint asks for a key: set {}", names.join(" or "))
            }
        },
        TroubleKind::Model => match near(&endpoint.model, listed) {
            near if near.is_empty() => format!("check {model}; `agent models` lists them where the endpoint does"),
            near => format!("check {model}: the endpoint lists {}", few(&near)),
        },
        TroubleKind::Account => "the account has no quota or money left: see to it at the provider".to_string(),
        TroubleKind::Place if !endpoint.base_url.ends_with("/v1") => {
            format!("check {place}: no chat completions there; with most servers it ends in /v1")
        }
        TroubleKind::Place => format!("check {place}: no chat completions there"),
        TroubleKind::Nobody => format!("nothing listens there: start the server, or check {place}"),
        TroubleKind::Host => format!("the name of the host is not known: check {place} and the network"),
        TroubleKind::Tls if !trouble.what.contains("certificate") => {
            format!("the server may not speak TLS there: write {place} with http://")
        }
        TroubleKind::Tls => {
            "this system does not trust the server's certificate: install that of its authority".to_string()
        }
        TroubleKind::Slow => "raise LLM_TIMEOUT; a server of one's own may be loading the model: try again".to_string(),
        TroubleKind::Busy => "try again later; LLM_CONCURRENCY makes runs ask less at a time".to_string(),
        TroubleKind::Replies if rungs.iter().any(|rung| matches!(rung.result, RungResult::Cut(_))) => {
            format!("the model uses up its tokens before it answers: choose one that thinks less with {model}")
        }
        TroubleKind::Replies => format!("the model does not write JSON: choose another one with {model}"),
        TroubleKind::Other => format!("`agent run -vv` logs each exchange; check {place} and {model}"),
    }
}

/// Names like the one that is meant, best first.
fn near(name: &str, listed: &[String]) -> Vec<String> {
    let lower = name.to_lowercase();
    let best = did_you_mean(name, listed.iter().map(String::as_str));
    let alike = listed.iter().map(String::as_str).filter(|other| {
        let other = other.to_lowercase();
        other.contains(&lower) || (other.len() > 3 && lower.contains(&other))
    });
    let mut names: Vec<String> = Vec::new();
    for found in best.into_iter().chain(alike).chain(listed.iter().map(String::as_str).filter(|_| listed.len() <= 5)) {
        if !names.iter().any(|name| name == found) {
            names.push(found.to_string());
        }
    }
    names
}

/// The first of the names.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// Lines for `.env` that choose these endpoints.
pub fn environment_lines(endpoints: &[Endpoint]) -> Vec<String> {
    let Some((first, others)) = endpoints.split_first() else { return Vec::new() };
    let mut lines = vec![format!("LLM_PROVIDER={}", first.dialect.name)];
    if first.dialect.base_url != Some(&first.base_url) {
        lines.push(format!("LLM_BASE_URL={}", first.base_url));
    }
    lines.push(format!("LLM_MODEL={}", quoted(&first.model)));
    let mut keys = Vec::new();
    if let Some(variable) = first.origin.key {
        let is_own = first.dialect.key_variables.contains(&variable);
        keys.push(if is_own { variable } else { "LLM_API_KEY" });
    }
    if !others.is_empty() {
        let entry = |e: &Endpoint| match e.origin.base_url {
            Some("LLM_FALLBACKS") => format!("{}#{}", e.base_url, e.model),
            _ => format!("{}/{}", e.dialect.name, e.model),
        };
        let entries: Vec<String> = others.iter().map(entry).collect();
        lines.push(format!("LLM_FALLBACKS={}", quoted(&entries.join(","))));
        keys.extend(others.iter().filter_map(|other| other.origin.key));
    }
    let mut told: Vec<&str> = Vec::new();
    for variable in keys {
        if !told.contains(&variable) {
            told.push(variable);
            lines.push(format!("{variable}=…"));
        }
    }
    lines
}

/// In quotes where `.env` needs them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@#+".contains(c);
    if value.chars().all(plain) { value.to_string() } else { format!("'{}'", value.replace('\'', "")) }
}

const UNCONFIGURED: &str = "\
no model is configured: the playbook's templates word the recommendations

Any of these, in the environment or in a file .env, has a model word them; .env.example lists all variables.

  MISTRAL_API_KEY=…                         a key of a provider: openai, mistral, groq, openrouter, …
  LLM_PROVIDER=ollama                       a server on this machine: ollama, vllm, llama-server, lmstudio, …
  LLM_BASE_URL=http://localhost:8080/v1     any endpoint that speaks OpenAI's chat completions,
  LLM_MODEL=…                               the name that it has for its model,
  LLM_API_KEY=…                             and a key if it asks for one
";

/// For the terminal.
pub fn text(checkup: &Checkup, style: Style) -> String {
    if let Some(Problem { code, message, help }) = &checkup.problem {
        let help = help.as_ref().map(|help| format!("\n  help: {}", safe(help))).unwrap_or_default();
        return format!("{}: {code}: {}{help}\n", style.bold("not usable"), safe(message));
    }
    if checkup.endpoints.is_empty() {
        return UNCONFIGURED.to_string();
    }
    let count = checkup.endpoints.len();
    let each = checkup.endpoints.iter().enumerate().map(|(place, check)| {
        let title = match place {
            _ if count == 1 => String::new(),
            0 => format!("{}\n", style.bold("the first endpoint")),
            place => format!("{}\n", style.bold(&format!("fallback {place}"))),
        };
        title + &endpoint(check, style)
    });
    let mut printed = each.collect::<Vec<_>>().join("\n");
    printed.push_str("\nThe same, as lines of .env:\n");
    checkup.environment.iter().for_each(|line| printed.push_str(&format!("  {}\n", safe(line))));
    printed
}

fn endpoint(check: &EndpointCheck, style: Style) -> String {
    let by = |chosen: &Chosen, otherwise: &str| chosen.by.map_or(otherwise.to_string(), String::from);
    let key = match &check.key {
        None => "none is set".to_string(),
        Some(Key { variable, length, ends_with }) => {
            let ends = ends_with.as_ref().map(|end| format!(", the last of which are `{end}`")).unwrap_or_default();
            format!("{length} characters{ends} ({})", variable.unwrap_or("set"))
        }
    };
    let models = match (check.models, &check.unlisted) {
        (Some(0), _) => "the list is empty".to_string(),
        (Some(count), _) if check.lists_model => format!("{count} listed, this one among them"),
        (Some(count), _) => format!("{count} listed, this one not among them"),
        (None, why) => format!("no list: {}", why.as_deref().unwrap_or("no reason")),
    };
    let mut lines = vec![
        ("provider", format!("{} ({})", check.provider.value, by(&check.provider, "by default"))),
        ("base URL", format!("{} ({})", check.base_url.value, by(&check.base_url, "the provider's own"))),
        ("model", format!("{} ({})", check.model.value, by(&check.model, "by default; LLM_MODEL overrides"))),
        ("key", key),
        ("models", models),
    ];
    lines.extend(check.note.iter().map(|note| ("note", note.clone())));
    lines.extend(check.rungs.iter().map(|probed| (probed.rung.name(), rung(probed))));
    let mut printed: String = lines.iter().map(|(name, what)| format!("  {name:<12} {}\n", safe(what))).collect();
    printed.push_str(&match (&check.trouble, check.rung) {
        (None, Some(rung)) => {
            let without = match &check.refused[..] {
                [] => String::new(),
                refused => format!("; it refuses {}", refused.join(", ")),
            };
            format!("  {}: runs get {} from it{without}\n", style.bold("usable"), rung.name())
        }
        (trouble, _) => {
            let what = trouble.as_ref().map_or("nothing answered", |trouble| &trouble.what);
            let remedy = check.remedy.as_ref().map(|remedy| format!("\n  help: {}", safe(remedy))).unwrap_or_default();
            format!("  {}: {}{remedy}\n", style.bold("not usable"), safe(what))
        }
    });
    printed
}

fn rung(probed: &RungProbe) -> String {
    let exchanges = counted(u64::from(probed.attempts), "exchange");
    let tokens = match probed.prompt_tokens + probed.completion_tokens {
        0 => String::new(),
        _ => format!("{} + {} tokens, ", probed.prompt_tokens, probed.completion_tokens),
    };
    let spent = format!("{exchanges}, {tokens}{} ms", probed.elapsed_ms);
    match &probed.result {
        RungResult::Ok => format!("ok       {spent}"),
        RungResult::Refused(why) => format!("refused  {spent}: {why}"),
        RungResult::Ignored(why) => format!("ignored  {spent}: {why}"),
        RungResult::Cut(why) => format!("cut      {spent}: {why}"),
        RungResult::Failed(why) => format!("failed   {why}"),
    }
}
