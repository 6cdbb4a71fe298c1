//! What each provider's endpoint accepts, as data: no code names a provider. All speak OpenAI's chat completions, each
//! with its own gaps; where the table is wrong for a model, the ladder finds out.

/// One provider.
#[derive(Debug)]
pub struct Dialect {
    /// As `LLM_PROVIDER` and the header of a cassette write it.
    pub name: &'static str,
    /// As OpenTelemetry's conventions for generative AI write it, where they have one of their own.
    pub traced_name: Option<&'static str>,
    /// Without a path of its own; `None` where there is no common one.
    pub base_url: Option<&'static str>,
    /// Variables that hold another base URL, and what is appended to theirs.
    pub base_url_variables: &'static [&'static str],
    pub base_url_suffix: &'static str,
    /// Host names of this provider, so that `LLM_BASE_URL` alone is recognised; any subdomain where one starts with a
    /// dot. Empty for servers of one's own.
    pub hosts: &'static [&'static str],
    /// The first that is set counts; `LLM_API_KEY` goes before them.
    pub key_variables: &'static [&'static str],
    pub key_required: bool,
    pub auth: Auth,
    /// Headers that are sent when their variable is set.
    pub headers: &'static [(&'static str, &'static str)],
    /// `None` where every installation has its own names.
    pub model: Option<&'static str>,
    pub token_limit: &'static str,
    /// The other name of the limit, when the first is refused.
    pub token_limit_otherwise: Option<&'static str>,
    pub output: Output,
    /// Whether `json_object` takes the schema beside it.
    pub schema_in_object: bool,
    /// Name of the seed field; `None` where it is refused or means nothing.
    pub seed: Option<&'static str>,
}

/// How the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`.
    ApiKey,
}

/// How a reply is held to the schema; the rungs of a ladder, best first. The prompt holds the schema on every rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    JsonSchema,
    JsonObject,
    Prompt,
}

impl Output {
    /// Best first.
    pub const RUNGS: [Output; 3] = [Output::JsonSchema, Output::JsonObject, Output::Prompt];

    pub(super) fn lower(self) -> Output {
        match self {
            Output::JsonSchema => Output::JsonObject,
            Output::JsonObject | Output::Prompt => Output::Prompt,
        }
    }

    /// As `response_format` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Output::JsonSchema => "json_schema",
            Output::JsonObject => "json_object",
            Output::Prompt => "prompt",
        }
    }
}

/// A server of one's own, of which nothing is known.
const LOCAL: Dialect = Dialect {
    name: "",
    traced_name: None,
    base_url: None,
    base_url_variables: &[],
    base_url_suffix: "",
    hosts: &[],
    key_variables: &[],
    key_required: false,
    auth: Auth::Bearer,
    headers: &[],
    model: None,
    token_limit: "max_tokens",
    token_limit_otherwise: Some("max_completion_tokens"),
    output: Output::JsonSchema,
    schema_in_object: false,
    seed: None,
};

/// A service with accounts.
const HOSTED: Dialect = Dialect { key_required: true, ..LOCAL };

/// The name of the dialect for a base URL of which nothing is known.
pub(super) const CUSTOM: &str = "custom";

