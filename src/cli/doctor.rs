use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::render::doctor::{Checkup, EndpointCheck, Problem, environment_lines, text};
use super::{execute, load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::io::llm::{Endpoint, Environment, models, probe};

/// Say which model would be asked and why, try it, and say what is wrong.
///
/// Each endpoint of the environment is asked for its models and gets one small request for each way of asking for JSON: a
/// few hundred tokens. Exits with 0 when all of them can be used.
#[derive(Debug, clap::Args)]
pub struct DoctorArguments {
    /// Read this file in place of `.env`.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Text to read, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

pub fn doctor(arguments: &DoctorArguments) -> Result<Exit, Failure> {
    let environment = load::environment_with(arguments.env_file.as_deref())?;
    let checkup = runtime()?.block_on(checked(environment));
    terminal::out(&match arguments.format {
        Format::Text => text(&checkup, terminal::stdout_style()),
        // Our own types with string keys always serialise.
        Format::Json => serde_json::to_string_pretty(&checkup).unwrap_or_default() + "\n",
    });
    Ok(if checkup.usable { Exit::Done } else { Exit::Failed })
}

async fn checked(environment: Environment) -> Checkup {
    let endpoints = match Endpoint::all_from_environment(&environment) {
        Ok(endpoints) => endpoints,
        Err(fault) => return Checkup::of_problem(problem(fault, environment).await),
    };
    let environment = environment_lines(&endpoints);
    let mut checks = Vec::new();
    for endpoint in endpoints {
        let probed = probe(endpoint.clone()).await;
        checks.push(EndpointCheck::new(&endpoint, probed));
    }
    let usable = !checks.is_empty() && checks.iter().all(|check| check.usable);
    Checkup { usable, endpoints: checks, environment, problem: None }
}

/// Where only the name of a model is missing, the endpoint can say which there are.
async fn problem(fault: Diagnostic, environment: Environment) -> Problem {
    let lacks_model = fault.code == codes::model::PROVIDER && environment.get("LLM_MODEL").is_none();
    let endpoint = Endpoint::from_environment(&environment.with_default("LLM_MODEL", "none"));
    let listed = match endpoint {
        Ok(Some(endpoint)) if lacks_model => models(&endpoint).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    Problem::new(&fault, &listed)
}

/// For a few requests.
///
/// # Errors
/// Exit 1: the system has no threads left.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| execute::fault(format!("no threads can be had: {e}")))
}
