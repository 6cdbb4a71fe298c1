//! The shape of the code, held by reading it: which module may use which, what the pure core may not reach, how long
//! a file may be, who may ask a model. Every rule is also tried on a snippet that breaks it.
//!
//! Test code is not held to the rules: `#[cfg(test)]` items, and the files of `#[cfg(test)] mod name;`.

#[path = "architecture/rust.rs"]
mod rust;

use std::any::TypeId;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use agent::domain::Delivery;
use agent::io::output::file::Written;
use agent::io::store::KeptReport;
use agent::node::{Kind, Role};
use rust::{Code, Used};

/// Every module of the crate and the modules that it may use, besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("diagnostic", &[]),
    ("port", &["domain", "diagnostic"]),
    ("node", &["port", "domain", "diagnostic"]),
    ("detect", &["domain", "diagnostic"]),
    ("wording", &["domain", "diagnostic"]),
    ("nodes", &["node", "port", "detect", "wording", "domain", "diagnostic"]),
    ("graph", &["node", "port", "domain", "diagnostic"]),
    ("engine", &["graph", "node", "port", "domain", "diagnostic"]),
    ("io", &["node", "port", "domain", "diagnostic"]),
    ("api", &["engine", "graph", "io", "node", "port", "domain", "diagnostic"]),
    ("cluster", &["engine", "graph", "node", "port", "domain", "diagnostic"]),
    (
        "cli",
        &[
            "api",
            "cluster",
            "engine",
            "graph",
            "nodes",
            "io",
            "detect",
            "wording",
            "node",
            "port",
            "domain",
            "diagnostic",
        ],
    ),
];

/// Modules that are a function of what they are given.
const PURE: &[&str] = &["domain", "diagnostic", "port", "node", "detect", "wording", "nodes", "graph"];

/// What reaches files, the environment, the network, clocks or chance. Two names in a row anywhere in a path, or one.
const WORLD: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "env"],
    &["std", "net"],
    &["std", "process"],
    &["SystemTime"],
    &["Instant", "now"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["tokio"],
    &["reqwest"],
    &["rand"],
    &["getrandom"],
    &["tempfile"],
];

/// Lines of a file outside tests. Longer files want to be split by noun.
const LINES: usize = 400;
/// Files that may be longer; none.
const LONG: &[&str] = &[];

/// Kinds that hold the model port.
const ASK_A_MODEL: &[&str] = &["src/nodes/draft.rs", "src/nodes/validate.rs"];

/// Broken rules of one file.
type Faults = Vec<String>;

fn arrows(path: &str, code: &Code) -> Faults {
    let Some(module) = module_of(path) else { return vec![] };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: the module `{module}` has no line in the table of arrows")];
    };
    let mut faults = Faults::new();
    for Used { line, path: used } in code.paths() {
        let supers = used.iter().take_while(|segment| *segment == "super").count();
        if supers >= depth_of(path) {
            faults.push(format!("{path}:{line}: `super` reaches the root of the crate; write `crate::`"));
        }
        let ("crate", Some(target)) = (used.first().map_or("", |s| s), used.get(1)) else { continue };
        if target != module && !allowed.contains(&target.as_str()) {
            faults.push(format!("{path}:{line}: `{module}` may not use `{target}`"));
        }
    }
    faults
}

fn purity(path: &str, code: &Code) -> Faults {
    if !module_of(path).is_some_and(|module| PURE.contains(&module)) {
        return vec![];
    }
    let reaches = |used: &[String], what: &[&str]| used.windows(what.len()).any(|part| part == what);
    code.paths()
        .into_iter()
        .filter_map(|Used { line, path: used }| {
            let what = WORLD.iter().find(|what| reaches(&used, what))?;
            Some(format!("{path}:{line}: the pure core may not reach `{}`", what.join("::")))
        })
        .collect()
}

fn length(path: &str, code: &Code) -> Faults {
    match code.lines() {
        lines if lines <= LINES || LONG.contains(&path) => vec![],
        lines => vec![format!("{path}: {lines} lines outside tests; at most {LINES}")],
    }
}

fn models(path: &str, code: &Code) -> Faults {
    let says_so = code.words().contains("USES_MODEL : bool = true");
    if says_so && !ASK_A_MODEL.contains(&path) {
        vec![format!("{path}: this kind may not ask a model")]
    } else {
        vec![]
    }
}

