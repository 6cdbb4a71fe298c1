use super::*;

fn faults(text: &str) -> Vec<String> {
    match Rules::parse(&SourceFile::new("r.toml", text)) {
        Ok(_) => vec![],
        Err(faults) => faults.iter().map(|f| format!("{f} [{}]", f.help.as_deref().unwrap_or(""))).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(faults(text), expected, "{text}");
}

/// In whatever order: tables are decoded from the outside to the inside.
#[track_caller]
fn check_all(text: &str, expected: &[&str]) {
    let (mut got, mut expected) = (faults(text), expected.to_vec());
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected, "{text}");
}

#[test]
fn faults_of_rules_come_together_with_their_places() {
    check("[metrics.cpu]\nlow = 1", &[]);
    check("[status]\noffline = 'low'", &[]);
    check("[metrics.cpu]\nlow = -2\nhigh = -1.5", &[]);
    check(
        "[metrics.cpu]\nunit = '%'\n[metrics.mem]\nlow = 70\nmedium = 70\n[status]\ndegraded = 'high'\noffline = 'low'",
        &[
            "r.toml:1:10: AG0014: the rule of `cpu` judges nothing \
             [add `low`, `medium` or `high`, or `below`, `rate`, `counter`, `stale` or `unusual = true`]",
            "r.toml:3:10: AG0014: the bands of `mem` do not rise: low is 70, medium is 70 \
             [make `medium` greater than `low`; a value that equals a band has reached it]",
            "r.toml:8:11: AG0014: `offline` is milder than `degraded` \
             [give `offline` at least the severity of `degraded`]",
        ],
    );
    check(
        "[metrics.cpu]\nlow = 9\nhigh = 3",
        &["r.toml:1:10: AG0014: the bands of `cpu` do not rise: low is 9, high is 3 \
           [make `high` greater than `low`; a value that equals a band has reached it]"],
    );
    check(
        "[metrics.cpu]\nbelow = { low = 10, high = 10 }\n[metrics.mem]\nbelow = { low = 10, clear = 5 }\n\
         rate = { direction = 'up' }\n[metrics.jobs]\ncounter = { low = 2, medium = 1 }",
        &[
            "r.toml:2:9: AG0014: the bands of `below` of `cpu` do not fall: low is 10, high is 10 \
             [make `high` less than `low`; a value that equals a band has reached it]",
            "r.toml:7:11: AG0014: the bands of `counter` of `jobs` do not rise: low is 2, medium is 1 \
             [make `medium` greater than `low`; a value that equals a band has reached it]",
            "r.toml:4:29: AG0014: `clear` of `below` of `mem` is 5, below its lowest band 10 \
             [an episode ends above `clear`: make it 10 or more]",
            "r.toml:5:8: AG0014: the rule of `rate` of `mem` has no band \
             [add at least one of `low`, `medium` and `high`]",
        ],
    );
    check("[metrics.cpu]\nlow = 70\nfor = '2m 30s'\nclear = 65", &[]);
    check("[metrics.cpu]\nmedium = 70\nclear = 70", &[]);
    check(
        "[metrics.cpu]\nmedium = 70\nclear = 70.5\n[metrics.mem]\nlow = 1\nclear = 2",
        &[
            "r.toml:3:9: AG0014: `clear` of `cpu` is 70.5, above its lowest band 70 \
             [an episode ends below `clear`: make it 70 or less]",
            "r.toml:6:9: AG0014: `clear` of `mem` is 2, above its lowest band 1 \
             [an episode ends below `clear`: make it 1 or less]",
        ],
    );
    check(
        "[metrics.cpu]\nlow = 1\nfor = 120\n[metrics.mem]\nlow = 1\nfor = '0s'\nclears = 1",
        &[
            "r.toml:3:7: AG0005: `for` cannot be the number `120` [say of which unit, in quotes: write `\"120s\"` or `\"120m\"`]",
            "r.toml:7:1: AG0003: unknown key `clears` [did you mean `clear`?]",
            "r.toml:6:7: AG0005: `for` cannot be the text \"0s\" [write a length of time above zero, such as \"30s\", \"1m 30s\" or \"1d\"]",
        ],
    );
    for empty in ["", "[metrics]", "[status]\n"] {
        check(empty, &["r.toml:1:1: AG0014: the file has no rule [add a table such as `[metrics.cpu_usage]`]"]);
    }
    check(
        "[metrics.cpu]\nlow = 'x'\nhihg = 3\n[metrics.mem]\nlow = nan\n[status]\noffline = 'awful'\n[metric.x]",
        &[
            "r.toml:8:2: AG0003: unknown key `metric` [did you mean `metrics`?]",
            "r.toml:3:1: AG0003: unknown key `hihg` [did you mean `high`?]",
            "r.toml:2:7: AG0005: `low` cannot be the text \"x\" [write a number such as 90, or in quotes one with a unit such as \"250 ms\"]",
            "r.toml:5:7: AG0005: `low` cannot be the number `nan` [write a number such as 90, or in quotes one with a unit such as \"250 ms\"]",
            "r.toml:7:11: AG0005: `awful` is not known here [it is one of: low, medium, high]",
        ],
    );
    check(
        "[metrics.cpu\nlow = 1",
        &[
            "r.toml:1:13: AG0001: unclosed table, expected `]` [mend the TOML here; the other checks run once the file parses]",
        ],
    );
}

