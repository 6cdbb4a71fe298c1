//! A model that is evaluated: the environment with its name in it.

use crate::diagnostic::Diagnostic;
use crate::domain::ModelIdentity;
use crate::io::llm::{DIALECTS, Endpoint, Environment};

pub struct Candidate {
    pub identity: ModelIdentity,
    environment: Environment,
}

impl Candidate {
    /// `MODEL` of the environment's provider, or `PROVIDER/MODEL`. A gateway whose own names look like that is written before
    /// them: `openrouter/openai/gpt-oss-20b`.
    ///
    /// # Errors
    /// AG0201 to AG0204: the environment does not say enough of the provider.
    pub fn of(name: &str, environment: &Environment) -> Result<Candidate, Diagnostic> {
        let known = |name: &str| DIALECTS.iter().find(|dialect| dialect.name == name);
        let named = name.trim().split_once('/').and_then(|(provider, model)| Some((known(provider)?.name, model)));
        // Neither stands in for the model that is measured, nor what it said to somebody else.
        let alone = environment.with([("LLM_FALLBACKS", None), ("LLM_CACHE", Some("off"))]);
        let environment = match named {
            None => alone.with([("LLM_MODEL", Some(name.trim()))]),
            Some((provider, model)) => {
                let probe = alone.with([("LLM_MODEL", Some(model))]);
                let present = Endpoint::from_environment(&probe).ok().flatten().map(|endpoint| endpoint.dialect.name);
                if present == Some(provider) {
                    probe
                } else {
                    // The URL and the key are another's: they must not be mixed up.
                    let other = [("LLM_BASE_URL", None), ("LLM_API_KEY", None), ("LLM_PROVIDER", Some(provider))];
                    probe.with(other)
                }
            }
        };
        let endpoint = Endpoint::from_environment(&environment)?.ok_or_else(|| {
            let message = format!("nothing says where the model `{name}` is to be found");
            Diagnostic::new(crate::diagnostic::codes::model::PROVIDER, message)
                .help("set a key, or LLM_BASE_URL; .env.example lists the variables")
        })?;
        Ok(Candidate { identity: endpoint.identity(), environment })
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], name: &str, expected: &str) {
        let environment = Environment::from_pairs(variables.iter().copied());
        let shown = match Candidate::of(name, &environment) {
            Ok(Candidate { identity: of, environment }) => {
                assert_eq!((environment.get("LLM_FALLBACKS"), environment.get("LLM_CACHE")), (None, Some("off")));
                format!("{} {} {}", of.provider, of.model, of.base_url)
            }
            Err(fault) => fault.code.id.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_name_may_say_the_provider() {
        let local = [("LLM_BASE_URL", "http://127.0.0.1:1/v1"), ("LLM_API_KEY", "k"), ("LLM_FALLBACKS", "groq")];
        check(&local, "a", "custom a http://127.0.0.1:1/v1");
        check(&local, " org/model-7b ", "custom org/model-7b http://127.0.0.1:1/v1");
        check(&local, "custom/openai/gpt", "custom openai/gpt http://127.0.0.1:1/v1");
        // The URL and the key of the one never go to the other.
        check(&local, "mistral/m", "AG0201");
        let both = [local.as_slice(), &[("MISTRAL_API_KEY", "m")]].concat();
        check(&both, "mistral/m", "mistral m https://api.mistral.ai/v1");
        check(&[], "a", "AG0201");
    }
}
