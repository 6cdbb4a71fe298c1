//! Whatever comes, nothing panics, and nothing is let in but the token that was signed.

use proptest::prelude::*;

use super::*;

fn checkers() -> [Checker; 3] {
    ALL.map(server)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), prefix in prop::bool::ANY) {
        let bytes = if prefix { [b"Bearer ", &bytes[..]].concat() } else { bytes };
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = no_headers();
            headers.insert(header::AUTHORIZATION, value);
            for checker in checkers() {
                prop_assert!(run(checker.admit(&headers, now())).is_err());
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for checker in checkers() {
            prop_assert!(run(checker.check(&text, now())).is_err());
        }
        let _ = der::public_key(&bytes);
        prop_assert!(jwks::read(Algorithm::Rs256, &bytes).is_err());
        prop_assert!(Keys::from_pem(Algorithm::EdDsa, &bytes).is_err());
        prop_assert!(Signer::read(Algorithm::Rs256, &bytes).is_err());
    }

    #[test]
    fn any_three_parts_are_refused(
        header in "\\{\"alg\":\"(HS256|RS256|EdDSA|none)\"(,\"kid\":\"[a-z/.']{0,8}\")?\\}",
        payload in any::<Vec<u8>>(),
        signature in prop::collection::vec(any::<u8>(), 0..260),
    ) {
        let token = format!("{}.{}.{}", encoded(header), encoded(payload), encoded(signature));
        for checker in checkers() {
            prop_assert!(run(checker.check(&token, now())).is_err());
        }
    }

    /// No edit of a token gives another that is let in: neither another meaning nor another spelling.
    #[test]
    fn any_edit_of_a_token_is_refused(which in 0..3usize, at in any::<prop::sample::Index>(), edit in 0..4u8, with in "[A-Za-z0-9_.= -]") {
        let good = token(ALL[which], &claims());
        let at = at.index(good.len());
        let (before, after) = good.split_at(at);
        let edited = match edit {
            0 => format!("{before}{with}{}", &after[1..]),
            1 => format!("{before}{}", &after[1..]),
            2 => format!("{before}{with}{after}"),
            _ => format!("{after}{before}"),
        };
        let checker = server(ALL[which]);
        prop_assert_eq!(run(checker.check(&edited, now())).is_ok(), edited == good, "{}", edited);
    }

    /// Rightly signed claims of any shape: no panic, and in only with a subject and a time.
    #[test]
    fn any_claims_are_judged(sub in any_json(), exp in any_json(), roles in any_json(), aud in any_json()) {
        let claims = json!({ "sub": sub, "exp": exp, "roles": roles, "aud": aud, "iss": "tests" });
        if let Ok(caller) = run(server(Algorithm::Hs256).check(&token(Algorithm::Hs256, &claims), now())) {
            prop_assert_eq!(claims["sub"].as_str(), Some(caller.subject.as_str()));
            prop_assert!(claims["exp"].as_f64().unwrap() + 31.0 > now() as f64);
            prop_assert!(claims["aud"].to_string().contains("\"agent\""));
            prop_assert!(caller.roles.iter().all(|role| claims["roles"].to_string().contains(role.word())));
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(4_000_000_000_u32)),
        Just(json!("agent")),
        Just(json!("admin")),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}