#[test]
fn faults_of_conditions_and_ratios_have_their_places() {
    check("[conditions.a]\nwhen = 'cpu > 80 && !(load.one * 2 <= -1e-3 || x == y)'\nseverity = 'low'", &[]);
    check("[ratios.a]\nof = 'x'\nto = 'y'\nlow = 1", &[]);
    let allowed = "a condition compares metrics and numbers, with + - * /, && || ! and parentheses";
    let number = "a condition stands by itself or between && and ||";
    let compare = "compare it with something: `cpu_usage > 80`";
    for (when, column, message, help) in [
        ("cpu >", 6, "the condition does not parse: mismatched input the end, expecting expression", allowed),
        ("cpu > 80 && ceil(load) > 2", 13, "`ceil` has no place in a condition", allowed),
        ("cpu > 80 && cpu % 2 == 0", 17, "`%` has no place in a condition", allowed),
        ("cpu > 1e-5 && cpu > true", 21, "`true` has no place in a condition", allowed),
        ("cpu in [1, 2]", 5, "`in` has no place in a condition", allowed),
        ("host == \"a\"", 10, "`a` has no place in a condition", allowed),
        ("a > 1 ? b > 1 : c > 1", 1, "`a` has no place in a condition", allowed),
        ("cpu > (load > 3)", 8, "a number is wanted here, not a condition", number),
        ("cpu > 80 && load", 13, "a condition is wanted here, not a number", compare),
        ("cpu > 80 && cpu && cpu > 1", 13, "a condition is wanted here, not a number", compare),
        ("cpu + 1", 1, "this is a number, not a condition", compare),
        ("1 > 2", 1, "the condition names no metric", "compare a metric with something: `cpu_usage > 80`"),
    ] {
        let expected = format!("r.toml:2:{}: AG0014: {message} [{help}]", column + 8);
        check(&format!("[conditions.a]\nwhen = '{when}'\nseverity = 'low'"), &[&expected]);
    }
    for when in ["(", "-", "!", "1+", "a.", "f(", "1*"] {
        for when in [when.repeat(10_000), when.repeat(400 / when.len()), format!("a > 1{}", "+1".repeat(190))] {
            let text = format!("[conditions.a]\nwhen = '{when}'\nseverity = 'low'");
            assert!(Rules::parse(&SourceFile::new("r.toml", text)).is_err(), "{when}");
        }
    }
    check(
        "[metrics.a]\nlow = 1\n[ratios.a]\nof = 'x'\nto = 'y'\nlow = 1\n[ratios.b]\nof = 'a'\nto = 'z'\nlow = 1\n\
         [conditions.c]\nwhen = 'd > 1 && b > 1'\nseverity = 'low'\n[conditions.d]\nwhen = 'a > 1'\nseverity = 'low'",
        &[
            "r.toml:3:9: AG0014: there is another rule of the name `a` \
             [give it a name of its own: anomalies go by it]",
            "r.toml:8:6: AG0014: `a` is no metric of a record [name two metrics that records have]",
            "r.toml:12:9: AG0014: `d` is a condition, not a metric [write out what it says, in parentheses]",
        ],
    );
}

