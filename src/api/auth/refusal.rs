//! Why a request is not let in, and how that is answered.

use http::{HeaderValue, StatusCode, header};

use super::roles::Role;

/// Why a request is not let in. All texts are constants: none can quote a token, a key or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a bearer token is needed: send `Authorization: Bearer TOKEN`")]
    Missing,
    /// The request, not the token.
    #[error("the Authorization header cannot be used: {0}")]
    Header(&'static str),
    #[error("the token is not well-formed: {0}")]
    Malformed(&'static str),
    #[error("the token's header has a parameter that is refused: {0}")]
    Parameter(&'static str),
    #[error("the token is signed by another algorithm than this server takes")]
    Algorithm,
    #[error("no key of this server fits the token's `kid`")]
    Key,
    #[error("the token's signature is not right")]
    Signature,
    #[error("a claim of the token cannot be used: {0}")]
    Claim(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet: {0}")]
    Early(&'static str),
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is of another issuer")]
    Issuer,
    /// Who calls is known, and may not do this.
    #[error("this needs the role `{0}`, which the token does not give")]
    Role(Role),
    /// A page of another site, where no token is asked for.
    #[error("no token is asked for here, so only this machine is answered: {0}")]
    Foreign(&'static str),
    /// Nobody can be told apart now.
    #[error("the keys that tokens are checked by cannot be had now; the server's log says why")]
    NoKeys,
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Role(_) | Refusal::Foreign(_) => StatusCode::FORBIDDEN,
            Refusal::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The `WWW-Authenticate` of the answer, by RFC 6750.
    pub fn challenge(&self) -> Option<HeaderValue> {
        let error = match self {
            Refusal::Foreign(_) | Refusal::NoKeys => return None,
            Refusal::Missing => return Some(HeaderValue::from_static("Bearer realm=\"agent\"")),
            Refusal::Role(_) => "insufficient_scope",
            Refusal::Header(_) => "invalid_request",
            _ => "invalid_token",
        };
        // A description takes no quotes and no backslashes.
        let why = self.to_string().replace(['"', '\\'], "'");
        let mut text = format!("Bearer realm=\"agent\", error=\"{error}\", error_description=\"{why}\"");
        if let Refusal::Role(role) = self {
            text.push_str(&format!(", scope=\"{role}\""));
        }
        HeaderValue::from_str(&text).ok()
    }

    /// The answer as `application/problem+json` (RFC 9457).
    pub fn response<B: From<String>>(&self) -> http::Response<B> {
        let status = self.status();
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let mut response = http::Response::new(B::from(problem.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if *self == Refusal::NoKeys {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}
