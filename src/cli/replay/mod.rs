mod cassette;
mod journal;

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::{load, terminal};
use crate::diagnostic::{Diagnostic, codes};
use crate::io::state::StateDir;

/// Go through a run again, without network or model, and see whether it comes to the same bytes.
///
/// A run is gone through from its journal: what was read of the input and what the model answered are taken from there, and
/// all that follows is reckoned again. Nothing is written, and nodes that tell the world tell nothing.
///
/// A cassette is played to a graph, which reads its input for that: each recorded exchange has to be asked for again, in the
/// same words, and none may be left over. Exits with 1 if it is not the same.
#[derive(Debug, clap::Args)]
pub struct ReplayArguments {
    /// Run id, a unique beginning of one, or `last`; or the path of a cassette.
    #[arg(value_name = "RUN|CASSETTE")]
    what: String,
    /// The graph file that a cassette is played to.
    #[arg(long)]
    graph: Option<PathBuf>,
    /// With a cassette, read this instead of what the graph's one ingest node names.
    #[arg(long, value_name = "PATH", requires = "graph")]
    input: Option<String>,
    /// With a cassette, override a key of a node.
    #[arg(long, value_name = "NODE.KEY=VALUE", requires = "graph")]
    set: Vec<String>,
    /// Print nothing but what differs.
    #[arg(short, long)]
    quiet: bool,
}

pub fn replay(arguments: &ReplayArguments) -> Result<Exit, Failure> {
    let environment = load::environment()?;
    let path = Path::new(&arguments.what);
    let verdict = match &arguments.graph {
        Some(graph) => cassette::replay(path, graph, arguments, &environment)?,
        None if path.is_file() => {
            let message = format!("`{}` is a file, and a cassette does not know its graph", path.display());
            let help = "name the graph that it was recorded with: `--graph GRAPH`";
            return Err(Failure::usage(Diagnostic::new(codes::run::USAGE, message).help(help)));
        }
        None => {
            let unreadable = |why: String| Failure::run(Diagnostic::new(codes::run::UNKNOWN_RUN, why));
            let state = StateDir::open(environment.get("AGENT_STATE_DIR")).map_err(unreadable)?;
            journal::replay(&state.resolve(&arguments.what).map_err(Failure::run)?, &environment)?
        }
    };
    let Verdict { same, text } = verdict;
    if !same || !arguments.quiet {
        terminal::out(&text);
    }
    Ok(if same { Exit::Done } else { Exit::Failed })
}

/// What a replay came to.
pub struct Verdict {
    same: bool,
    text: String,
}
