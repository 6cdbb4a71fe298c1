//! Rules files as people write them wrongly: what `agent check` says of them.

use crate::sandbox::Sandbox;

/// What is said of a rules file.
fn checked(rules: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", rules);
    let graph = "[nodes.telemetry]\nkind = 'ingest.file'\npath = 'history.csv'\n\
                 [nodes.anomalies]\nkind = 'detect'\ninputs = { telemetry = 'telemetry' }\nrules = 'rules.toml'\n";
    sandbox.write("ops.toml", graph);
    let ran = sandbox.agent(&["check", "ops.toml"]).exits(78);
    assert_eq!(ran.stdout, "");
    sandbox.redact(&ran.stderr)
}

#[test]
fn values_that_do_not_fit_say_where_they_are_and_what_to_write_instead() {
    let said = checked(
        "[metrics.a]\nunusual = false\nrate = { low = 1, per = \"0s\" }\nstale = { high = \"5 bananas\" }\n\
         [metrics.b]\nhigh = nan\nfor = \"-2m\"\n[metrics.c]\nhigh = \"90\"\nclear = \"x\"\nstale = \"5m\"\n\
         [metrics.d]\nhigh = 1e999\n[metrics.e]\nhigh = [90]\n[status]\nflapping = true\n",
    );
    assert_eq!(said.matches("AG0005 (").count(), 11, "{said}");
    assert_eq!(said.matches("  help: ").count(), 11, "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn tables_without_bands_say_what_they_could_judge() {
    insta::assert_snapshot!(checked(
        "[metrics.a]\nfor = \"5m\"\nunusual = true\n[metrics.b]\nunit = \"%\"\n[metrics.c]\nrate = {}\n"
    ));
}

#[test]
fn rules_that_hold_always_or_never_have_a_page() {
    let said = checked(
        "[metrics.a]\nlow = 50\nbelow = { low = 60 }\n[metrics.b]\nrate = { low = -1 }\n[metrics.c]\nlow = 1\n\
         hours = \"08:00-08:00\"\n[[metrics.c.override]]\nentity = \"*\"\nlow = 2\n[[metrics.c.override]]\nentity = \"web-1\"\n\
         low = 3\n[ratios.r]\nof = \"a\"\nto = \"a\"\nlow = 1\n[conditions.k]\nwhen = \"a > 3 && a < 2\"\nseverity = \"low\"\n",
    );
    assert_eq!(said.matches("AG0019 (").count(), 6, "{said}");
    insta::assert_snapshot!(said);
    let page = Sandbox::new().agent(&["explain", "AG0019"]).exits(0).stdout;
    assert!(page.contains("holds always or never"), "{page}");
}
