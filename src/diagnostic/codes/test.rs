super::codes! {
    FAILED = "AG0501", "an expectation that is not met",
        "A test ran its graph, and what came differs from what the test says under `expect`.",
        "The message says what came instead, and the place what was expected. Mend the rules, the playbook or the graph, or correct the expectation.";
    SERIES = "AG0502", "a series that cannot be read",
        "The values of a test's series are not in the notation, are too many, or are given twice for the same time.",
        "Write values as in `70 72+2x10 _x3 95x5` or `online x5 offline x3`; `agent test --help` describes the notation.";
    TEST = "AG0503", "a test that cannot be run",
        "A test says something that does not fit its graph: the graph is missing, a node that is named does not exist, a source is fed with nothing, or a given value is of another type than its node's output.",
        "Correct the place that is underlined; `agent test --help` describes tests, and `agent kinds NAME` the types of a node's output.";
    NO_TESTS = "AG0504", "no tests",
        "There is no test file at the path, or no test whose name contains what `--filter` says. Nothing was tested, which is not the same as that all is well.",
        "Tests of `graphs/x.toml` are in `graphs/x.test.toml`; `agent test --help` describes them.";
    JUNIT = "AG0505", "the JUnit file cannot be written",
        "The folder of `--junit` does not exist or may not be written, or the disk is full.",
        "Check the path and its permissions.";
}
