//! Against real sockets and folders.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use toml::Spanned;
use toml::de::DeValue;

use super::*;
use crate::diagnostic::{SourceFile, decode, parse_toml};
use crate::node::Wanted;

fn config(text: &str) -> Result<Config, Vec<String>> {
    let source = SourceFile::new("g.toml", text);
    let table = parse_toml(&source).unwrap();
    let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    decode(value, &source).map_err(|faults| faults.iter().map(|fault| fault.to_string()).collect())
}

/// A source that listens on a port of its own, with what it keeps.
struct Scene {
    folder: Option<TempDir>,
    text: String,
    reader: Option<Listener>,
    at: Option<Position>,
}

impl Scene {
    fn new(text: &str) -> Scene {
        let folder = Some(tempfile::tempdir().unwrap());
        let text = format!("address = '127.0.0.1:0'\n{text}");
        let mut scene = Scene { folder, text, reader: None, at: None };
        scene.start();
        scene
    }

    fn start(&mut self) {
        let config = config(&self.text).unwrap();
        let wanted = Wanted { metrics: ["cpu".to_string()].into() };
        let folder = self.folder.as_ref().map(|folder| folder.path());
        let pass = Pass { from: self.at.as_ref(), folder, ..Pass::anew("telemetry", &wanted) };
        let variable = |name: &str| (name == "TOKEN").then(|| "s3cret\n".to_string());
        self.reader = Some(Listener::open(&config, &pass, &variable).unwrap());
    }

    /// As if the process were killed: what was read and not noted down is forgotten.
    fn restart(&mut self) {
        self.reader = None;
        self.start();
    }

    fn reader(&mut self) -> &mut Listener {
        self.reader.as_mut().unwrap()
    }

    fn client(&self) -> Client {
        Client::to(self.reader.as_ref().unwrap().server.address)
    }

    /// The times of everything that is there, in seconds.
    fn drain(&mut self) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            match self.reader().next().unwrap() {
                Next::Batch(batch) => all.extend(batch.times.iter().map(|time| time / 1_000_000)),
                Next::Idle => return all,
                Next::End => panic!("a live source does not end"),
            }
        }
    }

    fn spooled(&self) -> usize {
        let files = std::fs::read_dir(self.folder.as_ref().unwrap().path()).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "ndjson")).count()
    }
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Client {
    fn to(address: std::net::SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    fn send(&mut self, head: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("{head}Host: localhost\r\nContent-Length: {length}\r\n\r\n");
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
    }

    fn answer(&mut self) -> Answer {
        let mut line = || {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            line.trim_end().to_string()
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = line().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_string());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap() }
    }

    /// Sends bytes and nothing behind them.
    fn begin(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Whether the other side has hung up, after so long at most. What it still says is left out.
    fn is_closed_within(&mut self, patience: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(patience)).unwrap();
        // A reset is an end too; only silence is none.
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }

    /// The status of the answer to a `POST`; none if the other side hangs up without one.
    fn send_politely(&mut self, body: &str) -> Option<u16> {
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        self.stream.get_mut().write_all((head + body).as_bytes()).ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        line.split(' ').nth(1)?.parse().ok()
    }

    fn post(&mut self, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST / HTTP/1.1\r\n", body.as_ref());
        self.answer()
    }
}

fn lines(seconds: std::ops::Range<i64>) -> String {
    seconds.map(|second| format!("{{\"timestamp\":{second},\"host\":\"a\",\"cpu\":1.5}}\n")).collect()
}

#[test]
fn the_config_is_checked() {
    let plain = config("").unwrap();
    assert_eq!((plain.address.as_str(), plain.path.as_str()), ("127.0.0.1:8471", "/"));
    assert_eq!((plain.max_body.0, plain.max_spool.0, plain.sync), (8 << 20, 256 << 20, false));
    assert_eq!(config("max_spool = '3 GiB'\nmax_body = '512KiB'").unwrap().max_spool.0, 3 << 30);
    let faults = config("max_body = '8 MB'\nmax_spool = '0 B'\nport = 1").unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("`max_body` cannot be the text \"8 MB\""), "{faults:?}");
}

