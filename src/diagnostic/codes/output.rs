super::codes! {
    UNWRITABLE = "AG0401", "the report cannot be written",
        "The folder does not exist or may not be written, or the disk is full. An older report at that place is untouched.",
        "Check the path and its permissions; `--output PATH` writes elsewhere, `--output -` to standard output.";
    DEAD_LETTER = "AG0402", "an alert that could not be delivered",
        "The receiver of a webhook could not be reached in time, or refused what it was sent, after all tries. The alert was put into the node's dead-letter file, and the run went on.",
        "Look at the reason; mend the address or the receiver. Each line of the dead-letter file has the `payload` to send and its `key`, as in `jq -c .payload alerts-failed.ndjson`.";
    LOST = "AG0403", "an alert that could neither be delivered nor kept",
        "The receiver of a webhook could not be reached, and the dead-letter file cannot be written.",
        "Check the folder of `dead_letter`, its permissions and the space on its disk. `on_error = \"skip\"` lets the run go on without the alert.";
    STORE = "AG0411", "a store that cannot be used",
        "The file or the database server of a store cannot be opened, read or written, its disk is full, or another program has been writing to it for more than 30 seconds. What was not written is not acknowledged to where it came from: it is read again.",
        "Check the path or the URL, its permissions and the space on its disk.";
    QUERY = "AG0412", "a query that cannot be answered",
        "The database does not understand the query, or the query would change something: `agent query` opens a store for reading only, and the database itself declines what writes.",
        "Look at what the database says; docs/store.md has the tables and their columns. To change a store use the database's own tools while nothing else writes to it.";
}
