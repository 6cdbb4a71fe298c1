use super::exit::{Exit, Failure};
use super::render::explain;
use super::terminal;
use crate::diagnostic::{Diagnostic, codes, did_you_mean};

/// Explain a code such as AG0003: what it means, why it happens, what to do. Without a code, list them all.
#[derive(Debug, clap::Args)]
pub struct ExplainArguments {
    code: Option<String>,
}

pub fn explain(arguments: &ExplainArguments) -> Result<Exit, Failure> {
    let Some(wanted) = &arguments.code else {
        terminal::out(&explain::list(codes::all()));
        return Ok(Exit::Done);
    };
    let id = wanted.to_ascii_uppercase();
    match codes::all().find(|code| code.id == id) {
        Some(code) => {
            terminal::out(&explain::page(code, terminal::stdout_style()));
            Ok(Exit::Done)
        }
        None => {
            let near = did_you_mean(&id, codes::all().map(|c| c.id));
            let help = near.map_or("`agent explain` lists all codes".to_string(), |n| format!("did you mean {n}?"));
            let message = format!("there is no code `{wanted}`");
            Err(Failure::usage(Diagnostic::new(codes::run::UNKNOWN_CODE, message).help(help)))
        }
    }
}
