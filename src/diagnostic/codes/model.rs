super::codes! {
    PROVIDER = "AG0201", "the model's settings are not usable",
        "The environment names a provider that is not known, or lacks the base URL, the model or the key that it needs.",
        "See .env.example for the variables; without any of them the templates of the playbook word the report.";
    DOTENV = "AG0202", "a line of `.env` cannot be read",
        "The file is not readable, or a line of it is not of the form `NAME=value`; the line is left out.",
        "Mend the line, or quote its value. The line itself is not shown, since it may hold a credential.";
    SETTING = "AG0203", "a variable has a value that is not usable",
        "A limit such as LLM_TIMEOUT or a price is not a number in its range, LLM_CACHE is neither `on` nor `off`, or a base URL is not an http or https URL.",
        "Write a value as the message describes; .env.example lists the variables.";
    KEY = "AG0204", "a key that no request can carry",
        "A key or another header value has spaces, line breaks or characters outside visible ASCII: most often it was pasted with more than the key.",
        "Set the variable to the key alone. It is not shown here, since it is a credential.";
    NO_PROVIDER = "AG0205", "nothing to record",
        "`--record` was asked for, but no model is configured, so that no request would ever be made.",
        "Set a key, or LLM_BASE_URL and LLM_MODEL, as .env.example describes; or run without `--record`.";
    CASSETTE = "AG0206", "the cassette cannot be read",
        "The file of recorded model exchanges is missing, or is not what `--record` writes.",
        "Check the path given to `--replay`, or record the run again with `--record`.";
    CASSETTE_VERSION = "AG0207", "a cassette of another version",
        "The file was recorded by a version of this program that writes another format.",
        "Record the run again with `--record`.";
    CASSETTE_UNWRITABLE = "AG0208", "the cassette cannot be written",
        "The folder does not exist or may not be written, or the disk is full. An older cassette at that place is untouched.",
        "Check the path given to `--record` and its permissions.";
    SPOOL = "AG0209", "a recording that cannot be continued",
        "The run was started with another provider or model than is configured now, or the file that keeps its exchanges is damaged. A cassette holds one model only.",
        "Set the variables as they were, or start a new run.";
    LEAK = "AG0210", "a credential would be recorded",
        "An exchange with the model holds its key, or what looks like a credential (a Bearer token, a provider's key, `api_key=…`, a JSON web token, a private key): a graph, a prompt or the input contains it, or the endpoint sent it. Nothing was written.",
        "Remove the credential from those files, and replace it at its provider, since it was sent as part of a prompt.";
    CONFIG = "AG0212", "a file of settings that cannot be used",
        "The file that AGENT_CONFIG names, or else the nearest `agent.toml`, cannot be read, is no TOML, or has a value that is no setting. Nothing runs without the settings that it is meant to have.",
        "Write one setting a line, as in `LLM_TIMEOUT = 30`, by the names that `agent config` lists.";
    UNKNOWN_SETTING = "AG0213", "a setting that nothing reads",
        "The file of settings has a name that begins as the program's do, and is none of them. It is left out.",
        "`agent config` lists the settings; mend the name or remove the line.";
    FALLBACKS = "AG0221", "a fallback that names no endpoint",
        "LLM_FALLBACKS lists further endpoints with commas between them, and one of its entries is neither the name of a provider nor a URL, or lacks the model.",
        "Write PROVIDER, PROVIDER/MODEL or URL#MODEL, as in `mistral,ollama/llama3.2,https://host/v1#model`.";
    UNLISTED = "AG0222", "the endpoint lists no models",
        "The endpoint has no list of models, does not show it to this key, or could not be reached.",
        "`agent doctor` says whether the model that is set answers all the same.";
}
