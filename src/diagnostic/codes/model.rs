super::codes! {
    PROVIDER = "AG0201", "the model's settings are not usable",
        "The environment names a provider that is not known, or lacks the base URL or the model that it needs.",
        "See .env.example for the variables; without any of them the templates of the playbook word the report.";
}
