//! Recording and replaying of exchanges. A tape is asked before the network is; what it has needs no network.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cassette::{self, Cassette, Header, Interaction};
use super::credential;
use super::difference;
use super::exchange::{FailureKind, Outcome};
use super::provenance::Provenance;
use super::secret::Secret;
use crate::diagnostic::{Diagnostic, codes};

/// What stands between a request and the network.
pub(super) enum Tape {
    /// Nothing.
    Off,
    Record(Box<Recorder>),
    Replay(Player),
}

/// A request, as the tape looks for it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub asked_by: String,
    /// Which of the run's endpoints is asked, the first being 0.
    pub endpoint: usize,
    pub method: String,
    pub path: String,
    pub request: Arc<Value>,
}

impl Tape {
    /// The recorded outcome of the request. `None`: the network has to answer it.
    ///
    /// # Errors
    /// The text for a person, when a replay has no such request left.
    pub fn recorded(&mut self, asked: &Asked) -> Result<Option<Outcome>, String> {
        match self {
            Tape::Off => Ok(None),
            Tape::Record(recorder) => Ok(recorder.earlier(asked)),
            Tape::Replay(player) => player.take(asked).map(Some),
        }
    }

    /// Keeps what the network gave.
    pub fn keep(&mut self, asked: &Asked, outcome: &Outcome) {
        if let Tape::Record(recorder) = self {
            let Asked { asked_by, endpoint, method, path, request } = asked.clone();
            let request = Value::clone(&request);
            recorder.keep(Interaction { asked_by, endpoint, method, path, request, outcome: outcome.clone() });
        }
    }

    /// Tells which graph is run; in what it is another one than the recorded one, if it is.
    pub fn of_graph(&mut self, graph: Provenance) -> Option<String> {
        match self {
            Tape::Off => None,
            Tape::Record(recorder) => {
                recorder.header.graph = Some(graph);
                None
            }
            Tape::Replay(player) => {
                player.unlike = player.graph.as_ref().and_then(|recorded| recorded.unlike(&graph));
                player.unlike.clone()
            }
        }
    }

    /// Writes the cassette of a recording; says which exchanges a replay has not used.
    ///
    /// # Errors
    /// AG0208 or AG0210 when there is no cassette.
    pub fn finish(&mut self) -> Result<Vec<String>, Diagnostic> {
        match self {
            Tape::Off => Ok(Vec::new()),
            Tape::Record(recorder) => recorder.write().map(|()| Vec::new()),
            Tape::Replay(player) => Ok(player.leftover()),
        }
    }
}

/// Exchanges, each of which is handed out once.
#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
}

struct Entry {
    interaction: Interaction,
    used: bool,
}

impl Queue {
    fn new(interactions: Vec<Interaction>) -> Queue {
        Queue { entries: interactions.into_iter().map(|interaction| Entry { interaction, used: false }).collect() }
    }

    fn interactions(&self) -> impl Iterator<Item = &Interaction> {
        self.entries.iter().map(|entry| &entry.interaction)
    }

    /// The first unused exchange of an equal request: of the same task, else, where that is permitted, of any.
    fn take(&mut self, asked: &Asked, of_others: bool) -> Option<Outcome> {
        let fits = |i: &Interaction| {
            i.endpoint == asked.endpoint
                && i.method == asked.method
                && i.path == asked.path
                && i.request == *asked.request
        };
        let mut other = None;
        for entry in self.entries.iter_mut().filter(|entry| !entry.used && fits(&entry.interaction)) {
            if entry.interaction.asked_by == asked.asked_by {
                entry.used = true;
                return Some(entry.interaction.outcome.clone());
            }
            other = other.or(Some(entry));
        }
        let entry = other.filter(|_| of_others)?;
        entry.used = true;
        Some(entry.interaction.outcome.clone())
    }
}

/// Hands out what was recorded; the network is closed.
pub(super) struct Player {
    queue: Queue,
    /// What was recorded.
    graph: Option<Provenance>,
    /// In what another graph is run.
    unlike: Option<String>,
}

impl Player {
    pub fn new(cassette: Cassette) -> Player {
        Player { queue: Queue::new(cassette.interactions), graph: cassette.header.graph, unlike: None }
    }

    fn take(&mut self, asked: &Asked) -> Result<Outcome, String> {
        if let Some(outcome) = self.queue.take(asked, true) {
            return Ok(outcome);
        }
        let recorded = || self.queue.interactions().filter(|i| i.endpoint == asked.endpoint);
        let asker = &asked.asked_by;
        let nearest = difference::nearest(&asked.request, recorded().map(|i| &i.request));
        let Some(nearest) = nearest.and_then(|index| recorded().nth(index)) else {
            let what = match asked.endpoint {
                0 => "is empty".to_string(),
                place => format!("has nothing of fallback {place}"),
            };
            return Err(format!("the cassette {what}, but `{asker}` asks the model: record the run again"));
        };
        if nearest.request == *asked.request {
            let count = recorded().filter(|i| i.request == *asked.request).count();
            return Err(format!(
                "the cassette has this request of `{asker}` {count} times, but it is asked once more: record the run again"
            ));
        }
        let cause =
            self.unlike.as_deref().unwrap_or("the graph, its files or the input are not those of the recording");
        Err(format!(
            "the cassette does not have this request of `{asker}`; the nearest one, of `{}`, differs at:\n{}\n\
             {cause}: record the run again",
            nearest.asked_by,
            difference::describe(&nearest.request, &asked.request, ["recorded", "asked"])
        ))
    }

