//! Settings: where they come from, and `agent config`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::{Sandbox, repository};

const SECRET: &str = "sk-0123456789abcdef";

/// Settings by name, as programs read them.
fn listed(sandbox: &Sandbox, variables: &[(&str, &str)], arguments: &[&str]) -> BTreeMap<String, Value> {
    let arguments = [&["config", "--json"], arguments].concat();
    let ran = sandbox.agent_with(variables, &arguments).exits(0);
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{ran:#?}");
    let settings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    settings.into_iter().map(|setting| (setting["name"].as_str().unwrap().to_string(), setting)).collect()
}

fn value_and_origin(settings: &BTreeMap<String, Value>, name: &str) -> String {
    let setting = &settings[name];
    let [value, from] = ["value", "from"].map(|key| setting[key].as_str().unwrap_or("none"));
    format!("{value} by {from}")
}

#[test]
fn a_flag_goes_before_the_environment_this_before_dotenv_and_this_before_the_file() {
    let sandbox = Sandbox::new();
    let of = |variables: &[(&str, &str)], arguments: &[&str], name: &str| {
        value_and_origin(&listed(&sandbox, variables, arguments), name)
    };
    let name = "AGENT_LOG_FORMAT";
    assert_eq!(of(&[], &[], name), "text by default");
    sandbox.write("agent.toml", "AGENT_LOG_FORMAT = 'json'\nLLM_TIMEOUT = 7\nLLM_API_KEY = 'sk-0123456789abcdef'\n");
    assert_eq!(of(&[], &[], name), "json by file");
    sandbox.write(".env", "AGENT_LOG_FORMAT=text\nLLM_BASE_URL=https://u:sk-0123456789abcdef@h/v1\n");
    assert_eq!(of(&[], &[], name), "text by file");
    assert_eq!(of(&[(name, "json")], &[], name), "json by environment");
    assert_eq!(of(&[(name, "json")], &["--log-format", "text"], name), "text by flag");
    let settings = listed(&sandbox, &[], &[]);
    let file = settings["LLM_TIMEOUT"]["place"].as_str().unwrap();
    assert!(file.ends_with("agent.toml") && settings[name]["place"].as_str().unwrap().ends_with(".env"), "{file}");
    assert_eq!(value_and_origin(&settings, "LLM_TIMEOUT"), "7 by file");
    assert_eq!(value_and_origin(&settings, "LLM_API_KEY"), "*** by file");
    assert_eq!(value_and_origin(&settings, "LLM_BASE_URL"), "https://***@h/v1 by file");
    assert_eq!(value_and_origin(&settings, "LLM_DEADLINE"), "120 by default");
    assert_eq!(value_and_origin(&settings, "LLM_MODEL"), "none by default");

    // For people: the same.
    let ran = sandbox.agent_with(&[("OPENAI_API_KEY", SECRET)], &["config"]).exits(0);
    assert!(ran.stdout.contains("OPENAI_API_KEY = ***  (environment)\n    key of openai\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("LLM_MODEL is not set\n") && !ran.stdout.contains(SECRET), "{}", ran.stdout);
    let settings = listed(&sandbox, &[], &[]);
    for (name, setting) in settings {
        assert!(ran.stdout.contains(&format!("    {}\n", setting["help"].as_str().unwrap())), "{name}");
    }
}

/// What the list says is what counts: a value of the file is used, also by sources and for `${…}` in a graph.
#[test]
fn the_file_of_settings_is_used() {
    let sandbox = Sandbox::new();
    sandbox.write("agent.toml", "AGENT_KEEP_RUNS = 2\nALERT_URL = 'http://127.0.0.1:9/sk-0123456789abcdef'\n");
    for _ in 0..3 {
        sandbox.agent(&["run", "graphs/default.toml", "--offline", "-q"]).exits(0);
    }
    assert_eq!(sandbox.runs().len(), 2);
    let ran = sandbox.agent(&["run", "graphs/alert.toml", "--offline", "-q", "--set", "alert.retries=0"]).exits(0);
    assert!(ran.stderr.contains("http://127.0.0.1:9 did not get an alert") && !ran.stderr.contains(SECRET), "{ran:#?}");

    // Elsewhere by name, and what is there is not looked at then.
    sandbox.write("other.toml", "AGENT_KEEP_RUNS = 9\n");
    let settings = listed(&sandbox, &[("AGENT_CONFIG", "other.toml")], &[]);
    assert_eq!(value_and_origin(&settings, "AGENT_KEEP_RUNS"), "9 by file");
    assert_eq!(value_and_origin(&settings, "AGENT_CONFIG"), "other.toml by environment");
}

#[test]
fn a_file_of_settings_that_cannot_be_used_ends_the_command() {
    let sandbox = Sandbox::new();
    let graph = ["run", "graphs/default.toml", "--offline", "-q"];
    let ran = sandbox.agent_with(&[("AGENT_CONFIG", "nowhere.toml")], &graph).exits(78);
    assert!(ran.stderr.contains("AG0212") && ran.stderr.contains("`nowhere.toml`"), "{}", ran.stderr);
    sandbox.write("agent.toml", "LLM_TIMEOUT = 7\nLLM_API_KEY = sk-0123456789abcdef\n");
    let ran = sandbox.agent(&graph).exits(78);
    assert!(ran.stderr.contains("AG0212") && ran.stderr.contains("line 2"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
    sandbox.write("agent.toml", "LLM_TIMOUT = 7\n");
    let ran = sandbox.agent(&graph).exits(0);
    assert!(ran.stderr.starts_with("warning: AG0213: line 1 of "), "{}", ran.stderr);
    assert!(ran.stderr.contains("sets LLM_TIMOUT, which nothing reads; did you mean LLM_TIMEOUT?"), "{}", ran.stderr);
}

/// The unit takes its settings from where it says.
#[test]
fn the_unit_of_systemd_names_settings_that_there_are() {
    let unit = std::fs::read_to_string(repository().join("packaging/agent@.service")).unwrap();
    let named = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split('=').next());
    let named: Vec<&str> = named.collect();
    assert!(named.contains(&"AGENT_STATE_DIR"), "{named:?}");
    for name in named {
        assert!(agent::io::environment::setting(name).is_some(), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_started_a_run_is_told_that_it_has_begun() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    let sandbox = Sandbox::new();
    let abstract_name = format!("agent-test-{}", std::process::id());
    let path = sandbox.at("notify.sock").to_string_lossy().into_owned();
    for (name, address) in [
        (path.clone(), SocketAddr::from_pathname(&path)),
        (format!("@{abstract_name}"), SocketAddr::from_abstract_name(&abstract_name)),
    ] {
        let socket = UnixDatagram::bind_addr(&address.unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut said = [0; 64];
        let variables = [("NOTIFY_SOCKET", name.as_str())];
        sandbox.agent_with(&variables, &["run", "graphs/default.toml", "--offline", "-q"]).exits(0);
        let length = socket.recv(&mut said).unwrap();
        assert_eq!(&said[..length], b"READY=1");
        sandbox.write("broken.toml", "[nodes.a]\nkind = \"nothing\"\n");
        sandbox.agent_with(&variables, &["run", "broken.toml"]).exits(78);
        assert!(socket.recv(&mut said).is_err(), "what has not begun says nothing");
    }
}