/// All providers. When several have a key in the environment and nothing else decides, the first of them is taken.
pub const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "openai",
        base_url: Some("https://api.openai.com/v1"),
        base_url_variables: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        hosts: &["api.openai.com"],
        key_variables: &["OPENAI_API_KEY"],
        headers: &[("openai-organization", "OPENAI_ORG_ID"), ("openai-project", "OPENAI_PROJECT_ID")],
        model: Some("gpt-4.1-mini"),
        token_limit: "max_completion_tokens",
        token_limit_otherwise: Some("max_tokens"),
        seed: Some("seed"),
        ..HOSTED
    },
    Dialect {
        name: "mistral",
        traced_name: Some("mistral_ai"),
        base_url: Some("https://api.mistral.ai/v1"),
        hosts: &["api.mistral.ai"],
        key_variables: &["MISTRAL_API_KEY"],
        model: Some("mistral-small-latest"),
        token_limit_otherwise: None,
        seed: Some("random_seed"),
        ..HOSTED
    },
    // The v1 API, which needs no api-version. The model is the name of a deployment.
    Dialect {
        name: "azure",
        traced_name: Some("azure.ai.openai"),
        base_url_variables: &["AZURE_OPENAI_ENDPOINT"],
        base_url_suffix: "/openai/v1",
        hosts: &[".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"],
        key_variables: &["AZURE_OPENAI_API_KEY"],
        auth: Auth::ApiKey,
        token_limit: "max_completion_tokens",
        token_limit_otherwise: Some("max_tokens"),
        seed: Some("seed"),
        ..HOSTED
    },
    Dialect {
        name: "groq",
        base_url: Some("https://api.groq.com/openai/v1"),
        base_url_variables: &["GROQ_BASE_URL"],
        hosts: &["api.groq.com"],
        key_variables: &["GROQ_API_KEY"],
        model: Some("openai/gpt-oss-20b"),
        token_limit: "max_completion_tokens",
        token_limit_otherwise: Some("max_tokens"),
        seed: Some("seed"),
        ..HOSTED
    },
    Dialect {
        name: "openrouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        hosts: &["openrouter.ai"],
        key_variables: &["OPENROUTER_API_KEY"],
        model: Some("openai/gpt-4.1-mini"),
        seed: Some("seed"),
        ..HOSTED
    },
    Dialect {
        name: "together",
        base_url: Some("https://api.together.xyz/v1"),
        base_url_variables: &["TOGETHER_BASE_URL"],
        hosts: &["api.together.xyz"],
        key_variables: &["TOGETHER_API_KEY"],
        model: Some("openai/gpt-oss-20b"),
        seed: Some("seed"),
        ..HOSTED
    },
    Dialect {
        name: "gemini",
        traced_name: Some("gcp.gemini"),
        base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        hosts: &["generativelanguage.googleapis.com"],
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        model: Some("gemini-2.5-flash"),
        ..HOSTED
    },
    // Its compatible endpoint ignores `response_format`.
    Dialect {
        name: "anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        hosts: &["api.anthropic.com"],
        key_variables: &["ANTHROPIC_API_KEY"],
        model: Some("claude-haiku-4-5"),
        output: Output::Prompt,
        ..HOSTED
    },
    Dialect {
        name: "deepseek",
        base_url: Some("https://api.deepseek.com"),
        hosts: &["api.deepseek.com"],
        key_variables: &["DEEPSEEK_API_KEY"],
        model: Some("deepseek-chat"),
        output: Output::JsonObject,
        ..HOSTED
    },
    // It does not read `max_completion_tokens`, so a fallback to it would lift the limit.
    Dialect {
        name: "ollama",
        base_url: Some("http://localhost:11434/v1"),
        base_url_variables: &["OLLAMA_BASE_URL"],
        key_variables: &["OLLAMA_API_KEY"],
        model: Some("llama3.2"),
        token_limit_otherwise: None,
        seed: Some("seed"),
        ..LOCAL
    },
    Dialect { name: "vllm", base_url: Some("http://localhost:8000/v1"), seed: Some("seed"), ..LOCAL },
    // One server has one model, and takes any name for it.
    Dialect {
        name: "llama-server",
        base_url: Some("http://localhost:8080/v1"),
        key_variables: &["LLAMA_API_KEY"],
        model: Some("default"),
        schema_in_object: true,
        seed: Some("seed"),
        ..LOCAL
    },
    Dialect {
        name: "llama-cpp-python",
        base_url: Some("http://localhost:8000/v1"),
        model: Some("default"),
        token_limit_otherwise: None,
        output: Output::JsonObject,
        schema_in_object: true,
        seed: Some("seed"),
        ..LOCAL
    },
    Dialect { name: "lmstudio", base_url: Some("http://localhost:1234/v1"), seed: Some("seed"), ..LOCAL },
    Dialect {
        name: "litellm",
        base_url: Some("http://localhost:4000/v1"),
        key_variables: &["LITELLM_MASTER_KEY"],
        ..LOCAL
    },
    Dialect { name: CUSTOM, ..LOCAL },
];

/// The dialect of that name.
pub(super) fn named(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}

/// The dialect of the provider whose host that is, else the one that assumes nothing.
pub(super) fn of_host(host: &str) -> &'static Dialect {
    let is_one = |name: &str| if name.starts_with('.') { host.ends_with(name) } else { host == name };
    let known = DIALECTS.iter().find(|dialect| dialect.hosts.iter().any(|name| is_one(name)));
    known.or_else(|| named(CUSTOM)).unwrap_or(&LOCAL) // `custom` is in the table: a test says so
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let mut names: Vec<&str> = DIALECTS.iter().map(|d| d.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DIALECTS.len());
        assert!(named(CUSTOM).is_some() && named("").is_none());
        for dialect in DIALECTS {
            if let Some(url) = dialect.base_url {
                let host = reqwest::Url::parse(url).unwrap().host_str().unwrap().to_string();
                assert!(!url.ends_with('/'), "{url}");
                assert!(dialect.hosts.contains(&host.as_str()) || host == "localhost", "{url}");
                if dialect.key_required {
                    assert_eq!(of_host(&host).name, dialect.name);
                }
            }
            assert!(dialect.key_required != dialect.hosts.is_empty(), "{}", dialect.name);
            assert!(!dialect.key_required || !dialect.key_variables.is_empty(), "{}", dialect.name);
        }
        assert_eq!(of_host("team.openai.azure.com").name, "azure");
        assert_eq!(of_host("team.services.ai.azure.com").name, "azure");
        assert_eq!(of_host("evil-api.openai.com").name, CUSTOM);
        assert_eq!(of_host("localhost").name, CUSTOM);
    }
}
