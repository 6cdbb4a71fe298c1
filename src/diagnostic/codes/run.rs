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
}
