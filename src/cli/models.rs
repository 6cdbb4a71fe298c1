use std::path::PathBuf;

use serde_json::json;

use super::exit::{Exit, Failure};
use super::render::safe;
use super::{doctor, load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::io::llm::{Endpoint, models as listed};

/// List the models of the endpoint that the environment names, one a line.
#[derive(Debug, clap::Args)]
pub struct ModelsArguments {
    /// Only names with all of these words in them, in any case.
    words: Vec<String>,
    /// Read this file in place of `.env`.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Names alone, or JSON that says of which endpoint.
    #[arg(long, value_enum, default_value_t = doctor::Format::Text)]
    format: doctor::Format,
}

pub fn models(arguments: &ModelsArguments) -> Result<Exit, Failure> {
    let environment = load::environment_with(arguments.env_file.as_deref())?;
    // Whoever has no model yet asks for the list first.
    let named = environment.get("LLM_MODEL").map(|name| name.trim().to_string());
    let endpoint = match Endpoint::from_environment(&environment) {
        Ok(endpoint) => endpoint,
        Err(_) => Endpoint::from_environment(&environment.with_default("LLM_MODEL", "none")).map_err(Failure::run)?,
    };
    let endpoint = endpoint.ok_or_else(|| {
        let fault = Diagnostic::new(codes::model::PROVIDER, "no model is configured, so there is no endpoint to ask");
        Failure::run(fault.help("set LLM_BASE_URL, LLM_PROVIDER or a key; `agent doctor` says how"))
    })?;
    let all = doctor::runtime()?.block_on(listed(&endpoint)).map_err(|why| {
        let message = format!("no list of models from {}: {}", endpoint.base_url, safe(&why));
        Failure::run(Diagnostic::new(codes::model::UNLISTED, message).help("`agent doctor` tells more of the endpoint"))
    })?;
    let words: Vec<String> = arguments.words.iter().map(|word| word.to_lowercase()).collect();
    let fits = |name: &&String| words.iter().all(|word| name.to_lowercase().contains(word));
    let models: Vec<&String> = all.iter().filter(fits).collect();
    let model = named.or_else(|| endpoint.dialect.model.map(String::from));
    terminal::out(&match arguments.format {
        doctor::Format::Text => models.iter().map(|name| format!("{}\n", safe(name))).collect(),
        doctor::Format::Json => {
            let (provider, base_url) = (endpoint.dialect.name, &endpoint.base_url);
            let told = json!({ "provider": provider, "base_url": base_url, "model": model, "models": models });
            serde_json::to_string_pretty(&told).unwrap_or_default() + "\n" // JSON always serialises
        }
    });
    if models.is_empty() {
        let what = if all.is_empty() { "the list is empty".to_string() } else { format!("none of {} fits", all.len()) };
        terminal::err(&format!("{what}\n"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}
