//! Made-up telemetry: mostly alike, with everything that goes wrong.

/// Numbers that look random and come the same each time.
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, some: &[&'a T]) -> &'a T {
        some[self.below(some.len())]
    }
}

const ODD_NUMBERS: &[&str] = &[
    "1e22",
    "1e-60",
    "-1e-60",
    "4e-30",
    "-0.0",
    "-0",
    "0",
    "0.0",
    "12345678901234567",
    "123456789012345678901234567890",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "0.30000000000000004",
    "45.32178912345678",
    "1e400",
    "-1e400",
    "1e-400",
    "007",
    "00",
    "1.",
    ".5",
    "+5",
    "1.5e3",
    "1E5",
    "-",
    "",
    "--1",
    "1.2.3",
    "NaN",
    "Infinity",
    "12345678",
    "123456789",
    "1234567890123456",
    "0.1234567",
    "0.12345678",
    "123456.7",
    "-12345678.12345678",
    "4.9e-324",
    "2.2250738585072011e-308",
    "179769313486231580793728971405301e277",
    "0.000000000000001",
    "1.000000000000001",
    "9999999999999999",
    "99999999999999.99",
    "0.0000000000000000000000001",
    "18446744073709551616",
    "-9223372036854775809",
];

const ODD_TEXTS: &[&str] = &[
    "",
    " ",
    "a\\\"b",
    "\\u00e9",
    "\u{e9}t\u{e9}",
    "a\tb",
    "it's",
    "<b>",
    "x://y",
    "this text has more than thirty-one bytes",
    "exactly-31-bytes-of-text-here!!",
    "exactly-32-bytes-of-text-here!!!",
    "\u{7f}",
    "back\\\\slash",
    "null",
    "NA",
    "-",
    "a,b",
    "{",
    "}",
];

/// What a value of a field may be.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Time(usize),
    Whole,
    Decimal,
    Wide,
    Name,
    Status,
    Text,
    Fixed(&'static str),
}

fn value(sort: Sort, second: usize, odd: bool, random: &mut Random) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    if odd {
        return match random.below(8) {
            0..4 => random.pick(ODD_NUMBERS).to_string(),
            4..6 => quoted(random.pick(ODD_TEXTS)),
            _ => random.pick(&["null", "true", "[]", "[1,-0,007]", "{}", "{\"a\":1e5}", "nul"]).to_string(),
        };
    }
    let (day, second) = (1 + second / 86400 % 28, second % 86400);
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    match sort {
        Sort::Time(0) => quoted(&format!("2023-10-{day:02}T{clock}Z")),
        Sort::Time(1) => quoted(&format!("2023-10-{day:02}T{clock}.{}Z", random.below(1_000_000))),
        Sort::Time(2) => quoted(&format!("1969-12-{day:02} {clock}")),
        Sort::Time(3) => quoted(&format!("2024-02-{day:02}T{clock}.25+02:00")),
        Sort::Time(4) => (1_696_118_400 + second).to_string(),
        Sort::Time(5) => format!("{}", 1_696_118_400_000u64 + second as u64),
        Sort::Time(6) => quoted(&format!("196{}-02-{day:02}T{clock}.{}Z", random.below(10), random.next() >> 40)),
        Sort::Time(_) => format!("{}.{}", second as i64 - 40_000, random.below(1000)),
        Sort::Whole => (random.next() >> (24 + random.below(40))).to_string(),
        Sort::Decimal => {
            format!("{}.{}", random.next() >> (34 + random.below(30)), random.next() >> (34 + random.below(30)))
        }
        Sort::Wide => {
            let float = f64::from_bits(random.next());
            if float.is_finite() { serde_json::to_string(&float).unwrap() } else { "-17".to_string() }
        }
        Sort::Name => quoted(&format!(
            "{}-{}",
            random.pick(&["web", "db.eu", "a b", "unit-with-a-long-name-of-27"]),
            random.below(30)
        )),
        Sort::Status => {
            let usual = ["online", "online", "online", "degraded", "offline", "up", "sleeping-deeply"];
            // Escapes, also of what is none, and controls that are not of the word.
            let strange =
                ["strange", "online\0", "on\\line", "a\\b", "a\\\\b", "up\\\"", "\\ud83dup", "\\u006Fnlin\\u0065"];
            match random.below(50) {
                0 => quoted(random.pick(&strange)),
                1..10 => quoted(random.pick(&["onl\\u0069ne", "\\u0075p", "of\\u0066line", "o\\u006eline"])),
                _ => quoted(random.pick(&usual)),
            }
        }
        Sort::Text => quoted(&"some text of any length, also long ones, which are read in pieces"[..random.below(65)]),
        Sort::Fixed(text) => text.to_string(),
    }
}

