super::codes! {
    UNKNOWN_RUN = "AG0301", "no such run",
        "The state directory has no run of this name; old ones are deleted by retention.",
        "`agent runs` lists the runs that are kept.";
    AMBIGUOUS_RUN = "AG0302", "a name that several runs share",
        "A run may be named by the first characters of its id, but several kept runs begin with these.",
        "Write more of the id, or `last` for the newest run.";
    RUN_LOCKED = "AG0303", "the run is being worked on",
        "Another process runs or resumes it now. Two of them would repeat and overwrite each other's tasks.",
        "Wait for the other process to end, or end it.";
    STATE_UNUSABLE = "AG0304", "the state directory cannot be used",
        "The folder of the runs cannot be made, read or written, or its file system cannot lock files.",
        "Check its permissions and the space on its disk. $AGENT_STATE_DIR names another folder, `--no-journal` runs without one.";
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
    USAGE = "AG0315", "a command line that makes no sense",
        "The arguments contradict each other or the graph.",
        "The message says what to write instead; `agent help COMMAND` lists the arguments.";
    UNKNOWN_CODE = "AG0316", "no such code",
        "No diagnostic of this version has the code that was asked for.",
        "`agent explain` lists all codes.";
    UNKNOWN_ANOMALY = "AG0317", "no such anomaly",
        "The run's report has no anomaly of this name.",
        "Write the anomaly's `metric` as the report has it, with its host: `cpu_usage@web-1`.";
    NO_JOURNAL = "AG0318", "a run without its journal",
        "The folder of the run has no events.ndjson: it was deleted, or the process ended before it could be made.",
        "Start a new run with `agent run`; what the run wrote elsewhere is not touched.";
    RUNNING = "AG0319", "a live graph that is running already",
        "Another process runs this graph file live, and two would each report half of the records.",
        "Stop the other process, or run a copy of the graph file under another name; another $AGENT_STATE_DIR makes it another graph too.";
    CHECKPOINT = "AG0320", "a checkpoint that cannot be read",
        "What the live graph kept when it last ran was written by another version of this program, or is damaged.",
        "`agent run GRAPH --fresh` forgets it and starts anew: live sources begin where they are now, or at the beginning of what they kept.";
    NOT_REPLAYABLE = "AG0321", "a run that cannot be replayed",
        "It has not ended, it failed, or its window had no records, so there is nothing to come to again.",
        "`agent resume RUN` goes on with a run that was interrupted or failed; `agent runs` lists them.";
    NO_REPORT = "AG0322", "no report to show",
        "`agent render` shows the report of a run or of a file. The file cannot be read or holds something else, or the run has none: it has not ended, it failed, or its window had no records.",
        "`agent runs` lists the runs; `agent resume RUN` goes on with one that was interrupted or failed. Name a file that `agent run` wrote as JSON.";
    NO_SCORES = "AG0330", "a graph that scores nothing",
        "`agent backtest --scores` writes how unusual each value is, and no rule of the graph judges that.",
        "Add a rule `unusual` to a metric of the rules file; `agent kinds detect` describes rules.";
    TELEMETRY = "AG0340", "spans that cannot be sent",
        "OTEL_EXPORTER_OTLP_ENDPOINT asks for spans, and a variable beside it has a value that is not usable here: only OTLP over HTTP with protobuf is spoken. The run goes on without spans.",
        "Write the value as the message describes, or unset OTEL_EXPORTER_OTLP_ENDPOINT; .env.example lists the variables.";
    UNDELIVERED = "AG0341", "spans that are not delivered",
        "The collector that OTEL_EXPORTER_OTLP_ENDPOINT names could not be reached, was too slow, or declined. Report and exit code are what they are without spans; the end of the run waits for them at most 2 seconds.",
        "Check the endpoint (OTLP over HTTP is most often port 4318), its credentials in OTEL_EXPORTER_OTLP_HEADERS, and that it takes http/protobuf.";
}
