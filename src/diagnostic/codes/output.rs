super::codes! {
    UNWRITABLE = "AG0401", "the report cannot be written",
        "The folder does not exist or may not be written, or the disk is full. An older report at that place is untouched.",
        "Check the path and its permissions; `--output PATH` writes elsewhere, `--output -` to standard output.";
}