#[test]
fn faults_of_units_and_overrides_have_their_places() {
    check("[metrics.m]\nunit = 'ms'\nlow = '0.25 s'\nhigh = 1000\nclear = '249 ms'\nrate = { low = '1 s/h' }", &[]);
    check(
        "[metrics.m]\nunit = 'ms'\nlow = '1 s'\nhigh = '999 ms'\n[metrics.n]\nlow = '3 %'\nhigh = '2 MB'\nbelow = { low = '1 x' }",
        &[
            "r.toml:1:10: AG0014: the bands of `m` do not rise: low is 1000, high is 999 \
             [make `high` greater than `low`; a value that equals a band has reached it]",
            "r.toml:7:8: AG0014: `2 MB` has a unit, and the rule has none \
             [add `unit = \"MB\"` if records state it in that]",
            "r.toml:8:17: AG0014: the unit of `1 x` is not known \
             [ns, µs, ms, s, min, h and day convert, B to PB, KiB to PiB and %, each also per time as in `MB/s`; \
             any other unit must be that of the rule]",
        ],
    );
    check(
        "[metrics.m]\nhigh = 9\n[[metrics.m.override]]\nentity = 'db-*'\n[[metrics.m.override]]\nentity = 'a[b'\noff = true\n\
         [[metrics.m.override]]\nentity = 'z'\nlow = 3\nhigh = 2\n[[metrics.m.override]]\nentity = 'x'\nbelow = { low = 2 }\n\
         [[metrics.m.override]]\nentity = 'y'\noff = true\nlow = 2",
        &[
            "r.toml:4:10: AG0014: the override says nothing [give it bands, or `off = true` where nothing is judged]",
            "r.toml:6:10: AG0014: `a[b` is no pattern: invalid range pattern \
             [`*` stands for any characters, `?` for one, `[ab]` for one of those]",
            "r.toml:9:10: AG0014: the bands of `m` do not rise: low is 3, high is 2 \
             [make `high` greater than `low`; a value that equals a band has reached it]",
            "r.toml:14:9: AG0014: `m` has no `below` to override [write for all entities first, then the override]",
            "r.toml:16:10: AG0014: an override that is off has limits \
             [give it bands, or `off = true` where nothing is judged]",
        ],
    );
}