/// `nodes` of `src/nodes/plan.rs`, `node` of `src/node.rs`; the roots are no module.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(module, "lib" | "main")).then_some(module)
}

/// How many `super`s lead from the file to the root of the crate.
fn depth_of(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod").count()
}

/// All source files that are not tests, by path.
fn sources() -> Vec<(String, Code)> {
    let mut paths = Vec::new();
    collect(Path::new("src"), &mut paths);
    paths.sort();
    let files: Vec<(String, Code)> =
        paths.into_iter().map(|path| (path.clone(), Code::read(&fs::read_to_string(path).unwrap()))).collect();
    let tests: BTreeSet<String> = files.iter().flat_map(|(path, code)| test_files(path, code)).collect();
    let is_test = |path: &str| tests.iter().any(|t| path == format!("{t}.rs") || path.starts_with(&format!("{t}/")));
    files.into_iter().filter(|(path, _)| !is_test(path)).collect()
}

/// Files of `#[cfg(test)] mod name;`, without the `.rs`.
fn test_files(path: &str, code: &Code) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    code.test_modules.iter().map(|name| format!("{folder}/{name}")).collect()
}

fn collect(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|e| e == "rs") {
            paths.push(path.to_str().unwrap().replace('\\', "/"));
        }
    }
}

fn hold(rule: fn(&str, &Code) -> Faults) {
    let sources = sources();
    assert!(sources.len() > 20, "the source files were not found");
    let faults: Faults = sources.iter().flat_map(|(path, code)| rule(path, code)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn modules_use_only_what_the_arrows_allow() {
    hold(arrows);
}

#[test]
fn the_pure_core_reaches_nothing_of_the_world() {
    hold(purity);
}

#[test]
fn files_are_short() {
    hold(length);
}

/// `--input` and `--output` find their nodes by role and by name, before the graph is compiled, and set their `path`.
/// A source may have none.
#[test]
fn kinds_that_read_or_write_reports_have_a_path_and_are_named_so() {
    let gives = |kind: &Kind, what: TypeId| kind.output_type.is_some_and(|of| of() == what);
    let is_output = |kind: &Kind| gives(kind, TypeId::of::<Written>());
    let sends = |kind: &Kind| gives(kind, TypeId::of::<Delivery>());
    let mut found = 0;
    for kind in agent::nodes::KINDS.iter().chain(agent::io::KINDS) {
        let keeps = |kind: &Kind| kind.role == Role::Sink || gives(kind, TypeId::of::<KeptReport>());
        assert_eq!(kind.name.starts_with("output."), is_output(kind) || sends(kind) || keeps(kind), "{}", kind.name);
        assert_eq!(kind.name.starts_with("ingest."), kind.role == Role::Source, "{}", kind.name);
        let config = (kind.config)(&mut schemars::SchemaGenerator::default()).to_value();
        let has_path = config["properties"]["path"].is_object();
        assert!(has_path || !is_output(kind), "{}", kind.name);
        found += usize::from(has_path && (is_output(kind) || kind.role == Role::Source));
    }
    assert!(found >= 2);
}

#[test]
fn only_draft_and_validate_ask_a_model() {
    hold(models);
}

/// What the rules say of a text that stands at `path`.
fn check(rule: fn(&str, &Code) -> Faults, path: &str, text: &str, expected: &[&str]) {
    assert_eq!(rule(path, &Code::read(text)), expected, "{path}: {text}");
}

#[test]
fn a_broken_arrow_is_found_however_it_is_written() {
    let io = |line| format!("src/detect/rule.rs:{line}: `detect` may not use `io`");
    let one = [io(1)];
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    for text in [
        "use crate::io::atomic;",
        "use crate::{domain::Batch, io::{atomic, state}};",
        "pub use crate :: io;",
        "fn f() { crate::io::atomic::write_atomic() }",
        "type T = Vec<crate::io::X>;",
        "use /* crate::nodes */ crate::io;",
        "fn f() -> &'static str { let c = '\"'; crate::io::f(c) }",
    ] {
        let mut faults = arrows("src/detect/rule.rs", &Code::read(text));
        faults.dedup();
        assert_eq!(faults, one, "{text}");
    }
    check(arrows, "src/detect/rule.rs", "\n\nuse crate::{\n    domain,\n    io,\n};", &[&io(5)]);
    let root = "src/detect/rule.rs:1: `super` reaches the root of the crate; write `crate::`";
    check(arrows, "src/detect/rule.rs", "use super::super::io;", &[root]);
    check(arrows, "src/new.rs", "", &["src/new.rs: the module `new` has no line in the table of arrows"]);
    check(
        arrows,
        "src/engine/state.rs",
        "use crate::nodes::KINDS;",
        &["src/engine/state.rs:1: `engine` may not use `nodes`"],
    );
    check(
        arrows,
        "src/domain/time.rs",
        "use crate::diagnostic;",
        &["src/domain/time.rs:1: `domain` may not use `diagnostic`"],
    );
}

#[test]
fn an_arrow_that_is_allowed_or_no_code_is_not_found() {
    for text in [
        "use crate::domain::{Batch, Figure};",
        "use super::bands;",
        "use crate::detect::other;",
        "// use crate::io;\n/* crate::io /* nested */ crate::io */",
        "const T: &str = \"crate::io\"; const R: &str = r#\"\" crate::io\"#; const B: &[u8] = b\"crate::io\";",
        "#[cfg(test)]\nmod tests {\n    use crate::io;\n    fn f() { \"}\"; }\n}",
        "#[cfg(test)]\n#[allow(dead_code)]\nfn helper() { crate::io::f() }",
        "#[cfg(test)]\nuse crate::io;",
        "fn f<'a>(x: &'a str) -> char { 'x' }",
    ] {
        check(arrows, "src/detect/rule.rs", text, &[]);
    }
    check(arrows, "src/lib.rs", "pub use crate::io;", &[]);
    check(arrows, "src/cli/run.rs", "use crate::{engine, io, nodes};", &[]);
    // What follows a test module is code again.
    let text = "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::io;";
    check(arrows, "src/detect/rule.rs", text, &["src/detect/rule.rs:3: `detect` may not use `io`"]);
}

#[test]
fn the_world_is_found_in_the_pure_core_only() {
    for (text, what) in [
        ("use std::fs;", "std::fs"),
        ("use std::{collections::BTreeMap, env};", "std::env"),
        ("fn f() { std::env::var(\"X\"); }", "std::env"),
        ("use std::time::SystemTime;", "SystemTime"),
        ("fn f() { let t = Instant::now(); }", "Instant::now"),
        ("fn f() { jiff::Timestamp::now(); }", "Timestamp::now"),
        ("#[tokio::main]\nfn f() {}", "tokio"),
    ] {
        let fault = format!("src/nodes/plan.rs:1: the pure core may not reach `{what}`");
        check(purity, "src/nodes/plan.rs", text, &[&fault]);
        check(purity, "src/io/atomic.rs", text, &[]);
    }
    check(purity, "src/node.rs", "#[cfg(test)]\nmod tests { use tokio::runtime; use std::fs; }", &[]);
    check(purity, "src/graph/file.rs", "use std::time::Duration; fn f(env: &Env) { env.tokio(); }", &[]);
}

#[test]
fn length_counts_lines_outside_tests() {
    let long = "fn f() {}\n".repeat(LINES + 1);
    check(length, "src/io/x.rs", &long, &["src/io/x.rs: 401 lines outside tests; at most 400"]);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    check(length, "src/io/x.rs", &tested, &[]);
    assert_eq!(Code::read(&tested).lines(), 1);
}

#[test]
fn a_kind_that_asks_a_model_is_found() {
    let text = "impl Task for X {\n    const USES_MODEL:bool\n= true;\n}";
    check(models, "src/nodes/merge.rs", text, &["src/nodes/merge.rs: this kind may not ask a model"]);
    check(models, "src/nodes/draft.rs", text, &[]);
    check(models, "src/node.rs", "const USES_MODEL: bool = false;", &[]);
}

#[test]
fn files_of_test_modules_are_known() {
    let code = Code::read("#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub(crate) mod fakes;");
    assert_eq!(test_files("src/io/state.rs", &code), ["src/io/state/tests", "src/io/state/fakes"]);
    assert_eq!(test_files("src/io/mod.rs", &code), ["src/io/tests", "src/io/fakes"]);
}