/// The keys of a kind of line and what stands behind them; `None` closes an object.
struct Plan {
    fields: Vec<(String, Sort)>,
    blank: &'static str,
    end: &'static str,
}

impl Plan {
    fn new(random: &mut Random) -> Plan {
        let mut fields = vec![("timestamp".to_string(), Sort::Time(random.below(8)))];
        for _ in 0..random.below(8) {
            let key = random.pick(&[
                "cpu",
                "mem",
                "a",
                "a.b",
                "content.energy",
                "load",
                "x y",
                "\u{fc}ber",
                "note",
                "n",
                "host",
                "device",
                "service_status.db",
                "\\u0063pu",
                "x\\\"\\ty",
            ]);
            let sort = match key {
                "host" | "device" => {
                    if random.one_in(8) {
                        Sort::Whole
                    } else {
                        Sort::Name
                    }
                }
                "service_status.db" => Sort::Status,
                "note" => Sort::Text,
                _ => [
                    Sort::Whole,
                    Sort::Decimal,
                    Sort::Wide,
                    Sort::Fixed("null"),
                    Sort::Fixed("[1, {\"q\": true}]"),
                    Sort::Text,
                ][random.below(if key.len() > 3 { 3 } else { 6 })],
            };
            if random.one_in(20) || fields.iter().all(|(known, _)| known != key) {
                fields.push((key.to_string(), sort));
            }
        }
        if random.one_in(3) {
            let inside = random.pick(&[
                "service_status:db,cache",
                "service_status:db,c\\u0061che",
                "a:b,c",
                "content:energy,other",
                "deep:er",
            ]);
            let (object, keys) = inside.split_once(':').unwrap();
            fields.push((format!("{object}:"), Sort::Fixed("{")));
            for key in keys.split(',') {
                fields.push((key.to_string(), if object.starts_with('s') { Sort::Status } else { Sort::Decimal }));
            }
            fields.push((String::new(), Sort::Fixed("}")));
        }
        if random.one_in(2) {
            let (first, last) = (0, random.below(fields.len().min(3)));
            if !fields.iter().any(|(key, _)| key.ends_with(':')) || last < 1 {
                fields.swap(first, last);
            }
        }
        Plan { fields, blank: random.pick(&["", "", " ", "  \t"]), end: random.pick(&["\n", "\n", "\r\n", " \n"]) }
    }

    fn line(&self, second: usize, oddness: usize, random: &mut Random) -> Vec<u8> {
        let blank = self.blank;
        let mut line = "{".to_string();
        for (key, sort) in &self.fields {
            if key.is_empty() {
                line.push('}');
                continue;
            }
            if !line.ends_with('{') {
                line += &format!(",{blank}");
            }
            let odd = random.one_in(oddness * self.fields.len());
            match key.strip_suffix(':') {
                Some(object) => line += &format!("\"{object}\":{blank}{{"),
                None => line += &format!("\"{key}\":{blank}{}", value(*sort, second, odd, random)),
            }
        }
        (line + "}" + self.end).into_bytes()
    }
}

/// Lines of a few kinds. One in `oddness` has a value out of the ordinary, one in as many is damaged.
pub(super) fn text(seed: u64, lines: usize, oddness: usize) -> Vec<u8> {
    let random = &mut Random::new(seed);
    let plans: Vec<Plan> = (0..1 + random.below(4)).map(|_| Plan::new(random)).collect();
    let mut text = Vec::new();
    let mut second = random.below(100_000);
    for _ in 0..lines {
        let which = random.below(plans.len() * 3).min(random.below(plans.len()));
        let gap = if random.one_in(20) { 50_000 } else { 3 };
        second += random.below(gap);
        let mut line = plans[which].line(second, oddness, random);
        if random.one_in(oddness) {
            damage(&mut line, random);
        }
        if random.one_in(oddness * 2) {
            line = random.pick(&["\n", "\0\0\n", " \r\n", "\u{feff}\n", "{}\n", "[]\n"]).as_bytes().to_vec();
        }
        text.extend(line);
    }
    if random.one_in(4) {
        text.truncate(text.len() - random.below(20).min(text.len()));
    }
    text
}

fn damage(line: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(line.len());
    match random.below(4) {
        0 => drop(line.remove(at)),
        1 => line[at] ^= 1 << random.below(8),
        2 => line.insert(at, *random.pick(&[&b'"', &b'0', &b' ', &b'\\', &0xff, &b',', &b'}', &0x1f, &b'-'])),
        _ => {
            line.truncate(at);
            line.push(b'\n');
        }
    }
}
