//! Each way to read a number, against the standard library.

use proptest::prelude::*;

use super::super::machine::{Machine, Portable};
use super::super::number;
use super::super::step::{self, Kind};
use super::super::words::Words;
use super::*;

fn word(text: &str) -> u128 {
    let mut bytes = [b','; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    u128::from_le_bytes(bytes)
}

/// What a way to read must do: be right about the number up to where it stops, or refuse.
fn check(text: &str, value: f64, length: usize, bad: u64) -> Result<(), TestCaseError> {
    if bad >> 63 != 0 {
        return Ok(());
    }
    let read = text.get(..length).unwrap_or_default();
    let exact: Result<f64, _> = serde_json::from_str(read);
    prop_assert_eq!(exact.ok().map(f64::to_bits), Some(value.to_bits()), "{} of {}", read, text);
    // It stopped at the end, or the text goes on with what no literal begins with.
    prop_assert!(length >= 8 || !text[length..].starts_with(|c: char| c.is_ascii_digit()));
    Ok(())
}

/// Eight bytes: mostly a number and what may follow one.
fn short_word() -> impl Strategy<Value = u64> {
    let text =
        prop_oneof!["[0-9]{0,8}[,}. é]{0,2}", "[0-9]{0,3}\\.?[0-9]{0,5}[,}.x]{0,2}", "0{0,2}\\.{0,2}0{0,4}[0-9]?"];
    prop_oneof![3 => text.prop_map(|text| word(&text.chars().take(8).collect::<String>()) as u64), 1 => any::<u64>()]
}

/// The machine must have the instructions.
fn at_once<M: Machine>(words: [u64; 4]) -> Result<(), TestCaseError> {
    let (mut whole_bad, mut decimal_bad) = ([0; 4], [0; 4]);
    // SAFETY: as the caller says.
    let ((whole, whole_length), (decimal, decimal_length)) =
        unsafe { (M::whole8(words, &mut whole_bad), M::decimal8(words, &mut decimal_bad)) };
    for (lane, word) in words.into_iter().enumerate() {
        let one = number::whole8(word);
        prop_assert_eq!((one.bad >> 63, one.length), (whole_bad[lane] >> 63, whole_length[lane]));
        prop_assert!(one.bad >> 63 != 0 || one.value == whole[lane], "{:x}", word);
        let one = number::decimal8(word);
        prop_assert_eq!((one.bad >> 63, one.length), (decimal_bad[lane] >> 63, decimal_length[lane]));
        prop_assert!(one.bad >> 63 != 0 || one.value.to_bits() == decimal[lane], "{:x}", word);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_way_to_read_a_number_is_exact(
        text in prop_oneof!["[0-9]{1,16}", "[0-9]{1,9}\\.[0-9]{1,9}", "[0-9.,\"eE+-]{0,16}", "0{0,3}\\.?0{0,12}[0-9]{0,4}", "90071992547409[0-9]{2}"]
    ) {
        let text = text.get(..16).unwrap_or(&text);
        let word = word(text);
        let full = format!("{text},,,,,,,,,,,,,,,,");
        let full = &full[..16];
        let read = number::whole8(word as u64);
        check(&full[..8.max(read.length)], number::unpack(read.value), read.length, read.bad)?;
        let read = number::decimal8(word as u64);
        check(&full[..8.max(read.length)], read.value, read.length, read.bad)?;
        let read = number::whole16(word);
        check(full, read.value as f64, read.length, read.bad)?;
        let read = number::decimal16(word);
        check(full, read.value, read.length, read.bad)?;
        // The kind that a number is given reads it.
        if let Some(kind) = Kind::of_number(text.as_bytes()).filter(|kind| *kind < Kind::Signed) {
            let (value, length, bad) = match kind {
                Kind::Whole8 => { let r = number::whole8(word as u64); (number::unpack(r.value), r.length, r.bad) }
                Kind::Decimal8 => { let r = number::decimal8(word as u64); (r.value, r.length, r.bad) }
                Kind::Whole16 => { let r = number::whole16(word); (r.value as f64, r.length, r.bad) }
                _ => { let r = number::decimal16(word); (r.value, r.length, r.bad) }
            };
            prop_assert_eq!((value.to_bits(), length, bad >> 63), (text.parse::<f64>().unwrap().to_bits(), text.len(), 0));
        }
    }

    #[test]
    fn numbers_read_at_once_are_those_read_one_by_one(words in prop::array::uniform4(short_word())) {
        #[cfg(target_arch = "x86_64")]
        if Isa::all().iter().any(|isa| isa.name == "avx512") {
            at_once::<super::super::avx512::Avx512>(words)?;
        }
        at_once::<Portable>(words)?;
    }

    #[test]
    fn a_number_is_what_json_calls_a_number(text in prop_oneof!["[0-9.eE+-]{0,31}", "-?[0-9]{1,20}(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?"]) {
        let exact = serde_json::from_str::<f64>(&text).ok().filter(|_| text.len() <= 31);
        prop_assert_eq!(step::number(text.as_bytes()).map(f64::to_bits), exact.map(f64::to_bits));
    }

    #[test]
    fn times_of_day(text in "[0-2][0-9:/][:0][0-6][0-9]:[0-6][0-9;]") {
        let read = number::time_of_day(word(&text) as u64);
        let exact = Timestamp::parse(&format!("1970-01-01T{text}Z")).filter(|_| !text.ends_with("60") && text.as_bytes()[2] == b':');
        prop_assert_eq!((read.bad >> 63 == 0).then_some(read.value as i64 * 1_000_000), exact.map(Timestamp::micros));
    }
}

/// The status of a text, as the kernel looks it up.
fn level(words: &Words, text: &str, csv: bool) -> Option<u64> {
    let (level, bad) = words.find(words::key(text.as_bytes(), csv)?);
    (bad == 0).then_some(level)
}

#[test]
fn every_word_finds_its_level() {
    let own: BTreeMap<String, Status> =
        (0..12).map(|i| (format!("word{i}"), Status::ALL[i % 3])).chain([("a".repeat(16), Status::Online)]).collect();
    for csv in [true, false] {
        let words = Words::new(&own, csv);
        for (word, status) in own.iter().filter(|(word, _)| word.len() < 16) {
            assert_eq!(level(&words, word, csv), Some(u64::from(status.level())), "{word}");
        }
        assert_eq!(level(&words, "offline", csv), Some(2));
        assert_eq!(level(&words, "", csv), csv.then_some(u64::from(crate::domain::NO_STATUS)));
        for word in ["ofline", "aaaaaaaaaaaaaaaa", "word12"] {
            assert_eq!(level(&words, word, csv), None);
        }
    }
    assert_eq!(level(&Words::new(&own, false), "online\0", false), None, "a control character is not of the word");
}

#[test]
fn words_that_mean_another_thing_where_they_stand_are_not_taken_as_they_are() {
    let all = ["up", "a\\b", "say \"up\"", "tab\tbed", " up", "up ", "NA", "-", "null"];
    let own: BTreeMap<String, Status> = all.iter().map(|word| (word.to_string(), Status::Online)).collect();
    let taken = |csv: bool| -> Vec<&str> {
        let words = Words::new(&own, csv);
        all.into_iter().filter(|word| level(&words, word, csv).is_some()).collect()
    };
    assert_eq!(taken(false), ["up", " up", "up ", "NA", "-", "null"]);
    assert_eq!(taken(true), ["up", "a\\b", "say \"up\"", "tab\tbed"]);
}

#[test]
fn spellings_with_escapes_are_learned_up_to_a_number() {
    let own: BTreeMap<String, Status> = [("a\\b".to_string(), Status::Offline)].into();
    let mut words = Words::new(&own, false);
    for (text, expected) in [("onl\\u0069ne", Some(0)), ("\\u004Fnline", None), ("a\\b", None), ("a\\\\b", Some(2))] {
        assert_eq!(level(&words, text, false), None, "{text}");
        assert_eq!(words.learn(text.as_bytes()), expected.is_some(), "{text}");
        assert_eq!(level(&words, text, false), expected, "{text}");
    }
    let hex = |word: &str, at: usize| {
        let (before, rest) = word.split_at(at);
        format!("{before}\\u{:04x}{}", rest.as_bytes()[0], &rest[1..])
    };
    let words_of = |word: &'static str| (0..word.len()).map(move |at| hex(word, at));
    let spellings: Vec<String> = ["online", "degraded", "offline"].into_iter().flat_map(words_of).collect();
    let learned: Vec<&String> = spellings.iter().filter(|text| words.learn(text.as_bytes())).collect();
    assert!(learned.len() > 8 && learned.len() < spellings.len(), "{learned:?}");
    for text in learned {
        assert!(level(&words, text, false).is_some(), "what was learned stays: {text}");
    }
    for (word, status) in [("online", 0), ("degraded", 1), ("offline", 2)] {
        assert_eq!(level(&words, word, false), Some(status));
    }
    assert!(!Words::new(&own, true).learn(b"onl\\u0069ne"), "CSV has no escapes");
}

#[test]
fn a_float_in_a_cell_is_no_digits() {
    for text in [
        "0",
        "-0",
        "1e-15",
        "0.00000000000001",
        "-0.00000000000001",
        "1e-96",
        "9007199254740991",
        "1e308",
        "5e-324",
        "-1e-60",
        "1e-28",
    ] {
        let value: f64 = text.parse().unwrap();
        assert_eq!(number::unpack(value.to_bits()).to_bits(), value.to_bits(), "{text}");
    }
    assert!(number::is_packed(1e-60f64.to_bits()));
    assert!(number::unpack(f64::NAN.to_bits()).is_nan());
}
