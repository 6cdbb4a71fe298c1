//! An endpoint that misbehaves, byte by byte: what it does to each connection is up to the case.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::{SIGN, request};

/// Longer than any case: a thread of the endpoint ends when the client hangs up, or then.
pub const LONG: Duration = Duration::from_secs(30);

/// Of a request that has been read.
type Answer = Box<dyn Fn(&Asked, &TcpStream) + Send + Sync>;

/// What is done to a connection.
pub enum Act {
    /// There is no endpoint: its port is closed.
    Nobody,
    /// Before a byte of the request is read.
    Unread(Box<dyn Fn(&TcpStream) + Send + Sync>),
    /// After the whole request has come.
    Answer(Answer),
}

/// One request, as the endpoint reads it.
pub struct Asked {
    pub body: Value,
    /// Requests about this recommendation so far, this one included.
    pub time: usize,
    /// `scale-out:api_gateway`
    pub recommendation: String,
    /// The planned sentences, with slots.
    pub action: String,
    pub benefit: String,
    pub key: String,
}

/// What the endpoint has been asked so far.
#[derive(Default)]
struct Seen {
    /// Requests about each recommendation.
    times: BTreeMap<String, usize>,
    /// Requests without their messages.
    forms: BTreeSet<String>,
}

impl Asked {
    fn of(head: &[String], body: &[u8], seen: &Mutex<Seen>) -> Asked {
        let body: Value = serde_json::from_slice(body).expect("every request is JSON");
        let user = body["messages"].as_array().and_then(|m| m.last()).and_then(|m| m["content"].as_str());
        let user = user.expect("every request has a message").to_string();
        let line = |label: &str| user.lines().find_map(|line| line.strip_prefix(label)).unwrap_or("").to_string();
        let recommendation = line("Recommendation ").split(", for").next().unwrap_or("").to_string();
        let time = {
            let mut form = body.clone();
            form["messages"].take();
            let mut seen = seen.lock().unwrap();
            seen.forms.insert(form.to_string());
            let time = seen.times.entry(recommendation.clone()).or_default();
            *time += 1;
            *time
        };
        let key = head.iter().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("").to_string();
        let (action, benefit) = (line("Planned action: "), line("Planned benefit estimate: "));
        Asked { body, time, recommendation, action, benefit, key }
    }

    /// Whether it is about the first of the two recommendations.
    pub fn is_scaling(&self) -> bool {
        self.recommendation.starts_with("scale-out:")
    }

    /// A draft that may be published: the planned words after the sign.
    pub fn honest(&self) -> Value {
        json!({ "action": format!("{SIGN}{}", self.action), "benefit_estimate": self.benefit })
    }

    /// The answer that holds it.
    pub fn answer(&self) -> Value {
        says(&self.honest().to_string())
    }
}

/// Gone when dropped.
pub struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(act: Arc<Act>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server { address, connections: connections.clone(), seen: seen.clone(), stop: stop.clone() };
        if matches!(*act, Act::Nobody) {
            return server; // the listener is dropped: its port is closed
        }
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                connections.fetch_add(1, Ordering::Relaxed);
                let (act, seen) = (act.clone(), seen.clone());
                std::thread::spawn(move || serve(&act, stream, &seen));
            }
        });
        server
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connections that came: each carries one request at most.
    pub fn exchanges(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether later requests were made otherwise than the first.
    pub fn taught(&self) -> bool {
        self.seen.lock().unwrap().forms.len() > 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address); // wakes the listener
    }
}

fn serve(act: &Act, stream: TcpStream, seen: &Mutex<Seen>) {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    match act {
        Act::Nobody => {}
        Act::Unread(act) => act(&stream),
        Act::Answer(act) => {
            if let Some((head, body)) = request(&stream) {
                act(&Asked::of(&head, &body, seen), &stream);
            }
        }
    }
}

// Acts.

/// Answers with these bytes and closes.
pub fn bytes(answer: impl Into<Vec<u8>>) -> Act {
    let answer = answer.into();
    Act::Answer(Box::new(move |_, stream| send(stream, &answer)))
}

/// Answers with what is made of the request.
pub fn made(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Act {
    Act::Answer(Box::new(move |asked, stream| send(stream, &answer(asked))))
}

/// Answers 200 with this JSON.
pub fn body(answer: impl Fn(&Asked) -> Value + Send + Sync + 'static) -> Act {
    made(move |asked| ok(&answer(asked)))
}

/// Answers with a reply whose text this is.
pub fn draft(text: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Act {
    body(move |asked| says(&text(asked)))
}

/// Answers with the honest draft after this was done to its action.
pub fn action(change: impl Fn(&Asked, &str) -> String + Send + Sync + 'static) -> Act {
    draft(move |asked| json!({ "action": change(asked, &asked.action), "benefit_estimate": asked.benefit }).to_string())
}

/// Does the first to the first requests about a recommendation, then answers honestly.
pub fn at_first(count: usize, wrong: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Act {
    made(move |asked| if asked.time <= count { wrong(asked) } else { ok(&asked.answer()) })
}

// Parts of answers.

pub fn http(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for header in headers {
        answer += &format!("{header}\r\n");
    }
    [(answer + "\r\n").as_bytes(), body].concat()
}

pub const JSON: &str = "content-type: application/json";

pub fn ok(body: &Value) -> Vec<u8> {
    http("200 OK", &[JSON], body.to_string())
}

/// An error as OpenAI writes it.
pub fn error(status: &str, headers: &[&str], message: &str) -> Vec<u8> {
    let body = json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } });
    http(status, &[headers, &[JSON]].concat(), body.to_string())
}

pub fn reply(message: Value, finish_reason: Value) -> Value {
    json!({
        "id": "r", "object": "chat.completion", "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
    })
}

pub fn says(text: &str) -> Value {
    reply(json!({ "role": "assistant", "content": text }), json!("stop"))
}

/// The reply with something else in place of a part of it.
pub fn with(mut reply: Value, pointer: &str, value: Value) -> Value {
    *reply.pointer_mut(pointer).unwrap() = value;
    reply
}

/// The reply without a part.
pub fn without(mut reply: Value, parent: &str, key: &str) -> Value {
    reply.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    reply
}

// What is done to a stream. The client may be gone: that is its right.

pub fn send(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Byte by byte, until all is sent or the client hangs up.
pub fn dribble(mut stream: &TcpStream, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}

/// The same again and again, until the client hangs up or so much is sent.
pub fn flood(mut stream: &TcpStream, part: &[u8], most: usize) {
    let mut sent = 0;
    while sent < most && stream.write_all(part).is_ok() {
        sent += part.len();
    }
}

/// Says nothing more until the client hangs up.
pub fn hang(mut stream: &TcpStream) {
    let mut sink = [0; 4096];
    while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
}

/// Ends the connection with a reset.
pub fn reset(stream: &TcpStream) {
    let copy = tokio::net::TcpSocket::from_std_stream(stream.try_clone().unwrap());
    copy.set_zero_linger().unwrap(); // counts for the connection: the last of its two handles to be dropped resets it
}
