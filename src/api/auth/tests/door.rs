//! The header, and the door without tokens.

use super::*;

fn guarded() -> Guard {
    Guard::new(Policy::Checked(Box::new(server(Algorithm::Hs256))))
}

fn open() -> Guard {
    Guard::new(Policy::for_address("127.0.0.1:0".parse().unwrap(), None).unwrap())
}

fn good() -> String {
    token(Algorithm::Hs256, &claims())
}

#[test]
fn how_a_token_may_be_sent() {
    for prefix in ["Bearer ", "bearer ", "BEARER ", "Bearer  "] {
        let response = run(send(&guarded(), Role::Read, request(&[format!("{prefix}{}", good()).as_bytes()])));
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "alice"), "{prefix:?}");
    }
}

#[test]
fn how_it_may_not() {
    let token = good();
    let told_as = |values: &[&[u8]], why: Refusal| {
        told(&run(send(&guarded(), Role::Read, request(values))), &token, &why);
    };
    let bearer = format!("Bearer {token}");
    told_as(&[], Refusal::Missing);
    told_as(&[bearer.as_bytes(), bearer.as_bytes()], Refusal::Header("there are several"));
    told_as(&[bearer.as_bytes(), b"Bearer other"], Refusal::Header("there are several"));
    told_as(&[b"", bearer.as_bytes()], Refusal::Header("there are several"));
    for no_bearer in ["", "Bearer", &token, &format!("Bearer\t{token}"), &format!("Bearer:{token}")] {
        told_as(&[no_bearer.as_bytes()], Refusal::Header("it is not `Bearer TOKEN`"));
    }
    for scheme in ["Basic", "Token", "JWT", "DPoP", "Bearer,", "Bearers", "earer", "\"Bearer\""] {
        told_as(&[format!("{scheme} {token}").as_bytes()], Refusal::Header("its scheme is not `Bearer`"));
    }
    for homoglyph in ["В\u{435}\u{430}r\u{435}r", "Ｂearer", "Bearer\u{200b}", "Be\u{301}arer"] {
        told_as(&[format!("{homoglyph} {token}").as_bytes()], Refusal::Header("it is not in ASCII"));
    }
    let base64 = Refusal::Malformed("a part is not base64url without padding");
    let parts = Refusal::Malformed("it has not three parts with a point between");
    told_as(&[format!("Bearer \"{token}\"").as_bytes()], base64);
    told_as(&[format!("Bearer {token} x").as_bytes()], base64);
    told_as(&[format!("Bearer {token}, Bearer {token}").as_bytes()], parts);
    told_as(&[b"Bearer "], parts);
}

#[test]
fn a_router_takes_the_layer_by_route() {
    use axum::Router;
    use axum::routing::get;
    let guard = guarded();
    let who = |axum::Extension(caller): axum::Extension<Caller>| async move { caller.subject };
    let router: Router = Router::new()
        .route("/healthz", get(|| async { "well" }))
        .route("/v1/reports", get(who).layer(guard.requires(Role::Read)))
        .route("/v1/runs", get(who).layer(guard.requires(Role::Run)));
    let status = |path: &str, token: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        run(tower::ServiceExt::oneshot(router.clone(), request)).unwrap().status()
    };
    let token = good();
    assert_eq!(status("/healthz", None), StatusCode::OK);
    assert_eq!(status("/v1/reports", None), StatusCode::UNAUTHORIZED);
    assert_eq!(status("/v1/reports", Some(&token)), StatusCode::OK);
    assert_eq!(status("/v1/runs", Some(&token)), StatusCode::FORBIDDEN);
}

