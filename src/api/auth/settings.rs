//! What the variables AGENT_API_JWT_* say.

use std::path::Path;

use super::claims::{RolesClaim, Terms};
use super::keys::{Algorithm, Keys, Material};
use super::remote::{Place, file};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::io::llm::Environment;

const ALGORITHM: &str = "AGENT_API_JWT_ALGORITHM";
const SECRET: &str = "AGENT_API_JWT_SECRET";
const SECRET_FILE: &str = "AGENT_API_JWT_SECRET_FILE";
const PUBLIC_KEY_FILE: &str = "AGENT_API_JWT_PUBLIC_KEY_FILE";
const JWKS: &str = "AGENT_API_JWT_JWKS";
const ISSUER: &str = "AGENT_API_JWT_ISSUER";
const AUDIENCE: &str = "AGENT_API_JWT_AUDIENCE";
const ROLES_CLAIM: &str = "AGENT_API_JWT_ROLES_CLAIM";
const SOURCES: [&str; 4] = [SECRET, SECRET_FILE, PUBLIC_KEY_FILE, JWKS];

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub algorithm: Algorithm,
    pub keys: KeySource,
    pub terms: Terms,
}

/// Where the keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Read once.
    Fixed(Keys),
    /// A set of keys that is read again.
    Set(Place),
}

impl Settings {
    /// The settings of the variables; `None` when none of them is set.
    ///
    /// # Errors
    /// AG0551, AG0552: what is set cannot be used. It is never taken for less than it says.
    pub fn from_environment(environment: &Environment) -> Result<Option<Settings>, Diagnostic> {
        let value = |name: &'static str| environment.get(name).map(str::trim);
        let Some(algorithm) = value(ALGORITHM) else {
            let set = SOURCES.into_iter().chain([ISSUER, AUDIENCE, ROLES_CLAIM]).find(|name| value(name).is_some());
            return match set {
                None => Ok(None),
                Some(name) => Err(wrong(format!("{name} is set, and {ALGORITHM} is not"))
                    .help(format!("set {ALGORITHM} to HS256, RS256 or EdDSA"))),
            };
        };
        // What is written is not quoted: a secret in the wrong variable would be shown.
        let algorithm: Algorithm = algorithm.parse().map_err(|()| {
            wrong(format!("{ALGORITHM} is none of HS256, RS256 and EdDSA")).help("exactly one is taken, written so")
        })?;
        let roles = match value(ROLES_CLAIM) {
            None | Some("roles") => RolesClaim::Roles,
            Some("scope") => RolesClaim::Scope,
            Some(_) => {
                return Err(wrong(format!("{ROLES_CLAIM} is neither `roles` nor `scope`"))
                    .help("`roles` is a list of texts, `scope` one text with spaces between"));
            }
        };
        let [issuer, audience] = [ISSUER, AUDIENCE].map(|name| value(name).map(String::from));
        let keys = keys(algorithm, environment)?;
        if audience.is_none() && algorithm != Algorithm::Hs256 {
            return Err(wrong(format!(
                "{AUDIENCE} is not set, so tokens of the same issuer for other services would do here"
            ))
            .help(format!("set {AUDIENCE} to what the tokens for this server have as `aud`")));
        }
        Ok(Some(Settings { algorithm, keys, terms: Terms { issuer, audience, roles } }))
    }
}

fn keys(algorithm: Algorithm, environment: &Environment) -> Result<KeySource, Diagnostic> {
    let set: Vec<(&str, &str)> = SOURCES.into_iter().filter_map(|name| Some((name, environment.get(name)?))).collect();
    let fitting: &[&str] =
        if algorithm == Algorithm::Hs256 { &[SECRET, SECRET_FILE] } else { &[PUBLIC_KEY_FILE, JWKS] };
    let wanted = format!("{} needs {}", algorithm.name(), fitting.join(" or "));
    let (name, value) = match set[..] {
        [one] => one,
        [] => return Err(wrong(format!("{ALGORITHM} is set, and no key is")).help(wanted)),
        _ => {
            let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
            return Err(wrong(format!("{} are set, and only one can be", names.join(" and "))).help(wanted));
        }
    };
    if !fitting.contains(&name) {
        return Err(wrong(format!("{name} is no key of {}", algorithm.name())).help(wanted));
    }
    let unusable = |why: &str| fault(codes::api::AUTH_KEYS, format!("{name} cannot be used: {why}"));
    let read = |path: &str| file(Path::new(path)).map_err(|why| unusable(&format!("`{path}`: {why}")));
    let of_secret = |secret: &[u8]| Material::secret(secret).map(Keys::one).map_err(unusable);
    match name {
        SECRET => of_secret(value.as_bytes()).map(KeySource::Fixed),
        SECRET_FILE => of_secret(without_line_end(&read(value.trim())?)).map(KeySource::Fixed),
        PUBLIC_KEY_FILE => Keys::from_pem(algorithm, &read(value.trim())?).map(KeySource::Fixed).map_err(unusable),
        _ => Place::parse(value.trim()).map(KeySource::Set).map_err(unusable),
    }
}

/// Editors end files so; it is no part of a secret.
pub fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn wrong(message: String) -> Diagnostic {
    fault(codes::api::AUTH_SETTINGS, message)
}

fn fault(code: &'static Code, message: String) -> Diagnostic {
    Diagnostic::new(code, message)
}
