//! Connections: that do not come about, break, hang, trickle, flood, or carry something else than HTTP.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::server::{self, Act, Asked, JSON, at_first, bytes, made, ok};
use super::{Case, case};

const MS: Duration = Duration::from_millis(1);

fn unread(act: impl Fn(&TcpStream) + Send + Sync + 'static) -> Act {
    Act::Unread(Box::new(act))
}

fn answer(act: impl Fn(&Asked, &TcpStream) + Send + Sync + 'static) -> Act {
    Act::Answer(Box::new(act))
}

/// The honest answer, cut after so many bytes behind the first of these.
fn up_to(asked: &Asked, mark: &str, more: usize) -> Vec<u8> {
    let mut whole = ok(&asked.answer());
    let at = whole.windows(mark.len()).position(|part| part == mark.as_bytes()).unwrap();
    whole.truncate(at + more);
    whole
}

fn chunked(parts: &[&str]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    parts.iter().fold(head, |text, part| format!("{text}{:x}\r\n{part}\r\n", part.len())).into_bytes()
}

pub fn cases() -> Vec<Case> {
    let mut cases = connections();
    cases.extend(breaks());
    cases.extend(pace());
    cases.extend(floods());
    cases.extend(other_protocols());
    cases
}

fn connections() -> Vec<Case> {
    vec![
        case("nobody-listens", "its port is closed", Act::Nobody).template("no connection").varies(),
        case("closes-at-once", "accepts and closes", unread(|_| {}))
            .template("the endpoint could not be used")
            .varies(),
        case("resets-at-once", "accepts and resets", unread(server::reset))
            .template("the endpoint could not be used")
            .varies(),
        case(
            "half-closes-at-once",
            "says that it will say nothing, and reads on",
            unread(|stream| {
                stream.shutdown(Shutdown::Write).unwrap();
                server::hang(stream);
            }),
        )
        .template("the connection broke"),
        case("never-reads", "accepts, reads nothing and says nothing", unread(|_| sleep(4000 * MS)))
            .slow()
            .template("took longer than 400ms (LLM_TIMEOUT)"),
        case("never-answers", "reads the request and says nothing", answer(|_, stream| server::hang(stream)))
            .slow()
            .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "no-time-at-all",
            "says nothing, and the run has less time than one call",
            answer(|_, stream| server::hang(stream)),
        )
        .deadline("0.3")
        .template("LLM_DEADLINE"),
        case(
            "answers-before-the-request",
            "answers without having read anything, and closes",
            unread(|stream| {
                server::send(stream, &server::http("200 OK", &[JSON], "{}"));
                sleep(100 * MS);
            }),
        )
        .template("the endpoint could not be used")
        .varies(),
        case(
            "closes-between-answers",
            "says it keeps the connection and closes it",
            made(|asked| {
                let text = String::from_utf8(ok(&asked.answer())).unwrap();
                text.replace("connection: close", "connection: keep-alive").into_bytes()
            }),
        )
        .model(""),
        case(
            "two-answers-to-one-request",
            "sends the answer twice",
            made(|asked| [ok(&asked.answer()), ok(&asked.answer())].concat()),
        )
        .model(""),
        case(
            "garbage-after-the-answer",
            "sends the answer and then random bytes",
            made(|asked| [ok(&asked.answer()), random(5000)].concat()),
        )
        .model(""),
    ]
}