#[test]
fn faults_of_silence_of_the_unusual_and_of_flapping_have_their_places() {
    check_all(
        "[metrics.m]\nunusual = true\nstale = { low = '90s', high = '1h' }\n[[metrics.m.override]]\nentity = 'x'\n\
         unusual = { severity = 'low' }\nstale = { high = '2h' }\n[status]\nflapping = { low = 1, within = '1h' }",
        &[],
    );
    check_all(
        "[metrics.a]\nunusual = false\n[metrics.b]\nunusual = 3\n[metrics.c]\n\
         unusual = { severety = 'low', sensitivity = 'very', direction = 'left', season = 'month' }",
        &[
            "r.toml:6:13: AG0003: unknown key `severety` [did you mean `severity`?]",
            "r.toml:2:11: AG0005: `unusual` cannot be `false` [write `true` or a table such as `{ severity = \"low\", sensitivity = \"high\" }`, or leave it \
             out where nothing unusual is to be found]",
            "r.toml:4:11: AG0005: `unusual` cannot be the number `3` [write `true` or a table such as `{ severity = \"low\", sensitivity = \"high\" }`, or leave it \
             out where nothing unusual is to be found]",
            "r.toml:6:45: AG0005: `very` is not known here [it is one of: low, normal, high]",
            "r.toml:6:65: AG0005: `left` is not known here [it is one of: up, down, both]",
            "r.toml:6:82: AG0005: `month` is not known here [it is one of: none, day, week]",
        ],
    );
    check_all(
        "[metrics.a]\nstale = { medium = '5m', hihg = '10m' }\n[metrics.b]\nstale = '5m'\n[metrics.c]\n\
         stale = { low = 300, medium = '10', for = '1m' }\n[status]\nflapping = { medium = 4, witin = '15m' }",
        &[
            "r.toml:2:26: AG0003: unknown key `hihg` [did you mean `high`?]",
            "r.toml:6:37: AG0003: unknown key `for` [the keys are: low, medium, high]",
            "r.toml:8:26: AG0003: unknown key `witin` [did you mean `within`?]",
            "r.toml:4:9: AG0005: `stale` cannot be the text \"5m\" \
             [write a table of lengths of time, such as `{ medium = \"5m\", high = \"30m\" }`]",
            "r.toml:6:17: AG0005: `low` cannot be the number `300` \
             [say of which unit, in quotes: write `\"300s\"` or `\"300m\"`]",
            "r.toml:6:31: AG0005: `medium` cannot be the text \"10\" \
             [say of which unit, in quotes: write `\"10s\"` or `\"10m\"`]",
        ],
    );
    check_all(
        "[metrics.a]\nstale = { low = '10m', medium = '5m' }\n[metrics.b]\nstale = {}\n[status]\n\
         flapping = { low = 0, medium = 4, high = 4 }",
        &[
            "r.toml:2:9: AG0014: the bands of `stale` of `a` do not rise: low is 600 s, medium is 300 s \
             [make `medium` greater than `low`; a value that equals a band has reached it]",
            "r.toml:4:9: AG0014: the rule of `stale` of `b` has no band \
             [add at least one of `low`, `medium` and `high`]",
            "r.toml:6:20: AG0014: a status that does not change would be flapping \
             [write how many changes it takes, 1 or more]",
            "r.toml:6:12: AG0014: the bands of `flapping` of `status` do not rise: medium is 4, high is 4 \
             [make `high` greater than `medium`; a value that equals a band has reached it]",
        ],
    );
    check_all(
        "[metrics]\na = 3\n[status]\nflapping = true\n[metrics.b]\nrate = 5\nbelow = 3\ncounter = 1",
        &[
            "r.toml:2:5: AG0005: `a` cannot be the number `3` [write a table such as `[metrics.cpu_usage]`]",
            "r.toml:6:8: AG0005: `rate` cannot be the number `5` \
             [write a table such as `{ medium = 2, high = 5, per = \"1m\" }`]",
            "r.toml:7:9: AG0005: `below` cannot be the number `3` \
             [write a table of bands, such as `{ low = 1, high = 2 }`]",
            "r.toml:8:11: AG0005: `counter` cannot be the number `1` \
             [write a table such as `{ high = 1000, per = \"1s\" }`]",
            "r.toml:4:12: AG0005: `flapping` cannot be `true` \
             [write a table such as `{ medium = 4, high = 10, within = \"15m\" }`]",
        ],
    );
}