#[test]
fn records_are_accepted_and_read() {
    let mut scene = Scene::new("");
    let mut client = scene.client();
    let answer = client.post(lines(1..4));
    assert_eq!((answer.status, answer.body["accepted"].as_u64()), (202, Some(3)));
    assert_eq!(scene.drain(), [1, 2, 3]);
    let answer = client.post("[{\"timestamp\": 4},\n {\"time\": 5}, {\"timestamp\":\n6}]");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body["lines"][0]["line"], 2);
    assert_eq!(answer.body["lines"][0]["code"], "AG0109");
    let answer = client.post("{\"timestamp\": 7}\nnonsense\n");
    assert_eq!((answer.status, &answer.body["bad"], &answer.body["lines"][0]["line"]), (202, &1.into(), &2.into()));
    let answer = client.post("nonsense");
    assert_eq!((answer.status, &answer.body["accepted"]), (422, &0.into()));
    assert_eq!(client.post("").status, 422);
    let why = |answer: Answer| {
        assert_eq!((answer.status, &answer.body["accepted"]), (422, &0.into()));
        answer.body["error"].as_str().unwrap().to_string()
    };
    let joined = why(client.post(lines(1..4).replace('\n', "")));
    assert!(joined.contains("--data-binary"), "{joined}");
    let wrapped = why(client.post("{\"records\": [{\"timestamp\": 4}]}"));
    assert!(wrapped.contains("an object around an array"), "{wrapped}");
    assert_eq!(why(client.post("{\"a\": 4}")), "there is no record in it that can be used");
    assert_eq!(client.post("[{\"timestamp\": 4}").status, 400);

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(lines(8..10).as_bytes()).unwrap();
    client.send("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n", &encoder.finish().unwrap());
    assert_eq!(client.answer().status, 202);
    client.send("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n", b"{}");
    assert_eq!(client.answer().status, 400);
    client.send("POST / HTTP/1.1\r\nContent-Encoding: br\r\n", b"{}");
    assert_eq!(client.answer().status, 415);
    assert_eq!(scene.drain(), [4, 6, 7, 8, 9]);

    let record = scene.reader().record();
    assert_eq!((record.records, record.bad, record.entities, record.format.as_str()), (8, 6, 1, "ndjson"));
    let counts: Vec<_> = record.faults.iter().map(|fault| (fault.code.as_str(), fault.count)).collect();
    assert_eq!(counts, [("AG0108", 3), ("AG0109", 3)]);
    assert!(record.path.starts_with("http://127.0.0.1:"), "{}", record.path);
    let said = std::fs::read_to_string(scene.folder.as_ref().unwrap().path().join(ADDRESS)).unwrap();
    assert_eq!(said, scene.reader().server.address.to_string());
}

#[test]
fn other_requests_are_refused() {
    let scene = Scene::new("path = '/in'\nmax_body = '100 B'");
    let mut client = scene.client();
    client.send("GET /healthz HTTP/1.1\r\n", b"");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.post(lines(1..2)).status, 404);
    client.send("GET /in HTTP/1.1\r\n", b"");
    let answer = client.answer();
    assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"));
    client.send("POST /in HTTP/1.1\r\n", lines(1..2).as_bytes());
    assert_eq!(client.answer().status, 202);
    client.send("POST /in HTTP/1.1\r\n", lines(1..9).as_bytes());
    assert_eq!(client.answer().status, 413);
    // Without a length, and packed.
    let mut client = scene.client();
    let body = lines(1..9);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = "POST /in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.stream.get_mut().write_all((head.to_string() + &chunks).as_bytes()).unwrap();
    assert_eq!(client.answer().status, 413);
    let mut client = scene.client();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&[b' '; 1000]).unwrap();
    client.send("POST /in HTTP/1.1\r\nContent-Encoding: gzip\r\n", &encoder.finish().unwrap());
    assert_eq!(client.answer().status, 413);
}

#[test]
fn only_who_has_the_token_may_send() {
    let mut scene = Scene::new("token_env = 'TOKEN'");
    let mut client = scene.client();
    let answer = client.post(lines(1..2));
    assert_eq!((answer.status, answer.headers["www-authenticate"].as_str()), (401, "Bearer"));
    for (token, status) in [("s3cre", 401), ("s3cret1", 401), ("", 401), ("s3cret", 202)] {
        client.send(&format!("POST / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"), lines(1..2).as_bytes());
        assert_eq!(client.answer().status, status, "{token}");
    }
    client.send("GET /healthz HTTP/1.1\r\n", b"");
    assert_eq!(client.answer().status, 200);
    assert_eq!(scene.drain(), [1]);
    scene.text = "token_env = 'NONE'".to_string();
    let fault = Listener::open(&config(&scene.text).unwrap(), &Pass::anew("n", &Wanted::default()), &|_| None);
    assert_eq!(fault.err().unwrap().to_string(), "AG0146: the environment variable `NONE` is not set");
}

#[test]
fn clients_are_put_off_while_too_much_waits() {
    let mut scene = Scene::new("max_spool = '200 B'");
    let mut client = scene.client();
    assert_eq!(client.post(lines(1..9)).status, 202);
    let answer = client.post(lines(9..10));
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (429, "1"));
    assert_eq!(scene.drain().len(), 8);
    assert_eq!(client.post(lines(9..10)).status, 429, "what is read is not safe yet");
    let position = scene.reader().position().unwrap();
    assert!(scene.reader().is_full());
    scene.reader().release(&position);
    assert!(!scene.reader().is_full());
    assert_eq!(client.post(lines(9..10)).status, 202);

    let scene = Scene::new("max_requests_per_second = 3");
    let mut client = scene.client();
    let answers: Vec<u16> = (0..20).map(|_| client.post(lines(1..2)).status).collect();
    assert_eq!((&answers[..3], answers.contains(&429)), (&[202, 202, 202][..], true));
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(client.post(lines(1..2)).status, 202);
}

