//! Errors as clients see them: `application/problem+json` (RFC 9457).

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// What went wrong, for a person and for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// What kind of problem it is: `about:blank`, so that `status` says it all.
    #[serde(rename = "type")]
    #[schemars(rename = "type")]
    pub kind: String,
    /// The words of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What exactly, and what to do.
    pub detail: String,
    /// A code that `agent explain` knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank".to_string(),
            title: status.canonical_reason().unwrap_or("Error").to_string(),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
        }
    }

    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// Something behind the API does not work; the log has it too.
    pub fn unavailable(why: &str) -> Problem {
        tracing::warn!("a request could not be answered: {why}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read now; the server's log says why")
    }

    /// The same with what a diagnostic says.
    pub fn of(status: StatusCode, diagnostics: &[Diagnostic]) -> Problem {
        let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        let code = diagnostics.first().map(|first| first.code.id.to_string());
        Problem { code, ..Problem::new(status, texts.join("; ")) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = serde_json::to_vec(&self).unwrap_or_default(); // strings and a number always serialise
        let mut response = (status, text).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::bad_request(format!("the query cannot be read: {}", rejection.body_text()))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Problem {
        Problem::bad_request(format!("the path cannot be read: {}", rejection.body_text()))
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Problem {
        Problem::new(rejection.status(), format!("the body cannot be read: {}", rejection.body_text()))
    }
}
