//! Graph files as data: text in, diagnostics out.

mod support;

use agent::graph::Override;
use support::try_compile;

/// The diagnostics of a text, each with its help.
fn faults(text: &str, sets: &[&str]) -> Vec<String> {
    let overrides: Vec<Override> = sets.iter().map(|s| Override::parse(s).unwrap()).collect();
    match try_compile(text, &overrides) {
        Ok(_) => vec![],
        Err(faults) => faults
            .iter()
            .map(|f| format!("{f}{}", f.help.as_ref().map(|h| format!(" [{h}]")).unwrap_or_default()))
            .collect(),
    }
}

const GOOD: &str = "name = 'g'
[nodes.n]
kind = 'test.numbers'
values = [1]
[nodes.s]
kind = 'test.sum'
inputs = { telemetry = 'n' }
[nodes.sq]
kind = 'test.square'
each = 'item'
inputs = { item = 's.items' }
[nodes.end]
kind = 'test.collect'
inputs = { items = 'sq' }
";

#[test]
fn every_fault_has_a_code_a_place_and_a_remedy() {
    let mut wrong = Vec::new();
    let mut check = |from: &str, to: &str, expected: &[&str]| {
        assert!(GOOD.contains(from), "{from}");
        let found = faults(&GOOD.replacen(from, to, 1), &[]);
        if found != expected {
            wrong.push(format!("{from} → {to}: {found:#?}"));
        }
    };
    check("name", "name", &[]);
    check("name = 'g'", "nam = 'g'", &["t.toml:1:1: AG0003: unknown key `nam` [did you mean `name`?]"]);
    check("name = 'g'", "language = 'de'", &["t.toml:1:12: AG0005: `de` is not known here [it is one of: en, fr]"]);
    check(
        "'test.square'",
        "'test.sqare'",
        &["t.toml:9:8: AG0006: no node kind is named `test.sqare` [did you mean `test.square`?]"],
    );
    check(
        "values",
        "valeus",
        &[
            "t.toml:2:1: AG0004: the key `values` is missing [add `values = …`]",
            "t.toml:4:1: AG0003: unknown key `valeus` [did you mean `values`?]",
        ],
    );
    check(
        "each = ",
        "eahc = ",
        &[
            "t.toml:10:1: AG0003: unknown key `eahc` [did you mean `each`?]",
            "t.toml:11:19: AG0010: `s` gives list of Item, but port `item` takes Item [to run once per item, add `each = \"item\"`]",
        ],
    );
    check(
        "item = 's.items'",
        "item = 's.itmes'",
        &["t.toml:11:19: AG0008: the output of `s` has no field `itmes` [did you mean `items`?]"],
    );
    check(
        "item = 's.items'",
        "item = 'z.items'",
        &["t.toml:11:19: AG0007: no node is named `z` [the nodes are: n, s, sq, end]"],
    );
    check(
        "item = 's.items'",
        "itme = 's.items'",
        &[
            "t.toml:8:8: AG0009: node `sq` lacks its input `item` [add `inputs = { item = \"node\" }`]",
            "t.toml:10:8: AG0008: `each` names `item`, which is no filled port [name a port that stands in this node's `inputs`]",
            "t.toml:11:12: AG0008: `test.square` has no port `itme` [did you mean `item`?]",
        ],
    );
    check(
        "items = 'sq'",
        "items = 's'",
        &[
            "t.toml:14:20: AG0010: `s` gives Total, but port `items` takes list of (Item or null) [refer to another node or to a field of it (`node.field`)]",
        ],
    );
    check(
        "items = 'sq'",
        "items = 'n'",
        &[
            "t.toml:14:20: AG0010: `n` gives a stream of records, but port `items` takes list of (Item or null) [refer to another node or to a field of it (`node.field`)]",
        ],
    );
    check(
        "telemetry = 'n'",
        "telemetry = 's'",
        &["t.toml:5:8: AG0011: the graph has a cycle: s → s [remove one of these edges]"],
    );
    check(
        "item = 's.items'",
        "item = 'end.items'",
        &["t.toml:8:8: AG0011: the graph has a cycle: sq → end → sq [remove one of these edges]"],
    );
    check(
        "kind = 'test.sum'",
        "kind = 'test.sum'\nretry = -1",
        &["t.toml:7:9: AG0005: `retry` cannot be the number `-1` [write a whole number from 0 on]"],
    );
    check(
        "each = 'item'",
        "each = 'item'\ntimeout = 'soon'",
        &[
            "t.toml:11:11: AG0005: `timeout` cannot be the text \"soon\" [write a length of time above zero, such as \"30s\", \"1m 30s\" or \"1d\"]",
        ],
    );
    for (key, value) in [("retry", "0"), ("timeout", "'1s'"), ("on_error", "'skip'")] {
        let fault = |line: u32, column: usize, kind: &str| {
            let why =
                "delete it: sources, folds and sinks are one pass over the input, which fails or succeeds as a whole";
            format!("t.toml:{line}:{column}: AG0003: `{key}` is for tasks, and `{kind}` is none [{why}]")
        };
        let column = key.len() + 4;
        check("[1]", &format!("[1]\n{key} = {value}"), &[&fault(5, column, "test.numbers")]);
        check("'test.sum'", &format!("'test.sum'\n{key} = {value}"), &[&fault(7, column, "test.sum")]);
    }
    check("each = 'item'", "each = 'item'\non_error = 'fallback'", &[]);
    check(
        "'test.collect'",
        "'test.collect'\non_error = 'fallback'",
        &["t.toml:14:12: AG0005: `test.collect` has nothing to fall back to [write \"fail\" or \"skip\"]"],
    );
    check(
        "telemetry = 'n'",
        "telemetry = ['n', 'n']",
        &[
            "t.toml:7:24: AG0005: `telemetry` lists `n` more than once [name each source once: its records would count once per mention]",
        ],
    );
    check(
        "item = 's.items'",
        "item = []",
        &["t.toml:11:19: AG0009: the list of input `item` names no node [write `item = \"node\"`]"],
    );
    check(
        "[nodes.sq]",
        "[nodes.'s q']",
        &[
            "t.toml:8:8: AG0005: `s q` cannot name a node [use letters, digits, `_` and `-`]",
            "t.toml:14:20: AG0007: no node is named `sq` [did you mean `s`?]",
        ],
    );
    check(
        "name = 'g'",
        "name = ",
        &[
            "t.toml:1:8: AG0001: string values must be quoted, expected literal string [mend the TOML here; the other checks run once the file parses]",
        ],
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_of_a_file_are_reported_together_in_its_order() {
    let text = GOOD
        .replace("values", "valeus")
        .replace("'test.square'", "'test.sqare'")
        .replace("items = 'sq'", "itms = 'sq'");
    let codes: Vec<String> = faults(&text, &[]).iter().map(|f| f.split(": ").nth(1).unwrap().to_string()).collect();
    assert_eq!(codes, ["AG0004", "AG0003", "AG0006", "AG0009", "AG0008"]);
}

#[test]
fn a_fault_of_form_hides_no_other_and_blames_no_other_node() {
    let check = |edits: &[(&str, &str)], expected: &[&str]| {
        let text = edits.iter().fold(GOOD.to_string(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let found = faults(&text, &[]);
        let found: Vec<&str> = found.iter().map(|f| f.split(" [").next().unwrap()).collect();
        assert_eq!(found, expected, "{text}");
    };
    // A key of the file, a wire, a kind, a config and a name, all at once.
    check(
        &[
            ("name = 'g'", "nam = 'g'"),
            ("values = [1]", "values = 'high'"),
            ("kind = 'test.sum'", "kind = 'test.sum'\ninputs.telemetry = 3"),
            ("inputs = { telemetry = 'n' }", ""),
            ("[nodes.sq]", "[nodes.'s q']"),
            ("'sq'", "'s q'"),
            ("test.collect", "test.colect"),
        ],
        &[
            "t.toml:1:1: AG0003: unknown key `nam`",
            "t.toml:4:10: AG0005: `values` cannot be the text \"high\"",
            "t.toml:7:20: AG0005: `telemetry` cannot be the number `3`",
            "t.toml:9:8: AG0005: `s q` cannot name a node",
            "t.toml:14:8: AG0006: no node kind is named `test.colect`",
        ],
    );
    // A node with a malformed key: its config is looked at, its consumer is not blamed.
    check(
        &[("each = 'item'", "each = 3\nrefuses = 'two'")],
        &[
            "t.toml:10:8: AG0005: `each` cannot be the number `3`",
            "t.toml:11:11: AG0005: `refuses` cannot be the text \"two\"",
        ],
    );
    check(&[("kind = 'test.square'\n", "")], &["t.toml:8:8: AG0004: the key `kind` is missing"]);
    check(&[("kind = 'test.square'", "kind = 3")], &["t.toml:9:8: AG0005: `kind` cannot be the number `3`"]);
    check(&[("[nodes.sq]", "[nodes.'s.q']"), ("'sq'", "'s.q'")], &["t.toml:8:8: AG0005: `s.q` cannot name a node"]);
    check(
        &[("name = 'g'", "nodes.sq = 3"), ("[nodes.sq]", "[other]")],
        &["t.toml:1:7: AG0005: node `sq` must be a table", "t.toml:8:2: AG0003: unknown key `other`"],
    );
}

#[test]
fn outputs_are_found_by_their_type_and_not_by_its_name() {
    mod namesake {
        pub struct Total;
    }
    let plan = try_compile(GOOD, &[]).unwrap().plan;
    let found: Vec<&str> = plan.yielding::<support::Total>().map(|n| plan.nodes[n].name.as_str()).collect();
    assert_eq!(found, ["s", "end"]);
    assert_eq!(plan.yielding::<namesake::Total>().count(), 0);
    assert_eq!(plan.yielding::<support::Item>().count(), 0, "`sq` gives a list");
}

#[test]
fn a_file_without_nodes_is_refused() {
    assert_eq!(faults("name = 'x'", &[]), ["AG0012: the graph has no nodes [add `[nodes.…]` tables]"]);
}

#[test]
fn a_node_that_may_be_skipped_feeds_only_ports_that_can_do_without() {
    let text =
        "[nodes.n]\nkind = 'test.numbers'\nvalues = [1]\n[nodes.s]\nkind = 'test.sum'\ninputs = { telemetry = 'n' }
[nodes.x]\nkind = 'test.add'\non_error = 'skip'\ninputs = { a = 's' }
[nodes.y]\nkind = 'test.add'\ninputs = { a = 's', b = 'x' }\n";
    assert_eq!(faults(text, &[]), Vec::<String>::new());
    let wrong = text.replace("b = 'x'", "b = 's', a = 'x'").replace("a = 's', b", "b");
    assert!(faults(&wrong, &[])[0].contains("may be skipped"), "{:?}", faults(&wrong, &[]));
}

#[test]
fn overrides_replace_what_the_file_says() {
    assert_eq!(faults(GOOD, &["n.values=[1, 2]", "sq.retry=3"]), Vec::<String>::new());
    assert_eq!(
        faults(GOOD, &["n.values=high"]),
        ["t.toml:2:8: AG0005: `values` cannot be the text \"high\" [write a list: `[…, …]`]"]
    );
    assert_eq!(
        faults(GOOD, &["m.values=[1]"]),
        ["AG0017: --set names no node of the graph: `m` [the nodes are: n, s, sq, end]"]
    );
    assert!(Override::parse("n=1").is_err() && Override::parse("n.values").is_err());
    let print = |sets: &[&str]| {
        let overrides: Vec<Override> = sets.iter().map(|s| Override::parse(s).unwrap()).collect();
        try_compile(GOOD, &overrides).unwrap().plan.fingerprint
    };
    assert_ne!(print(&[]), print(&["n.values=[2]"]), "an override is part of the fingerprint");
    assert_eq!(print(&[]), print(&["n.values=[ 1 ]"]), "layout is not");
}

#[test]
fn values_of_variables_stay_out_of_messages() {
    let text = GOOD.replace("values = [1]", "values = \"${SECRET}\"");
    let found = faults(&text, &[]);
    assert!(found[0].contains("${SECRET}") && !found.join("").contains("hunter2"), "{found:?}");
    let unset = GOOD.replace("each = 'item'", "each = 'item'\ntag = '${NOPE}'");
    assert_eq!(
        faults(&unset, &[]),
        [
            "t.toml:11:7: AG0013: the environment variable `NOPE` is not set [set `NOPE`, or write a default: `${NOPE:-…}`]"
        ]
    );
    // What else is wrong with the node is said too, but nothing of the string itself.
    let more = unset.replace("tag =", "tga = 1\ntag =").replace("[1]", "'${NOPE}'\nvalus = 2");
    let codes = |text: &str| faults(text, &[]).iter().map(|fault| fault[..fault.len().min(20)].to_string()).collect();
    let found: Vec<String> = codes(&more);
    assert_eq!(found, ["t.toml:4:10: AG0013:", "t.toml:5:1: AG0003: ", "t.toml:12:1: AG0003:", "t.toml:13:7: AG0013:"]);
    let open = GOOD.replace("each = 'item'", "each = 'item'\ntag = '${NOPE X'");
    assert_eq!(
        faults(&open, &[]),
        ["t.toml:11:7: AG0013: `${NOPE X` has no closing `}` [write `${NAME}`, or `$${` for a literal `${`]"]
    );
}