#[test]
fn faults_of_overrides_of_aspects_and_conditions_have_their_places() {
    let first = "write for all entities first, then the override";
    check_all(
        "[metrics.a]\nunusual = true\n[[metrics.a.override]]\nentity = 'x'\nlow = 3\nstale = { low = '1m' }\n\
         [metrics.b]\nlow = 1\n[[metrics.b.override]]\nentity = 'x'\nunusual = { severity = 'low' }\n\
         [[metrics.b.override]]\nentity = 'y'\nrate = { low = 1 }\ncounter = { low = 1 }\n\
         [metrics.c]\nstale = { low = '1m' }\n[[metrics.c.override]]\nentity = 'x'\nstale = { low = '10m', high = '9m' }",
        &[
            &format!("r.toml:4:10: AG0014: `a` has no bands to override [{first}]"),
            &format!("r.toml:6:9: AG0014: `a` has no `stale` to override [{first}]"),
            &format!("r.toml:11:11: AG0014: `b` has no `unusual` to override [{first}]"),
            &format!("r.toml:14:8: AG0014: `b` has no `rate` to override [{first}]"),
            &format!("r.toml:15:11: AG0014: `b` has no `counter` to override [{first}]"),
            "r.toml:20:9: AG0014: the bands of `stale` of `c` do not rise: low is 600 s, high is 540 s \
             [make `high` greater than `low`; a value that equals a band has reached it]",
        ],
    );
    check_all(
        "[metrics.a]\nunusual = true\n[[metrics.a.override]]\nentity = 'x'\nunusual = false\n\
         [[metrics.a.override]]\nentity = 'y'\nunusual = { season = 'day' }",
        &[
            "r.toml:8:13: AG0003: unknown key `season` [the keys are: severity, sensitivity]",
            "r.toml:5:11: AG0005: `unusual` cannot be `false` \
             [write a table such as `{ severity = \"low\", sensitivity = \"high\" }`; `off = true` of the override switches it off]",
        ],
    );
    let condition = "[conditions.c]\nwhen = 'a > 1'\nseverity = 'low'\n[[conditions.c.override]]\n";
    check_all(&format!("{condition}entity = 'x'\nseverity = 'high'"), &[]);
    let help = "give it `severity` or `for`, or `off = true` where nothing is judged";
    check_all(
        &format!(
            "{condition}entity = 'x'\n[[conditions.c.override]]\nentity = 'y'\noff = true\nfor = '1m'\n\
             [[conditions.c.override]]\nentity = 'a['\noff = true"
        ),
        &[
            &format!("r.toml:5:10: AG0014: the override says nothing [{help}]"),
            &format!("r.toml:7:10: AG0014: an override that is off has limits [{help}]"),
            "r.toml:11:10: AG0014: `a[` is no pattern: invalid range pattern \
             [`*` stands for any characters, `?` for one, `[ab]` for one of those]",
        ],
    );
    check_all(
        &format!("{condition}entity = 'x'\nlow = 3"),
        &["r.toml:6:1: AG0003: unknown key `low` [the keys are: entity, off, severity, for]"],
    );
    check_all(
        "[ratios.r]\nof = 'a'\nto = 'b'\nhigh = 1\n[[ratios.r.override]]\nentity = 'x'\nbelow = { low = 1 }\n\
         [[ratios.r.override]]\nentity = 'y'",
        &[
            &format!("r.toml:7:9: AG0014: `r` has no `below` to override [{first}]"),
            "r.toml:9:10: AG0014: the override says nothing [give it bands, or `off = true` where nothing is judged]",
        ],
    );
}

