//! `agent token`: issues what a server with the same variables lets in, and tells of tokens why they are not.

use crate::sandbox::{Ran, Sandbox};

const SECRET: &str = "a secret of tests: 0123456789abcdefghij";
const HS256: [(&str, &str); 3] =
    [("AGENT_API_JWT_ALGORITHM", "HS256"), ("AGENT_API_JWT_SECRET", SECRET), ("AGENT_API_JWT_AUDIENCE", "agent")];
const RS256: [(&str, &str); 3] = [
    ("AGENT_API_JWT_ALGORITHM", "RS256"),
    ("AGENT_API_JWT_PUBLIC_KEY_FILE", "fixtures/tokens/rsa.pub.pem"),
    ("AGENT_API_JWT_AUDIENCE", "agent"),
];
const EDDSA: [(&str, &str); 3] = [
    ("AGENT_API_JWT_ALGORITHM", "EdDSA"),
    ("AGENT_API_JWT_PUBLIC_KEY_FILE", "fixtures/tokens/ed25519.pub.pem"),
    ("AGENT_API_JWT_AUDIENCE", "agent"),
];
const GRANT: [&str; 7] = ["token", "--role", "run", "--subject", "ci", "--expires", "30d"];

/// A token, which is all that is printed.
fn issued(sandbox: &Sandbox, variables: &[(&str, &str)], more: &[&str]) -> String {
    let ran = sandbox.agent_with(variables, &[&GRANT, more].concat()).exits(0);
    assert_eq!(ran.stderr, "");
    let token = ran.stdout.strip_suffix('\n').unwrap();
    assert!(token.split('.').count() == 3 && !token.contains(char::is_whitespace), "{token}");
    token.to_string()
}

fn checked(sandbox: &Sandbox, variables: &[(&str, &str)], token: &str) -> Ran {
    let ran = sandbox.agent_with(variables, &["token", "--check", token]);
    assert!(!ran.stdout.contains(SECRET) && !ran.stdout.contains(token), "{ran:?}");
    ran
}

