use super::exit::{Exit, Failure};
use super::render::config::{Shown, json, text};
use super::{load, terminal};
use crate::io::environment::{Environment, Origin, SETTINGS, Setting};
use crate::io::state::StateDir;

/// Print every setting: its value, where that comes from, and what it is.
///
/// Of several places the first counts: a flag, the environment, `.env`, the file of settings, what is built in. `.env` and
/// `agent.toml` are those of the current folder, or of the nearest one above that has one; AGENT_CONFIG names another file
/// of settings. There a setting has the name that it has in the environment, as in `LLM_TIMEOUT = 30`. Credentials are not
/// shown.
#[derive(Debug, clap::Args)]
pub struct ConfigArguments {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub fn config(arguments: &ConfigArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let settings: Vec<Shown> = SETTINGS.iter().map(|setting| shown(setting, &environment)).collect();
    terminal::out(&if arguments.json { json(&settings) } else { text(&settings, terminal::stdout_style()) });
    Ok(Exit::Done)
}

fn shown(setting: &'static Setting, environment: &Environment) -> Shown {
    let found = environment.found(setting.name);
    if let Some((value, origin)) = found {
        return Shown::new(setting, Some(value.trim()), origin.clone());
    }
    // What the system says of it, else what stands in the list.
    let of_system = match setting.name {
        "AGENT_STATE_DIR" => StateDir::open(None).ok().map(|state| state.path().display().to_string()),
        _ => None,
    };
    let value = of_system.as_deref().or(Some(setting.default)).filter(|value| !value.is_empty());
    Shown::new(setting, value, Origin::Default)
}
