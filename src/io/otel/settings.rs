//! The variables of the OpenTelemetry standard that count here.

use std::time::Duration;

use reqwest::Url;

use crate::diagnostic::{Diagnostic, codes};
use crate::io::llm::{Environment, Secret};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const CONTENT: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// Where spans go and what they say of this process.
#[derive(Debug)]
pub(super) struct Settings {
    pub url: Url,
    /// Header names, in lower case, and their values, which may be credentials.
    pub headers: Vec<(String, Secret)>,
    /// For one batch, with its tries.
    pub timeout: Duration,
    pub resource: Vec<(String, String)>,
    /// Whether prompts and replies are part of spans.
    pub content: bool,
}

impl Settings {
    /// # Errors
    /// AG0340.
    pub fn from_environment(environment: &Environment) -> Result<Option<Settings>, Diagnostic> {
        let is = |name: &str, value: &str| environment.get(name).is_some_and(|v| v.trim().eq_ignore_ascii_case(value));
        let Some((variable, text)) = of_traces(environment, "ENDPOINT") else { return Ok(None) };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        protocol(environment)?;
        uncompressed(environment)?;
        let content = environment.get(CONTENT).is_some_and(|text| {
            let asks = ["true", "span_only", "span_and_event"];
            asks.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
        });
        Ok(Some(Settings {
            url: url(&variable, text)?,
            headers: headers(environment)?,
            timeout: timeout(environment)?,
            resource: resource(environment)?,
            content,
        }))
    }
}

