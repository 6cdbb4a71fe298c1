//! The tolerant reading of one object.

use super::{Edit, EditKind, Irreparable, character};

/// Deeper nesting than any answer needs; keeps the recursion bounded.
const DEPTH: usize = 16;

/// A tolerant reader of one object that writes strict JSON as it goes.
pub(super) struct Parser<'a> {
    raw: &'a str,
    /// The next byte; once the object is read, the one past it.
    pub at: usize,
    /// Past the last byte that may be read.
    end: usize,
    pub json: String,
    pub edits: Vec<Edit>,
}

impl<'a> Parser<'a> {
    /// Reads the object whose brace is at `open`.
    ///
    /// # Errors
    /// What cannot be mended without loss.
    pub fn object_at(raw: &'a str, open: usize, end: usize) -> Result<Parser<'a>, Irreparable> {
        let mut parser = Parser { raw, at: open, end, json: String::new(), edits: Vec::new() };
        parser.object(DEPTH)?;
        Ok(parser)
    }

    fn object(&mut self, depth: usize) -> Result<(), Irreparable> {
        self.take('{')?;
        self.json.push('{');
        let mut keys: Vec<String> = Vec::new();
        loop {
            self.gap()?;
            match self.peek() {
                Some('}') => break self.close('}'),
                None => return Err(Irreparable::CutOff), // after `{` or a comma: a member may be lost
                Some(_) => {}
            }
            let key = self.key()?;
            if keys.contains(&key) {
                return Err(Irreparable::DuplicateKey);
            }
            keys.push(key);
            self.gap()?;
            self.take(':')?;
            self.json.push(':');
            self.gap()?;
            self.value(depth)?;
            self.gap()?;
            match self.peek() {
                Some(',') => self.comma('}')?,
                Some('}') => break self.close('}'),
                None => break self.missing('}', EditKind::MissingBrace),
                Some('"' | '\'') => self.missing(',', EditKind::MissingComma),
                Some(c) if is_key_start(c) => self.missing(',', EditKind::MissingComma),
                Some(_) => return Err(self.malformed()),
            }
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Irreparable> {
        self.take('[')?;
        self.json.push('[');
        loop {
            self.gap()?;
            match self.peek() {
                Some(']') => break self.close(']'),
                None => return Err(Irreparable::CutOff),
                Some(_) => {}
            }
            self.value(depth)?;
            self.gap()?;
            match self.peek() {
                Some(',') => self.comma(']')?,
                Some(']') => break self.close(']'),
                None => break self.missing(']', EditKind::MissingBracket),
                Some(_) => return Err(self.malformed()), // between items nothing tells a lost comma from a lost quote
            }
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Irreparable> {
        let deeper = depth.checked_sub(1).ok_or(Irreparable::TooDeep)?;
        match self.peek() {
            Some('{') => self.object(deeper),
            Some('[') => self.array(deeper),
            Some('"' | '\'') => self.string(),
            Some(c) if c.is_ascii_alphanumeric() || c == '-' => self.scalar(),
            Some(_) => Err(self.malformed()),
            None => Err(Irreparable::CutOff),
        }
    }

    /// A number, `true`, `false` or `null`, as it stands.
    fn scalar(&mut self) -> Result<(), Irreparable> {
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
        let text = self.raw.get(start..self.at).unwrap_or_default();
        if serde_json::from_str::<serde_json::Value>(text).is_err() {
            return Err(Irreparable::Malformed(character(self.raw, start)));
        }
        if self.peek().is_none() {
            return Err(Irreparable::CutOff); // `12` may have been `120`
        }
        self.json.push_str(text);
        Ok(())
    }

    /// A key; its text in strict JSON is the answer, for comparison.
    fn key(&mut self) -> Result<String, Irreparable> {
        let written = self.json.len();
        match self.peek() {
            Some('"' | '\'') => self.string()?,
            Some(c) if is_key_start(c) => {
                self.edit(EditKind::UnquotedKey);
                let start = self.at;
                self.skip(|c| is_key_start(c) || c.is_ascii_digit() || c == '-');
                self.json.push('"');
                self.json.push_str(self.raw.get(start..self.at).unwrap_or_default());
                self.json.push('"');
            }
            _ => return Err(self.malformed()),
        }
        let key = self.json.get(written..).unwrap_or_default();
        serde_json::from_str(key).map_err(|_| self.malformed())
    }

    fn string(&mut self) -> Result<(), Irreparable> {
        let quote = self.peek().unwrap_or('"'); // callers looked
        if quote == '\'' {
            self.edit(EditKind::SingleQuotes);
        }
        self.at += 1;
        self.json.push('"');
        loop {
            let c = self.peek().ok_or(Irreparable::OpenString)?;
            if c == '\\' {
                self.escape()?;
                continue;
            }
            if c < ' ' {
                self.edit(EditKind::ControlCharacter);
            }
            self.at += c.len_utf8();
            match c {
                c if c == quote => break self.json.push('"'),
                '"' => self.json.push_str("\\\""),
                c if c < ' ' => self.json.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.json.push(c),
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Irreparable> {
        let escaped = self.raw.get(self.at + 1..self.end).and_then(|rest| rest.chars().next());
        match escaped {
            Some('\'') => {
                self.edit(EditKind::EscapedQuote);
                self.json.push('\'');
            }
            Some(c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                self.json.push('\\');
                self.json.push(c);
            }
            Some(_) => return Err(self.malformed()),
            None => return Err(Irreparable::OpenString),
        }
        self.at += 2; // a backslash and one of the ASCII characters above
        Ok(())
    }

    /// A comma; a trailing one is dropped. At the end of the text something may be lost after it.
    fn comma(&mut self, closer: char) -> Result<(), Irreparable> {
        let here = Edit { what: EditKind::TrailingComma, character: character(self.raw, self.at) };
        self.take(',')?;
        self.gap()?;
        match self.peek() {
            Some(c) if c == closer => self.edits.push(here),
            Some(_) => self.json.push(','),
            None => return Err(Irreparable::CutOff),
        }
        Ok(())
    }

    /// White space and comments.
    fn gap(&mut self) -> Result<(), Irreparable> {
        loop {
            self.skip(|c| c.is_whitespace() || c == '\u{feff}');
            let rest = self.raw.get(self.at..self.end).unwrap_or_default();
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or(Irreparable::CutOff)? + 2
            } else {
                return Ok(());
            };
            self.edit(EditKind::Comment);
            self.at += length;
        }
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while let Some(c) = self.peek().filter(|&c| wanted(c)) {
            self.at += c.len_utf8();
        }
    }

    fn peek(&self) -> Option<char> {
        self.raw.get(self.at..self.end).and_then(|rest| rest.chars().next())
    }

    fn take(&mut self, wanted: char) -> Result<(), Irreparable> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.at += c.len_utf8();
                Ok(())
            }
            Some(_) => Err(self.malformed()),
            None => Err(Irreparable::CutOff),
        }
    }

    fn close(&mut self, closer: char) {
        self.at += 1;
        self.json.push(closer);
    }

    fn missing(&mut self, mark: char, what: EditKind) {
        self.edit(what);
        self.json.push(mark);
    }

    fn edit(&mut self, what: EditKind) {
        self.edits.push(Edit { what, character: character(self.raw, self.at) });
    }

    fn malformed(&self) -> Irreparable {
        Irreparable::Malformed(character(self.raw, self.at))
    }
}

fn is_key_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}
