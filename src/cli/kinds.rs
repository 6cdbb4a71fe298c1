use super::exit::{Exit, Failure};
use super::render::kinds::{list, page};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes, did_you_mean};

/// List the node kinds, or print the manual of one: what it does, its keys, its inputs and its output.
#[derive(Debug, clap::Args)]
pub struct KindsArguments {
    /// Name of a kind.
    name: Option<String>,
}

pub fn kinds(arguments: &KindsArguments) -> Result<Exit, Failure> {
    let kinds = load::kinds();
    let Some(name) = &arguments.name else {
        terminal::out(&list(&kinds, terminal::stdout_style()));
        return Ok(Exit::Done);
    };
    let Some(kind) = kinds.iter().find(|k| k.name == name) else {
        let near = did_you_mean(name, kinds.iter().map(|k| k.name));
        let help = near.map_or("`agent kinds` lists them".to_string(), |n| format!("did you mean `{n}`?"));
        let fault = Diagnostic::new(codes::graph::UNKNOWN_KIND, format!("no node kind is named `{name}`")).help(help);
        return Err(Failure::usage(fault));
    };
    terminal::out(&page(kind));
    Ok(Exit::Done)
}