/// The lines without those of times.
fn without_times(ran: &Ran) -> String {
    let lines = ran.stdout.lines().filter(|line| !line.starts_with("issued ") && !line.starts_with("expires "));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn what_is_issued_is_let_in() {
    let sandbox = Sandbox::new();
    let (rsa, ed25519) = ("fixtures/tokens/rsa.pem", "fixtures/tokens/ed25519.pem");
    for (variables, more) in [(&HS256, &[][..]), (&RS256, &["--key", rsa]), (&EDDSA, &["--key", ed25519])] {
        let token = issued(&sandbox, variables, more);
        let told = checked(&sandbox, variables, &token).exits(0);
        assert!(told.stdout.contains("It would be let in, and may: read, run\n"), "{told:?}");
        assert!(told.stdout.contains(&format!("algorithm {}\n", variables[0].1)), "{told:?}");
        let refused = sandbox.agent_with(variables, &["token", "--check", &format!("{token}x")]).exits(1);
        assert!(refused.stdout.contains("It would not be let in (401): "), "{refused:?}");
    }
    let token = issued(&sandbox, &HS256, &["--role", "ingest"]);
    insta::assert_snapshot!(without_times(&checked(&sandbox, &HS256, &token).exits(0)), @r#"
    algorithm HS256
    subject   ci
    audience  agent
    roles     ["run","ingest"]
    It would be let in, and may: read, run, ingest
    "#);
    // Of a server that has another secret; and of one for something else.
    let other = [HS256[0], ("AGENT_API_JWT_SECRET", "another secret of tests, which is long"), HS256[2]];
    insta::assert_snapshot!(without_times(&checked(&sandbox, &other, &token).exits(1)), @r#"
    algorithm HS256
    subject   ci
    audience  agent
    roles     ["run","ingest"]
    It would not be let in (401): the token's signature is not right
    "#);
    let other = [HS256[0], HS256[1], ("AGENT_API_JWT_AUDIENCE", "billing")];
    assert!(checked(&sandbox, &other, &token).exits(1).stdout.contains("for another audience"));
    assert!(checked(&sandbox, &RS256, &token).exits(1).stdout.contains("by another algorithm"));
    assert!(sandbox.files_with(&token).is_empty() && sandbox.files_with(SECRET).is_empty(), "nothing keeps them");
}

#[test]
fn a_token_is_read_from_standard_input() {
    let sandbox = Sandbox::new();
    let lines = HS256.iter().fold(String::new(), |text, (name, value)| format!("{text}{name}='{value}'\n"));
    sandbox.write(".env", &lines);
    let token = sandbox.agent(&GRANT).exits(0).stdout;
    let told = sandbox.agent_reading(token.as_bytes(), &["token", "--check", "-"]).exits(0);
    assert!(told.stdout.contains("subject   ci\n"), "{told:?}");
    for nothing in ["", "\n", "\u{1b}[31m", &"x".repeat(100_000)] {
        let told = sandbox.agent_reading(nothing.as_bytes(), &["token", "--check", "-"]).exits(1);
        assert!(told.stdout.contains("not well-formed") && !told.stdout.contains('\u{1b}'), "{told:?}");
    }
}

#[test]
fn nonsense_is_refused_and_nothing_printed() {
    let sandbox = Sandbox::new();
    let told = |variables: &[(&str, &str)], arguments: &[&str], code: i32, words: &str| {
        let ran = sandbox.agent_with(variables, arguments).exits(code);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.contains(words) && !ran.stderr.contains(SECRET), "{words}: {}", ran.stderr);
    };
    let grant = |role, subject, expires| ["token", "--role", role, "--subject", subject, "--expires", expires];
    told(&HS256, &grant("root", "ci", "30d"), 2, "roles are read, run, ingest and admin");
    told(&HS256, &grant("read,run", "ci", "30d"), 2, "roles are read, run, ingest and admin");
    told(&HS256, &grant("read", "", "30d"), 2, "the subject is not a name");
    told(&HS256, &grant("read", "ci", "0s"), 2, "above zero");
    told(&HS256, &grant("read", "ci", "2y"), 2, "not a length of time");
    told(&HS256, &grant("read", "ci", "367d"), 2, "at most 366 days");
    told(&HS256, &grant("read", "ci", "100ms"), 2, "at least a second");
    told(&HS256, &["token", "--subject", "ci", "--expires", "30d"], 2, "--role");
    told(&HS256, &["token", "--role", "read", "--expires", "30d"], 2, "--subject");
    told(&HS256, &["token", "--role", "read", "--subject", "ci"], 2, "--expires");
    told(&HS256, &["token", "--check", "a.b.c", "--role", "read"], 2, "cannot be used with");
    told(&[], &GRANT, 78, "AGENT_API_JWT_ALGORITHM is not set");
    told(&HS256[1..], &GRANT, 78, "AGENT_API_JWT_ALGORITHM is not");
    told(&RS256, &GRANT, 2, "--key FILE");
    let with_key = |name| [&GRANT[..], &["--key", name]].concat();
    told(&RS256, &with_key("fixtures/tokens/none.pem"), 2, "No such file");
    told(&RS256, &with_key("fixtures/tokens/rsa.pub.pem"), 2, "it is a public key");
    told(&RS256, &with_key("fixtures/tokens/ed25519.pem"), 2, "no private key of RS256");
    told(&EDDSA, &with_key("fixtures/tokens/rsa.pem"), 2, "no private key of EdDSA");
    told(&RS256, &with_key("fixtures/tokens/other-rsa.pem"), 2, "not the counterpart");
    let short = [HS256[0], ("AGENT_API_JWT_SECRET", "short")];
    told(&short, &GRANT, 78, "shorter than 32 bytes");
    let unreachable = [RS256[0], ("AGENT_API_JWT_JWKS", "http://127.0.0.1:1/keys"), RS256[2]];
    told(&unreachable, &with_key("fixtures/tokens/rsa.pem"), 78, "the keys of http://127.0.0.1:1/keys cannot be read");
}
