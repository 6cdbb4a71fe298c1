//! What a token says, held to what the settings ask for.

use serde_json::Value;

use super::compact::Object;
use super::refusal::Refusal;
use super::roles::{Caller, Roles};

/// How far clocks may be apart, in seconds.
pub const LEEWAY: i64 = 30;
/// The last second of the year 9999: what is later is no time.
const LAST: i64 = 253_402_300_799;
/// The longest `sub`, in bytes.
const LONGEST_SUBJECT: usize = 256;

/// Where a token has its roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RolesClaim {
    /// `"roles": ["read", "run"]`.
    #[default]
    Roles,
    /// `"scope": "read run"`, as OAuth has it (RFC 8693).
    Scope,
}

impl RolesClaim {
    pub fn name(self) -> &'static str {
        match self {
            RolesClaim::Roles => "roles",
            RolesClaim::Scope => "scope",
        }
    }
}

/// What a token has to say to be let in, besides being signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub roles: RolesClaim,
}

impl Terms {
    /// Who the claims say calls. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A claim is missing, of another type, or not what is asked for.
    pub fn judge(&self, claims: &Object, now: i64) -> Result<Caller, Refusal> {
        times(claims, now)?;
        if self.issuer.is_some() && claims.0.get("iss").and_then(Value::as_str) != self.issuer.as_deref() {
            return Err(Refusal::Issuer);
        }
        self.audience(claims.0.get("aud"))?;
        let subject = match claims.0.get("sub").map(Value::as_str) {
            Some(Some(sub)) if is_plain_subject(sub) => sub.to_string(),
            _ => return Err(Refusal::Claim("`sub` is missing, or no text of 1 to 256 printable characters")),
        };
        Ok(Caller { subject, roles: self.roles(claims)? })
    }

    /// A token that names audiences is for these only (RFC 7519, 4.1.3), also where none is asked for.
    fn audience(&self, aud: Option<&Value>) -> Result<(), Refusal> {
        let named = match aud {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or(Refusal::Claim("`aud` is no text and no list of texts"))?
            }
            Some(_) => return Err(Refusal::Claim("`aud` is no text and no list of texts")),
        };
        match (&self.audience, aud) {
            (Some(ours), _) if named.contains(&ours.as_str()) => Ok(()),
            (None, None) => Ok(()),
            _ => Err(Refusal::Audience),
        }
    }

    /// Words that are no roles here are for somebody else; what is no list of words is refused.
    fn roles(&self, claims: &Object) -> Result<Roles, Refusal> {
        let parse = |word: &str| word.parse().ok();
        match (self.roles, claims.0.get(self.roles.name())) {
            (_, None) => Ok(Roles::default()),
            (RolesClaim::Scope, Some(Value::String(words))) => Ok(words.split(' ').filter_map(parse).collect()),
            (RolesClaim::Scope, Some(_)) => Err(Refusal::Claim("`scope` is no text")),
            (RolesClaim::Roles, Some(Value::Array(list))) => {
                let words: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                let words = words.ok_or(Refusal::Claim("`roles` is no list of texts"))?;
                Ok(words.into_iter().filter_map(parse).collect())
            }
            (RolesClaim::Roles, Some(_)) => Err(Refusal::Claim("`roles` is no list of texts")),
        }
    }
}

/// Whether somebody may be called so.
pub fn is_plain_subject(subject: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&subject.len()) && !subject.contains(char::is_control) && !subject.trim().is_empty()
}

fn times(claims: &Object, now: i64) -> Result<(), Refusal> {
    let time = |name: &str| claims.0.get(name).map(|value| seconds(value).ok_or(()));
    let (exp, nbf, iat) = (time("exp"), time("nbf"), time("iat"));
    let no_time = |what| move |()| Refusal::Claim(what);
    let exp = exp.ok_or(Refusal::Claim("`exp` is missing"))?.map_err(no_time("`exp` is no time"))?;
    if now >= exp + LEEWAY {
        return Err(Refusal::Expired);
    }
    if nbf.transpose().map_err(no_time("`nbf` is no time"))?.is_some_and(|nbf| nbf > now + LEEWAY) {
        return Err(Refusal::Early("its `nbf` is to come"));
    }
    if iat.transpose().map_err(no_time("`iat` is no time"))?.is_some_and(|iat| iat > now + LEEWAY) {
        return Err(Refusal::Early("its `iat` is to come"));
    }
    Ok(())
}

/// A NumericDate, whole or with a fraction; fractions are cut off.
pub fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    let whole =
        number.as_i64().or_else(|| number.as_f64().filter(|n| (0.0..=LAST as f64).contains(n)).map(|n| n as i64));
    whole.filter(|seconds| (0..=LAST).contains(seconds))
}
