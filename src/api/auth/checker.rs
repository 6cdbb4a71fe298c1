//! From a request's headers to who calls.

use std::sync::Arc;

use http::{HeaderMap, header};

use super::claims::Terms;
use super::compact::{Compact, Object};
use super::keys::{Algorithm, Keys};
use super::refusal::Refusal;
use super::remote::{Pace, Place, Remote};
use super::roles::Caller;
use super::settings::{KeySource, Settings};
use crate::diagnostic::{Diagnostic, codes};

/// Checks tokens by the settings.
pub struct Checker {
    algorithm: Algorithm,
    terms: Terms,
    source: Source,
}

enum Source {
    Fixed(Arc<Keys>),
    Remote(Arc<Remote>),
}

/// What a token says, and whether it is let in. Everything but the verdict is the token's own word.
#[derive(Debug)]
pub struct Seen {
    pub algorithm: Option<String>,
    pub key_id: Option<String>,
    pub claims: Option<Object>,
    pub verdict: Result<Caller, Refusal>,
}

impl Checker {
    pub fn new(settings: Settings) -> Checker {
        Checker::paced(settings, Pace::default())
    }

    pub(super) fn paced(settings: Settings, pace: Pace) -> Checker {
        let Settings { algorithm, keys, terms } = settings;
        let source = match keys {
            KeySource::Fixed(keys) => Source::Fixed(Arc::new(keys)),
            KeySource::Set(place) => Source::Remote(Remote::new(place, algorithm, pace)),
        };
        Checker { algorithm, terms, source }
    }

    /// Reads the set of keys, if there is one, so that what is wrong with it is told at the start. A server may go on
    /// where this fails: it lets nobody in and tries again.
    ///
    /// # Errors
    /// AG0552: why there are no keys.
    pub async fn load(&self) -> Result<Arc<Keys>, Diagnostic> {
        match &self.source {
            Source::Fixed(keys) => Ok(keys.clone()),
            Source::Remote(remote) => remote.load().await.map_err(|why| {
                let message = format!("the keys of {} cannot be read: {why}", remote.place().shown());
                let help = match remote.place() {
                    Place::File(_) => "AGENT_API_JWT_JWKS names a file with a JSON Web Key Set, or its URL",
                    Place::Address(_) => "the address has to answer with a JSON Web Key Set, without a redirect",
                };
                Diagnostic::new(codes::api::AUTH_KEYS, message).help(help)
            }),
        }
    }

    /// Who calls, by the one Authorization header of a request. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// Why nobody is let in.
    pub async fn admit(&self, headers: &HeaderMap, now: i64) -> Result<Caller, Refusal> {
        self.check(bearer(headers)?, now).await
    }

    /// Who calls, by a token. An unknown key is looked for once where keys are published.
    ///
    /// # Errors
    /// Why the token is not let in.
    pub async fn check(&self, token: &str, now: i64) -> Result<Caller, Refusal> {
        match &self.source {
            Source::Fixed(keys) => self.judge(keys, token, now),
            Source::Remote(remote) => {
                let keys = remote.keys().await.ok_or(Refusal::NoKeys)?;
                match self.judge(&keys, token, now) {
                    Err(Refusal::Key) => match remote.newer_than(&keys).await {
                        Some(newer) => self.judge(&newer, token, now),
                        None => Err(Refusal::Key),
                    },
                    judged => judged,
                }
            }
        }
    }

    /// The check itself, a function of what it is given. Nothing that a token says is looked at before its signature is
    /// proved, and its header chooses nothing but the name of a key.
    ///
    /// # Errors
    /// Why the token is not let in.
    pub fn judge(&self, keys: &Keys, token: &str, now: i64) -> Result<Caller, Refusal> {
        let token = Compact::read(token)?;
        if !self.algorithm.is_named(&token.algorithm) || keys.algorithm() != self.algorithm {
            return Err(Refusal::Algorithm);
        }
        keys.prove(token.key_id.as_deref(), token.signed, &token.signature)?;
        self.terms.judge(&token.claims()?, now)
    }

    /// What a token says of itself, for who holds it.
    pub async fn look(&self, token: &str, now: i64) -> Seen {
        let verdict = self.check(token, now).await;
        let read = Compact::read(token).ok();
        let claims = read.as_ref().and_then(|token| token.claims().ok());
        let (algorithm, key_id) = read.map(|token| (token.algorithm, token.key_id)).unzip();
        Seen { algorithm, key_id: key_id.flatten(), claims, verdict }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }
}

/// The token of the one Authorization header. Tokens anywhere else, as in the URL, are none.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let value = shown.next().ok_or(Refusal::Missing)?;
    if shown.next().is_some() {
        return Err(Refusal::Header("there are several"));
    }
    let text = value.to_str().map_err(|_| Refusal::Header("it is not in ASCII"))?;
    let Some((scheme, token)) = text.split_once(' ') else {
        return Err(Refusal::Header("it is not `Bearer TOKEN`"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Header("its scheme is not `Bearer`"));
    }
    Ok(token.trim_start_matches(' ')) // RFC 9110 lets several spaces stand there
}
