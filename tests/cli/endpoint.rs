//! A chat-completions endpoint on this machine. Its answer depends on the request alone: the words that were planned,
//! with a few before them, so that a report shows who worded it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What stands before the planned action in every answer.
pub const SIGN: &str = "Soon, ";
/// Requests about this are answered with a figure at first, which is rejected, and properly when asked again.
pub const STUBBORN: &str = "raise-memory-limit";
/// Tokens of each request and its answer together.
pub const TAKEN: u64 = 800;

/// A model of this name answers with a figure of its own, however often it is asked.
pub const INVENTIVE: &str = "inventive-1";

pub struct Endpoint {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub body: Value,
    /// The header, `None` without a key.
    pub authorization: Option<String>,
    /// Whether the answer went out before the client hung up.
    pub answered: bool,
}

impl Endpoint {
    /// Answers each request after the delay, as many at a time as are asked.
    pub fn start(delay: Duration) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopped) = (asked.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let log = log.clone();
                std::thread::spawn(move || serve(stream, delay, &log));
            }
        });
        Endpoint { url, asked, stop }
    }

    /// The variables that make the program ask here.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        vec![("LLM_BASE_URL", &self.url), ("LLM_MODEL", "loopback-1"), ("LLM_CONCURRENCY", "2")]
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until this many answers have gone out.
    pub fn wait_for_answers(&self, count: usize) {
        let begun = Instant::now();
        while self.asked().iter().filter(|a| a.answered).count() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} requests came", self.asked().len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/v1")); // wakes the listener
    }
}

/// One request and its answer; the connection ends with it.
fn serve(stream: TcpStream, delay: Duration, log: &Mutex<Vec<Asked>>) {
    let Some((head, body)) = request(&stream) else { return };
    let header = |name: &str| {
        let line = head.iter().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (status, reply) = match head[0].as_str() {
        "POST /v1/chat/completions HTTP/1.1" => ("200 OK", answer(&body)),
        other => ("404 Not Found", json!({ "error": { "message": format!("no route for {other}") } })),
    };
    let at = {
        let mut log = log.lock().unwrap();
        log.push(Asked { body, authorization: header("authorization:"), answered: false });
        log.len() - 1
    };
    std::thread::sleep(delay);
    let reply = reply.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", reply.len());
    let sent = (&stream).write_all(format!("{head}connection: close\r\n\r\n{reply}").as_bytes());
    log.lock().unwrap()[at].answered = sent.is_ok();
}

/// Lines of the head, and the body; `None` when the client says nothing.
pub fn request(stream: &TcpStream) -> Option<(Vec<String>, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_string()),
        }
    }
    let length =
        head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn answer(body: &Value) -> Value {
    let user = body["messages"].as_array().and_then(|m| m.last()).and_then(|m| m["content"].as_str()).unwrap_or("");
    let line = |label: &str| user.lines().find_map(|line| line.strip_prefix(label)).unwrap_or("").to_string();
    let (action, benefit) = (line("Planned action: "), line("Planned benefit estimate: "));
    // Slots are longer than what they stand for; a long plan is cut to what it says before its reasons.
    let action = if action.len() > 300 { action.split(": ").next().unwrap().to_string() } else { action };
    let again = user.contains("Your last answer was rejected.");
    let invents = body["model"] == INVENTIVE || user.contains(STUBBORN) && !again;
    let action = if invents { "Add 7 GiB at once.".into() } else { format!("{SIGN}{action}") };
    let content = json!({ "action": action, "benefit_estimate": benefit }).to_string();
    json!({
        "id": "loopback",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": TAKEN - 100, "completion_tokens": 100, "total_tokens": TAKEN },
    })
}