    fn leftover(&self) -> Vec<String> {
        let unused = self.queue.entries.iter().filter(|entry| !entry.used).map(|entry| &entry.interaction);
        unused
            .map(|interaction| {
                let outcome = match &interaction.outcome {
                    Outcome::Response(answer) => format!("status {}", answer.status),
                    Outcome::Error(failure) => failure.to_string(),
                };
                format!("{} {} of `{}` ({outcome})", interaction.method, interaction.path, interaction.asked_by)
            })
            .collect()
    }
}

/// Keeps what happens, in memory and in a spool that survives a crash, until the cassette is written.
pub(super) struct Recorder {
    path: PathBuf,
    header: Header,
    /// Looked for in everything that is written.
    keys: Vec<Secret>,
    spool: Option<File>,
    /// Exchanges of the same run before it was interrupted. A task that asks again is answered from here, so that it
    /// goes the way it went, and nothing is paid for twice.
    earlier: Queue,
    interactions: Vec<Interaction>,
    /// Which exchange holds a credential, and what it is.
    leak: Option<String>,
}

/// First line of a spool.
#[derive(Serialize, Deserialize)]
struct SpoolHeader {
    header: Header,
}

impl Recorder {
    /// # Errors
    /// AG0208 when the cassette could not be written in the end, AG0209 when the spool cannot be used.
    pub fn new(
        path: PathBuf,
        header: Header,
        keys: Vec<Secret>,
        spool: Option<&Path>,
        resume: bool,
    ) -> Result<Recorder, Diagnostic> {
        cassette::check_writable(&path)?;
        let (spool, earlier) = match spool {
            Some(spool) => {
                let (file, earlier) = open_spool(spool, &header, resume)?;
                (Some(file), earlier)
            }
            None => (None, Vec::new()),
        };
        Ok(Recorder { path, header, keys, spool, earlier: Queue::new(earlier), interactions: Vec::new(), leak: None })
    }

    /// What the request got before the run was interrupted. Another task's exchange is not this one's, and one that
    /// was cut short is asked again: then it is as if it had not been.
    fn earlier(&mut self, asked: &Asked) -> Option<Outcome> {
        let cut_short = |i: &Interaction| {
            i.asked_by == asked.asked_by
                && matches!(&i.outcome, Outcome::Error(failure) if failure.kind == FailureKind::Abandoned)
        };
        self.earlier.entries.retain(|entry| !cut_short(&entry.interaction));
        self.earlier.take(asked, false)
    }

    fn keep(&mut self, interaction: Interaction) {
        let Ok(mut line) = serde_json::to_string(&interaction) else {
            return; // JSON values and strings always have a text
        };
        let key = self.keys.iter().any(|key| key.is_in(&line)).then_some("the key of the model");
        if let Some(what) = key.or_else(|| found_in(&interaction)) {
            self.leak.get_or_insert_with(|| format!("an exchange of `{}` holds {what}", interaction.asked_by));
            return;
        }
        line.push('\n');
        if let Some(spool) = &mut self.spool
            && let Err(e) = spool.write_all(line.as_bytes())
        {
            tracing::warn!("the recording would not survive a crash any more: {e}");
            self.spool = None;
        }
        self.interactions.push(interaction);
    }

    fn write(&mut self) -> Result<(), Diagnostic> {
        let leak = |what: &str| {
            Diagnostic::new(codes::model::LEAK, format!("{what}, so no cassette is written"))
                .help("remove the credential from the graph's files or the input, and replace it at its provider")
        };
        if let Some(what) = &self.leak {
            return Err(leak(what));
        }
        let interactions = self.earlier.interactions().chain(&self.interactions).cloned().collect();
        let mut cassette = Cassette { header: self.header.clone(), interactions };
        let text = cassette.text().map_err(|e| Diagnostic::new(codes::model::CASSETTE_UNWRITABLE, e.to_string()))?;
        if self.keys.iter().any(|key| key.is_in(&text)) {
            return Err(leak("the cassette holds the key of the model"));
        }
        cassette::write(&self.path, &text)
    }
}

/// What looks like a credential in an exchange.
fn found_in(interaction: &Interaction) -> Option<&'static str> {
    let of_outcome = || match &interaction.outcome {
        Outcome::Response(answer) => credential::in_json(&answer.body),
        Outcome::Error(failure) => credential::in_json(&Value::String(failure.detail.clone())),
    };
    credential::in_json(&interaction.request).or_else(of_outcome)
}

/// The spool, ready to be appended to, and what it holds when the run goes on.
fn open_spool(path: &Path, header: &Header, resume: bool) -> Result<(File, Vec<Interaction>), Diagnostic> {
    let refuse = |why: String| {
        Diagnostic::new(codes::model::SPOOL, format!("cannot keep the recording in `{}`: {why}", path.display()))
    };
    let io = |e: std::io::Error| refuse(e.to_string());
    let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(!resume).open(path).map_err(io)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(io)?;
    // A crash may have cut the last line short: that exchange did not come to be.
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    text.truncate(whole);
    file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io)?;
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Some(first) = lines.next() else {
        let mut line =
            serde_json::to_vec(&SpoolHeader { header: header.clone() }).map_err(|e| refuse(e.to_string()))?;
        line.push(b'\n');
        file.write_all(&line).map_err(io)?;
        return Ok((file, Vec::new()));
    };
    let damaged = |e: serde_json::Error| refuse(format!("it is damaged: {e}"));
    let SpoolHeader { header: earlier } = serde_json::from_slice(first).map_err(damaged)?;
    // The label may change: nothing depends on it. Of the graph the run's own journal knows more.
    let plain = |header: &Header| Header { label: None, graph: None, ..header.clone() };
    if plain(&earlier) != plain(header) {
        return Err(refuse(format!("the run was started with {earlier}, not {header}")));
    }
    let interactions = lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(damaged)?;
    Ok((file, interactions))
}
