super::codes! {
    MISSING = "AG0101", "the input cannot be read",
        "The file does not exist, is a directory, or may not be read.",
        "Check the path. A path inside a graph file is relative to that file, one given to --input to the current folder.";
}
