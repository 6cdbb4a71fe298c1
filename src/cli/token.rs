use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::render::safe;
use super::{doctor, load, terminal};
use crate::api::auth::{Checker, Grant, LARGEST, Role, Seen, Settings, Signer, issue};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Span, Timestamp};
use crate::io::files::WallClock;
use crate::port::Clock;

/// Issue a token for the API, or say what one is and whether it would be let in.
///
/// Tokens are for a server that has the same AGENT_API_JWT_* variables. Under HS256 the secret of these signs; under RS256
/// and EdDSA `--key` names the private key. The token alone is printed: nothing keeps it.
#[derive(Debug, clap::Args)]
pub struct TokenArguments {
    /// What the token allows: read, run (and read), ingest, or admin (everything). Can be given several times.
    #[arg(long = "role", value_name = "ROLE", required_unless_present = "check")]
    roles: Vec<Role>,
    /// Whose token it is: the name that the server writes into its log.
    #[arg(long, value_name = "NAME", required_unless_present = "check")]
    subject: Option<String>,
    /// How long it is let in, as 12h or 30d.
    #[arg(long, value_name = "TIME", required_unless_present = "check")]
    expires: Option<Span>,
    /// The private key in PEM, or the file of the secret.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Say what this token is, and exit with 0 if it would be let in now; `-` reads it from standard input, where other
    /// users of the machine do not see it.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["roles", "subject", "expires", "key"])]
    check: Option<String>,
    /// Read this file in place of `.env`.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

pub fn token(arguments: &TokenArguments) -> Result<Exit, Failure> {
    let environment = load::environment_with(arguments.env_file.as_deref())?;
    let settings = Settings::from_environment(&environment).map_err(|fault| Failure::config(vec![fault]))?;
    let settings = settings.ok_or_else(|| {
        let message = "AGENT_API_JWT_ALGORITHM is not set, so there is nothing to sign or to check tokens by";
        let help = "set it, and AGENT_API_JWT_SECRET or a public key; .env.example describes them";
        Failure::config(vec![Diagnostic::new(codes::api::AUTH_SETTINGS, message).help(help)])
    })?;
    let checker = Checker::new(settings);
    let now = WallClock.now().micros().div_euclid(1_000_000);
    match &arguments.check {
        Some(token) => check(&checker, token, now),
        None => issued(&checker, arguments, now),
    }
}

fn issued(checker: &Checker, arguments: &TokenArguments, now: i64) -> Result<Exit, Failure> {
    let keys = doctor::runtime()?.block_on(checker.load()).map_err(|fault| Failure::config(vec![fault]))?;
    let signer = match &arguments.key {
        Some(path) => signer(checker, path)?,
        None => Signer::of(&keys).ok_or_else(|| {
            let message =
                format!("{} tokens are signed by a private key, and none is named", checker.algorithm().name());
            Failure::usage(Diagnostic::new(codes::api::TOKEN, message).help("--key FILE names it, in PEM"))
        })?,
    };
    let grant = Grant {
        subject: arguments.subject.clone().unwrap_or_default(), // clap asks for both, where nothing is checked
        roles: arguments.roles.iter().copied().collect(),
        lifetime: arguments.expires.map(|span| span.0).unwrap_or_default(),
    };
    let token = issue(checker, &keys, &signer, &grant, now).map_err(Failure::usage)?;
    terminal::out(&format!("{token}\n"));
    Ok(Exit::Done)
}

fn signer(checker: &Checker, path: &Path) -> Result<Signer, Failure> {
    let unusable = |why: String| {
        let message = format!("the key `{}` cannot be used: {why}", path.display());
        Failure::usage(Diagnostic::new(codes::api::AUTH_KEYS, message))
    };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    Signer::read(checker.algorithm(), &text).map_err(unusable)
}

fn check(checker: &Checker, token: &str, now: i64) -> Result<Exit, Failure> {
    let token = if token == "-" { from_standard_input()? } else { token.to_string() };
    let seen = doctor::runtime()?.block_on(checker.look(token.trim(), now));
    terminal::out(&told(&seen));
    Ok(if seen.verdict.is_ok() { Exit::Done } else { Exit::Failed })
}

fn from_standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    // What is longer than any token is refused as such.
    std::io::stdin().take(LARGEST as u64 * 2).read_to_string(&mut text).map_err(|error| {
        Failure::usage(Diagnostic::new(codes::run::USAGE, format!("standard input cannot be read: {error}")))
    })?;
    Ok(text)
}

/// What the token says of itself, and what the server says.
fn told(seen: &Seen) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{}", safe(value)); // writing to a text does not fail
    };
    if let Some(algorithm) = &seen.algorithm {
        line("algorithm", algorithm);
    }
    if let Some(id) = &seen.key_id {
        line("key", id);
    }
    for (name, claim) in
        [("subject", "sub"), ("issuer", "iss"), ("audience", "aud"), ("roles", "roles"), ("scope", "scope")]
    {
        match seen.claims.as_ref().and_then(|claims| claims.0.get(claim)) {
            Some(serde_json::Value::String(value)) => line(name, value),
            Some(other) => line(name, &other.to_string()),
            None => {}
        }
    }
    for (name, claim) in [("issued", "iat"), ("from", "nbf"), ("expires", "exp")] {
        if let Some(value) = seen.claims.as_ref().and_then(|claims| claims.0.get(claim)) {
            let time = crate::api::auth::seconds(value).and_then(|s| Timestamp::from_micros(s * 1_000_000));
            line(name, &time.map_or_else(|| value.to_string(), |time| time.to_string()));
        }
    }
    match &seen.verdict {
        Ok(caller) => {
            let may: Vec<&str> = Role::ALL.into_iter().filter(|r| caller.roles.allow(*r)).map(Role::word).collect();
            let may = if may.is_empty() { "nothing: it has no role".to_string() } else { may.join(", ") };
            let _ = writeln!(text, "It would be let in, and may: {may}");
        }
        Err(why) => {
            let _ = writeln!(text, "It would not be let in ({}): {why}", why.status().as_u16());
        }
    }
    text
}