#[test]
fn a_request_that_does_not_arrive_in_time_is_given_up() {
    let mut scene = Scene::new("request_timeout = '600ms'");
    let since = Instant::now();
    let (mut silent, mut trickling, mut slow, mut kept) =
        (scene.client(), scene.client(), scene.client(), scene.client());
    assert_eq!(kept.post(lines(1..2)).status, 202);
    slow.begin("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{");
    // Bytes that come do not buy a head more time.
    let mut trickle = trickling.stream.get_ref().try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let head = "GET /healthz HTTP/1.1\r\nX-Padding: ".bytes().chain(std::iter::repeat(b'x'));
        head.take(100).for_each(|byte| {
            let _ = trickle.write_all(&[byte]); // until the other side hangs up
            std::thread::sleep(Duration::from_millis(50));
        });
    });
    assert_eq!(scene.client().post(lines(2..3)).status, 202, "others are served meanwhile");
    assert_eq!(slow.answer().status, 408);
    assert!(since.elapsed() >= Duration::from_millis(500), "{:?}", since.elapsed());
    for (name, client) in [("silent", &mut silent), ("trickling", &mut trickling), ("kept", &mut kept)] {
        assert!(client.is_closed_within(Duration::from_secs(3)), "{name}");
    }
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    writer.join().unwrap();
    assert_eq!(scene.drain(), [1, 2]);
}

#[test]
fn connections_beyond_the_most_are_turned_away() {
    let scene = Scene::new("max_connections = 2\nrequest_timeout = '1m'");
    let (mut first, mut second) = (scene.client(), scene.client());
    assert_eq!((first.post(lines(1..2)).status, second.post(lines(2..3)).status), (202, 202));
    let mut third = scene.client();
    let answer = third.post(lines(3..4));
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "1"));
    assert_eq!((answer.headers["connection"].as_str(), answer.body["error"].is_string()), ("close", true));
    assert!(third.is_closed_within(Duration::from_secs(5)));
    assert_eq!(first.post(lines(4..5)).status, 202, "those that are open are served");
    // Very many that say nothing are not kept.
    let mut silent: Vec<Client> = (0..200).map(|_| scene.client()).collect();
    assert!(silent.iter_mut().all(|client| client.is_closed_within(Duration::from_secs(20))));
    drop(second);
    let since = Instant::now();
    while scene.client().send_politely(&lines(5..6)) != Some(202) {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(config("max_connections = 0").is_err());
}

#[test]
fn what_was_acknowledged_survives_the_process() {
    let mut scene = Scene::new("sync = true");
    for first in 0..50 {
        assert_eq!(scene.client().post(lines(first * 2..first * 2 + 2)).status, 202);
    }
    let read = match scene.reader().next().unwrap() {
        Next::Batch(batch) => batch.len() as i64,
        other => panic!("{other:?}"),
    };
    scene.at = scene.reader().position();
    scene.drain();
    // Read beyond what was noted down, and killed.
    scene.restart();
    assert_eq!(scene.client().post(lines(100..101)).status, 202);
    assert_eq!(scene.drain(), (read..101).collect::<Vec<_>>());
    scene.restart();
    assert_eq!(scene.drain(), (read..101).collect::<Vec<_>>(), "again, since it was not released");
    let position = scene.reader().position().unwrap();
    scene.reader().release(&position);
    scene.at = Some(position);
    scene.restart();
    assert!(scene.drain().is_empty());
    assert_eq!(scene.spooled(), 1, "what is released is deleted, but for what was written last");
    assert_eq!(scene.client().post(lines(101..102)).status, 202);
    assert_eq!(scene.drain(), [101]);
    assert_eq!(scene.reader().feed.record().faults, []);
}

#[test]
fn without_a_folder_records_are_in_memory_and_let_go_when_they_are_read() {
    let mut scene = Scene { folder: None, ..Scene::new("max_spool = '200 B'") };
    scene.restart();
    for round in 0..5 {
        assert_eq!(scene.client().post(lines(round * 8..round * 8 + 8)).status, 202);
        assert_eq!(scene.client().post(lines(0..1)).status, 429);
        assert_eq!(scene.drain(), (round * 8..round * 8 + 8).collect::<Vec<_>>());
        assert!(scene.reader().position().is_none());
    }
}

