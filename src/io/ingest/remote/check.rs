use reqwest::Url;
use toml::Spanned;

use super::Access;
use crate::diagnostic::{Diagnostic, codes};
use crate::node::Assets;

/// The address of a server. No message quotes it, since a variable may have brought a credential into it.
///
/// # Errors
/// AG0005.
pub fn parse_url(written: &Spanned<String>, text: &str, assets: &Assets<'_>) -> Result<Url, Diagnostic> {
    let refuse = |what: &str| {
        Diagnostic::new(codes::graph::WRONG_TYPE, what.to_string())
            .at(assets.source(), written.span())
            .help("write it like \"https://metrics.example.com:9090\"")
    };
    let url = Url::parse(text).map_err(|error| refuse(&format!("not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("only http and https are read"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a URL with a credential in it is shown in too many places")
            .help("write `username` and `password_env`, or `token_env`"));
    }
    Ok(url)
}

/// Whether it is clear how to prove who asks.
///
/// # Errors
/// AG0005.
pub fn check_access(access: &Access<'_>, place: &Spanned<String>, assets: &Assets<'_>) -> Result<(), Diagnostic> {
    let what = match access {
        Access { token_env: Some(_), username: Some(_), .. } => "`token_env` and `username` exclude each other",
        Access { username: None, password_env: Some(_), .. } => "`password_env` needs a `username`",
        Access { username: Some(_), password_env: None, .. } => "`username` needs a `password_env`",
        _ => return Ok(()),
    };
    let fault = Diagnostic::new(codes::graph::WRONG_TYPE, format!("for this `url`: {what}"));
    Err(fault.at(assets.source(), place.span()))
}
