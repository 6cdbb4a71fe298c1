//! The door: a tower layer that lets a request through to its handler, or answers in its place.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{HeaderMap, Request, Response, Uri, header};
use tower::{Layer, Service};

use super::policy::Policy;
use super::refusal::Refusal;
use super::roles::{Caller, Role};

/// Lets requests in by a policy. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    policy: Arc<Policy>,
    /// Origins of pages that may call although nobody is asked for a token: those that CORS allows.
    origins: Arc<[String]>,
}

impl Guard {
    pub fn new(policy: Policy) -> Guard {
        Guard { policy: Arc::new(policy), origins: Arc::default() }
    }

    /// The same with pages of these origins, as `https://ops.example.com`, let in under [`Policy::Open`].
    #[must_use]
    pub fn with_origins(self, origins: impl IntoIterator<Item = String>) -> Guard {
        Guard { origins: origins.into_iter().collect(), ..self }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A layer for routes that need the role. Their handlers find the [`Caller`] among the extensions of the request;
    /// the Authorization header is taken out of it, so that nothing behind can log a token.
    pub fn requires(&self, role: Role) -> Requires {
        Requires { guard: self.clone(), role }
    }

    /// Who calls, and that he may do this.
    ///
    /// # Errors
    /// Why not.
    pub async fn admit(&self, uri: &Uri, headers: &HeaderMap, role: Role) -> Result<Caller, Refusal> {
        let caller = match &*self.policy {
            Policy::Open => self.local(uri, headers)?,
            Policy::Checked(checker) => checker.admit(headers, jiff::Timestamp::now().as_second()).await?,
        };
        if caller.roles.allow(role) { Ok(caller) } else { Err(Refusal::Role(role)) }
    }

    /// A browser on this machine carries requests of any page it shows. Such a page has another origin, or a name of its
    /// own that was made to point here (DNS rebinding).
    fn local(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let hosts: Option<Vec<Authority>> = named.chain(uri.authority().cloned().map(Some)).collect();
        let hosts = hosts.filter(|hosts| hosts.iter().all(is_this_machine));
        let hosts = hosts.ok_or(Refusal::Foreign("the request's Host is not the loopback"))?;
        let is_ours = |origin: &str| {
            let of_page = ["http://", "https://"].into_iter().find_map(|scheme| origin.strip_prefix(scheme));
            self.origins.iter().any(|allowed| allowed == origin)
                || of_page.is_some_and(|page| hosts.iter().any(|host| host.as_str().eq_ignore_ascii_case(page)))
        };
        if headers.get_all(header::ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_ours)) {
            Ok(Caller::anonymous())
        } else {
            Err(Refusal::Foreign("the request comes from a page of another origin"))
        }
    }
}

fn is_this_machine(authority: &Authority) -> bool {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let plain = !authority.as_str().contains('@');
    plain
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()))
}

/// The layer of [`Guard::requires`].
#[derive(Clone)]
pub struct Requires {
    guard: Guard,
    role: Role,
}

impl<S> Layer<S> for Requires {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { requires: self.clone(), inner }
    }
}

/// A service behind the door.
#[derive(Clone)]
pub struct Guarded<S> {
    requires: Requires,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next); // the one that is ready
        let Requires { guard, role } = self.requires.clone();
        Box::pin(async move {
            match guard.admit(request.uri(), request.headers(), role).await {
                Ok(caller) => {
                    request.headers_mut().remove(header::AUTHORIZATION);
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refusal) => {
                    tracing::debug!(method = %request.method(), path = request.uri().path(), "not let in: {refusal}");
                    Ok(refusal.response())
                }
            }
        })
    }
}
