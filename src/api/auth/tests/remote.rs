//! Sets of keys behind an address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::remote::Pace;
use super::*;

const EAGER: Pace = Pace { at_most: Duration::ZERO, anyway: Duration::from_secs(600) };

fn checker(url: &str, pace: Pace) -> Arc<Checker> {
    let settings = settings(&[("ALGORITHM", "RS256"), ("JWKS", url), ("AUDIENCE", "agent")]);
    Arc::new(Checker::paced(settings, pace))
}

async fn serves(server: &MockServer, answer: ResponseTemplate) {
    server.reset().await;
    Mock::given(path("/keys")).respond_with(answer).mount(server).await;
}

fn set(keys: &[(&str, Value)]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(jwks(keys))
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn by(id: &str) -> String {
    token_with(Algorithm::Rs256, "kid", json!(id))
}

fn of_other(id: &str) -> String {
    let header = json!({ "alg": "RS256", "kid": id }).to_string();
    signed(header, claims().to_string(), &Signer::read(Algorithm::Rs256, OTHER_RSA.as_bytes()).unwrap())
}

#[tokio::test]
async fn keys_that_an_issuer_changes_are_found_and_the_old_ones_let_go() {
    let server = MockServer::start().await;
    let checker = checker(&format!("{}/keys", server.uri()), EAGER);
    serves(&server, set(&[(RSA_PUBLIC, json!({ "kid": "one" }))])).await;
    for _ in 0..5 {
        assert!(checker.check(&by("one"), now()).await.is_ok());
    }
    assert_eq!(asked(&server).await, 1, "known keys are not asked for");
    assert_eq!(checker.check(&of_other("two"), now()).await, Err(Refusal::Key));
    assert_eq!(asked(&server).await, 2);
    serves(&server, set(&[(OTHER_RSA_PUBLIC, json!({ "kid": "two" }))])).await;
    assert!(checker.check(&of_other("two"), now()).await.is_ok());
    assert_eq!(checker.check(&by("one"), now()).await, Err(Refusal::Key), "it is published no more");
}

#[tokio::test]
async fn unknown_names_do_not_make_the_server_ask_more_often() {
    let server = MockServer::start().await;
    let checker = checker(&format!("{}/keys", server.uri()), Pace::default());
    serves(&server, set(&[(RSA_PUBLIC, json!({ "kid": "one" }))])).await;
    let all = (0..50).map(|at| {
        let checker = checker.clone();
        async move { checker.check(&by(&format!("unknown-{at}")), now()).await }
    });
    for refused in futures_util::future::join_all(all).await {
        assert_eq!(refused, Err(Refusal::Key));
    }
    assert!(checker.check(&by("one"), now()).await.is_ok());
    assert_eq!(asked(&server).await, 1);
    // A token of another algorithm, or one that is no token, asks for nothing at all.
    let checker = self::checker(&format!("{}/keys", server.uri()), EAGER);
    checker.load().await.unwrap();
    let before = asked(&server).await;
    assert!(checker.check(&token(Algorithm::Hs256, &claims()), now()).await.is_err());
    assert!(checker.check("a.b.c", now()).await.is_err());
    assert_eq!(asked(&server).await, before);
}

#[tokio::test]
async fn the_last_good_keys_stay() {
    let server = MockServer::start().await;
    let pace = Pace { at_most: Duration::ZERO, anyway: Duration::ZERO };
    let checker = checker(&format!("{}/keys", server.uri()), pace);
    serves(&server, set(&[(RSA_PUBLIC, json!({ "kid": "one" }))])).await;
    assert!(checker.check(&by("one"), now()).await.is_ok());
    for broken in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string(r#"{"keys":[]}"#),
        ResponseTemplate::new(200).set_body_string(format!("{}{}", " ".repeat(300 << 10), jwks(&[]))),
        ResponseTemplate::new(302).insert_header("location", format!("{}/other", server.uri())),
    ] {
        serves(&server, broken).await;
        for _ in 0..3 {
            assert!(checker.check(&by("one"), now()).await.is_ok());
            assert_eq!(checker.check(&of_other("two"), now()).await, Err(Refusal::Key));
        }
        assert!(asked(&server).await > 0);
        assert!(
            server.received_requests().await.unwrap().iter().all(|r| r.url.path() == "/keys"),
            "no redirect is followed"
        );
    }
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_nobody_is_blamed() {
    let server = MockServer::start().await;
    let checker = checker(&format!("{}/keys?code=s3cret", server.uri()), EAGER);
    serves(&server, ResponseTemplate::new(503)).await;
    let fault = checker.load().await.unwrap_err();
    assert!(fault.message.contains("it answers with 503") && !fault.message.contains("s3cret"), "{fault}");
    assert_eq!(checker.check(&by("one"), now()).await, Err(Refusal::NoKeys));
    assert_eq!(checker.check("nonsense", now()).await, Err(Refusal::NoKeys));
    serves(&server, set(&[(RSA_PUBLIC, json!({ "kid": "one" }))])).await;
    assert!(checker.check(&by("one"), now()).await.is_ok());
}

/// Who hangs up while keys are read must not keep others from new keys.
#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_reading() {
    let server = MockServer::start().await;
    let checker = checker(&format!("{}/keys", server.uri()), Pace::default());
    let slow = set(&[(RSA_PUBLIC, json!({ "kid": "one" }))]).set_delay(Duration::from_millis(200));
    serves(&server, slow).await;
    let gone = tokio::time::timeout(Duration::from_millis(50), checker.check(&by("one"), now())).await;
    assert!(gone.is_err(), "it was to be still reading");
    assert!(checker.check(&by("one"), now()).await.is_ok());
    assert_eq!(asked(&server).await, 1);
}

#[tokio::test]
async fn old_keys_are_read_again_behind_the_callers_back() {
    let server = MockServer::start().await;
    let pace = Pace { at_most: Duration::ZERO, anyway: Duration::from_millis(20) };
    let checker = checker(&format!("{}/keys", server.uri()), pace);
    serves(&server, set(&[(RSA_PUBLIC, json!({ "kid": "one" }))])).await;
    assert!(checker.check(&by("one"), now()).await.is_ok());
    serves(&server, set(&[(OTHER_RSA_PUBLIC, json!({ "kid": "two" }))])).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let tries = AtomicUsize::new(0);
    // A key that was taken back goes without any token that names a new one.
    while checker.check(&by("one"), now()).await.is_ok() {
        assert!(tries.fetch_add(1, Ordering::Relaxed) < 200, "the set is not read again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
