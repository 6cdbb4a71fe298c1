super::codes! {
    MISSING = "AG0101", "the input cannot be read",
        "The file does not exist, is a directory, or may not be read.",
        "Check the path. A path inside a graph file is relative to that file, one given to --input to the current folder.";
    EMPTY = "AG0102", "the input is empty",
        "The file, or standard input, holds nothing but blanks, so there is nothing to report on.",
        "Check that whatever writes the file has run, and that the path is the right one.";
    NO_RECORD = "AG0103", "the input has no valid record",
        "Text was read, but not one record of it could be used: there is none, or each is malformed or has no readable time.",
        "If the message has an example, look at it. If the time has another name, name it under `[nodes.X.schema] timestamp`; if the format was mistaken, set `format`.";
    TOO_MANY_BAD = "AG0104", "too many bad records",
        "A larger share of the records than `max_bad_ratio` permits could not be used. A report on what is left could mislead.",
        "Mend the input, starting with the example in the message, or raise `max_bad_ratio` on the ingest node.";
    BROKEN_OFF = "AG0105", "reading stopped half-way",
        "The system reported an error in the middle of the input: a failing disk, a lost network share, a closed device. Or an archive (`.gz`, `.zst`) is cut off or damaged.",
        "Run again once the file can be read to its end, for example from a local copy.";
    FORMAT = "AG0106", "an input that is not plain text",
        "The file is in UTF-16, or compressed with something else than gzip or zstd, or compressed and followed. Only UTF-8 (or ASCII) text is read: JSON, NDJSON or CSV.",
        "Unpack or convert it first, for example `gunzip -c FILE | agent run GRAPH --input -` or `iconv -f UTF-16 -t UTF-8`.";
    HEADER = "AG0107", "a CSV header that cannot be used",
        "The first line of a CSV file must name the columns, one of them the time.",
        "Correct the header, or name the time column under `[nodes.X.schema] timestamp`. Columns are separated by commas, semicolons or tabs, whichever the header has most of.";
    MALFORMED = "AG0108", "malformed or truncated record",
        "A line, or an element of an array, is not well-formed: cut off, a bracket or quote missing, or not an object. The record is left out and counts as bad.",
        "Mend or delete the record; its line or element number is in the run record.";
    NO_TIME = "AG0109", "record without a readable time",
        "The time field is missing, or is neither ISO 8601 nor seconds, milliseconds, microseconds or nanoseconds since 1970, or lies outside the years -9999 to 9999 (which ends a day early, so that the time can be written in every time zone). The record is left out and counts as bad.",
        "If the time has another name, name it under `[nodes.X.schema] timestamp`.";
    TOO_LONG = "AG0110", "record longer than 1 MiB",
        "A line or element is longer than any sensible record, and was skipped without being read into memory. It counts as bad.",
        "Check what wrote it; a missing newline or closing quote is the usual cause.";
    TOO_DEEP = "AG0111", "record nested too deeply",
        "A record has more than 127 levels of brackets. It is left out and counts as bad.",
        "Check what wrote it.";
    FIELD_COUNT = "AG0112", "CSV row with another number of fields than the header",
        "It cannot be told which field belongs to which column. The row is left out and counts as bad.",
        "Mend the row; a delimiter inside a field needs quotes around the field.";
    WRONG_TYPE = "AG0113", "field of the wrong type",
        "A metric that the graph reads is not a number (or the statuses are not an object). The field is left out, the rest of the record is kept.",
        "Write metrics as JSON numbers without quotes and without units; in CSV with a decimal point, also where semicolons separate the columns.";
    NOT_FINITE = "AG0114", "number that is not finite",
        "A field is NaN or infinite, or too large for a 64-bit float. The field is left out, the rest of the record is kept.",
        "Leave a value that was not measured out, or write it as null.";
    STATUS_WORD = "AG0115", "unknown status word",
        "The status of a service is none of online, degraded and offline, and the graph gives no alias for it. It is left out, the rest of the record is kept.",
        "Add the word under `[nodes.X.schema.status_words]`, as in `up = \"online\"`.";
    INVALID_TEXT = "AG0116", "text that is not valid Unicode",
        "A string has bytes that are not UTF-8, or half of a surrogate pair. They were replaced by U+FFFD, the record is kept.",
        "Have the producer write UTF-8.";
    DUPLICATE_KEY = "AG0117", "key that occurs twice in one record",
        "One object has the same key more than once, a CSV header the same column, or two fields are renamed to one metric. The last one counts.",
        "Have the producer write each key once.";
    NAME = "AG0118", "name that cannot be used",
        "The name of an entity or a service is empty, no text, longer than 128 bytes (or than 64 characters if it has blanks in it), or holds what no name does: control and invisible characters, quotes, a backslash, `://`, or one of { } < > | and the back quote. Names are shown in reports, tickets and prompts, where such text could be taken for something else. It is left out, the rest of the record is kept.",
        "Correct the name, or list the field that has the right one under `[nodes.X.schema] entity`.";
    OUT_OF_ORDER = "AG0119", "record older than the one before",
        "The time of a record lies before the newest time of the same entity. The record is kept.",
        "Nothing needs to be done; sort the input by time if the producer should have.";
    DUPLICATE_TIME = "AG0120", "two records with one time",
        "A record has the same time as the newest of the same entity. Both are kept, and both count.",
        "If the entities are not told apart, list the field that names them under `[nodes.X.schema] entity`; else drop the duplicates.";
    UNCLOSED = "AG0121", "JSON array without its end",
        "The closing `]` is missing: the file was probably cut off. What was read is kept.",
        "Check that the file is complete.";
    AHEAD = "AG0122", "record of the future, left out",
        "The time of a record of a live source is ahead of this machine's clock by more than `[window] max_ahead`. Taken at its word it would close the windows of all other records, so it is left out.",
        "Set the clock of the sender, or of this machine; or raise `max_ahead`.";
    OUTAGE = "AG0130", "the source could not be reached",
        "A server did not answer, answered too late or with an error, or gave an answer that cannot be read. A live source is asked again for ever, with pauses that grow to a minute, and goes on where it stopped; records that the server does not keep are lost meanwhile.",
        "Nothing needs to be done if it passes. Else check that the server runs, that its address is right, and that the credential still holds; the example says what was wrong.";
    REFUSED = "AG0131", "the source refuses what it is asked",
        "The server answers, and says that the request itself is wrong: a mistake in a query, an address that it does not know, or a credential that it does not accept. At the very first request this ends the run; later a query that is refused is left out of the round, and everything else is tried again.",
        "Correct what the message names: the query, the `url`, or the credential.";
    UNEXPECTED = "AG0132", "an answer that is not what was expected",
        "The server answered, but not with records: the body is no JSON, has nothing under the path that the node names, or is longer than the node takes. At the very first request this ends the run; later it counts as an outage.",
        "Look at the address in a browser or with `curl`, and compare it with `url`, `records` and the other keys of the node.";
    CREDENTIAL = "AG0133", "a credential that is not there or cannot be used",
        "The node names an environment variable that holds a token or a password. It is not set, neither in the environment nor in `.env`, or no request can carry its value.",
        "Set the variable to the credential alone. It is not shown here.";
    SEVERAL_SERIES = "AG0134", "several series for one entity",
        "A query gave more than one series with the same value of the label that names the entity, so that one record would have several values. The first counts.",
        "Aggregate in the query: `max by (instance) (…)`.";
    PAGE_LIMIT = "AG0135", "more pages than are read at once",
        "An answer had further pages after `max_pages` of them, or after 64 MiB. What was read is used; what follows is read in the next round only if the address or the cursor says where to go on.",
        "Ask for less at once (`{last_time}` in the `url`, a larger page, a shorter `every`), or raise `max_pages`.";
    TRUNCATED = "AG0141", "followed file that was truncated",
        "A file that is followed became shorter, or begins with another text than before: it was emptied and is written anew. It is read from its beginning; what was written to it between the last look and the truncation is not known.",
        "Nothing needs to be done. Rotation by renaming (`create` in logrotate, rather than `copytruncate`) loses nothing.";
    LOST = "AG0142", "followed file that is gone",
        "Where reading stopped last time there was a file that is now neither at its place nor beside it under another name. What it got after that is lost.",
        "Keep rotated files uncompressed and in the same folder for longer than the program may be down (`delaycompress` in logrotate).";
    UNFOLLOWED = "AG0143", "file that cannot be followed",
        "A file that is to be followed is no plain text, has a CSV header that cannot be used, or cannot be opened. It is left out until another takes its place.",
        "See the message; a compressed file is read whole by a node without `follow`.";
    ADDRESS = "AG0144", "an address that cannot be listened on",
        "Another process listens there, the machine has no such address, or the port needs rights that the process lacks (those below 1024 do). Or it is no `HOST:PORT`, or its `path` does not begin with `/`.",
        "Stop the other process, or set `address` on the ingest node to another one, such as `127.0.0.1:8472`.";
    SPOOL = "AG0145", "the spool cannot be used",
        "The folder in which a listening source keeps what it received cannot be read or written.",
        "Check the rights of the state folder (AGENT_STATE_DIR) and the space on its disk.";
    TOKEN = "AG0146", "a token that is not set",
        "The node names an environment variable that holds the token of its clients, and there is none of that name, or it is empty.",
        "Set the variable, in the environment or in `.env`; or take `token_env` out, which lets everybody send who reaches the address.";
    GARBAGE = "AG0147", "something behind an archive",
        "Behind the last member of a gzip file, or the last frame of a zstd file, stands something that is neither another one nor zero bytes. It is left out, as `gzip -d` does; all before it is used.",
        "If text was appended to an archive, pack it first: archives can be joined as they are.";
}
