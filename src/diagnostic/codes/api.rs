super::codes! {
    AUTH_SETTINGS = "AG0551", "settings of tokens that cannot be used",
        "The variables AGENT_API_JWT_* say who may call the API. One of them has a value that makes no sense, or they contradict each other. Nothing is let in by half a setting.",
        "Set the variables as the message describes; .env.example lists them.";
    AUTH_KEYS = "AG0552", "keys of tokens that cannot be used",
        "The secret, the key file or the set of keys that AGENT_API_JWT_* name cannot be read, is of another algorithm, or is too weak: a secret has at least 32 bytes, an RSA key at least 2048 bits.",
        "The message says which and why. `openssl rand -hex 32` makes a secret, `openssl genpkey -algorithm ed25519` a private key, `openssl pkey -pubout` the public one of it.";
    AUTH_REQUIRED = "AG0553", "an address that others reach, and no tokens",
        "Whoever reaches the address could read every report and run graphs. Only on the loopback may nobody be asked for a token; elsewhere a token also has to be made for this server, by its audience.",
        "Set AGENT_API_JWT_ALGORITHM, a key and AGENT_API_JWT_AUDIENCE, as .env.example describes, or listen on 127.0.0.1.";
    AUTH_OFF = "AG0554", "nobody is asked for a token",
        "The API listens on the loopback and no AGENT_API_JWT_* is set, so every program of this machine may do everything. Pages of other sites are refused by the names of their hosts.",
        "Set AGENT_API_JWT_ALGORITHM and a key, as .env.example describes, if other people use this machine.";
    TOKEN = "AG0555", "a token that cannot be issued",
        "`agent token` issues only what the server that has the same variables would let in: a subject, a role, a time of at most a year, signed by the counterpart of a key that is configured.",
        "Write the arguments as the message describes; `agent help token` lists them.";
}
