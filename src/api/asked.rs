//! What requests ask, taken apart; what cannot be taken apart is a [`Problem`].

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::port::Paging;

/// The query of a request as a `T`.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::bad_request("the query has a NUL character, which no name has"));
        }
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Asked(asked)).map_err(Problem::from)
    }
}

/// A parameter of the path.
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InPath<T>, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await?;
        Ok(InPath(path.0))
    }
}

/// How many items of a list are given where nothing is said.
const USUAL: u32 = 100;
/// How many at most.
const MOST: u32 = 1000;

/// A number of items: 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Limit(u32);

impl TryFrom<u32> for Limit {
    type Error = String;

    fn try_from(limit: u32) -> Result<Limit, String> {
        (1..=MOST).contains(&limit).then_some(Limit(limit)).ok_or_else(|| format!("`limit` is 1 to {MOST}"))
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}

/// The page that is asked for.
pub fn paging(limit: Option<Limit>, cursor: Option<String>) -> Paging {
    Paging { limit: Some(limit.map_or(USUAL, |limit| limit.0)), after: cursor }
}