#[test]
fn faults_of_hours_and_maintenance_have_their_places() {
    check(
        "zone = 'Asia/Tokyo'\n[metrics.m]\nlow = 1\nhours = 'Mon-Fri 08:00-18:00, Sat'\n[[maintenance]]\n\
         from = 2026-11-21T22:00:00Z\nto = '2026-11-22 09:00'\nentities = ['db-*']",
        &[],
    );
    check(
        "zone = 'Europe/Pariss'\n[metrics.m]\nlow = 1\nhours = 'Mon 8h'\n[[maintenance]]\n\
         from = 2026-11-21T22:00:00Z\nto = 2026-11-21T23:00:00+01:00\nentities = ['a[']\n[[maintenance]]\n\
         from = 22:00:00\nto = 'noon'",
        &[
            "r.toml:1:8: AG0014: there is no time zone `Europe/Pariss` \
             [name one of the IANA database, such as `Europe/Paris`]",
            "r.toml:4:9: AG0014: `Mon 8h` is not understood as hours [write days, times or both, several with commas: \
             \"Mon-Fri 08:00-18:00, Sat 09:00-12:00\"]",
            "r.toml:7:6: AG0014: the maintenance ends before it begins [give `to` a time after `from`]",
            "r.toml:8:13: AG0014: `a[` is no pattern: invalid range pattern \
             [`*` stands for any characters, `?` for one, `[ab]` for one of those]",
            "r.toml:10:8: AG0014: `22:00:00` is not a time [write it as `2026-11-21T22:00:00Z`]",
            "r.toml:11:6: AG0014: `noon` is not a time [write it as `2026-11-21T22:00:00Z`]",
        ],
    );
}

#[test]
fn limits_without_bands_and_values_that_do_not_fit_say_what_to_write() {
    let length = "[write a length of time above zero, such as \"30s\", \"1m 30s\" or \"1d\"]";
    let number = "[write a number such as 90, or in quotes one with a unit such as \"250 ms\"]";
    for (rule, fault) in [
        ("unusual = false", "2:11: AG0005: `unusual` cannot be `false` [write `true` or a table such as"),
        ("rate = { low = 1, per = '0s' }", &format!("2:25: AG0005: `per` cannot be the text \"0s\" {length}")),
        ("stale = { high = '5 bananas' }", &format!("2:18: AG0005: `high` cannot be the text \"5 bananas\" {length}")),
        ("high = 3\nfor = '-2m'", &format!("3:7: AG0005: `for` cannot be the text \"-2m\" {length}")),
        ("high = nan", &format!("2:8: AG0005: `high` cannot be the number `nan` {number}")),
        ("high = '90'", "2:8: AG0005: `high` cannot be the text \"90\" [write it without quotes: `90`]"),
        ("high = 90\nclear = 'x'", &format!("3:9: AG0005: `clear` cannot be the text \"x\" {number}")),
        ("high = 1e999", "2:8: AG0005: `1e999` is too large a number [write a smaller one]"),
        ("high = [1]", &format!("2:8: AG0005: `high` cannot be a list {number}")),
        ("high = { low = 1 }", &format!("2:8: AG0005: `high` cannot be a table {number}")),
        (
            "unusual = true\nfor = '5m'",
            "3:7: AG0014: `for` of `a` has no bands beside it that it could be of [add `low`,",
        ),
        ("clear = 3\nstale = { low = '1m' }", "2:9: AG0014: `clear` of `a` has no bands beside it that it could be of"),
        ("for = '5m'", "2:7: AG0014: `for` of `a` has no bands beside it that it could be of [add"),
        (
            "unit = '%'",
            "1:10: AG0014: the rule of `a` judges nothing [add `low`, `medium` or `high`, or `below`, `rate`,",
        ),
        ("stale = { high = '1d' }", ""),
    ] {
        let found = faults(&format!("[metrics.a]\n{rule}")).join("; ");
        let expected = if fault.is_empty() { String::new() } else { format!("r.toml:{fault}") };
        assert!(found.starts_with(&expected) && found.is_empty() == fault.is_empty(), "{rule}: {found}");
    }
    let of_services = "r.toml:2:32: AG0005: `within` cannot be the text \"-5m\"";
    check("[status]\nflapping = { low = 4, within = '-5m' }", &[&format!("{of_services} {length}")]);
    check(
        "[ratios.r]\nof = 'a'\nto = 'b'",
        &["r.toml:1:9: AG0014: the rule of `r` judges nothing [add `low`, `medium` or `high`, or `below`]"],
    );
}

