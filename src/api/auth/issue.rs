//! Tokens of our own, for those who have no other issuer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{error::KeyRejected, hmac};
use rustls_pki_types::pem::{PemObject, SectionKind};
use serde_json::{Value, json};

use super::checker::Checker;
use super::claims::{RolesClaim, is_plain_subject};
use super::der::PublicKey;
use super::keys::{Algorithm, Keys};
use super::roles::Roles;
use super::settings::without_line_end;
use crate::diagnostic::{Diagnostic, codes};

/// The longest time a token is issued for.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    pub subject: String,
    pub roles: Roles,
    pub lifetime: Duration,
}

/// What signs tokens.
pub enum Signer {
    Secret(hmac::Key),
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// What the server checks by, where that signs too.
    pub fn of(keys: &Keys) -> Option<Signer> {
        keys.secret().cloned().map(Signer::Secret)
    }

    /// A secret, or a private key in PEM.
    ///
    /// # Errors
    /// Why the file's content signs nothing by the algorithm.
    pub fn read(algorithm: Algorithm, text: &[u8]) -> Result<Signer, String> {
        if algorithm == Algorithm::Hs256 {
            let keys = super::keys::Material::secret(without_line_end(text)).map(Keys::one)?;
            return Signer::of(&keys).ok_or_else(|| "it is no secret".to_string());
        }
        let (kind, der) = match <(SectionKind, Vec<u8>)>::from_pem_slice(text) {
            Ok((kind @ (SectionKind::PrivateKey | SectionKind::RsaPrivateKey), der)) => (kind, der),
            Ok((SectionKind::PublicKey, _)) => return Err("it is a public key, which signs nothing".to_string()),
            _ => return Err("it has no `BEGIN PRIVATE KEY`; a key under a pass phrase cannot be read".to_string()),
        };
        let rejected =
            |why: KeyRejected| format!("it is no private key of {} that can be used: {why}", algorithm.name());
        match (algorithm, kind) {
            (Algorithm::Rs256, SectionKind::RsaPrivateKey) => RsaKeyPair::from_der(&der).map(Box::new).map(Signer::Rsa),
            (Algorithm::Rs256, _) => RsaKeyPair::from_pkcs8(&der).map(Box::new).map(Signer::Rsa),
            // Without its public half, as OpenSSL writes it, too.
            _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Box::new).map(Signer::Ed25519),
        }
        .map_err(rejected)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Signer::Secret(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Signer::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    /// The name of the key of the set that checks what this signs; `None` where it has none.
    fn key_id(&self, keys: &Keys) -> Result<Option<String>, &'static str> {
        let key = match self {
            Signer::Secret(_) => return Ok(None),
            Signer::Ed25519(key) => keys.counterpart(&PublicKey::Ed25519(key.public_key().as_ref())),
            Signer::Rsa(key) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = key.public().into();
                keys.counterpart(&PublicKey::Rsa { n: &n, e: &e })
            }
        };
        key.map(|key| key.id.clone())
            .ok_or("the private key is not the counterpart of any key that AGENT_API_JWT_* name")
    }
}

/// A token that the checker lets in; it has been tried.
///
/// # Errors
/// AG0555: the grant makes no sense, or the token would not be let in.
pub fn issue(checker: &Checker, keys: &Keys, signer: &Signer, grant: &Grant, now: i64) -> Result<String, Diagnostic> {
    let refused = |why: &str| Diagnostic::new(codes::api::TOKEN, why.to_string());
    if !is_plain_subject(&grant.subject) {
        return Err(
            refused("the subject is not a name of 1 to 256 printable bytes").help("--subject says whose token it is")
        );
    }
    if grant.roles.iter().next().is_none() {
        return Err(refused("a token without a role allows nothing").help("--role read, run, ingest or admin"));
    }
    if grant.lifetime > LONGEST || grant.lifetime.as_secs() == 0 {
        let help = "--expires 30d; whoever needs it for longer is issued another one";
        return Err(refused("a token is issued for at least a second and at most 366 days").help(help));
    }
    let header = match signer.key_id(keys).map_err(refused)? {
        Some(id) => json!({ "alg": checker.algorithm().name(), "typ": "JWT", "kid": id }),
        None => json!({ "alg": checker.algorithm().name(), "typ": "JWT" }),
    };
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let mut token = format!("{}.{}", encoded(&header), encoded(&claims(checker, grant, now)));
    let signature = signer.sign(token.as_bytes()).ok_or_else(|| refused("the key does not sign"))?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    match checker.judge(keys, &token, now) {
        Ok(caller) if caller.roles == grant.roles => Ok(token),
        Ok(_) => Err(refused("the token would give other roles than those asked for")),
        Err(why) => Err(refused(&format!("the token would not be let in: {why}"))
            .help("the key of --key has to be the counterpart of the one that AGENT_API_JWT_* name")),
    }
}

fn claims(checker: &Checker, grant: &Grant, now: i64) -> Value {
    let terms = checker.terms();
    let lifetime = i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX); // at most LONGEST
    let words: Vec<&str> = grant.roles.iter().map(|role| role.word()).collect();
    let roles = match terms.roles {
        RolesClaim::Roles => json!(words),
        RolesClaim::Scope => json!(words.join(" ")),
    };
    let mut claims = json!({ "sub": grant.subject, "iat": now, "exp": now.saturating_add(lifetime) });
    claims[terms.roles.name()] = roles;
    for (name, value) in [("iss", &terms.issuer), ("aud", &terms.audience)] {
        if let Some(value) = value {
            claims[name] = json!(value);
        }
    }
    claims
}