/// The variable for traces goes before that for all signals.
fn of_traces<'a>(environment: &'a Environment, what: &str) -> Option<(String, &'a str)> {
    [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")]
        .into_iter()
        .find_map(|name| environment.get(&name).map(|text| (name, text.trim())))
}

fn wrong(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(codes::run::TELEMETRY, message).help(help)
}

fn protocol(environment: &Environment) -> Result<(), Diagnostic> {
    match of_traces(environment, "PROTOCOL") {
        Some((variable, text)) if text != "http/protobuf" => {
            let help = "set it to http/protobuf, and the endpoint to where that is taken, most often port 4318";
            Err(wrong(format!("{variable} is `{text}`, which is not spoken here"), help))
        }
        _ => Ok(()),
    }
}

/// Batches are sent as they are. The exporter would read the variable itself, and fail at it without saying why.
fn uncompressed(environment: &Environment) -> Result<(), Diagnostic> {
    match of_traces(environment, "COMPRESSION") {
        Some((variable, text)) => {
            let message = format!("{variable} is `{text}`, and batches are sent uncompressed here");
            Err(wrong(message, "leave it out; collectors take both"))
        }
        None => Ok(()),
    }
}

/// The text is not shown: it may hold a password.
fn url(variable: &str, text: &str) -> Result<Url, Diagnostic> {
    let help = "write it as in http://localhost:4318";
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = parsed.ok_or_else(|| wrong(format!("{variable} is no http or https URL"), help))?;
    if variable == ENDPOINT {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

fn headers(environment: &Environment) -> Result<Vec<(String, Secret)>, Diagnostic> {
    let Some((variable, text)) = of_traces(environment, "HEADERS") else { return Ok(Vec::new()) };
    let help = "write `name=value` with commas between; a comma or space of a value is `%2C` or `%20`";
    let header = |(name, value): (String, String)| {
        let name = name.to_ascii_lowercase();
        let fits = http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(&value).is_ok();
        // Neither name nor value is shown: who swaps them would show a credential.
        let fault = || wrong(format!("{variable} has a header that no request can carry"), help);
        fits.then(|| (name, Secret::any(&value))).ok_or_else(fault)
    };
    let pairs = pairs(text).ok_or_else(|| wrong(format!("{variable} is no list of `name=value`"), help))?;
    pairs.into_iter().map(header).collect()
}

fn timeout(environment: &Environment) -> Result<Duration, Diagnostic> {
    const USUAL: Duration = Duration::from_secs(10);
    let Some((variable, text)) = of_traces(environment, "TIMEOUT") else { return Ok(USUAL) };
    let number: Option<u64> = text.parse().ok().filter(|ms| (1..=600_000).contains(ms));
    number.map(Duration::from_millis).ok_or_else(|| {
        let message = format!("{variable} is `{text}`, not a whole number of milliseconds from 1 to 600000");
        wrong(message, "leave it out for 10000")
    })
}

/// `service.name` and what else is said of this process.
fn resource(environment: &Environment) -> Result<Vec<(String, String)>, Diagnostic> {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut all = vec![
        ("service.name".to_string(), env!("CARGO_PKG_NAME").to_string()),
        ("service.version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
    ];
    if let Some(text) = environment.get(ATTRIBUTES) {
        let help = "write `key=value` with commas between";
        all.extend(pairs(text).ok_or_else(|| wrong(format!("{ATTRIBUTES} is no list of `key=value`"), help))?);
    }
    if let Some(name) = environment.get("OTEL_SERVICE_NAME") {
        all.push(("service.name".to_string(), name.trim().to_string()));
    }
    Ok(all) // of equal keys the last counts
}

/// `a=1,b=2`, with values as in a URL; `None` where an entry has no `=` or no name, or a value is no UTF-8.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let (name, value) = (name.trim(), decoded(value.trim())?);
            (!name.is_empty()).then(|| (name.to_string(), value))
        })
        .collect()
}

/// A `%` that no two hexadecimal digits follow stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8); // two hexadecimal digits
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::environment::SETTINGS;

    fn settings(pairs: &[(&str, &str)]) -> Result<Option<Settings>, Diagnostic> {
        let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")];
        Settings::from_environment(&Environment::from_pairs(pairs.iter().chain(&endpoint).copied()))
    }

    #[test]
    fn the_path_of_traces_is_appended_to_the_common_endpoint_only() {
        let url = |pairs: &[(&str, &str)]| {
            Settings::from_environment(&Environment::from_pairs(pairs.iter().copied()))
                .unwrap()
                .unwrap()
                .url
                .to_string()
        };
        for (text, expected) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/?k=1", "https://c/otlp/v1/traces?k=1"),
        ] {
            assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", text)]), expected);
        }
        assert_eq!(url(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/in")]), "http://t:1/in");
        let both = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/")];
        assert_eq!(url(&both), "http://t/");
    }

    #[test]
    fn what_the_process_is_called_can_be_said() {
        let all = settings(&[
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%2Cb, service.name=x,,k=100%"),
            ("OTEL_SERVICE_NAME", "ops"),
        ])
        .unwrap()
        .unwrap();
        let last = |key: &str| all.resource.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(last("service.name"), Some("ops"));
        assert_eq!(last("deployment.environment.name"), Some("a,b"));
        assert_eq!(last("k"), Some("100%"));
    }

    #[test]
    fn content_is_for_those_who_ask_for_it() {
        for (text, expected) in
            [("true", true), ("TRUE", true), ("SPAN_ONLY", true), ("false", false), ("1", false), ("event_only", false)]
        {
            assert_eq!(settings(&[(CONTENT, text)]).unwrap().unwrap().content, expected, "{text}");
        }
        assert!(!settings(&[]).unwrap().unwrap().content);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_a_credential() {
        for (variable, text) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "sk-0123456789"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "sk-0123456789"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x y=sk-0123456789"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=sk-0123456789%0A"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=sk-0123456789%FF"),
            ("OTEL_RESOURCE_ATTRIBUTES", "sk-0123456789"),
        ] {
            let fault = settings(&[(variable, text)]).unwrap_err();
            let shown = format!("{fault} {:?}", fault.help);
            assert!(shown.starts_with("AG0340") && shown.contains(variable), "{shown}");
            assert!(!shown.contains("sk-0123456789"), "{shown}");
        }
        let good = settings(&[("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc=,x-y=1")]).unwrap().unwrap();
        let headers: Vec<(&str, &str)> = good.headers.iter().map(|(k, v)| (k.as_str(), v.expose())).collect();
        assert_eq!(headers, [("authorization", "Basic abc="), ("x-y", "1")]);
        assert!(!format!("{good:?}").contains("abc"));
    }

    #[test]
    fn defaults_are_as_the_list_of_settings_says() {
        let said: Vec<(&str, &str)> = SETTINGS.iter().map(|setting| (setting.name, setting.default)).collect();
        let said = settings(&said).unwrap().unwrap();
        assert_eq!((format!("{:?}", said.timeout), said.content), ("10s".to_string(), false));
        assert_eq!(said.resource.last().unwrap().1, settings(&[]).unwrap().unwrap().resource[0].1);
    }
}