#[test]
fn rules_that_hold_always_or_never_are_refused() {
    let first = "the first pattern that names an entity counts: write the narrower one first, or delete one";
    let room = "make the lowest band greater than that of `below`, so that there is room between them";
    let clear = "give `clear` a value between the bands and those of `below`";
    let mend = "mend the comparisons, or write `||` for `&&` or the other way round";
    for (rule, fault) in [
        ("low = 50\nbelow = { low = 49 }", String::new()),
        ("low = 50\nbelow = { low = 50 }", format!("1:10: AG0019: every value of `a` is an anomaly: it is 50 or more, or `below` has it at 50 or less [{room}]")),
        (
            "low = 50\nbelow = { low = 40 }\n[[metrics.a.override]]\nentity = 'x'\nlow = 30",
            format!("5:10: AG0019: every value of `a` is an anomaly: it is 30 or more, or `below` has it at 40 or less [{room}]"),
        ),
        ("low = 50\nbelow = { low = 40 }\n[[metrics.a.override]]\nentity = 'x'\noff = true", String::new()),
        ("low = 50\nclear = 45\nbelow = { low = 40, clear = 42 }", String::new()),
        ("low = 50\nclear = 40\nbelow = { low = 40 }", format!("1:10: AG0019: an episode of `a` would end only below 40, where `below` begins another [{clear}]")),
        ("low = 50\nbelow = { low = 40, clear = 55 }", format!("1:10: AG0019: an episode of `below` of `a` would end only above 55, where its bands begin another [{clear}]")),
        ("rate = { low = 0 }", "2:8: AG0019: the lowest band of `rate` of `a` is 0, which a value that does not change reaches too [write bands above 0]".to_string()),
        ("rate = { low = -5, direction = 'down' }", "2:8: AG0019: the lowest band of `rate` of `a` is -5, which a value that does not change reaches too [write bands above 0, and `direction = \"down\"` where only falls are meant]".to_string()),
        ("counter = { low = 5, clear = 0 }", "2:30: AG0019: `clear` of `counter` of `a` is 0, and what it judges is never below 0: no episode would end [write a `clear` above 0]".to_string()),
        ("rate = { low = 5, clear = -1, direction = 'up' }", String::new()),
        ("low = 1\nhours = 'Mon 08:00-08:00'", "3:9: AG0019: `08:00-08:00` begins when it ends, so no time is within it [leave the times out where the whole day is meant]".to_string()),
        ("low = 1\n[[maintenance]]\nfrom = 2026-01-01\nto = 2026-01-02\nentities = []", "6:12: AG0019: the maintenance is of no entity [name some, or leave `entities` out where all are meant]".to_string()),
        ("low = 1\n[[metrics.a.override]]\nentity = ''\nlow = 2", "4:10: AG0019: the pattern is empty: it names no entity [write a name or a pattern: `*` stands for any characters]".to_string()),
        ("low = 1\n[[metrics.a.override]]\nentity = 'web-*'\nlow = 2\n[[metrics.a.override]]\nentity = 'web-1'\nlow = 3", format!("7:10: AG0019: `web-1` is never asked: `web-*` before it names all of it [{first}]")),
        ("low = 1\n[[metrics.a.override]]\nentity = 'web-1'\nlow = 2\n[[metrics.a.override]]\nentity = 'web-*'\nlow = 3", String::new()),
        ("low = 1\n[[metrics.a.override]]\nentity = 'x'\nlow = 2\n[[metrics.a.override]]\nentity = 'x'\noff = true", format!("7:10: AG0019: there is an override of `x` before this one, and the first counts [{first}]")),
        ("low = 1\n[ratios.r]\nof = 'x'\nto = 'x'\nlow = 1", "5:6: AG0019: the ratio of `x` to itself is always 1 [name the metric that it is a share of]".to_string()),
        ("low = 1\n[conditions.c]\nwhen = 'x > 3 && x < 2'\nseverity = 'low'", format!("4:8: AG0019: the condition never holds: no values of its metrics fulfil it [{mend}]")),
        ("low = 1\n[conditions.c]\nwhen = 'x > 2 || x < 3'\nseverity = 'low'", format!("4:8: AG0019: the condition always holds: all values of its metrics fulfil it [{mend}]")),
        (
            "low = 1\n[conditions.c]\nwhen = 'x > 3'\nseverity = 'low'\n[[conditions.c.override]]\nentity = '*'\noff = true\n\
             [[conditions.c.override]]\nentity = 'y'\noff = true",
            format!("10:10: AG0019: `y` is never asked: `*` before it names all of it [{first}]"),
        ),
    ] {
        let expected: Vec<String> = (!fault.is_empty()).then(|| format!("r.toml:{fault}")).into_iter().collect();
        assert_eq!(faults(&format!("[metrics.a]\n{rule}")), expected, "{rule}");
    }
    check(
        "[status]\nflapping = { low = 4, clear = 0 }",
        &[
            "r.toml:2:31: AG0019: `clear` of `flapping` of `status` is 0, and what it judges is never below 0: no episode would end [write a `clear` above 0]",
        ],
    );
}