fn breaks() -> Vec<Case> {
    vec![
        case("closes-after-the-request", "reads the request and closes", bytes("")).template("the connection broke"),
        case("resets-after-the-request", "reads the request and resets", answer(|_, stream| server::reset(stream)))
            .template("the connection broke")
            .varies(),
        case("fails-once", "closes on the first request, answers the second", at_first(1, |_| Vec::new())).model(""),
        case("fails-twice", "closes on the first two requests, answers the third", at_first(2, |_| Vec::new()))
            .model(""),
        case(
            "answers-one-of-two",
            "closes unless it is asked about scaling",
            made(|asked| if asked.is_scaling() { ok(&asked.answer()) } else { Vec::new() }),
        )
        .both("the connection broke")
        .varies(),
        case("stops-in-the-status-line", "closes after `HTTP/1.1 2`", bytes("HTTP/1.1 2"))
            .template("the connection broke"),
        case("stops-in-the-headers", "closes within a header", bytes("HTTP/1.1 200 OK\r\ncontent-le"))
            .template("the connection broke"),
        case(
            "hangs-in-the-headers",
            "says nothing more after a header",
            answer(|_, stream| {
                server::send(stream, b"HTTP/1.1 200 OK\r\ncontent-type: appl");
                server::hang(stream);
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case("stops-before-the-body", "closes after the headers", made(|asked| up_to(asked, "\r\n\r\n", 4)))
            .template("broke within the answer"),
        case("stops-in-the-body", "closes in the middle of the body", made(|asked| up_to(asked, "\"action", 40)))
            .template("broke within the answer"),
        case(
            "hangs-in-the-body",
            "says nothing more in the middle of the body",
            answer(|asked, stream| {
                server::send(stream, &up_to(asked, "\"action", 40));
                server::hang(stream);
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "resets-in-the-body",
            "resets in the middle of the body",
            answer(|asked, stream| {
                server::send(stream, &up_to(asked, "\"action", 40));
                sleep(30 * MS);
                server::reset(stream);
            }),
        )
        .template("broke within the answer")
        .varies(),
        case(
            "last-byte-is-missing",
            "closes one byte before the end",
            made(|asked| {
                let mut whole = ok(&asked.answer());
                whole.pop();
                whole
            }),
        )
        .template("broke within the answer"),
        case(
            "stops-in-a-chunk",
            "closes in the middle of a chunk",
            made(|asked| {
                let mut whole = chunked(&[&asked.answer().to_string()]);
                whole.truncate(whole.len() - 60);
                whole
            }),
        )
        .template("broke within the answer"),
        case(
            "stops-in-a-chunk-size",
            "closes within the size of a chunk",
            made(|asked| {
                let text = asked.answer().to_string();
                [chunked(&[&text]), b"1".to_vec()].concat()
            }),
        )
        .template("broke within the answer"),
        case(
            "no-last-chunk",
            "closes after a whole answer without the chunk that ends it",
            made(|asked| chunked(&[&asked.answer().to_string()])),
        )
        .template("broke within the answer"),
        case(
            "hangs-before-the-last-chunk",
            "sends a whole answer, never the chunk that ends it",
            answer(|asked, stream| {
                server::send(stream, &chunked(&[&asked.answer().to_string()]));
                server::hang(stream);
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
    ]
}

fn pace() -> Vec<Case> {
    vec![
        case(
            "trickles-in-time",
            "sends the answer byte by byte, a millisecond apart",
            answer(|asked, stream| {
                server::dribble(stream, &ok(&asked.answer()), MS);
            }),
        )
        .model(""),
        case(
            "trickles-the-headers",
            "sends headers byte by byte, for ever",
            answer(|_, mut stream| {
                server::send(stream, b"HTTP/1.1 200 OK\r\nx: ");
                while stream.write_all(b"x").is_ok() {
                    sleep(20 * MS);
                }
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "trickles-the-body",
            "sends the answer byte by byte, too slowly to end in time",
            answer(|asked, stream| {
                server::dribble(stream, &ok(&asked.answer()), 20 * MS);
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "trickles-white-space",
            "keeps the connection alive with spaces before the JSON, for ever",
            answer(|_, mut stream| {
                server::send(stream, &chunked(&[" "]));
                while stream.write_all(b"1\r\n \r\n").is_ok() {
                    sleep(20 * MS);
                }
            }),
        )
        .slow()
        .template("took longer than 400ms (LLM_TIMEOUT)"),
        case(
            "slow-then-quick",
            "takes too long for the first request, answers the second at once",
            answer(|asked, stream| {
                if asked.time == 1 {
                    server::hang(stream);
                }
                server::send(stream, &ok(&asked.answer()));
            }),
        )
        .timeout("1.5")
        .model(""),
    ]
}

fn floods() -> Vec<Case> {
    const MANY: usize = 100 << 20;
    vec![
        case(
            "endless-body",
            "sends chunks of a body until it is hung up on",
            answer(|_, stream| {
                server::send(stream, &chunked(&[]));
                let part = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                server::flood(stream, part.as_bytes(), MANY);
            }),
        )
        .template("longer than 4 MiB"),
        case(
            "body-of-100-mb",
            "sends 100 MB, as its content-length says",
            answer(|_, stream| {
                server::send(stream, format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: {MANY}\r\n\r\n").as_bytes());
                server::flood(stream, &[b' '; 0x10000], MANY);
            }),
        )
        .template("longer than 4 MiB"),
        case(
            "body-without-a-length",
            "sends 100 MB that only the end of the connection ends",
            answer(|_, stream| {
                server::send(stream, format!("HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n").as_bytes());
                server::flood(stream, &[b'['; 0x10000], MANY);
            }),
        )
        .template("longer than 4 MiB"),
        case(
            "error-page-of-100-mb",
            "sends 100 MB with a status of 500",
            answer(|_, stream| {
                server::send(stream, format!("HTTP/1.1 500 Oops\r\ncontent-length: {MANY}\r\n\r\n").as_bytes());
                server::flood(stream, &[b'x'; 0x10000], MANY);
            }),
        )
        .template("longer than 4 MiB"),
        case(
            "header-of-1-mb",
            "sends a header of 1 MB",
            answer(|asked, stream| {
                server::send(stream, b"HTTP/1.1 200 OK\r\nx-long: ");
                server::flood(stream, &[b'x'; 0x10000], 1 << 20);
                server::send(stream, b"\r\n");
                server::send(stream, &ok(&asked.answer())["HTTP/1.1 200 OK\r\n".len()..]);
            }),
        )
        .template("the connection broke")
        .varies(),
        case(
            "ten-thousand-headers",
            "sends 10,000 headers",
            answer(|_, stream| {
                server::send(stream, b"HTTP/1.1 200 OK\r\n");
                server::flood(stream, b"x-again: and again\r\n", 200_000);
            }),
        )
        .template("the connection broke")
        .varies(),
        case(
            "endless-headers",
            "sends headers until it is hung up on",
            answer(|_, stream| {
                server::send(stream, b"HTTP/1.1 200 OK\r\n");
                server::flood(stream, &b"x: y\r\n".repeat(1000), MANY);
            }),
        )
        .template("the connection broke")
        .varies(),
        case(
            "endless-status-line",
            "sends a status line that does not end",
            answer(|_, stream| {
                server::send(stream, b"HTTP/1.1 200 ");
                server::flood(stream, &[b'x'; 0x10000], MANY);
            }),
        )
        .template("the connection broke")
        .varies(),
        case(
            "empty-lines",
            "sends empty lines until it is hung up on",
            answer(|_, stream| {
                server::flood(stream, &b"\r\n".repeat(1000), MANY);
            }),
        )
        .template("the connection broke")
        .varies(),
    ]
}

/// Bytes that look like nothing, the same each time.
fn random(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(byte).collect()
}

fn other_protocols() -> Vec<Case> {
    let broke = |name, does, answer: Vec<u8>| case(name, does, bytes(answer)).template("the connection broke");
    const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x28"; // handshake_failure
    const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let https = |name, does, act| case(name, does, act).https().template("no connection").varies();
    vec![
        broke("random-bytes", "answers with 5,000 random bytes", random(5000)),
        broke("ssh", "greets as SSH", b"SSH-2.0-OpenSSH_9.7\r\n".to_vec()),
        broke("smtp", "greets as SMTP", b"220 mail ESMTP ready\r\n".to_vec()),
        broke("redis", "answers as Redis", b"-ERR unknown command 'POST'\r\n".to_vec()),
        broke("http-0.9", "answers with JSON and no head", br#"{"choices": []}"#.to_vec()),
        broke(
            "http-2",
            "answers with the settings frame of HTTP/2",
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64".to_vec(),
        ),
        broke("http-2-preface", "sends the preface of HTTP/2 back", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        broke("tls-on-a-plain-port", "answers with a TLS alert", ALERT.to_vec()),
        broke("websocket-frame", "answers with a frame of a WebSocket", b"\x81\x05hello".to_vec()),
        https(
            "plain-on-a-tls-port",
            "speaks HTTP where the base URL says https",
            unread(|stream| {
                server::send(stream, PLAIN);
                server::hang(stream);
            }),
        ),
        https(
            "tls-alert",
            "refuses the TLS handshake",
            unread(|stream| {
                server::send(stream, ALERT);
                server::hang(stream);
            }),
        ),
        https("tls-closed", "closes within the TLS handshake", unread(|_| sleep(20 * MS))),
        https(
            "tls-garbage",
            "answers the TLS handshake with random bytes",
            unread(|stream| {
                server::send(stream, &random(5000));
                server::hang(stream);
            }),
        ),
        https("tls-never-answers", "lets the TLS handshake hang", unread(server::hang))
            .slow()
            .template("took longer than 400ms (LLM_TIMEOUT)"),
    ]
}
