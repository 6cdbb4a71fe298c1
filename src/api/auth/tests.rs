//! Tokens as attackers send them, through the same door as those of callers. Whatever is refused is answered with a
//! reason that holds no part of the token and no secret.

mod attacks;
mod door;
mod properties;
mod remote;
mod settings;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tower::{Layer, Service};

use super::der::{self, PublicKey};
use super::*;
use crate::io::llm::Environment;

const SECRET: &str = "a secret of tests: 0123456789abcdefghij";
const RSA: &str = include_str!("../../../fixtures/tokens/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../../fixtures/tokens/rsa.pub.pem");
const OTHER_RSA: &str = include_str!("../../../fixtures/tokens/other-rsa.pem");
const OTHER_RSA_PUBLIC: &str = include_str!("../../../fixtures/tokens/other-rsa.pub.pem");
const ED25519: &str = include_str!("../../../fixtures/tokens/ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("../../../fixtures/tokens/ed25519.pub.pem");

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn fixture(name: &str) -> String {
    format!("{}/fixtures/tokens/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables = variables.iter().map(|(name, value)| (format!("AGENT_API_JWT_{name}"), *value));
    Settings::from_environment(&Environment::from_pairs(variables)).unwrap().unwrap()
}

/// A server that asks for issuer and audience, by the secret, the RSA key or the Ed25519 key.
fn server(algorithm: Algorithm) -> Checker {
    let (rsa, ed25519) = (fixture("rsa.pub.pem"), fixture("ed25519.pub.pem"));
    let key = match algorithm {
        Algorithm::Hs256 => ("SECRET", SECRET),
        Algorithm::Rs256 => ("PUBLIC_KEY_FILE", rsa.as_str()),
        Algorithm::EdDsa => ("PUBLIC_KEY_FILE", ed25519.as_str()),
    };
    Checker::new(settings(&[("ALGORITHM", algorithm.name()), key, ("ISSUER", "tests"), ("AUDIENCE", "agent")]))
}

fn signer(algorithm: Algorithm) -> Signer {
    let key = match algorithm {
        Algorithm::Hs256 => SECRET,
        Algorithm::Rs256 => RSA,
        Algorithm::EdDsa => ED25519,
    };
    Signer::read(algorithm, key.as_bytes()).unwrap()
}

const ALL: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::EdDsa];

/// Claims that every server of these tests lets in.
fn claims() -> Value {
    json!({ "sub": "alice", "iss": "tests", "aud": "agent", "exp": now() + 600, "roles": ["read"] })
}

/// The same with one of them changed; `null` takes it away.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// A token of these very texts, rightly signed.
fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, signer: &Signer) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let signature = signer.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", encoded(signature))
}

/// A token as an honest issuer would make it.
fn token(algorithm: Algorithm, claims: &Value) -> String {
    let header = json!({ "alg": algorithm.name(), "typ": "JWT" });
    signed(header.to_string(), claims.to_string(), &signer(algorithm))
}

/// The same with a parameter in its header.
fn token_with(algorithm: Algorithm, name: &str, value: Value) -> String {
    let mut header = json!({ "alg": algorithm.name() });
    header[name] = value;
    signed(header.to_string(), claims().to_string(), &signer(algorithm))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a handler behind the guard sees, or what the guard answers.
async fn send(guard: &Guard, role: Role, request: Request<String>) -> Response<String> {
    let handler = tower::service_fn(|request: Request<String>| async move {
        assert!(!request.headers().contains_key(header::AUTHORIZATION), "the token goes no further");
        let caller: &Caller = request.extensions().get().unwrap();
        Ok::<_, std::convert::Infallible>(Response::new(caller.subject.clone()))
    });
    guard.requires(role).layer(handler).call(request).await.unwrap()
}

fn request(values: &[&[u8]]) -> Request<String> {
    let mut request = Request::get("/v1/reports").body(String::new()).unwrap();
    for value in values {
        let value = HeaderValue::from_bytes(value).unwrap();
        request.headers_mut().append(header::AUTHORIZATION, value);
    }
    request
}

/// Sends a token to a server; asserts that it is refused as this, with this status, and that neither the token nor a
/// secret is in the answer.
#[track_caller]
fn refused(checker: Checker, token: &str, why: Refusal) {
    assert_eq!(run(checker.check(token, now())), Err(why), "{token}");
    let guard = Guard::new(Policy::Checked(Box::new(checker)));
    let response = run(send(&guard, Role::Read, request(&[format!("Bearer {token}").as_bytes()])));
    told(&response, token, &why);
}

#[track_caller]
fn told(response: &Response<String>, token: &str, why: &Refusal) {
    assert_eq!(response.status(), why.status(), "{token}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let body: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(body["status"], why.status().as_u16());
    assert_eq!(body["detail"], why.to_string());
    if why.status() == StatusCode::UNAUTHORIZED {
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer realm=\"agent\""), "{challenge}");
        assert_eq!(challenge.contains("error="), *why != Refusal::Missing, "{challenge}");
    }
    let all = format!("{response:?}");
    let secrets = [SECRET, "alice", "PRIVATE"].into_iter().chain(token.split('.')).filter(|part| part.len() > 4);
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

#[track_caller]
fn let_in(checker: &Checker, token: &str) -> Caller {
    run(checker.check(token, now())).unwrap_or_else(|why| panic!("{why}: {token}"))
}

/// A set of public keys: PEM and what else is said of each.
fn jwks(keys: &[(&str, Value)]) -> String {
    let jwk = |(pem, more): &(&str, Value)| {
        let (_, der) = pem_section(pem);
        let mut jwk = match der::public_key(&der).unwrap() {
            PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) }),
            PublicKey::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(x) }),
        };
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    };
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() }).to_string()
}

fn pem_section(pem: &str) -> (rustls_pki_types::pem::SectionKind, Vec<u8>) {
    rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()
}

fn no_headers() -> HeaderMap {
    HeaderMap::new()
}