#[test]
fn status_severities_become_levels() {
    let check = |text: &str, expected: [Option<u64>; 3]| {
        let rules = Rules::parse(&SourceFile::new("r.toml", format!("[metrics.x]\nlow = 1\n{text}"))).unwrap();
        let bands = rules.status();
        assert_eq!([bands.low, bands.medium, bands.high], expected.map(|v| v.map(Figure::count)), "{text}");
    };
    check("[status]\ndegraded = 'medium'\noffline = 'high'", [None, Some(1), Some(2)]);
    check("[status]\ndegraded = 'low'\noffline = 'high'", [Some(1), None, Some(2)]);
    check("[status]\ndegraded = 'high'\noffline = 'high'", [None, None, Some(1)]);
    check("[status]\ndegraded = 'medium'", [None, Some(1), None]);
    check("[status]\noffline = 'high'", [None, None, Some(2)]);
    check("", [None, None, None]);
}

#[test]
fn the_rules_of_the_infrastructure_report_are_the_documented_ones() {
    let text = include_str!("../../../graphs/rules/infrastructure.toml");
    let rules = Rules::parse(&SourceFile::new("infrastructure.toml", text)).unwrap();
    let bands = |b: &Bands| [b.low, b.medium, b.high].map(|f| f.map_or(f64::NAN, |f| f.get()));
    let got: Vec<(&str, [f64; 3])> =
        rules.metrics().iter().map(|r| (r.metric.as_str(), bands(&r.limits.bands))).collect();
    assert_eq!(
        got,
        [
            ("active_connections", [80.0, 110.0, 140.0]),
            ("cpu_usage", [70.0, 80.0, 90.0]),
            ("disk_usage", [75.0, 85.0, 95.0]),
            ("error_rate", [0.05, 0.08, 0.10]),
            ("io_wait", [8.0, 10.0, 15.0]),
            ("latency_ms", [200.0, 250.0, 300.0]),
            ("memory_usage", [75.0, 85.0, 92.0]),
            ("network_in_kbps", [2000.0, 2500.0, 3000.0]),
            ("network_out_kbps", [1800.0, 2200.0, 2600.0]),
            ("power_consumption_watts", [300.0, 350.0, 400.0]),
            ("temperature_celsius", [70.0, 78.0, 85.0]),
            ("thread_count", [170.0, 185.0, 200.0]),
        ]
    );
    assert_eq!(rules.status(), &Bands { low: None, medium: Some(Figure::count(1)), high: Some(Figure::count(2)) });
    for rule in rules.metrics() {
        assert!(Language::ALL.iter().all(|l| rule.label.get(*l).is_some()), "{}", rule.metric);
    }
}