#[test]
fn no_token_is_taken_from_anywhere_else() {
    let token = good();
    let elsewhere = [
        Request::get(format!("/v1/reports?access_token={token}&token={token}")),
        Request::get("/v1/reports").header("cookie", format!("access_token={token}; Authorization=Bearer {token}")),
        Request::get("/v1/reports").header("proxy-authorization", format!("Bearer {token}")),
        Request::get("/v1/reports").header("x-authorization", format!("Bearer {token}")),
        Request::get("/v1/reports").header("sec-websocket-protocol", token.as_str()),
    ];
    for request in elsewhere {
        let request = request.body(format!("access_token={token}")).unwrap();
        told(&run(send(&guarded(), Role::Read, request)), &token, &Refusal::Missing);
    }
}

#[test]
fn roles_open_their_doors_only() {
    for given in Role::ALL {
        let token = token(Algorithm::Hs256, &with("roles", json!([given.word()])));
        for needed in Role::ALL {
            let response = run(send(&guarded(), needed, request(&[format!("Bearer {token}").as_bytes()])));
            if Roles::from_iter([given]).allow(needed) {
                assert_eq!(response.status(), StatusCode::OK, "{given} for {needed}");
            } else {
                told(&response, &token, &Refusal::Role(needed));
            }
        }
    }
}

#[test]
fn every_refusal_has_a_challenge_that_is_well_formed() {
    for why in [
        Refusal::Missing,
        Refusal::Header("there are several"),
        Refusal::Parameter("`crit`"),
        Refusal::Signature,
        Refusal::Expired,
        Refusal::Role(Role::Admin),
    ] {
        let challenge = why.challenge().unwrap();
        let text = challenge.to_str().unwrap();
        let parameters = text.strip_prefix("Bearer ").unwrap();
        for parameter in parameters.split("\", ") {
            let (name, value) = parameter.trim_end_matches('"').split_once("=\"").unwrap();
            assert!(["realm", "error", "error_description", "scope"].contains(&name), "{text}");
            assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\'), "{text}");
        }
    }
    let unavailable: Response<String> = Refusal::NoKeys.response();
    assert_eq!(unavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unavailable.headers()[header::RETRY_AFTER], "30");
    assert!(Refusal::NoKeys.challenge().is_none());
}

#[test]
fn an_open_door_is_for_this_machine() {
    let at = |host: &str, origin: Option<&str>| {
        let mut request = Request::post("/v1/runs");
        if !host.is_empty() {
            request = request.header("host", host);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        run(send(&open(), Role::Admin, request.body(String::new()).unwrap()))
    };
    for (host, origin) in [
        ("127.0.0.1:8080", None),
        ("localhost:8080", Some("http://localhost:8080")),
        ("LOCALHOST", Some("http://localhost")),
        ("[::1]:8080", Some("https://[::1]:8080")),
        ("127.9.9.9", None),
        ("", None),
    ] {
        let response = at(host, origin);
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "anonymous"), "{host} {origin:?}");
    }
    let host = Refusal::Foreign("the request's Host is not the loopback");
    for name in [
        "attacker.example",
        "localhost.attacker.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "a@127.0.0.1",
        "0.0.0.0",
        "127.0.0.1, x",
    ] {
        told(&at(name, None), "", &host);
    }
    let origin = Refusal::Foreign("the request comes from a page of another origin");
    for page in [
        "https://attacker.example",
        "null",
        "",
        "http://localhost:8081",
        "http://127.0.0.1:8080.attacker.example",
        "file://",
    ] {
        told(&at("localhost:8080", Some(page)), "", &origin);
    }
    let with_page = open().with_origins(["https://ops.example".to_string()]);
    for (page, status) in [("https://ops.example", StatusCode::OK), ("https://ops.example.evil", StatusCode::FORBIDDEN)]
    {
        let request = Request::get("/").header("host", "localhost").header("origin", page).body(String::new()).unwrap();
        assert_eq!(run(send(&with_page, Role::Read, request)).status(), status, "{page}");
    }
    let uri = "http://attacker.example/v1/runs".parse().unwrap();
    assert_eq!(run(open().admit(&uri, &no_headers(), Role::Read)), Err(host), "as HTTP/2 names it");
}