#[test]
fn what_cannot_be_kept_is_not_acknowledged() {
    let mut scene = Scene::new("");
    let folder = scene.folder.as_ref().unwrap().path().to_path_buf();
    std::fs::remove_dir_all(&folder).unwrap();
    let mut client = scene.client();
    let answer = client.post(lines(1..2));
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "1"));
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(client.post(lines(2..3)).status, 202);
    assert_eq!(scene.drain(), [2]);
    // A connection that is kept does not hold the end up.
    let since = Instant::now();
    scene.restart();
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[test]
fn an_address_that_is_taken_is_a_clear_error() {
    let scene = Scene::new("");
    let address = scene.reader.as_ref().unwrap().server.address;
    let open = |address: &str| {
        let config = config(&format!("address = '{address}'")).unwrap();
        Listener::open(&config, &Pass::anew("n", &Wanted::default()), &|_| None).err().map(|fault| fault.to_string())
    };
    let expected = format!("AG0144: cannot listen on `{address}`: another process listens there");
    assert_eq!(open(&address.to_string()).unwrap(), expected);
    assert!(open("8471").unwrap().starts_with("AG0144: cannot listen on `8471`: "));
    drop(scene);
    assert_eq!(open(&address.to_string()), None, "dropping the reader closes the listener");
}

#[test]
fn many_clients_at_once_lose_nothing_and_are_read_at_once() {
    let mut scene = Scene::new("");
    let address = scene.reader().server.address;
    let sent = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8i64)
            .map(|client| {
                scope.spawn(move || {
                    let mut connection = Client::to(address);
                    for request in 0..20 {
                        let first = (client * 20 + request) * 10;
                        assert_eq!(connection.post(lines(first..first + 10)).status, 202);
                    }
                })
            })
            .collect();
        let mut read = Vec::new();
        while clients.iter().any(|client| !client.is_finished()) {
            read.extend(scene.drain());
        }
        read.extend(scene.drain());
        read
    });
    let mut sorted = sent;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1600).collect::<Vec<_>>());
    // The reader is woken, not put to sleep and asked again.
    let mut client = scene.client();
    let mut waits: Vec<Duration> = (0..20)
        .map(|_| {
            client.send("POST / HTTP/1.1\r\n", lines(5000..5001).as_bytes());
            let since = Instant::now();
            while !matches!(scene.reader().next(), Ok(Next::Batch(_))) {}
            let waited = since.elapsed();
            client.answer();
            waited
        })
        .collect();
    waits.sort_unstable();
    assert!(waits[10] < PATIENCE / 2, "{waits:?}");
}

#[test]
fn the_manual_describes_every_key() {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    assert!(schema["description"].as_str().unwrap().contains("kind = \"ingest.listen\""));
    for (key, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{key}");
    }
}

/// What is sent after a connection was closed would reset it, and the answer with it.
#[test]
fn who_is_refused_before_all_was_sent_hears_why() {
    let scene = Scene::new("token_env = 'TOKEN'\nmax_body = '1 MiB'");
    let body = vec![b' '; 8 << 20];
    for (token, status) in [("wrong", 401), ("s3cret", 413)] {
        for _ in 0..5 {
            let mut client = scene.client();
            client.send(&format!("POST / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"), &body);
            assert_eq!(client.answer().status, status);
        }
    }
}

/// A client that was put off comes again over the same connection, or is told that it is closed.
#[test]
fn a_connection_goes_on_after_a_refusal_or_says_that_it_does_not() {
    let scene = Scene::new("token_env = 'TOKEN'");
    let mut client = scene.client();
    let head = |length: usize| format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let body = lines(1..1000);
    for _ in 0..3 {
        client.begin(&head(body.len()));
        std::thread::sleep(Duration::from_millis(50)); // it is refused by then
        client.begin(&body[..body.len() / 2]);
        std::thread::sleep(Duration::from_millis(50));
        client.begin(&body[body.len() / 2..]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.headers.get("connection")), (401, None));
    }
    // So many bytes are not read, and nobody waits for ever for the others.
    client.begin(&(head(100) + "half"));
    let since = Instant::now();
    let answer = client.answer();
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (401, "close"));
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(client.is_closed_within(Duration::from_secs(5)));
    let mut client = scene.client();
    client.begin(&head(100 << 20));
    let answer = client.answer();
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (401, "close"));
    // Nor is a client that waits to be asked.
    let mut client = scene.client();
    client.begin(&head(100).replace("Host", "Expect: 100-continue\r\nHost"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (401, "close"));
}

#[test]
fn who_never_reads_the_answers_loses_the_connection() {
    let scene = Scene::new("max_connections = 1\nrequest_timeout = '500ms'");
    let deaf = scene.client();
    let mut stream = deaf.stream.get_ref();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    while stream.write_all(requests.as_bytes()).is_ok() {}
    let since = Instant::now();
    while scene.client().send_politely(&lines(1..2)) != Some(202) {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
}
