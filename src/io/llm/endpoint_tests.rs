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
        (&[("LLM_PROVIDER", "openai")], "AG0201: no key for openai [set LLM_API_KEY or OPENAI_API_KEY]"),
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

/// The endpoints behind the first, `provider|base URL|model|variable of the key` each, or the code, message and help.
fn behind(fallbacks: &str, more: &[(&str, &str)]) -> String {
    let first = [("LLM_BASE_URL", "http://gpu:8000/v1"), ("LLM_MODEL", "m"), ("LLM_API_KEY", KEY)];
    let pairs = more.iter().copied().chain(first).chain([("LLM_FALLBACKS", fallbacks)]);
    match Endpoint::all_from_environment(&Environment::from_pairs(pairs)) {
        Ok(all) => {
            let each = all
                .iter()
                .skip(1)
                .map(|e| format!("{}|{}|{}|{}", e.dialect.name, e.base_url, e.model, e.origin.key.unwrap_or("-")));
            each.collect::<Vec<_>>().join(" ")
        }
        Err(d) => format!("{d} [{}]", d.help.clone().unwrap_or_default()),
    }
}

#[test]
fn fallbacks_are_providers_or_urls_with_keys_of_their_own() {
    let mistral = ("MISTRAL_API_KEY", "sk-other");
    for (fallbacks, more, expected) in [
        (" , ", &[][..], ""),
        ("ollama", &[], "ollama|http://localhost:11434/v1|llama3.2|-"),
        (
            "Mistral, ollama/qwen3:8b,",
            &[mistral],
            "mistral|https://api.mistral.ai/v1|mistral-small-latest|MISTRAL_API_KEY \
             ollama|http://localhost:11434/v1|qwen3:8b|-",
        ),
        (
            "openrouter/openai/gpt-4.1-mini",
            &[("OPENROUTER_API_KEY", KEY)],
            "openrouter|https://openrouter.ai/api/v1|openai/gpt-4.1-mini|OPENROUTER_API_KEY",
        ),
        // LLM_API_KEY goes nowhere but to the first endpoint's place.
        ("https://llm.example/v1/#a/b", &[], "custom|https://llm.example/v1|a/b|-"),
        ("http://gpu:8000/v1#small", &[], "custom|http://gpu:8000/v1|small|LLM_API_KEY"),
        (
            "https://llm.example/v1#a",
            &[("LLM_FALLBACKS_API_KEY", KEY)],
            "custom|https://llm.example/v1|a|LLM_FALLBACKS_API_KEY",
        ),
        (
            "https://api.mistral.ai/v1",
            &[mistral, ("LLM_FALLBACKS_API_KEY", KEY)],
            "mistral|https://api.mistral.ai/v1|mistral-small-latest|MISTRAL_API_KEY",
        ),
        ("mistral", &[], "AG0201: no key for mistral [set MISTRAL_API_KEY]"),
        (
            "mistrl",
            &[],
            "AG0221: an entry of LLM_FALLBACKS names no endpoint: `mistrl` is no provider \
             [did you mean `mistral`?; or write URL#MODEL]",
        ),
        (
            "https://llm.example/v1",
            &[],
            "AG0221: an entry of LLM_FALLBACKS names no endpoint: custom has no default model \
             [write PROVIDER/MODEL or URL#MODEL]",
        ),
        (
            "custom/m",
            &[],
            "AG0221: an entry of LLM_FALLBACKS names no endpoint: custom has no common base URL [write URL#MODEL]",
        ),
    ] {
        assert_eq!(behind(fallbacks, more), expected, "{fallbacks}");
    }
    assert_eq!(
        chosen(&[("LLM_FALLBACKS", "ollama")]),
        "AG0201: LLM_FALLBACKS is set, but nothing says which endpoint it is for \
         [set LLM_PROVIDER or LLM_BASE_URL, or unset it]"
    );
}

#[test]
fn an_endpoint_knows_which_variables_decided() {
    let origin = |pairs: &[(&str, &str)]| {
        let endpoint = Endpoint::from_environment(&Environment::from_pairs(pairs.iter().copied())).unwrap().unwrap();
        let Origin { provider, base_url, model, key } = endpoint.origin;
        [provider, base_url, model, key].map(|by| by.unwrap_or("-")).join(" ")
    };
    assert_eq!(origin(&[("MISTRAL_API_KEY", KEY)]), "MISTRAL_API_KEY - - MISTRAL_API_KEY");
    assert_eq!(
        origin(&[
            ("LLM_PROVIDER", "openai"),
            ("LLM_API_KEY", KEY),
            ("OPENAI_BASE_URL", "http://a"),
            ("LLM_MODEL", "m")
        ]),
        "LLM_PROVIDER OPENAI_BASE_URL LLM_MODEL LLM_API_KEY"
    );
    assert_eq!(origin(&[("LLM_BASE_URL", "http://a/v1"), ("LLM_MODEL", "m")]), "LLM_BASE_URL LLM_BASE_URL LLM_MODEL -");
    assert_eq!(origin(&[("OLLAMA_BASE_URL", "http://a/v1")]), "OLLAMA_BASE_URL OLLAMA_BASE_URL - -");
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
