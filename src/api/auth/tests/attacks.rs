//! One test for each known attack.

use super::*;

const BASE64URL: Refusal = Refusal::Malformed("a part is not base64url without padding");
const PARTS: Refusal = Refusal::Malformed("it has not three parts with a point between");
const OBJECTS: Refusal = Refusal::Malformed("header and payload are not JSON objects with each name once");

#[test]
fn honest_tokens_are_let_in() {
    for algorithm in ALL {
        let caller = let_in(&server(algorithm), &token(algorithm, &claims()));
        assert_eq!((caller.subject.as_str(), caller.roles), ("alice", Roles::from_iter([Role::Read])));
        for header in
            [r#"{"alg":"A","typ":"at+jwt"}"#, r#"{"typ":"JWT","alg":"A","x5t":"a","nonce":7}"#, r#"{"alg":"A"}"#]
        {
            let header = header.replace('A', algorithm.name());
            let_in(&server(algorithm), &signed(header, claims().to_string(), &signer(algorithm)));
        }
    }
    let_in(&server(Algorithm::EdDsa), &signed(r#"{"alg":"Ed25519"}"#, claims().to_string(), &signer(Algorithm::EdDsa)));
}

#[test]
fn no_algorithm_in_any_spelling() {
    for none in ["none", "None", "NONE", "nOnE", "none ", "", "null", "HS256,none", "\u{ff4e}one", "none\0"] {
        for algorithm in ALL {
            let message = format!("{}.{}", encoded(json!({ "alg": none }).to_string()), encoded(claims().to_string()));
            for signature in ["", "AA", &encoded([0; 32]), &encoded([0; 64]), &encoded([0; 256])] {
                refused(server(algorithm), &format!("{message}.{signature}"), Refusal::Algorithm);
            }
            refused(server(algorithm), &message, PARTS);
        }
    }
    for header in [r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":0}"#, "{}", r#"{"ALG":"HS256"}"#] {
        let token = signed(header, claims().to_string(), &signer(Algorithm::Hs256));
        refused(server(Algorithm::Hs256), &token, Refusal::Malformed("its header has no `alg` that is a text"));
    }
}

/// CVE-2015-9235: the server's public key, which all know, as the secret of an HMAC.
#[test]
fn the_public_key_as_a_secret() {
    let (_, der) = pem_section(RSA_PUBLIC);
    let Some(PublicKey::Rsa { n, .. }) = der::public_key(&der) else { panic!("no RSA key") };
    for secret in [RSA_PUBLIC.as_bytes(), RSA_PUBLIC.trim().as_bytes(), &der, n] {
        let forger = Signer::Secret(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret));
        for alg in ["HS256", "HS384", "hs256"] {
            let token = signed(json!({ "alg": alg }).to_string(), claims().to_string(), &forger);
            refused(server(Algorithm::Rs256), &token, Refusal::Algorithm);
            refused(server(Algorithm::EdDsa), &token, Refusal::Algorithm);
        }
        // The right word over the wrong mathematics.
        refused(
            server(Algorithm::Rs256),
            &signed(r#"{"alg":"RS256"}"#, claims().to_string(), &forger),
            Refusal::Signature,
        );
    }
    for pem in ["rsa.pub.pem", "rsa.pem", "ed25519.pub.pem"] {
        let (file, text) = (fixture(pem), std::fs::read_to_string(fixture(pem)).unwrap());
        for key in [("SECRET_FILE", file.as_str()), ("SECRET", text.as_str())] {
            settings::faulty(&[("ALGORITHM", "HS256"), key], "a public key is no secret");
        }
    }
}

#[test]
fn tokens_of_another_algorithm() {
    for ours in ALL {
        for theirs in ALL.into_iter().filter(|theirs| *theirs != ours) {
            refused(server(ours), &token(theirs, &claims()), Refusal::Algorithm);
            let renamed = json!({ "alg": ours.name() }).to_string();
            let token = signed(renamed, claims().to_string(), &signer(theirs));
            refused(server(ours), &token, Refusal::Signature);
        }
    }
    for alg in ["RS384", "RS512", "PS256", "ES256", "rs256", "RS256 ", "RSA", "dir", "RSA-OAEP"] {
        let token = signed(json!({ "alg": alg }).to_string(), claims().to_string(), &signer(Algorithm::Rs256));
        refused(server(Algorithm::Rs256), &token, Refusal::Algorithm);
    }
}

#[test]
fn times() {
    let checker = server(Algorithm::Hs256);
    let now = 1_800_000_000;
    let judged = |claims: Value| run(checker.check(&token(Algorithm::Hs256, &claims), now)).map(|_| ());
    let at = |name: &str, value: Value| {
        let mut claims = with("exp", json!(now + 600));
        claims[name] = value;
        judged(claims)
    };
    assert_eq!(at("exp", json!(now - 29)), Ok(()), "within the leeway");
    assert_eq!(at("exp", json!(now - 30)), Err(Refusal::Expired));
    assert_eq!(at("exp", json!(now as f64 - 30.5)), Err(Refusal::Expired));
    assert_eq!(at("exp", json!(0)), Err(Refusal::Expired));
    assert_eq!(at("nbf", json!(now + 30)), Ok(()));
    assert_eq!(at("nbf", json!(now + 31)), Err(Refusal::Early("its `nbf` is to come")));
    assert_eq!(at("iat", json!(now + 31)), Err(Refusal::Early("its `iat` is to come")));
    for no_time in [
        json!("1900000000"),
        json!(null),
        json!(true),
        json!([now + 600]),
        json!({ "$serde_json::private::Number": "1900000000" }),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(253_402_300_800_i64),
    ] {
        assert_eq!(at("exp", no_time.clone()), Err(Refusal::Claim("`exp` is no time")), "{no_time}");
        assert_eq!(at("nbf", no_time.clone()), Err(Refusal::Claim("`nbf` is no time")), "{no_time}");
        assert_eq!(at("iat", no_time.clone()), Err(Refusal::Claim("`iat` is no time")), "{no_time}");
    }
    // Beyond every number: no JSON.
    let endless = claims().to_string().replace(&claims()["exp"].to_string(), "1e999");
    let header = r#"{"alg":"HS256"}"#;
    refused(server(Algorithm::Hs256), &signed(header, endless, &signer(Algorithm::Hs256)), OBJECTS);
    // Through the door, by the clock of the wall.
    for algorithm in ALL {
        let now = super::now();
        refused(server(algorithm), &token(algorithm, &with("exp", json!(now - 31))), Refusal::Expired);
        let early = with("nbf", json!(now + 60));
        refused(server(algorithm), &token(algorithm, &early), Refusal::Early("its `nbf` is to come"));
        let early = with("iat", json!(now + 60));
        refused(server(algorithm), &token(algorithm, &early), Refusal::Early("its `iat` is to come"));
        let endless = with("exp", Value::Null);
        refused(server(algorithm), &token(algorithm, &endless), Refusal::Claim("`exp` is missing"));
    }
}

#[test]
fn another_audience() {
    let token = |aud| token(Algorithm::Rs256, &with("aud", aud));
    for aud in [json!(null), json!("other"), json!("Agent"), json!("agent "), json!("agent2"), json!(""), json!([])] {
        refused(server(Algorithm::Rs256), &token(aud), Refusal::Audience);
    }
    for aud in [json!(["other", "another"]), json!(["age", "nt"]), json!(["other agent"])] {
        refused(server(Algorithm::Rs256), &token(aud), Refusal::Audience);
    }
    for aud in [json!(7), json!({ "agent": true }), json!(["agent", 7]), json!([["agent"]]), json!(true)] {
        refused(server(Algorithm::Rs256), &token(aud), Refusal::Claim("`aud` is no text and no list of texts"));
    }
    let_in(&server(Algorithm::Rs256), &token(json!(["other", "agent"])));
    // Where none is asked for, a token for somebody else is still for somebody else.
    let any = || Checker::new(settings(&[("ALGORITHM", "HS256"), ("SECRET", SECRET)]));
    refused(any(), &super::token(Algorithm::Hs256, &claims()), Refusal::Audience);
    let_in(&any(), &super::token(Algorithm::Hs256, &with("aud", Value::Null)));
}

#[test]
fn another_issuer() {
    let token = |iss| token(Algorithm::EdDsa, &with("iss", iss));
    for iss in [json!(null), json!("other"), json!("tests/"), json!("TESTS"), json!(["tests"]), json!(7), json!("")] {
        refused(server(Algorithm::EdDsa), &token(iss), Refusal::Issuer);
    }
}

#[test]
fn names_of_keys_choose_nothing_but_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let set = jwks(&[(RSA_PUBLIC, json!({ "kid": "one" })), (OTHER_RSA_PUBLIC, json!({ "kid": "two" }))]);
    std::fs::write(&path, set).unwrap();
    let server = || {
        let path = path.to_str().unwrap();
        Checker::new(settings(&[("ALGORITHM", "RS256"), ("JWKS", path), ("AUDIENCE", "agent")]))
    };
    let empty = Signer::Secret(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b""));
    let ids = [
        "../../../../../../dev/null",
        "/dev/null",
        "..\\..\\nul",
        "' OR '1'='1",
        "x' UNION SELECT 'key'; --",
        "https://attacker.example/keys.json",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "$(id)",
        "|id",
        "ONE",
        "one ",
        "three",
        "on\u{435}",
    ];
    for id in ids {
        refused(server(), &token_with(Algorithm::Rs256, "kid", json!(id)), Refusal::Key);
        // Where there is one key it has no name, and none that a token says changes it.
        let header = json!({ "alg": "HS256", "kid": id }).to_string();
        refused(super::server(Algorithm::Hs256), &signed(header, claims().to_string(), &empty), Refusal::Signature);
        let_in(&super::server(Algorithm::Hs256), &token_with(Algorithm::Hs256, "kid", json!(id)));
    }
    let no_name = Refusal::Malformed("its `kid` is no text of 1 to 256 printable characters");
    let long = "a".repeat(257);
    for id in [json!(long), json!(""), json!("one\0"), json!("one\n"), json!(1), json!(null), json!(["one"]), json!({})]
    {
        refused(server(), &token_with(Algorithm::Rs256, "kid", id.clone()), no_name);
        refused(super::server(Algorithm::Hs256), &token_with(Algorithm::Hs256, "kid", id), no_name);
    }
    // The name of another key of the set; no name where there are two.
    refused(server(), &token_with(Algorithm::Rs256, "kid", json!("two")), Refusal::Signature);
    refused(server(), &token(Algorithm::Rs256, &claims()), Refusal::Key);
    let_in(&server(), &token_with(Algorithm::Rs256, "kid", json!("one")));
}

#[test]
fn keys_and_their_addresses_in_the_header() {
    let own = serde_json::from_str::<Value>(&jwks(&[(OTHER_RSA_PUBLIC, json!({ "kid": "mine" }))])).unwrap();
    let forger = Signer::read(Algorithm::Rs256, OTHER_RSA.as_bytes()).unwrap();
    for (name, value, shown) in [
        ("jwk", own["keys"][0].clone(), "`jwk`"),
        ("jku", json!("https://attacker.example/keys.json"), "`jku`"),
        ("x5u", json!("https://attacker.example/cert.pem"), "`x5u`"),
        ("x5c", json!(["MIIB"]), "`x5c`"),
    ] {
        let header = json!({ "alg": "RS256", "kid": "mine", name: value }).to_string();
        refused(server(Algorithm::Rs256), &signed(header, claims().to_string(), &forger), Refusal::Parameter(shown));
        // Rightly signed, it is refused as well.
        refused(server(Algorithm::Rs256), &token_with(Algorithm::Rs256, name, value), Refusal::Parameter(shown));
    }
}

#[test]
fn what_is_critical_is_never_understood() {
    for (name, value, shown) in [
        ("crit", json!(["exp"]), "`crit`"),
        ("crit", json!([]), "`crit`"),
        ("crit", json!(null), "`crit`"),
        ("b64", json!(false), "`b64`"),
        ("zip", json!("DEF"), "`zip`"),
        ("enc", json!("A256GCM"), "`enc`"),
        ("cty", json!("JWT"), "`cty`"),
        ("typ", json!("logout+jwt"), "`typ` is not `JWT` or `at+jwt`"),
        ("typ", json!("dpop+jwt"), "`typ` is not `JWT` or `at+jwt`"),
        ("typ", json!(7), "`typ` is not `JWT` or `at+jwt`"),
    ] {
        for algorithm in ALL {
            refused(server(algorithm), &token_with(algorithm, name, value.clone()), Refusal::Parameter(shown));
        }
    }
}

#[test]
fn tampered() {
    for algorithm in ALL {
        let good = token(algorithm, &claims());
        let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
        let admin = encoded(with("roles", json!(["admin"])).to_string());
        refused(server(algorithm), &format!("{header}.{admin}.{signature}"), Refusal::Signature);
        let other = encoded(json!({ "alg": algorithm.name(), "typ": "JWT", "a": 1 }).to_string());
        let payload = encoded(claims().to_string());
        refused(server(algorithm), &format!("{other}.{payload}.{signature}"), Refusal::Signature);
        // The signature of another token of the same key.
        let second = token(algorithm, &with("sub", json!("bob")));
        let stolen = second.rsplit('.').next().unwrap();
        refused(server(algorithm), &format!("{header}.{payload}.{stolen}"), Refusal::Signature);
        // Not an object.
        for payload in ["[]", "null", "7", "\"alice\"", "", "{", "{}x", "{} {}", "\u{feff}{}", "{\"sub\":\"\u{0}\"}"] {
            let header = json!({ "alg": algorithm.name() }).to_string();
            refused(server(algorithm), &signed(header, payload, &signer(algorithm)), OBJECTS);
        }
    }
}

#[test]
fn stripped_and_truncated() {
    for algorithm in ALL {
        let good = token(algorithm, &claims());
        let message = good.rsplit_once('.').unwrap().0;
        refused(server(algorithm), &format!("{message}."), Refusal::Signature);
        refused(server(algorithm), message, PARTS);
        for text in ["", ".", "..", "...", "a", "Bearer"] {
            assert!(run(server(algorithm).check(text, now())).is_err(), "{text}");
        }
        for length in 0..good.len() {
            assert!(run(server(algorithm).check(&good[..length], now())).is_err(), "{length} bytes");
        }
        // A shorter MAC or number.
        let whole = URL_SAFE_NO_PAD.decode(good.rsplit('.').next().unwrap()).unwrap();
        for kept in [0, 1, 8, 16, whole.len() - 1] {
            refused(server(algorithm), &format!("{message}.{}", encoded(&whole[..kept])), Refusal::Signature);
        }
    }
}

#[test]
fn a_signature_has_no_second_spelling() {
    for algorithm in ALL {
        let good = token(algorithm, &claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for more in ["=", "==", " ", "\n", "%3D", "\u{200b}", "\0", "A=", "~"] {
            refused(server(algorithm), &format!("{good}{}", more.replace(['\n', '\0', '\u{200b}'], "=")), BASE64URL);
            assert_eq!(run(server(algorithm).check(&format!("{good}{more}"), now())), Err(BASE64URL), "{more:?}");
            assert_eq!(run(server(algorithm).check(&format!("{message}.{more}{signature}"), now())), Err(BASE64URL));
        }
        // The bits that the last character has too many.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = alphabet.iter().position(|c| *c == *good.as_bytes().last().unwrap()).unwrap();
        let spare = alphabet[last | 1] as char;
        let respelled = format!("{}{spare}", &good[..good.len() - 1]);
        assert_ne!(respelled, good);
        refused(server(algorithm), &respelled, BASE64URL);
        // The alphabet with + and /.
        let plain = signature.replace('-', "+").replace('_', "/");
        if plain != signature {
            refused(server(algorithm), &format!("{message}.{plain}"), BASE64URL);
        }
        for longer in [[&[0], &bytes[..]].concat(), [&bytes[..], &[0]].concat()] {
            refused(server(algorithm), &format!("{message}.{}", encoded(longer)), Refusal::Signature);
        }
    }
}

/// RFC 8032, 5.1.7: S is below the order of the group, or every signature has a second one.
#[test]
fn an_ed25519_signature_plus_the_order() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = token(Algorithm::EdDsa, &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "S + L fits");
    refused(server(Algorithm::EdDsa), &format!("{message}.{}", encoded(&bytes)), Refusal::Signature);
    refused(server(Algorithm::EdDsa), &format!("{message}.{}", encoded([0; 64])), Refusal::Signature);
}

#[test]
fn tokens_in_tokens() {
    let inner = token(Algorithm::Rs256, &claims());
    let nested = signed(r#"{"alg":"RS256"}"#, &inner, &signer(Algorithm::Rs256));
    refused(server(Algorithm::Rs256), &nested, OBJECTS);
    let says_so = signed(r#"{"alg":"RS256","cty":"JWT"}"#, &inner, &signer(Algorithm::Rs256));
    refused(server(Algorithm::Rs256), &says_so, Refusal::Parameter("`cty`"));
    let encrypted = format!("{}.key.iv.ciphertext.tag", encoded(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
    refused(server(Algorithm::Rs256), &encrypted, PARTS);
    // JSON serialisation.
    let json = json!({ "payload": encoded(claims().to_string()), "signatures": [] }).to_string();
    refused(server(Algorithm::Rs256), &json, PARTS);
}

#[test]
fn huge_and_deep() {
    let long = Refusal::Malformed("it is longer than 8 KiB");
    for length in [LARGEST + 1, 100_000, 5_000_000] {
        refused(server(Algorithm::Hs256), &"a".repeat(length), long);
    }
    let padded = with("padding", json!("x".repeat(LARGEST)));
    refused(server(Algorithm::Hs256), &token(Algorithm::Hs256, &padded), long);
    refused(server(Algorithm::Hs256), &".".repeat(LARGEST), PARTS);
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let payload = format!("{{\"roles\":{deep}}}");
    let token = signed(r#"{"alg":"HS256"}"#, payload, &signer(Algorithm::Hs256));
    assert!(token.len() > LARGEST || run(server(Algorithm::Hs256).check(&token, now())) == Err(OBJECTS));
    let shallow = format!("{{\"roles\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    refused(server(Algorithm::Hs256), &signed(r#"{"alg":"HS256"}"#, shallow, &signer(Algorithm::Hs256)), OBJECTS);
    let header = format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    refused(server(Algorithm::Hs256), &signed(header, "{}", &signer(Algorithm::Hs256)), OBJECTS);
}

#[test]
fn names_that_stand_twice() {
    let claims = claims().to_string();
    let open = claims.strip_suffix('}').unwrap();
    for twice in [
        format!("{open},\"roles\":[\"admin\"]}}"),
        format!("{open},\"\\u0072oles\":[\"admin\"]}}"),
        format!("{open},\"sub\":\"bob\"}}"),
        format!("{open},\"exp\":9999999999}}"),
        format!("{open},\"other\":1,\"other\":2}}"),
    ] {
        refused(server(Algorithm::Hs256), &signed(r#"{"alg":"HS256"}"#, twice, &signer(Algorithm::Hs256)), OBJECTS);
    }
    for header in
        [r#"{"alg":"none","alg":"HS256"}"#, r#"{"alg":"HS256","alg":"none"}"#, r#"{"alg":"HS256","\u0061lg":"HS256"}"#]
    {
        refused(server(Algorithm::Hs256), &signed(header, &claims, &signer(Algorithm::Hs256)), OBJECTS);
    }
}

#[test]
fn subjects() {
    let no_name = Refusal::Claim("`sub` is missing, or no text of 1 to 256 printable characters");
    for sub in [
        json!(null),
        json!(""),
        json!(" "),
        json!(7),
        json!(["alice"]),
        json!("a\nb"),
        json!("a\0"),
        json!("x".repeat(257)),
    ] {
        refused(server(Algorithm::Hs256), &token(Algorithm::Hs256, &with("sub", sub)), no_name);
    }
}

#[test]
fn roles_of_another_type_or_more_than_given() {
    let roles = |roles| token(Algorithm::Hs256, &with("roles", roles));
    for wrong in
        [json!("admin"), json!("read admin"), json!({ "admin": true }), json!(true), json!(1), json!(["read", 1])]
    {
        refused(server(Algorithm::Hs256), &roles(wrong), Refusal::Claim("`roles` is no list of texts"));
    }
    refused(server(Algorithm::Hs256), &roles(json!([["admin"]])), Refusal::Claim("`roles` is no list of texts"));
    for none in [
        json!(["read admin"]),
        json!(["Admin"]),
        json!([" admin"]),
        json!(["admin\0"]),
        json!([]),
        json!(["аdmin"]),
        json!(null),
    ] {
        let caller = let_in(&server(Algorithm::Hs256), &roles(none.clone()));
        assert_eq!(caller.roles, Roles::default(), "{none}");
        let guard = Guard::new(Policy::Checked(Box::new(server(Algorithm::Hs256))));
        let sent = roles(none);
        let response = run(send(&guard, Role::Read, request(&[format!("Bearer {sent}").as_bytes()])));
        told(&response, &sent, &Refusal::Role(Role::Read));
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(
            challenge.contains("error=\"insufficient_scope\"") && challenge.ends_with("scope=\"read\""),
            "{challenge}"
        );
    }
    // A claim that is not the one of the settings gives nothing.
    let both = || {
        let mut claims = with("scope", json!("admin"));
        claims["roles"] = json!(["read"]);
        token(Algorithm::Hs256, &claims)
    };
    assert_eq!(let_in(&server(Algorithm::Hs256), &both()).roles, Roles::from_iter([Role::Read]));
    let by_scope = || {
        let variables = [("ALGORITHM", "HS256"), ("SECRET", SECRET), ("AUDIENCE", "agent"), ("ROLES_CLAIM", "scope")];
        Checker::new(settings(&variables))
    };
    assert_eq!(let_in(&by_scope(), &both()).roles, Roles::from_iter([Role::Admin]));
    let scope = |scope| token(Algorithm::Hs256, &with("scope", scope));
    assert_eq!(
        let_in(&by_scope(), &scope(json!("openid run ingest"))).roles,
        Roles::from_iter([Role::Run, Role::Ingest])
    );
    for none in ["", "read,admin", "read\tadmin", "xadmin"] {
        assert_eq!(let_in(&by_scope(), &scope(json!(none))).roles, Roles::default(), "{none:?}");
    }
    refused(by_scope(), &scope(json!(["admin"])), Refusal::Claim("`scope` is no text"));
}

#[test]
fn keys_of_a_set_that_are_for_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let server = |keys: &[(&str, Value)]| {
        let good = (OTHER_RSA_PUBLIC, json!({ "kid": "good", "use": "sig", "alg": "RS256" }));
        std::fs::write(&path, jwks(&[keys, &[good]].concat())).unwrap();
        let path = path.to_str().unwrap();
        Checker::new(settings(&[("ALGORITHM", "RS256"), ("JWKS", path), ("AUDIENCE", "agent")]))
    };
    let token = token_with(Algorithm::Rs256, "kid", json!("own"));
    for other in [
        json!({ "use": "enc" }),
        json!({ "alg": "RS512" }),
        json!({ "alg": "PS256" }),
        json!({ "alg": "RSA-OAEP" }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "key_ops": ["sign"] }),
        json!({ "kty": "oct", "k": encoded(SECRET) }),
        json!({ "kty": "EC" }),
        json!({ "d": "AQAB" }),
    ] {
        let mut key = other.clone();
        key["kid"] = json!("own");
        refused(server(&[(RSA_PUBLIC, key)]), &token, Refusal::Key);
    }
    let own = json!({ "kid": "own", "use": "sig", "key_ops": ["verify"], "alg": "RS256" });
    let_in(&server(&[(RSA_PUBLIC, own)]), &token);
    // Two keys of one name, as while an issuer changes them.
    let twice = [(OTHER_RSA_PUBLIC, json!({ "kid": "own" })), (RSA_PUBLIC, json!({ "kid": "own" }))];
    let_in(&server(&twice), &token);
    refused(server(&twice[..1]), &token, Refusal::Signature);
}

#[test]
fn a_set_of_keys_of_several_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let set = jwks(&[(RSA_PUBLIC, json!({ "kid": "a" })), (ED25519_PUBLIC, json!({ "kid": "b", "alg": "Ed25519" }))]);
    std::fs::write(&path, set).unwrap();
    for (algorithm, id) in [(Algorithm::Rs256, "a"), (Algorithm::EdDsa, "b")] {
        let variables = [("ALGORITHM", algorithm.name()), ("JWKS", path.to_str().unwrap()), ("AUDIENCE", "agent")];
        let server = || Checker::new(settings(&variables));
        let_in(&server(), &token_with(algorithm, "kid", json!(id)));
        let_in(&server(), &token(algorithm, &claims())); // of its kind it is alone
        // The name of the key of the other kind, under either algorithm.
        let other = if id == "a" { "b" } else { "a" };
        refused(server(), &token_with(algorithm, "kid", json!(other)), Refusal::Key);
        let theirs = ALL.into_iter().find(|a| *a != algorithm && *a != Algorithm::Hs256).unwrap();
        refused(server(), &token_with(theirs, "kid", json!(other)), Refusal::Algorithm);
    }
}
