//! HTTP: malformed heads, lengths, codings; interim answers, redirects, and every status.

use serde_json::json;

use super::server::{self, Act, Asked, JSON, at_first, bytes, error, flood, http, made, ok, send};
use super::{Case, case};

pub fn cases() -> Vec<Case> {
    let mut cases = heads();
    cases.extend(lengths());
    cases.extend(codings());
    cases.extend(interim());
    cases.extend(redirects());
    cases.extend(refusals());
    cases.extend(rejected_fields());
    cases.extend(haste());
    cases.extend(server_errors());
    cases
}

/// The honest answer with something else in its head.
fn head(from: &'static str, to: &'static str) -> Act {
    made(move |asked| {
        let text = String::from_utf8(ok(&asked.answer())).unwrap();
        assert!(text.contains(from));
        text.replacen(from, to, 1).into_bytes()
    })
}

fn heads() -> Vec<Case> {
    const STATUS: &str = "HTTP/1.1 200 OK";
    let broke = |name, does, act| case(name, does, act).template("the connection broke");
    vec![
        broke("status-of-no-number", "answers `HTTP/1.1 abc`", head(STATUS, "HTTP/1.1 abc")),
        broke("status-0", "answers `HTTP/1.1 000`", head(STATUS, "HTTP/1.1 000")),
        case("status-999", "answers `HTTP/1.1 999`", head(STATUS, "HTTP/1.1 999 ?")).template("status 999"),
        broke("status-of-four-digits", "answers `HTTP/1.1 2000`", head(STATUS, "HTTP/1.1 2000 OK")),
        broke("http-3-in-text", "answers `HTTP/3.0 200 OK`", head(STATUS, "HTTP/3.0 200 OK")),
        case("http-1.0", "answers in HTTP/1.0", head(STATUS, "HTTP/1.0 200 OK")).model(""),
        case("no-reason-phrase", "answers `HTTP/1.1 200`", head(STATUS, "HTTP/1.1 200")).model(""),
        broke("header-without-colon", "sends a header without a colon", head("connection: close", "connection close")),
        broke("header-with-nul", "sends a NUL in a header", head("connection: close", "x: a\0b")),
        broke(
            "header-with-space-in-name",
            "sends a header whose name has a space",
            head("connection: close", "x y: z"),
        ),
        broke("folded-header", "goes on with a header in the next line", head("connection: close", "x: a\r\n b")),
        case(
            "header-not-ascii",
            "sends `é` and raw bytes in a header",
            made(|asked| {
                let whole = ok(&asked.answer());
                let at = STATUS.len() + 2;
                [&whole[..at], b"x-name: \xe9\xff \xc3\xa9\r\n", &whole[at..]].concat()
            }),
        )
        .model(""),
        case(
            "bare-line-feeds",
            "ends lines by LF alone",
            made(|asked| String::from_utf8(ok(&asked.answer())).unwrap().replace("\r\n", "\n").into_bytes()),
        )
        .model(""),
        case("wrong-content-type", "says that the JSON is HTML", head("application/json", "text/html")).model(""),
        case("no-content-type", "does not say that it is JSON", head("content-type: application/json\r\n", ""))
            .model(""),
        case(
            "absurd-content-type",
            "has a content type of 10,000 characters",
            made(|asked| {
                let long = format!("content-type: {}", "a/".repeat(5000));
                http("200 OK", &[&long], asked.answer().to_string())
            }),
        )
        .model(""),
        case(
            "key-in-headers",
            "sends the key back in headers, with a refusal",
            made(|asked| {
                let key = &asked.key;
                let headers =
                    [format!("x-request-id: {key}"), format!("retry-after: {key}"), format!("content-type: {key}")];
                http("400 Bad Request", &headers.each_ref().map(String::as_str), format!("your key is {key}"))
            }),
        )
        .template("status 400: your key is"),
    ]
}

