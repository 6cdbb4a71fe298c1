//! Every setting of the program: the one list of their names, what they are without a value, and what they mean.

/// One setting. It has the same name in the environment, in `.env` and in `agent.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// What counts where nothing is set; empty where that is nothing.
    pub default: &'static str,
    /// A credential, which is never shown.
    pub secret: bool,
    /// The flag that goes before all else.
    pub flag: Option<&'static str>,
    /// In one line.
    pub help: &'static str,
}

/// The setting of this name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

const fn plain(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, secret: false, flag: None, help }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, default: "", secret: true, flag: None, help }
}

/// All settings, as `agent config` lists them.
pub const SETTINGS: &[Setting] = &[
    plain("AGENT_CONFIG", "", "the file of settings; by default the nearest `agent.toml`, here or in a folder above"),
    plain(
        "AGENT_STATE_DIR",
        "",
        "where runs and what live graphs remember are kept; by default where the system keeps such",
    ),
    plain(
        "AGENT_KEEP_RUNS",
        "",
        "how many runs of each graph are kept: by default 50, and 1000 where each window is a run",
    ),
    plain("AGENT_THREADS", "", "threads that decode a file, for measurements; by default as many as there are cores"),
    plain(
        "AGENT_SCANNER",
        "on",
        "`off`: every line is read by the general path, for measurements beside the quick one",
    ),
    plain("AGENT_JOURNAL", "unsynced", "`synced` survives a power cut too, and is slower"),
    Setting {
        flag: Some("--log-format"),
        ..plain("AGENT_LOG_FORMAT", "text", "of standard error: `text`, or `json` with one object a line")
    },
    plain(
        "AGENT_API_JWT_ALGORITHM",
        "",
        "how tokens for the API are signed: HS256, RS256 or EdDSA; without it there are none",
    ),
    secret("AGENT_API_JWT_SECRET", "the secret of HS256, of at least 32 bytes"),
    plain("AGENT_API_JWT_SECRET_FILE", "", "a file with that secret"),
    plain("AGENT_API_JWT_PUBLIC_KEY_FILE", "", "the public key of RS256 or EdDSA in PEM"),
    plain("AGENT_API_JWT_JWKS", "", "a file or an https URL with a set of such keys"),
    plain("AGENT_API_JWT_AUDIENCE", "", "what tokens for this server have as `aud`"),
    plain("AGENT_API_JWT_ISSUER", "", "what they have as `iss`; without it any issuer does"),
    plain("AGENT_API_JWT_ROLES_CLAIM", "roles", "where their roles stand: `roles`, a list, or `scope`, one text"),
    plain("RUST_LOG", "", "what is logged, as in `info,agent::io=debug`; goes before what -q and -v choose"),
    plain("LLM_PROVIDER", "", "a provider by name; goes before the keys that are set"),
    plain("LLM_BASE_URL", "", "an endpoint that speaks OpenAI's chat completions"),
    plain("LLM_MODEL", "", "the model; by default the one of the provider"),
    secret("LLM_API_KEY", "the key, if LLM_BASE_URL or LLM_PROVIDER asks for one"),
    plain(
        "LLM_FALLBACKS",
        "",
        "who answers when the endpoint does not: PROVIDER, PROVIDER/MODEL or URL#MODEL, with commas",
    ),
    secret("LLM_FALLBACKS_API_KEY", "for URLs of LLM_FALLBACKS whose host is of no known provider"),
    plain("LLM_TIMEOUT", "30", "seconds for one call"),
    plain("LLM_DEADLINE", "120", "seconds for all calls of a run"),
    plain("LLM_CONCURRENCY", "8", "calls at one time"),
    plain("LLM_REQUESTS_PER_MINUTE", "", "requests in any minute; more than that waits"),
    plain("LLM_TOKENS_PER_MINUTE", "", "tokens of prompts and answers in any minute; more than that waits"),
    plain("LLM_MAX_TOKENS_PER_RUN", "", "tokens of a run; what is not covered is worded by templates"),
    plain("LLM_PRICE_PROMPT", "", "what a million tokens of prompts cost"),
    plain("LLM_PRICE_COMPLETION", "", "what a million tokens of answers cost"),
    plain("LLM_CURRENCY", "", "of the prices"),
    plain("LLM_CACHE", "on", "whether accepted answers are kept, and not asked for again: `on` or `off`"),
    plain("LLM_LABEL", "", "stands in the header of a cassette that --record writes"),
    secret("OPENAI_API_KEY", "key of openai"),
    plain("OPENAI_BASE_URL", "", "another place of openai"),
    plain("OPENAI_API_BASE", "", "the same under its former name"),
    plain("OPENAI_ORG_ID", "", "organization that openai bills"),
    plain("OPENAI_PROJECT_ID", "", "project that openai bills"),
    secret("MISTRAL_API_KEY", "key of mistral"),
    secret("AZURE_OPENAI_API_KEY", "key of azure"),
    plain("AZURE_OPENAI_ENDPOINT", "", "place of azure, as in https://NAME.openai.azure.com"),
    secret("GROQ_API_KEY", "key of groq"),
    plain("GROQ_BASE_URL", "", "another place of groq"),
    secret("OPENROUTER_API_KEY", "key of openrouter"),
    secret("TOGETHER_API_KEY", "key of together"),
    plain("TOGETHER_BASE_URL", "", "another place of together"),
    secret("GEMINI_API_KEY", "key of gemini"),
    secret("GOOGLE_API_KEY", "key of gemini, where GEMINI_API_KEY is not set"),
    secret("ANTHROPIC_API_KEY", "key of anthropic"),
    secret("DEEPSEEK_API_KEY", "key of deepseek"),
    plain("OLLAMA_BASE_URL", "", "another place of ollama; by default http://localhost:11434/v1"),
    secret("OLLAMA_API_KEY", "key of ollama, if it asks for one"),
    secret("LLAMA_API_KEY", "key of llama-server, if it asks for one"),
    secret("LITELLM_MASTER_KEY", "key of litellm, if it asks for one"),
    plain("OTEL_EXPORTER_OTLP_ENDPOINT", "", "collector of spans, by OTLP over HTTP; without it there are none"),
    plain("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "the same with its whole path; goes before it"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "headers for the collector, as in authorization=Bearer%20TOKEN"),
    secret("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "goes before OTEL_EXPORTER_OTLP_HEADERS"),
    plain("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "milliseconds for one batch"),
    plain("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "", "goes before OTEL_EXPORTER_OTLP_TIMEOUT"),
    plain("OTEL_EXPORTER_OTLP_COMPRESSION", "", "refused: batches are sent uncompressed"),
    plain("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "", "refused as well"),
    plain("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "the only one that is spoken"),
    plain("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "", "goes before OTEL_EXPORTER_OTLP_PROTOCOL"),
    plain("OTEL_TRACES_EXPORTER", "otlp", "`none`: no spans"),
    plain("OTEL_SERVICE_NAME", "agent", "the name of this program in spans"),
    plain("OTEL_RESOURCE_ATTRIBUTES", "", "what else spans say of it, as in deployment.environment.name=prod"),
    plain("OTEL_SDK_DISABLED", "false", "`true`: no spans"),
    plain(
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "false",
        "`true`: prompts and replies are part of spans",
    ),
    plain("TRACEPARENT", "", "the span that a run is part of; of windows, the one that they link to"),
    plain("TRACESTATE", "", "what goes with TRACEPARENT"),
    plain("NOTIFY_SOCKET", "", "where systemd wants to be told that a run has begun; it sets this itself"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What nothing but a setting is called.
    const PREFIXES: [&str; 3] = ["AGENT_", "LLM_", "OTEL_"];

    /// The text of the program without its tests, by file.
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("tests") || name.ends_with("_tests.rs") {
                continue;
            }
            if path.is_dir() {
                sources(&path, found);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_string();
                found.push((path.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }

    fn all_sources() -> Vec<(String, String)> {
        let mut found = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 200, "{}", found.len());
        found
    }

    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
    }

    #[test]
    fn every_variable_that_is_read_is_in_the_list_and_the_other_way_round() {
        let mut mentioned = BTreeSet::new();
        for (path, text) in all_sources() {
            if path.ends_with("environment/settings.rs") {
                continue;
            }
            let reads = text.split(".get(\"").skip(1).chain(text.split("variable(\"").skip(1));
            let read = reads.filter_map(|rest| rest.split('"').next()).filter(|name| {
                name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
            });
            let named =
                words(&text).filter(|word| PREFIXES.iter().any(|p| word.starts_with(p)) && !word.ends_with('_'));
            // The words of the standard, each with and without that for traces alone.
            let of_traces = text.split("of_traces(environment, \"").skip(1).filter_map(|rest| rest.split('"').next());
            let of_traces =
                of_traces.flat_map(|what| ["", "TRACES_"].map(|of| format!("OTEL_EXPORTER_OTLP_{of}{what}")));
            for name in read.chain(named).map(str::to_string).chain(of_traces) {
                assert!(setting(&name).is_some(), "{path}: {name} is not in SETTINGS");
                mentioned.insert(name);
            }
            mentioned.extend(words(&text).filter_map(|word| Some(setting(word)?.name.to_string())));
            let reads_process = text.contains("env::var");
            assert!(!reads_process || path.ends_with("io/environment.rs"), "{path} reads the process's variables");
        }
        for Setting { name, .. } in SETTINGS {
            assert!(mentioned.contains(*name), "{name} is read nowhere");
        }
        let names: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), SETTINGS.len(), "each once");
    }

    #[test]
    fn the_example_file_has_every_setting_and_its_default() {
        let text = include_str!("../../../.env.example");
        let lines = text.lines().filter(|line| line.starts_with('#') && line.contains('=') && !line.starts_with("# "));
        // Without its comment signs it is a file that can be read.
        let plain: String = lines.map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
        let pairs: Vec<(String, String)> = dotenvy::from_read_iter(plain.as_bytes()).map(Result::unwrap).collect();
        let names: BTreeSet<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        // Some stand in a comment beside another.
        for Setting { name, default, .. } in SETTINGS {
            assert!(words(text).any(|word| word == *name), "{name} is not in .env.example");
            let value = pairs.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value);
            assert!(default.is_empty() || value == *default, "{name}: `{value}`, not `{default}`");
        }
        for name in names {
            assert!(setting(name).is_some(), "{name} is not in SETTINGS");
        }
        let fallbacks = pairs.iter().find(|(name, _)| name == "LLM_FALLBACKS").map(|(_, value)| value.as_str());
        assert_eq!(
            fallbacks,
            Some("mistral,ollama/llama3.2,https://host/v1#model"),
            "the sign within a word begins no comment"
        );
    }
}
