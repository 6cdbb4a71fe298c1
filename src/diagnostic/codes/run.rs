super::codes! {
    UNKNOWN_RUN = "AG0301", "no such run",
        "The state directory has no run of this name; old ones are deleted by retention.",
        "`agent runs` lists the runs that are kept.";
}