fn lengths() -> Vec<Case> {
    let body = |asked: &Asked| asked.answer().to_string();
    let head = |headers: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\n{JSON}\r\n{headers}\r\nconnection: close\r\n\r\n{body}").into_bytes()
    };
    let length = move |length: fn(usize) -> String| {
        made(move |asked| {
            let body = body(asked);
            head(&format!("content-length: {}", length(body.len())), &body)
        })
    };
    let chunks =
        move |chunks: fn(&str) -> String| made(move |asked| head("transfer-encoding: chunked", &chunks(&body(asked))));
    let broke = |name, does, act| case(name, does, act).template("the connection broke");
    vec![
        case("length-too-long", "announces 10 bytes more than it sends, and closes", length(|n| (n + 10).to_string()))
            .template("broke within the answer"),
        case("length-too-short", "announces 10 bytes fewer than it sends", length(|n| (n - 10).to_string()))
            .template("cannot be read"),
        case("length-0", "announces no byte and sends the answer", length(|_| "0".to_string()))
            .template("cannot be read"),
        broke("length-negative", "announces -1 bytes", length(|_| "-1".to_string())),
        broke("length-of-no-number", "announces `many` bytes", length(|_| "many".to_string())),
        broke("length-overflows", "announces 10^30 bytes", length(|_| format!("1{}", "0".repeat(30)))),
        case(
            "length-of-exabytes",
            "announces 2^62 bytes, sends the answer and closes",
            length(|_| (1_u64 << 62).to_string()),
        )
        .template("broke within the answer"),
        broke("two-lengths", "announces two lengths that differ", length(|n| format!("{n}\r\ncontent-length: 3"))),
        case(
            "length-and-chunks",
            "announces a length and sends chunks",
            made(move |asked| {
                let body = body(asked);
                head(
                    "content-length: 5\r\ntransfer-encoding: chunked",
                    &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
                )
            }),
        )
        .model(""),
        case(
            "no-length",
            "sends the answer, then closes: HTTP/1.0's way",
            made(move |asked| head("x: y", &body(asked))),
        )
        .model(""),
        case(
            "chunks",
            "sends the answer in chunks of 3 bytes, with extensions and a trailer",
            chunks(|body| {
                let chunks: String = body
                    .as_bytes()
                    .chunks(3)
                    .map(|c| format!("{:x};a=b\r\n{}\r\n", c.len(), String::from_utf8_lossy(c)))
                    .collect();
                format!("{chunks}0\r\nx-trailer: y\r\n\r\n")
            }),
        )
        .model(""),
        case(
            "chunk-size-of-no-number",
            "sends `zz` for the size of a chunk",
            chunks(|body| format!("zz\r\n{body}\r\n0\r\n\r\n")),
        )
        .template("broke within the answer"),
        case(
            "chunk-size-overflows",
            "sends a chunk size of 20 hexadecimal digits",
            chunks(|body| format!("{}\r\n{body}", "f".repeat(20))),
        )
        .template("broke within the answer"),
        case(
            "chunk-longer-than-its-size",
            "sends more in a chunk than its size",
            chunks(|body| format!("5\r\n{body}\r\n0\r\n\r\n")),
        )
        .template("broke within the answer"),
        case(
            "chunk-extension-floods",
            "sends a chunk extension of 1 MB",
            chunks(|body| format!("{:x};{}\r\n{body}\r\n0\r\n\r\n", body.len(), "x".repeat(1 << 20))),
        )
        .template("broke within the answer"),
        case(
            "trailers-flood",
            "sends trailers of 1 MB",
            chunks(|body| format!("{:x}\r\n{body}\r\n0\r\n{}\r\n", body.len(), "x: y\r\n".repeat(200_000))),
        )
        .template("broke within the answer"),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn codings() -> Vec<Case> {
    let coded = |coding: &'static str, body: fn(&Asked) -> Vec<u8>| {
        made(move |asked| http("200 OK", &[JSON, &format!("content-encoding: {coding}")], body(asked)))
    };
    vec![
        case(
            "gzip-unasked",
            "compresses the answer, though it was not asked to",
            coded("gzip", |asked| gzip(asked.answer().to_string().as_bytes())),
        )
        .template("cannot be read"),
        case(
            "gzip-that-is-none",
            "says that it is gzip, and it is plain",
            coded("gzip", |asked| asked.answer().to_string().into_bytes()),
        )
        .model(""),
        case("gzip-bomb", "sends 1 MB of gzip that holds 1 GB", {
            let bomb = gzip(&vec![b' '; 64 << 20]).repeat(16);
            made(move |_| http("200 OK", &[JSON, "content-encoding: gzip"], &bomb))
        })
        .template("cannot be read"),
        case("brotli-that-is-none", "says that it is Brotli, and it is random", coded("br", |_| vec![0xfe; 4000]))
            .template("cannot be read"),
        case(
            "unknown-coding",
            "says that it is coded as `zz`, and it is plain",
            coded("zz", |asked| asked.answer().to_string().into_bytes()),
        )
        .model(""),
        case(
            "transfer-coding-gzip",
            "says that the transfer is coded as gzip",
            made(|asked| {
                let body = gzip(asked.answer().to_string().as_bytes());
                [b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, identity\r\ncontent-length: 9\r\n\r\n".as_slice(), &body]
                    .concat()
            }),
        )
        .template("not JSON but text"),
        case(
            "multipart",
            "answers in two parts of MIME",
            made(|asked| {
                let body = format!("--x\r\n{JSON}\r\n\r\n{}\r\n--x--\r\n", asked.answer());
                http("200 OK", &["content-type: multipart/mixed; boundary=x"], body)
            }),
        )
        .template("not JSON but multipart/mixed"),
    ]
}

fn interim() -> Vec<Case> {
    let after = |interim: &'static str| made(move |asked| [interim.as_bytes(), &ok(&asked.answer())].concat());
    vec![
        case("continue-then-the-answer", "says 100 and then answers", after("HTTP/1.1 100 Continue\r\n\r\n")).model(""),
        case(
            "hints-then-the-answer",
            "says 103 twice and then answers",
            after("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"),
        )
        .model(""),
        case("continue-and-no-more", "says 100 and closes", bytes("HTTP/1.1 100 Continue\r\n\r\n"))
            .template("the connection broke"),
        case(
            "continue-40000-times",
            "says 100 for 40,000 times and then answers",
            Act::Answer(Box::new(|asked, stream| {
                flood(stream, &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), 1_000_000);
                send(stream, &ok(&asked.answer()));
            })),
        )
        .model(""),
        case(
            "continue-for-ever",
            "says 100 until it is hung up on",
            Act::Answer(Box::new(|_, stream| {
                flood(stream, &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), usize::MAX);
            })),
        )
        .slow()
        .varies()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "switching-protocols",
            "says 101",
            bytes("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        )
        .template("101"),
        case("no-content", "says 204", bytes("HTTP/1.1 204 No Content\r\n\r\n")).template("status 204"),
        case("reset-content", "says 205", bytes("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"))
            .template("status 205"),
        case(
            "created",
            "answers properly with 201",
            made(|asked| http("201 Created", &[JSON], asked.answer().to_string())),
        )
        .template("status 201"),
        case("accepted", "says 202: come back later", bytes(http("202 Accepted", &[JSON], r#"{"status":"queued"}"#)))
            .template("status 202"),
        case(
            "partial-content",
            "says 206 with a part of the answer",
            made(|asked| {
                http(
                    "206 Partial Content",
                    &[JSON, "content-range: bytes 0-99/200"],
                    &asked.answer().to_string()[..100],
                )
            }),
        )
        .template("status 206"),
    ]
}

fn redirects() -> Vec<Case> {
    let to =
        |status: &'static str, location: &'static str| bytes(http(status, &[&format!("location: {location}")], ""));
    let case = |name, does, act| case(name, does, act).template("redirects are not followed");
    vec![
        case("redirect-301", "redirects to another path", to("301 Moved Permanently", "/v2/chat/completions")),
        case("redirect-302-to-itself", "redirects to itself, for ever", to("302 Found", "/v1/chat/completions")),
        case("redirect-303", "redirects to a page", to("303 See Other", "/login")),
        case(
            "redirect-307-elsewhere",
            "redirects to another host",
            to("307 Temporary Redirect", "http://127.0.0.2:9/v1/chat/completions"),
        ),
        case(
            "redirect-308-to-https",
            "redirects to https",
            to("308 Permanent Redirect", "https://127.0.0.1:9/v1/chat/completions"),
        ),
        case("redirect-to-a-file", "redirects to a file of this machine", to("302 Found", "file:///etc/passwd")),
        case("redirect-to-nowhere", "redirects and does not say where to", bytes(http("302 Found", &[], ""))),
        case("choices-300", "says 300", to("300 Multiple Choices", "/v1")),
        case("not-modified", "says 304", bytes("HTTP/1.1 304 Not Modified\r\n\r\n")),
    ]
}

fn refusals() -> Vec<Case> {
    let says =
        |name, does, status, message, reason| case(name, does, bytes(error(status, &[], message))).template(reason);
    vec![
        says("bad-request", "says 400", "400 Bad Request", "no", "status 400: no"),
        case("bad-request-without-a-word", "says 400 and nothing else", bytes(http("400 Bad Request", &[], "")))
            .template("status 400"),
        says(
            "context-exceeded",
            "says that the prompt is too long",
            "400 Bad Request",
            "This model's maximum context length is 8 tokens.",
            "maximum context length",
        ),
        says("unauthorized", "says 401", "401 Unauthorized", "Invalid key", "status 401: Invalid key; check the key"),
        case(
            "key-in-the-refusal",
            "says 401 and quotes the whole key",
            made(|asked| error("401 Unauthorized", &[], &format!("Incorrect API key provided: {}.", asked.key))),
        )
        .template("Incorrect API key provided: "),
        case(
            "key-escaped-in-the-refusal",
            "quotes the key in escapes of JSON",
            made(|asked| {
                let escaped: String = asked.key.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
                http(
                    "401 Unauthorized",
                    &[JSON],
                    format!("{{\"error\":{{\"message\":\"key {escaped}\",\"code\":\"{escaped}\"}}}}"),
                )
            }),
        )
        .template("status 401: key "),
        case(
            "key-as-a-json-key",
            "quotes the key as the name of a member",
            made(|asked| {
                http(
                    "403 Forbidden",
                    &[JSON],
                    json!({ "error": { &asked.key: "no" }, "message": asked.key }).to_string(),
                )
            }),
        )
        .template("status 403"),
        says(
            "payment-required",
            "says 402",
            "402 Payment Required",
            "Insufficient balance",
            "status 402: Insufficient balance; the account has no quota left",
        ),
        case(
            "forbidden-page",
            "says 403 with a page of a firewall",
            bytes(http(
                "403 Forbidden",
                &["content-type: text/html"],
                "<html><head><title>Blocked</title></head><body>no</body></html>",
            )),
        )
        .template("status 403: Blocked; check the key"),
        says(
            "not-found",
            "says 404: no such model",
            "404 Not Found",
            "The model `m` does not exist",
            "status 404: The model `m` does not exist; check the base URL",
        ),
        case(
            "not-found-page",
            "says 404 in plain text",
            bytes(http("404 Not Found", &["content-type: text/plain"], "404 page not found")),
        )
        .template("status 404: 404 page not found"),
        says("method-not-allowed", "says 405", "405 Method Not Allowed", "no POST", "status 405"),
        says("not-acceptable", "says 406", "406 Not Acceptable", "no JSON", "status 406"),
        case(
            "proxy-authentication",
            "says 407",
            bytes(http("407 Proxy Authentication Required", &["proxy-authenticate: Basic"], "")),
        )
        .template("407"),
        says("request-timeout", "says 408", "408 Request Timeout", "slow", "status 408"),
        case(
            "request-timeout-once",
            "says 408 once, then answers",
            at_first(1, |_| error("408 Request Timeout", &[], "slow")),
        )
        .model(""),
        says("conflict", "says 409", "409 Conflict", "busy", "status 409"),
        says("gone", "says 410", "410 Gone", "retired", "status 410"),
        says("too-large", "says 413", "413 Payload Too Large", "too large", "status 413"),
        says("unsupported-media", "says 415", "415 Unsupported Media Type", "no JSON", "status 415"),
        says("teapot", "says 418", "418 I'm a teapot", "short and stout", "status 418: short and stout"),
        case(
            "unprocessable",
            "says 422 with a list of details",
            bytes(http(
                "422 Unprocessable Entity",
                &[JSON],
                r#"{"detail":[{"type":"missing","loc":["body","prompt"],"msg":"Field required"}]}"#,
            )),
        )
        .template("body.prompt Field required"),
        says("too-early", "says 425", "425 Too Early", "early", "status 425"),
        says("headers-too-large", "says 431", "431 Request Header Fields Too Large", "headers", "status 431"),
        says("legal-reasons", "says 451", "451 Unavailable For Legal Reasons", "law", "status 451"),
        says(
            "hostile-message",
            "complains in escapes of a terminal and bidirectional marks",
            "400 Bad Request",
            "\u{1b}[2J\u{1b}]0;x\u{7}no\u{202e}on\u{200b}\0",
            "status 400: ",
        ),
        says(
            "endless-message",
            "complains in 100,000 characters",
            "400 Bad Request",
            Box::leak("no ".repeat(33_000).into_boxed_str()),
            "status 400: no no",
        ),
        case(
            "many-errors",
            "says 400 with 10,000 errors",
            bytes(http(
                "400 Bad Request",
                &[JSON],
                json!({ "errors": vec![json!({ "message": "no" }); 10_000] }).to_string(),
            )),
        )
        .template("status 400: no"),
    ]
}

/// What the ladder steps down from.
fn rejected_fields() -> Vec<Case> {
    let rejects = |field: &'static str, status: &'static str, message: &'static str| {
        made(move |asked| match asked.body.get(field) {
            Some(_) => error(status, &[], message),
            None => ok(&asked.answer()),
        })
    };
    vec![
        case(
            "rejects-the-schema",
            "rejects `json_schema`, takes `json_object`",
            made(|asked| match asked.body["response_format"]["type"].as_str() {
                Some("json_schema") => {
                    error("400 Bad Request", &[], "response_format type json_schema is unavailable now")
                }
                _ => ok(&asked.answer()),
            }),
        )
        .varies()
        .model(""),
        case(
            "rejects-any-format",
            "rejects `response_format`, by 422",
            rejects("response_format", "422 Unprocessable Entity", "Unknown field: response_format"),
        )
        .varies()
        .model(""),
        case(
            "falls-over-the-format",
            "falls over `response_format` with a 500",
            rejects("response_format", "500 Internal Server Error", "unexpected response_format"),
        )
        .varies()
        .model(""),
        case(
            "rejects-the-limit",
            "rejects `max_tokens`, takes the other name",
            rejects(
                "max_tokens",
                "400 Bad Request",
                "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            ),
        )
        .varies()
        .model(""),
        case(
            "rejects-the-temperature",
            "rejects `temperature`",
            rejects("temperature", "400 Bad Request", "temperature: only the default is supported"),
        )
        .varies()
        .model(""),
        case(
            "rejects-one-after-the-other",
            "rejects every field that can be left out, one at a time",
            made(|asked| {
                let field = ["response_format", "max_tokens", "max_completion_tokens", "temperature"]
                    .into_iter()
                    .find(|field| asked.body.get(*field).is_some());
                field.map_or_else(
                    || ok(&asked.answer()),
                    |field| error("400 Bad Request", &[], &format!("unknown field `{field}`")),
                )
            }),
        )
        .varies()
        .model(""),
        case(
            "rejects-for-ever",
            "rejects a field that is not there",
            bytes(error("400 Bad Request", &[], "unknown field `logit_bias`")),
        )
        .template("status 400: unknown field `logit_bias`"),
        case(
            "rejects-the-messages",
            "rejects the messages themselves",
            bytes(error("400 Bad Request", &[], "messages: roles must alternate")),
        )
        .template("roles must alternate"),
        case(
            "names-every-field",
            "rejects all fields at once, whatever is sent",
            bytes(error(
                "400 Bad Request",
                &[],
                "bad: response_format, max_tokens, max_completion_tokens, temperature, seed, model, messages",
            )),
        )
        .varies()
        .template("status 400: bad"),
    ]
}

/// 429, and what it says of when to come back.
fn haste() -> Vec<Case> {
    let limited = |headers: &'static [&'static str]| bytes(error("429 Too Many Requests", headers, "slow down"));
    let once = |headers: &'static [&'static str]| at_first(1, |_| error("429 Too Many Requests", headers, "slow down"));
    let late = "(LLM_DEADLINE)"; // no wait can be longer than what is left
    vec![
        case("too-many-requests", "says 429", limited(&[])).template("too many requests"),
        case("too-many-requests-once", "says 429 once, then answers", once(&[])).model(""),
        case("retry-after-0", "says 429 and to come back at once, then answers", once(&["retry-after: 0"])).model(""),
        case("retry-after-1", "says 429 and to come back in a second, then answers", once(&["retry-after: 1"])).model(""),
        case("retry-after-in-ms", "says 429 and to come back in 50 ms, then answers", once(&["retry-after-ms: 50", "retry-after: 3000"])).model(""),
        case("retry-after-a-date-gone-by", "says 429 and a date of 2015, then answers", once(&["retry-after: Wed, 21 Oct 2015 07:28:00 GMT"])).model(""),
        case("retry-after-garbage", "says 429 and to come back `soon`, then answers", once(&["retry-after: soon"])).model(""),
        case("retry-after-negative", "says 429 and to come back in -5 seconds, then answers", once(&["retry-after: -5"])).model(""),
        case("retry-after-nan", "says 429 and to come back in `NaN`, then answers", once(&["retry-after: NaN", "retry-after-ms: inf"])).model(""),
        case("retry-after-a-day", "says 429 and to come back in a day", limited(&["retry-after: 86400"])).template(late),
        case("retry-after-in-a-century", "says 429 and a date of 2125", limited(&["retry-after: Sun, 21 Oct 2125 07:28:00 GMT"])).template(late),
        case("retry-after-overflows", "says 429 and to come back in 10^300 seconds", limited(&["retry-after: 1e300"])).template(late),
        case("retry-after-the-deadline", "says 429 and to come back in 15 seconds, of a run of 6", limited(&["retry-after: 15"]))
            .deadline("6")
            .template("status 429; the endpoint asks to wait 15 s, and the 6s for all calls of the run (LLM_DEADLINE) end before"),
        case("retry-after-half-the-deadline", "says 429 and to come back in 4 seconds, of a run of 6", limited(&["retry-after: 4"]))
            .deadline("6")
            .template("status 429; the endpoint asks to wait 4 s, and the 6s for all calls of the run (LLM_DEADLINE) end before"),
        case("no-quota", "says 429: the account has no money", bytes(http("429 Too Many Requests", &[JSON], r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#)))
            .template("the account has no quota left"),
        case("too-many-requests-in-html", "says 429 with a page", bytes(http("429 Too Many Requests", &["content-type: text/html"], "<title>Slow down</title>"))).template("status 429: Slow down"),
        case("retry-after-on-success", "answers properly and says to come back in a day", made(|asked| http("200 OK", &[JSON, "retry-after: 86400"], asked.answer().to_string()))).model(""),
    ]
}

fn server_errors() -> Vec<Case> {
    let says = |name, does, status, reason| case(name, does, bytes(error(status, &[], "oops"))).template(reason);
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>";
    vec![
        says("internal-error", "says 500", "500 Internal Server Error", "status 500: oops"),
        case("internal-error-empty", "says 500 and nothing else", bytes(http("500 Internal Server Error", &[], "")))
            .template("status 500"),
        case(
            "stack-trace",
            "says 500 with a stack trace that has the key in it",
            made(|asked| {
                let trace = format!(
                    "Traceback (most recent call last):\n  File \"/srv/app.py\", line 1\nAuthError: {}\n",
                    asked.key
                );
                http("500 Internal Server Error", &["content-type: text/plain"], trace)
            }),
        )
        .template("status 500: Traceback"),
        case(
            "internal-error-once",
            "says 500 once, then answers",
            at_first(1, |_| error("500 Internal Server Error", &[], "oops")),
        )
        .model(""),
        case(
            "three-errors-in-turn",
            "says 500, then 503, and answers the third time",
            made(|asked| match asked.time {
                1 => error("500 Internal Server Error", &[], "oops"),
                2 => error("503 Service Unavailable", &[], "loading"),
                _ => ok(&asked.answer()),
            }),
        )
        .model(""),
        says("not-implemented", "says 501", "501 Not Implemented", "status 501"),
        case(
            "bad-gateway",
            "says 502 with nginx's page",
            bytes(http("502 Bad Gateway", &["content-type: text/html"], page)),
        )
        .template("status 502: 502 Bad Gateway"),
        says("unavailable", "says 503", "503 Service Unavailable", "status 503"),
        case(
            "unavailable-for-an-hour",
            "says 503 and to come back in an hour",
            bytes(error("503 Service Unavailable", &["retry-after: 3600"], "down")),
        )
        .template("(LLM_DEADLINE)"),
        says("gateway-timeout", "says 504", "504 Gateway Timeout", "status 504"),
        says("version-not-supported", "says 505", "505 HTTP Version Not Supported", "status 505"),
        says("captive-portal", "says 511", "511 Network Authentication Required", "status 511"),
        says("unknown-520", "says 520", "520 Web Server Returned an Unknown Error", "status 520"),
        says("overloaded", "says 529", "529 Overloaded", "status 529"),
        says("status-599", "says 599", "599 Network Connect Timeout", "status 599"),
        case("error-after-a-success", "answers the first recommendation, and no other", {
            let first = std::sync::Mutex::new(None::<String>);
            made(move |asked| {
                let mut first = first.lock().unwrap();
                if *first.get_or_insert_with(|| asked.recommendation.clone()) == asked.recommendation {
                    ok(&asked.answer())
                } else {
                    server::error("500 Internal Server Error", &[], "oops")
                }
            })
        })
        .both("status 500: oops")
        .varies(),
    ]
}
