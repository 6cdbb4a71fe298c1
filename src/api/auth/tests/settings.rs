//! Variables, addresses, and tokens that are issued by them.

use std::time::Duration;

use super::*;
use crate::diagnostic::{Diagnostic, codes};

fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, Diagnostic> {
    let variables = variables.iter().map(|(name, value)| (format!("AGENT_API_JWT_{name}"), *value));
    Settings::from_environment(&Environment::from_pairs(variables))
}

/// Asserts that the variables are refused, with these words and no value of a secret.
#[track_caller]
pub fn faulty(variables: &[(&str, &str)], words: &str) {
    let fault = read(variables).unwrap_err();
    assert!(fault.message.contains(words), "{fault}");
    let secrets = variables.iter().filter(|(name, _)| *name == "SECRET" || *name == "ALGORITHM");
    for (_, secret) in secrets.filter(|(_, value)| value.len() > 5) {
        assert!(!format!("{fault:?}").contains(secret), "{fault:?}");
    }
}

const AUDIENCE: (&str, &str) = ("AUDIENCE", "agent");

#[test]
fn nothing_set_is_nothing_and_half_a_setting_is_none() {
    assert!(read(&[]).unwrap().is_none());
    for variable in ["SECRET", "SECRET_FILE", "PUBLIC_KEY_FILE", "JWKS", "ISSUER", "AUDIENCE", "ROLES_CLAIM"] {
        faulty(&[(variable, "something")], "is set, and AGENT_API_JWT_ALGORITHM is not");
    }
    for algorithm in ["none", "HS512", "hs256", "HS256,RS256", "ES256", "RS256 EdDSA", SECRET] {
        faulty(&[("ALGORITHM", algorithm), ("SECRET", SECRET)], "is none of HS256, RS256 and EdDSA");
    }
    faulty(&[("ALGORITHM", "HS256")], "no key is");
    faulty(&[("ALGORITHM", "HS256"), ("SECRET", "")], "no key is");
    let file = fixture("rsa.pub.pem");
    faulty(&[("ALGORITHM", "HS256"), ("SECRET", SECRET), ("SECRET_FILE", &file)], "only one can be");
    faulty(&[("ALGORITHM", "RS256"), ("SECRET", SECRET), AUDIENCE], "is no key of RS256");
    faulty(&[("ALGORITHM", "HS256"), ("PUBLIC_KEY_FILE", &file)], "is no key of HS256");
    faulty(&[("ALGORITHM", "HS256"), ("JWKS", &file)], "is no key of HS256");
    faulty(&[("ALGORITHM", "RS256"), ("PUBLIC_KEY_FILE", &file)], "AUDIENCE is not set");
    faulty(&[("ALGORITHM", "HS256"), ("SECRET", SECRET), ("ROLES_CLAIM", "groups")], "neither `roles` nor `scope`");
    let shown = format!("{:?}", settings(&[("ALGORITHM", "HS256"), ("SECRET", SECRET)]));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn weak_and_wrong_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let path = path.to_str().unwrap();
    for secret in ["x", &"x".repeat(31)] {
        faulty(&[("ALGORITHM", "HS256"), ("SECRET", secret)], "shorter than 32 bytes");
    }
    for secret in ["", "\n", &format!("{}\n", "x".repeat(31))] {
        std::fs::write(path, secret).unwrap();
        faulty(&[("ALGORITHM", "HS256"), ("SECRET_FILE", path)], "shorter than 32 bytes");
    }
    std::fs::write(path, format!("{SECRET}\r\n")).unwrap();
    let checker = Checker::new(settings(&[("ALGORITHM", "HS256"), ("SECRET_FILE", path), AUDIENCE]));
    let_in(&checker, &token(Algorithm::Hs256, &claims()));

    let public_key = |algorithm: &str, name: &str, words: &str| {
        faulty(&[("ALGORITHM", algorithm), ("PUBLIC_KEY_FILE", &fixture(name)), AUDIENCE], words);
    };
    public_key("RS256", "weak-rsa.pub.pem", "fewer than 2048");
    public_key("RS256", "rsa.pem", "it is a private key");
    public_key("EdDSA", "ed25519.pem", "it is a private key");
    public_key("RS256", "ed25519.pub.pem", "of another algorithm");
    public_key("EdDSA", "rsa.pub.pem", "of another algorithm");
    public_key("RS256", "ec.pub.pem", "no RSA and no Ed25519 key");
    public_key("RS256", "README.md", "no `BEGIN PUBLIC KEY`");
    public_key("RS256", "none.pem", "No such file");
    std::fs::write(path, format!("{RSA_PUBLIC}{OTHER_RSA_PUBLIC}")).unwrap();
    faulty(&[("ALGORITHM", "RS256"), ("PUBLIC_KEY_FILE", path), AUDIENCE], "more than one key");

    let (_, weak) = pem_section(&std::fs::read_to_string(fixture("weak-rsa.pub.pem")).unwrap());
    let Some(PublicKey::Rsa { n, e }) = der::public_key(&weak) else { panic!("no RSA key") };
    let mut padded = vec![0; 256]; // zeros in front make it no stronger
    padded.extend(n);
    let set = |n: &[u8], e: &[u8]| json!({ "keys": [{ "kty": "RSA", "n": encoded(n), "e": encoded(e) }] }).to_string();
    for text in [set(n, e), set(&padded, e)] {
        let why = jwks::read(Algorithm::Rs256, text.as_bytes()).unwrap_err();
        assert!(why.contains("key 1: it is an RSA key of fewer than 2048"), "{why}");
    }
    for (e, n_end) in [(&[1][..], 1), (&[0], 1), (&[], 1), (&[1, 0, 0], 1), (&[1, 0, 0, 0, 1], 1), (&[1, 0, 1], 0)] {
        let mut n = vec![0xff; 255];
        n.push(n_end);
        let why = jwks::read(Algorithm::Rs256, set(&n, e).as_bytes()).unwrap_err();
        assert!(why.contains("no RSA key in use"), "{why}");
    }
    for (text, words) in [
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        (r#"{"keys":[]}"#, "no key that checks signatures by EdDSA"),
        (r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}"#, "key 1: it is no Ed25519 key of 32 bytes"),
        (r#"{"keys":[{"kty":"OKP","crv":"Ed25519"}]}"#, "lacks a parameter"),
        (r#"{"keys":[{"kty":"OKP","crv":"Ed448","x":"AAAA"}]}"#, "no key that checks"),
        (r#"{"keys":[7]}"#, "key 1: it is not well-formed"),
    ] {
        let why = jwks::read(Algorithm::EdDsa, text.as_bytes()).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn sets_are_read_over_tls_or_from_this_machine() {
    for (place, words) in [
        ("http://issuer.example/keys", "anybody on the way"),
        ("https://name:word@issuer.example/keys", "no name and no password"),
        ("ftp://issuer.example/keys", "no https URL"),
        ("https://", "no URL"),
    ] {
        faulty(&[("ALGORITHM", "RS256"), ("JWKS", place), AUDIENCE], words);
    }
    for place in ["https://issuer.example/keys", "http://127.0.0.1:1/keys", "http://localhost/keys", "keys.json"] {
        assert!(matches!(settings(&[("ALGORITHM", "RS256"), ("JWKS", place), AUDIENCE]).keys, KeySource::Set(_)));
    }
    let with_query = Place::parse("https://issuer.example/keys?code=s3cret").unwrap();
    assert_eq!(with_query.shown(), "https://issuer.example/keys");
}

#[test]
fn tokens_are_asked_for_wherever_others_reach() {
    let given = || Some(settings(&[("ALGORITHM", "HS256"), ("SECRET", SECRET)]));
    let for_us = || Some(settings(&[("ALGORITHM", "HS256"), ("SECRET", SECRET), AUDIENCE]));
    for local in ["127.0.0.1:80", "127.3.2.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        let open = Policy::for_address(local.parse().unwrap(), None).unwrap();
        assert_eq!(open.warning().unwrap().code, codes::api::AUTH_OFF, "{local}");
        let checked = Policy::for_address(local.parse().unwrap(), given()).unwrap();
        assert!(checked.warning().is_none() && matches!(checked, Policy::Checked(_)));
    }
    for reached in
        ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "192.168.1.5:80", "[2001:db8::1]:80", "[::ffff:10.0.0.1]:80"]
    {
        let address = reached.parse().unwrap();
        let fault = |settings| Policy::for_address(address, settings).err().unwrap();
        assert_eq!(fault(None).code, codes::api::AUTH_REQUIRED, "{reached}");
        assert!(fault(given()).message.contains("AGENT_API_JWT_AUDIENCE"), "{reached}");
        assert!(Policy::for_address(address, for_us()).is_ok(), "{reached}");
    }
}

#[test]
fn what_is_issued_is_let_in() {
    let grant = |roles: &[Role], lifetime| Grant {
        subject: "ci".to_string(),
        roles: roles.iter().copied().collect(),
        lifetime: Duration::from_secs(lifetime),
    };
    for algorithm in ALL {
        let checker = server(algorithm);
        let keys = run(checker.load()).unwrap();
        let issued = |grant: &Grant| issue(&checker, &keys, &signer(algorithm), grant, now());
        let token = issued(&grant(&[Role::Ingest, Role::Run], 3600)).unwrap();
        let caller = let_in(&checker, &token);
        assert_eq!(
            caller,
            Caller { subject: "ci".to_string(), roles: [Role::Ingest, Role::Run].into_iter().collect() }
        );
        assert_eq!(run(checker.check(&token, now() + 3700)), Err(Refusal::Expired));
        for (nonsense, words) in [
            (grant(&[], 3600), "without a role"),
            (grant(&[Role::Read], 0), "at least a second"),
            (grant(&[Role::Read], 367 * 86_400), "at most 366 days"),
            (Grant { subject: String::new(), ..grant(&[Role::Read], 60) }, "the subject"),
            (Grant { subject: "a\nb".to_string(), ..grant(&[Role::Read], 60) }, "the subject"),
        ] {
            let fault = issued(&nonsense).unwrap_err();
            assert!(fault.message.contains(words), "{fault}");
        }
    }
    // A key that the server does not know.
    let checker = server(Algorithm::Rs256);
    let other = Signer::read(Algorithm::Rs256, OTHER_RSA.as_bytes()).unwrap();
    let keys = run(checker.load()).unwrap();
    assert!(
        issue(&checker, &keys, &other, &grant(&[Role::Read], 60), now()).unwrap_err().message.contains("counterpart")
    );
    let checker = server(Algorithm::Hs256);
    let other = Signer::read(Algorithm::Hs256, &[7; 32]).unwrap();
    let keys = run(checker.load()).unwrap();
    assert!(
        issue(&checker, &keys, &other, &grant(&[Role::Read], 60), now()).unwrap_err().message.contains("signature")
    );
}

#[test]
fn a_token_for_a_set_names_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let set = jwks(&[(OTHER_RSA_PUBLIC, json!({ "kid": "old" })), (RSA_PUBLIC, json!({ "kid": "new" }))]);
    std::fs::write(&path, set).unwrap();
    let variables = [("ALGORITHM", "RS256"), ("JWKS", path.to_str().unwrap()), AUDIENCE, ("ROLES_CLAIM", "scope")];
    let checker = Checker::new(settings(&variables));
    let keys = run(checker.load()).unwrap();
    let grant = Grant {
        subject: "ci".to_string(),
        roles: [Role::Read].into_iter().collect(),
        lifetime: Duration::from_secs(60),
    };
    let token = issue(&checker, &keys, &signer(Algorithm::Rs256), &grant, now()).unwrap();
    let seen = run(checker.look(&token, now()));
    assert_eq!((seen.algorithm.as_deref(), seen.key_id.as_deref()), (Some("RS256"), Some("new")));
    assert_eq!(seen.claims.unwrap().0["scope"], "read");
    assert_eq!(seen.verdict.unwrap().subject, "ci");
}
