use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::Trouble;
use crate::diagnostic::{Code, Diagnostic, codes::input};
use crate::io::http::{self, cause, is_local};
use crate::io::llm::{Environment, Secret};

/// Longest answer, in bytes.
pub const LONGEST_BODY: usize = 16 << 20;
/// The longest pause that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// To reach a server at all.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an answer a message quotes, in characters.
const QUOTED: usize = 200;

/// How to prove who asks; names of variables, never a credential.
#[derive(Debug, Default)]
pub struct Access<'a> {
    pub username: Option<&'a str>,
    pub password_env: Option<&'a str>,
    pub token_env: Option<&'a str>,
}

/// Sends requests to one server, with the credential, within limits.
pub struct Caller {
    /// Built at the first request.
    client: Option<Client>,
    origin: Url,
    headers: HeaderMap,
    credential: Option<Credential>,
    timeout: Duration,
}

enum Credential {
    Bearer(Secret),
    Basic(String, Option<Secret>),
}

/// What a server said.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Caller {
    /// For requests to the server of `url`.
    ///
    /// # Errors
    /// AG0133.
    pub fn new(
        url: &Url,
        access: &Access<'_>,
        variables: &Environment,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Caller, Diagnostic> {
        let read = |variable: &str| {
            let missing = || {
                Diagnostic::new(input::CREDENTIAL, format!("the variable {variable} is not set"))
                    .help(format!("set {variable} in the environment or in `.env`"))
            };
            variables.get(variable).ok_or_else(missing)
        };
        let credential = match (access.token_env, access.username) {
            (Some(variable), _) => {
                let token = Secret::parse(variable, read(variable)?);
                let token = token.map_err(|fault| Diagnostic { code: input::CREDENTIAL, ..fault })?;
                Some(Credential::Bearer(token))
            }
            (None, Some(username)) => {
                let password = access.password_env.map(read).transpose()?.map(Secret::any);
                Some(Credential::Basic(username.to_string(), password))
            }
            (None, None) => None,
        };
        Ok(Caller { client: None, origin: url.clone(), headers, credential, timeout })
    }

    /// Whether a request to there may carry the credential: only the server that the node names gets it.
    pub fn is_ours(&self, url: &Url) -> bool {
        self.origin.origin() == url.origin()
    }

    /// Asks once.
    ///
    /// # Errors
    /// What came was no answer: [`Trouble::Passing`] where another try may help. Any status is an answer but those
    /// that say "not now" and those that lead elsewhere.
    pub async fn get(&mut self, url: Url, more: HeaderMap) -> Result<Reply, Trouble> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(url, more)).await;
        answer.unwrap_or_else(|_| Err(Trouble::passing(format!("no answer within {:?}", self.timeout))))
    }

    async fn exchange(&mut self, url: Url, more: HeaderMap) -> Result<Reply, Trouble> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(build(&self.origin)?).clone(),
        };
        let request = client.get(url).headers(self.headers.clone()).headers(more);
        let request = match &self.credential {
            Some(Credential::Bearer(token)) => request.bearer_auth(token.expose()),
            Some(Credential::Basic(name, password)) => request.basic_auth(name, password.as_ref().map(Secret::expose)),
            None => request,
        };
        let broke = |error: &reqwest::Error| {
            let what = if error.is_connect() { "no connection" } else { "the connection broke" };
            Trouble::passing(self.scrub(&format!("{what}: {}", cause(error))))
        };
        let mut response = request.send().await.map_err(|error| broke(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broke(&error))? {
            if body.len() + chunk.len() > LONGEST_BODY {
                let what = format!("the answer is longer than {} MiB", LONGEST_BODY >> 20);
                return Err(Trouble::TooLarge(self.fault(input::UNEXPECTED, &what, "ask for less at once")));
            }
            body.extend_from_slice(&chunk);
        }
        self.judge(Reply { status, headers, body })
    }

    fn judge(&self, reply: Reply) -> Result<Reply, Trouble> {
        let header = |name| reply.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match reply.status {
            408 | 425 | 429 | 500..=599 => {
                let wait =
                    header(RETRY_AFTER).and_then(|text| http::retry_after(text, LONGEST_WAIT, jiff::Timestamp::now()));
                Err(Trouble::Passing { why: self.scrub(&reply.describe()), wait })
            }
            301 | 302 | 303 | 307 | 308 => {
                let to = header(LOCATION).and_then(|to| self.origin.join(to).ok());
                let to = to.map_or("elsewhere".to_string(), |to| to.origin().ascii_serialization());
                let what = format!("the server sends us on to {to}");
                let help = "if that is right, write it as the `url`; a credential is never sent to another server";
                Err(self.lasting(input::REFUSED, &what, help))
            }
            _ => Ok(reply),
        }
    }

    /// Trouble that another try does not mend.
    pub fn lasting(&self, code: &'static Code, what: &str, help: &str) -> Trouble {
        Trouble::Lasting(self.fault(code, what, help))
    }

    fn fault(&self, code: &'static Code, what: &str, help: &str) -> Diagnostic {
        let reads = shown(&self.origin);
        Diagnostic::new(code, format!("{reads}: {}", self.scrub(what))).help(help)
    }

    /// What a status says that is none of success.
    pub fn refused(&self, reply: &Reply) -> Trouble {
        let help = match reply.status {
            401 | 403 => "check the credential that the node names (`token_env`, or `username` and `password_env`)",
            404 | 410 => "check the `url`",
            _ => input::REFUSED.remedy,
        };
        self.lasting(input::REFUSED, &reply.describe(), help)
    }

    fn scrub(&self, text: &str) -> String {
        match &self.credential {
            Some(Credential::Bearer(secret) | Credential::Basic(_, Some(secret))) => secret.scrub(text),
            _ => text.to_string(),
        }
    }
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status, and the beginning of the text.
    pub fn describe(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let said: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let status = format!("it answers {} {}", self.status, reason.unwrap_or_default());
        match said.chars().filter(|c| !c.is_control()).take(QUOTED).collect::<String>() {
            said if said.is_empty() || said.starts_with('<') => status.trim_end().to_string(),
            said => format!("{}: {said}", status.trim_end()),
        }
    }
}

/// Follows where the server sends us on within itself, and nowhere else.
fn build(origin: &Url) -> Result<Client, Trouble> {
    let policy = Policy::custom(|attempt| {
        let ours = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
        if ours && attempt.previous().len() <= 5 { attempt.follow() } else { attempt.stop() }
    });
    let mut builder = http::client().redirect(policy).connect_timeout(CONNECT);
    if is_local(origin) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| Trouble::passing(format!("no HTTP client: {}", cause(&error))))
}

/// An address as messages and records name it: what stands in its query may be a credential.
pub fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
