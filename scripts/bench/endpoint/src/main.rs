//! `endpoint serve DELAY_MS` prints its port, then answers each request after so long with the planned sentences, until its
//! standard input ends. A line there makes it print what it saw since the last one: `requests most_at_a_time connections`,
//! then `arrived answered` for each request in the order of its answer, in nanoseconds since the epoch.
//!
//! `endpoint ask PORT REQUESTS IN_FLIGHT BYTES` is the least that a client can do: so many requests of so many bytes.
//!
//! One thread and `epoll`: what it takes of the machine is taken from what is measured.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at)?.parse::<usize>().ok();
    match (arguments.first().map(String::as_str), number(1), number(2), number(3), number(4)) {
        (Some("serve"), Some(delay), ..) => serve(Duration::from_millis(delay as u64)),
        (Some("ask"), Some(port), Some(requests), Some(in_flight), Some(bytes)) => {
            ask(port, requests, in_flight, bytes)
        }
        _ => panic!("endpoint serve DELAY_MS, or endpoint ask PORT REQUESTS IN_FLIGHT BYTES"),
    }
}

/// What is waited for, by number.
struct Poll(OwnedFd);

impl Poll {
    fn new() -> Poll {
        Poll(epoll::create(CreateFlags::CLOEXEC).expect("an epoll"))
    }

    fn add(&self, source: impl AsFd, number: u64) {
        epoll::add(&self.0, source, EventData::new_u64(number), EventFlags::IN).expect("an event");
    }

    /// Numbers of what is ready, at the latest then.
    fn wait(&self, until: Option<Instant>) -> Vec<u64> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut events = Vec::<Event>::with_capacity(512);
        epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), left.as_ref()).expect("events");
        events.iter().map(|event| event.data.u64()).collect()
    }
}

/// A connection, and what has come over it.
struct Connection(TcpStream, Vec<u8>);

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("a socket");
        Connection(stream, Vec::new())
    }

    /// Reads what is there; `false` at the end.
    fn read(&mut self, scratch: &mut [u8]) -> bool {
        match self.0.read(scratch) {
            Ok(0) => false,
            Ok(read) => {
                self.1.extend_from_slice(&scratch[..read]);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn ask(port: usize, requests: usize, in_flight: usize, bytes: usize) {
    let request = format!("POST / HTTP/1.1\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    let (poll, mut scratch) = (Poll::new(), vec![0; 64 << 10]);
    let mut connections: Vec<Connection> = Vec::new();
    let (mut sent, mut answered) = (0, 0);
    while sent < requests.min(in_flight) {
        let stream = TcpStream::connect(("127.0.0.1", port as u16)).expect("the endpoint");
        poll.add(&stream, sent as u64);
        connections.push(Connection::new(stream));
        connections[sent].0.write_all(request.as_bytes()).expect("room for a request");
        sent += 1;
    }
    while answered < requests {
        for number in poll.wait(None) {
            let connection = &mut connections[number as usize];
            assert!(connection.read(&mut scratch), "the endpoint hung up");
            if whole(&connection.1).is_some() {
                connection.1.clear();
                answered += 1;
                if sent < requests {
                    connection.0.write_all(request.as_bytes()).expect("room for a request");
                    sent += 1;
                }
            }
        }
    }
}

fn serve(delay: Duration) {
    const LISTENER: u64 = 0;
    const ORDERS: u64 = 1;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    println!("{}", listener.local_addr().expect("its address").port());
    let (poll, mut scratch) = (Poll::new(), vec![0; 64 << 10]);
    poll.add(&listener, LISTENER);
    poll.add(std::io::stdin(), ORDERS);
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut due: VecDeque<(Instant, u64, u128, Vec<u8>)> = VecDeque::new(); // in their order, as all take as long
    let (mut times, mut most, mut next) = (Vec::new(), 0, ORDERS + 1);
    let mut opened = 0;
    loop {
        for number in poll.wait(due.front().map(|(until, ..)| *until)) {
            if number == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    poll.add(&stream, next);
                    connections.insert(next, Connection::new(stream));
                    (next, opened) = (next + 1, opened + 1);
                }
            } else if number == ORDERS {
                if std::io::stdin().read_line(&mut String::new()).expect("a line") == 0 {
                    return;
                }
                let mut text = format!("{} {most} {opened}", times.len());
                for (arrived, answered) in times.drain(..) {
                    write!(text, " {arrived} {answered}").expect("a string takes all");
                }
                println!("{text}");
                (most, opened) = (0, 0);
            } else if let Some(connection) = connections.get_mut(&number) {
                if !connection.read(&mut scratch) {
                    connections.remove(&number); // which closes it, and so ends its events
                } else if let Some(end) = whole(&connection.1) {
                    due.push_back((Instant::now() + delay, number, now(), reply(&connection.1[..end])));
                    connection.1.drain(..end);
                    most = most.max(due.len());
                }
            }
        }
        while let Some((_, number, arrived, reply)) = due.pop_front_if(|(until, ..)| *until <= Instant::now()) {
            times.push((arrived, now()));
            let connection = connections.get_mut(&number);
            if connection.is_none_or(|connection| connection.0.write_all(&reply).is_err()) {
                connections.remove(&number);
            }
        }
    }
}

/// Nanoseconds since the epoch, so that whoever started the program can compare them with its own.
fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_nanos()
}

/// Where the first request of the bytes ends, once it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let body = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..body]).expect("a head of ASCII").to_ascii_lowercase();
    let length =
        head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
    Some(body + length.unwrap_or(0)).filter(|end| *end <= bytes.len())
}

/// The planned sentences of the prompt. They stand there as JSON text; inside the reply they are that once more.
fn reply(request: &[u8]) -> Vec<u8> {
    let between = |start: &[u8]| {
        let from = find(request, start)? + start.len();
        let length = find(&request[from..], b"\\n")?;
        std::str::from_utf8(&request[from..from + length]).ok()
    };
    let planned = between(b"Planned action: ").zip(between(b"Planned benefit estimate: "));
    let words = planned.map_or("{}".to_string(), |(action, benefit)| {
        format!("{{\"action\": \"{action}\", \"benefit_estimate\": \"{benefit}\"}}")
    });
    let content = words.replace('\\', "\\\\").replace('"', "\\\"");
    let body = format!(
        "{{\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{content}\"}},\
         \"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":700,\"completion_tokens\":80}}}}"
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
