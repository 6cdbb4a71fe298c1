//! The file of a recording: a header, and whole exchanges in an order that does not depend on which task was faster.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exchange::Outcome;
use super::provenance::Provenance;
use crate::diagnostic::{Diagnostic, codes};

/// Bumped when the format changes.
pub(super) const VERSION: u32 = 1;

/// A recorded run's exchanges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cassette {
    pub header: Header,
    pub interactions: Vec<Interaction>,
}

/// What the run was recorded with. It overrides the environment on replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub version: u32,
    /// For people: what kind of recording it is, such as `synthetic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub provider: String,
    pub model: String,
    pub dialect: String,
    /// The endpoints behind the first, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Recorded>,
    /// The environment's bound on the tokens of a run: which requests there are depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_run: Option<u64>,
    /// The graph of the run; `None` where the recording does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Provenance>,
}

/// An endpoint of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    pub provider: String,
    pub model: String,
    pub dialect: String,
}

impl Header {
    pub fn endpoints(&self) -> impl Iterator<Item = Recorded> {
        let Header { provider, model, dialect, .. } = self.clone();
        std::iter::once(Recorded { provider, model, dialect }).chain(self.fallbacks.clone())
    }
}

/// `small of mistral, then llama3 of ollama`.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.endpoints().map(|e| format!("{} of {}", e.model, e.provider)).collect();
        f.write_str(&each.join(", then "))
    }
}

/// One exchange, with everything that the program made of it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Interaction {
    /// The task that asked.
    pub asked_by: String,
    /// Which endpoint: 0 the first, from 1 the fallbacks of the header.
    #[serde(default, skip_serializing_if = "is_first")]
    pub endpoint: usize,
    pub method: String,
    /// Behind the base URL, which is not recorded.
    pub path: String,
    /// Body of the request; equal requests are equal values.
    pub request: Value,
    #[serde(flatten)]
    pub outcome: Outcome,
}

fn is_first(endpoint: &usize) -> bool {
    *endpoint == 0
}

impl Cassette {
    /// # Errors
    /// AG0206 when there is no such file or it is no cassette, AG0207 when its version is another one.
    pub fn read(path: &Path) -> Result<Cassette, Diagnostic> {
        #[derive(Deserialize)]
        struct Versioned {
            header: VersionOnly,
        }
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u32,
        }
        let unreadable = |why: String| {
            Diagnostic::new(codes::model::CASSETTE, format!("cannot read the cassette `{}`: {why}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        let Versioned { header } = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        if header.version != VERSION {
            let message = format!("the cassette `{}` has version {}, not {VERSION}", path.display(), header.version);
            return Err(Diagnostic::new(codes::model::CASSETTE_VERSION, message).help("record the run again"));
        }
        serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))
    }

    /// The bytes of the file.
    pub fn text(&mut self) -> Result<String, serde_json::Error> {
        // Stable: the order within a task is the order in which it asked.
        self.interactions.sort_by(|a, b| natural(&a.asked_by).cmp(&natural(&b.asked_by)));
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// `wording[2]` before `wording[10]`.
fn natural(asked_by: &str) -> (&str, u64, &str) {
    let item = asked_by.split_once('[').and_then(|(node, rest)| Some((node, rest.strip_suffix(']')?.parse().ok()?)));
    let (node, item) = item.unwrap_or((asked_by, 0));
    (node, item, asked_by)
}

/// Puts the text in the place of the file at once, or leaves that as it is.
///
/// # Errors
/// AG0208.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let unwritable = |why: String| {
        let message = format!("cannot write the cassette `{}`: {why}", path.display());
        Diagnostic::new(codes::model::CASSETTE_UNWRITABLE, message)
    };
    let mut file = temporary_beside(path).map_err(|e| unwritable(e.to_string()))?;
    file.write_all(text.as_bytes()).map_err(|e| unwritable(e.to_string()))?;
    file.persist(path).map_err(|e| unwritable(e.error.to_string()))?;
    Ok(())
}

/// Whether [`write`] would find its folder, so that nothing is paid for and then lost.
///
/// # Errors
/// AG0208.
pub(super) fn check_writable(path: &Path) -> Result<(), Diagnostic> {
    let problem = match temporary_beside(path) {
        Ok(_) if path.is_dir() => "it is a folder".to_string(),
        Ok(_) => return Ok(()),
        Err(e) => e.to_string(),
    };
    let message = format!("cannot write the cassette `{}`: {problem}", path.display());
    Err(Diagnostic::new(codes::model::CASSETTE_UNWRITABLE, message))
}

fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(PathBuf::from("."), PathBuf::from);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cassette");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A cassette holds no secret and is meant to be shared; the umask still counts.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::exchange::{Answer, Failure, FailureKind};
    use super::*;

    fn interaction(asked_by: &str, outcome: Outcome) -> Interaction {
        let request = json!({ "model": "m", "x": 0.1 });
        Interaction {
            asked_by: asked_by.into(),
            endpoint: 0,
            method: "POST".into(),
            path: "/chat/completions".into(),
            request,
            outcome,
        }
    }

    #[test]
    fn a_cassette_reads_back_and_is_in_the_order_of_its_tasks() {
        let headers = BTreeMap::from([("content-type".to_string(), "application/json".to_string())]);
        let answer = Outcome::Response(Answer { status: 200, headers, body: json!({ "n": [0.1, u64::MAX, "é"] }) });
        let failure = Outcome::Error(Failure { kind: FailureKind::TooLarge, detail: "too long".into() });
        let header = Header {
            version: VERSION,
            label: Some("synthetic".into()),
            provider: "p".into(),
            model: "m".into(),
            dialect: "custom".into(),
            fallbacks: Vec::new(),
            max_tokens_per_run: None,
            graph: None,
        };
        let tasks = ["w[10]", "w[2]", "v", "w[2]"];
        let interactions = tasks
            .into_iter()
            .zip([&answer, &answer, &failure, &failure])
            .map(|(t, o)| interaction(t, o.clone()))
            .collect();
        let mut cassette = Cassette { header, interactions };
        let text = cassette.text().unwrap();
        let order: Vec<&str> = cassette.interactions.iter().map(|i| i.asked_by.as_str()).collect();
        assert_eq!(order, ["v", "w[2]", "w[2]", "w[10]"]);
        assert_eq!(cassette.interactions[1].outcome, answer);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        check_writable(&path).unwrap();
        write(&path, &text).unwrap();
        assert_eq!(Cassette::read(&path).unwrap(), cassette);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_is_no_cassette_is_refused_with_a_code() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        assert_eq!(Cassette::read(&path).unwrap_err().code, codes::model::CASSETTE);
        for (text, code) in [
            ("", codes::model::CASSETTE),
            ("{}", codes::model::CASSETTE),
            ("{\"header\":{\"version\":1}}", codes::model::CASSETTE),
            ("{\"header\":{\"version\":99},\"pages\":[]}", codes::model::CASSETTE_VERSION),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Cassette::read(&path).unwrap_err().code, code, "{text}");
        }
        assert_eq!(check_writable(folder.path()).unwrap_err().code, codes::model::CASSETTE_UNWRITABLE);
        let nowhere = folder.path().join("none/c.json");
        assert_eq!(check_writable(&nowhere).unwrap_err().code, codes::model::CASSETTE_UNWRITABLE);
        assert_eq!(write(&nowhere, "").unwrap_err().code, codes::model::CASSETTE_UNWRITABLE);
    }
}
