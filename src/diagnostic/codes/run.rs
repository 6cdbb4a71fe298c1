super::codes! {
    UNKNOWN_RUN = "AG0301", "no such run",
        "The state directory has no run of this name; old ones are deleted by retention.",
        "`agent runs` lists the runs that are kept.";
    TASK_FAILED = "AG0310", "a task failed",
        "A node of the graph failed after all its tries, and its `on_error` is \"fail\".",
        "The message has the reason. `agent resume RUN` goes on where the run stopped, once the cause is mended; `on_error = \"skip\"` or \"fallback\" lets the run go on without the node.";
    DIVERGED = "AG0311", "a journal that does not fit",
        "The journal tells of events that cannot follow from this graph; it was edited, or written by another version.",
        "Start a new run with `agent run`.";
    CHANGED = "AG0312", "the graph has changed since the run began",
        "A node's kind, config, wires or files (rules, playbook, prompt) differ from those that the run started with, so its finished tasks do not count any more.",
        "Start a new run with `agent run`, or restore the files.";
    VERSION = "AG0313", "a journal of another version",
        "The run was journaled by a version of this program whose journals have another format.",
        "Finish the run with that version, or start a new one.";
    NOT_RESUMABLE = "AG0314", "a run that cannot be resumed",
        "It is done already, is running in another process, or read standard input, which cannot be read again.",
        "Start a new run with `agent run`.";
}
