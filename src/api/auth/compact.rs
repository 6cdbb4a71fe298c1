//! A token as sent: three parts in base64url (JWS compact serialisation, RFC 7515). Read strictly: one text for one
//! meaning, so that a token has no second spelling.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, Deserialize, Deserializer, MapAccess};
use serde_json::Value;

use super::refusal::Refusal;

/// The longest token that is looked at, in bytes.
pub const LARGEST: usize = 8 << 10;
/// The longest `kid`, in bytes.
const LONGEST_ID: usize = 256;
/// Parameters of a header that would change what is checked, or by which key. Never acted on, so never let through.
const REFUSED: &[(&str, &str)] = &[
    ("crit", "`crit`"),
    ("jku", "`jku`"),
    ("jwk", "`jwk`"),
    ("x5u", "`x5u`"),
    ("x5c", "`x5c`"),
    ("b64", "`b64`"),
    ("zip", "`zip`"),
    ("enc", "`enc`"),
    ("cty", "`cty`"),
];
/// What a token for an API may say that it is, in small letters; tokens of other uses (`logout+jwt`, `dpop+jwt`) are none.
const TYPES: &[&str] = &["jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/// A token taken apart. Nothing of it is proved yet.
pub struct Compact<'a> {
    pub algorithm: String,
    pub key_id: Option<String>,
    /// The bytes that are signed.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
    payload: Vec<u8>,
}

impl Compact<'_> {
    /// # Errors
    /// The text is too long, no token of three parts, or its header is one that is never let in.
    pub fn read(token: &str) -> Result<Compact<'_>, Refusal> {
        if token.len() > LARGEST {
            return Err(Refusal::Malformed("it is longer than 8 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed("it has not three parts with a point between"));
        };
        let signed = token.as_bytes().get(..header.len() + 1 + payload.len()).unwrap_or_default(); // parts of the token
        let header = Object::read(&decoded(header)?)?;
        header_is_plain(&header)?;
        let text = |name| header.0.get(name).map(Value::as_str);
        let Some(Some(algorithm)) = text("alg") else {
            return Err(Refusal::Malformed("its header has no `alg` that is a text"));
        };
        let key_id = match text("kid") {
            None => None,
            Some(Some(id)) if is_plain_id(id) => Some(id.to_string()),
            Some(_) => return Err(Refusal::Malformed("its `kid` is no text of 1 to 256 printable characters")),
        };
        let (payload, signature) = (decoded(payload)?, decoded(signature)?);
        Ok(Compact { algorithm: algorithm.to_string(), key_id, signed, signature, payload })
    }

    /// What the token says; to be believed only when the signature is right.
    ///
    /// # Errors
    /// It is no JSON object, or has a name twice.
    pub fn claims(&self) -> Result<Object, Refusal> {
        Object::read(&self.payload)
    }
}

fn header_is_plain(header: &Object) -> Result<(), Refusal> {
    if let Some((_, shown)) = REFUSED.iter().find(|(name, _)| header.0.contains_key(*name)) {
        return Err(Refusal::Parameter(shown));
    }
    match header.0.get("typ").map(Value::as_str) {
        None => Ok(()),
        Some(Some(of)) if TYPES.contains(&of.to_ascii_lowercase().as_str()) => Ok(()),
        Some(_) => Err(Refusal::Parameter("`typ` is not `JWT` or `at+jwt`")),
    }
}

/// Whether a key may be named so.
pub fn is_plain_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && !id.contains(char::is_control)
}

/// Base64url as RFC 7515 has it: no padding, no white space, no bits left over.
fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed("a part is not base64url without padding"))
}

/// A JSON object in which each name stands once: with two, who reads the first and who reads the last would see
/// different tokens.
#[derive(Debug)]
pub struct Object(pub BTreeMap<String, Value>);

impl Object {
    pub fn read(bytes: &[u8]) -> Result<Object, Refusal> {
        serde_json::from_slice(bytes)
            .map_err(|_| Refusal::Malformed("header and payload are not JSON objects with each name once"))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> de::Visitor<'de> for Names {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with each name once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a name stands twice"));
            }
        }
        Ok(Object(object))
    }
}
