//! A folder that stands for a user's machine: a copy of the project to work in, a home, and a state directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// Gone when dropped.
pub struct Sandbox {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("what the program prints is UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Asserts the exit code; shows everything if it is another one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

impl Sandbox {
    /// With the graphs, prompts and fixtures of the repository, and an `.env` and an `agent.toml` that keep those of parent
    /// folders away.
    pub fn new() -> Sandbox {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        for part in ["graphs", "prompts", "fixtures"] {
            copy(&repository().join(part), &sandbox.at(part));
        }
        fs::write(sandbox.at(".env"), "").unwrap();
        fs::write(sandbox.at("agent.toml"), "").unwrap();
        fs::create_dir(sandbox.folder.path().join("home")).unwrap();
        sandbox
    }

    /// A path of the project.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("project").join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
    }

    /// Replaces a part of a file that must be in it.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no `{from}`");
        self.write(path, &text.replacen(from, to, 1));
    }

    /// The program in the project's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command
            .args(arguments)
            .current_dir(self.at(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("AGENT_STATE_DIR", self.state())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn agent(&self, arguments: &[&str]) -> Ran {
        self.agent_with(&[], arguments)
    }

    pub fn agent_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        self.command(arguments).envs(variables.iter().copied()).output().unwrap().into()
    }

    pub fn agent_reading(&self, input: &[u8], arguments: &[&str]) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A program that ends before it has read everything is for the caller to judge.
        let _ = pipe.write_all(input);
        drop(pipe);
        child.wait_with_output().unwrap().into()
    }

    pub fn spawn(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Child {
        self.command(arguments).envs(variables.iter().copied()).spawn().unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Ids of the kept runs, oldest first.
    pub fn runs(&self) -> Vec<String> {
        let folders = fs::read_dir(self.state().join("runs")).into_iter().flatten();
        let mut ids: Vec<String> = folders.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        ids.sort();
        ids
    }

    /// The folder of the only run that is kept.
    pub fn run_folder(&self) -> PathBuf {
        let [id] = &self.runs()[..] else { panic!("{:?}", self.runs()) };
        self.state().join("runs").join(id)
    }

    /// The text without what differs from one time to the next.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_string();
        let root = self.folder.path();
        let canonical = root.canonicalize().unwrap();
        for (folder, name) in [(self.at(""), "[project]/"), (root.to_path_buf(), "[root]"), (canonical, "[root]")] {
            text = text.replace(folder.to_str().unwrap(), name);
        }
        for id in self.runs() {
            text = text.replace(&id, "[run]");
        }
        text
    }

    /// All files under the sandbox that hold the text.
    pub fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.folder.path(), &mut |path| {
            let bytes = fs::read(path).unwrap();
            if bytes.windows(needle.len()).any(|part| part == needle.as_bytes()) {
                found.push(path.to_path_buf());
            }
        });
        found
    }
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Events of a journal's text, as `(name, content)`.
pub fn events(journal: &str) -> Vec<(String, serde_json::Value)> {
    let event = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let (name, content) = entry["event"].as_object().unwrap().iter().next().unwrap();
        (name.clone(), content.clone())
    };
    journal.lines().map(event).collect()
}

/// The tasks of the events with this name, as `node` or `node[item]`.
pub fn tasks(events: &[(String, serde_json::Value)], name: &str) -> Vec<String> {
    let of = |content: &serde_json::Value| match content["item"].as_u64() {
        Some(item) => format!("{}[{item}]", content["node"].as_str().unwrap()),
        None => content["node"].as_str().unwrap().to_string(),
    };
    events.iter().filter(|(n, _)| n == name).map(|(_, content)| of(content)).collect()
}

fn copy(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    });
}

/// Every file below a folder.
pub fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}
