//! A set of public keys as issuers publish it (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::compact::is_plain_id;
use super::keys::{Algorithm, Key, Keys, Material};

/// Keys of a set that are kept; issuers have two or three.
const MOST: usize = 64;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What of a key is looked at. Certificates and where they lie are not.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    /// The private half.
    d: Option<Value>,
}

/// The keys of a set that check signatures by the algorithm. The others are left out: they are for something else.
///
/// # Errors
/// Why there is none.
pub fn read(algorithm: Algorithm, text: &[u8]) -> Result<Keys, String> {
    let set: Set = serde_json::from_slice(text).map_err(|_| "it is no JSON object with a list of `keys`")?;
    let (mut keys, mut faults) = (Vec::new(), Vec::new());
    for (at, value) in set.keys.iter().enumerate() {
        match Jwk::deserialize(value).map_err(|_| "it is not well-formed").and_then(|jwk| key(algorithm, jwk)) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => {}
            Err(why) => faults.push(format!("key {}: {why}", at + 1)),
        }
    }
    if keys.len() > MOST {
        return Err(format!("it has more than {MOST} keys of {}", algorithm.name()));
    }
    Keys::of(algorithm, keys).ok_or_else(|| {
        let faults = faults.iter().take(3).fold(String::new(), |said, fault| said + "; " + fault);
        format!("it has no key that checks signatures by {}{faults}", algorithm.name())
    })
}

/// `None` for a key of another kind or use.
fn key(algorithm: Algorithm, jwk: Jwk) -> Result<Option<Key>, &'static str> {
    let checks = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
        && jwk.alg.as_deref().is_none_or(|alg| algorithm.is_named(alg));
    let number = |text: &Option<String>| {
        let text = text.as_deref().ok_or("it lacks a parameter")?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| "a parameter is not base64url")
    };
    let material = match (algorithm, jwk.kty.as_str(), jwk.crv.as_deref()) {
        _ if !checks => return Ok(None),
        (Algorithm::Rs256, "RSA", _) => Material::rsa(&number(&jwk.n)?, &number(&jwk.e)?)?,
        (Algorithm::EdDsa, "OKP", Some("Ed25519")) => Material::ed25519(&number(&jwk.x)?)?,
        _ => return Ok(None),
    };
    if jwk.d.is_some() {
        return Err("it is published with its private half, so anybody can sign with it");
    }
    if jwk.kid.as_deref().is_some_and(|id| !is_plain_id(id)) {
        return Err("its `kid` is no text of 1 to 256 printable characters");
    }
    Ok(Some(Key { id: jwk.kid, material }))
}
