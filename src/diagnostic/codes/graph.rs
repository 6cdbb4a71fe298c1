super::codes! {
    SYNTAX = "AG0001", "TOML syntax",
        "The file is not well-formed TOML, so nothing in it could be read.",
        "Mend the place that is underlined; the other checks run once the file parses.";
    UNREADABLE = "AG0002", "a file that the graph names cannot be read",
        "The graph file itself, or a prompt, rules file or playbook that it names, is missing, is not readable, or is not UTF-8.",
        "Paths inside a graph file are relative to that file. Check the path and its permissions.";
    UNKNOWN_KEY = "AG0003", "unknown key",
        "A table has a key that nothing reads there. It is refused, since a mistyped key would otherwise be ignored silently.",
        "Correct the spelling or delete the key. `agent kinds NAME` lists the keys of a node kind, `agent schema graph` makes editors complete them.";
    MISSING_KEY = "AG0004", "missing key",
        "A table lacks a key without which it has no meaning.",
        "Add the key. `agent kinds NAME` lists the keys of a node kind.";
    WRONG_TYPE = "AG0005", "wrong type or value",
        "A key has a value of another type than is expected there, or one that is not permitted there: out of range, twice the same, not for this kind.",
        "Write a value as the message describes.";
    UNKNOWN_KIND = "AG0006", "unknown node kind",
        "`kind` names no node kind of this build.",
        "`agent kinds` lists the kinds.";
    UNKNOWN_NODE = "AG0007", "unknown node",
        "An input refers to a node that the graph does not have.",
        "Write `inputs = { port = \"node\" }` or `\"node.field\"` with the name of a node of this file.";
    UNKNOWN_PORT = "AG0008", "unknown port or field",
        "`inputs` fills a port that the kind does not have, `each` names none of its ports, or a `node.field` reference names a field that the node's output lacks.",
        "`agent kinds NAME` lists the ports and the fields of a kind.";
    MISSING_INPUT = "AG0009", "missing input",
        "A port that the kind requires is not filled.",
        "Add it to the node's `inputs`.";
    TYPE_MISMATCH = "AG0010", "an edge whose ends do not fit",
        "The output that an input refers to is of another type than the port takes.",
        "Refer to another node or to a field of it (`node.field`); use `each` to feed a list item by item. `agent kinds NAME` shows the types.";
    CYCLE = "AG0011", "the graph has a cycle",
        "Some nodes wait for each other, so that none of them could ever start.",
        "Remove one of the edges on the path that is printed.";
    EMPTY_GRAPH = "AG0012", "a graph that does nothing",
        "The file has no nodes.",
        "Add nodes; graphs/default.toml is an example.";
    VARIABLE = "AG0013", "an environment variable that cannot be put in",
        "A string of the file refers to `${NAME}`, and neither the environment nor `.env` has it; or the closing `}` is missing.",
        "Set the variable or close the brace, or give a default as in `${NAME:-value}`. `$${` stands for a literal `${`.";
    RULES = "AG0014", "a rule that cannot be applied",
        "Bands must rise from low to medium to high, a rule needs at least one of them, a unit must convert to that of the rule, a condition only compares metrics and numbers, `offline` cannot be milder than `degraded`, and a file needs at least one rule.",
        "Correct the rule that is underlined; the manual of `detect` (`agent kinds detect`) describes rules.";
    PLAYBOOK = "AG0015", "a playbook that cannot be applied",
        "A formula does not parse, a template uses a slot that no fact fills, or an action lacks a language.",
        "Correct the entry that is underlined; the manual of `plan` (`agent kinds plan`) describes playbooks.";
    PROMPT = "AG0016", "a prompt that does not parse",
        "The prompt file is not a well-formed template.",
        "Correct the template at the line that is named; the manual of `draft` (`agent kinds draft`) lists its variables.";
    OVERRIDE = "AG0017", "a --set that cannot be applied",
        "`--set NODE.KEY=VALUE` names a node that the graph does not have, or has no `.` or `=`.",
        "Write it as in `--set telemetry.path=other.json`.";
    NO_WINDOW = "AG0018", "a live source without windows",
        "A live source never ends, so the graph must say when a report is due.",
        "Add a table such as `[window]` with `every = \"1m\"` at the top of the file.";
    SENSELESS = "AG0019", "a rule that says nothing, or everything",
        "The rule is well written, but what it asks for holds always or never: a condition that no values or all values fulfil, bands that leave no value between above and below, a `clear` that is never passed, an override that one before it hides, a ratio of a metric to itself, a maintenance of no entity.",
        "Correct what is underlined, or delete it. Of overrides the first whose pattern names an entity counts, so the narrower pattern stands before the wider.";
}
