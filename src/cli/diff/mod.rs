pub mod causes;
mod effects;
pub mod outcome;
mod told;

use super::exit::{Exit, Failure};
use super::render::diff as view;
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::io::state::StateDir;
use outcome::Difference;
use told::Told;

/// Show what changed from one run to another, and why: data, rules, prompt, model, and what followed.
///
/// Causes are told apart by what the runs were made of: what was read, the files and settings of each node, the model.
/// A sentence counts as changed where the decision is the same.
#[derive(Debug, clap::Args)]
pub struct DiffArguments {
    /// The earlier run: its id, a unique beginning of one, or `last`.
    before: String,
    /// The later run.
    after: String,
    /// A text to read, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn diff(arguments: &DiffArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
    let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
    let told = |name: &str| state.resolve(name).map_err(Failure::run).and_then(|folder| Told::of(&folder));
    let (before, after) = (told(&arguments.before)?, told(&arguments.after)?);
    let causes = causes::causes(&before, &after, &|fingerprint| state.text(fingerprint));
    let effects = effects::effects(&before, &after);
    let difference = Difference {
        same: causes.is_empty() && effects.is_empty(),
        before: before.side(),
        after: after.side(),
        causes,
        effects,
    };
    terminal::out(&match arguments.format {
        Format::Text => view::diff(&difference, terminal::stdout_style()),
        Format::Json => serde_json::to_string_pretty(&difference).unwrap_or_default() + "\n", // our own types serialise
    });
    Ok(Exit::Done)
}
