//! As much of Rust as the rules need: code without comments, texts and tests, and the paths that it names.

/// A source file.
pub struct Code {
    /// Without comments, texts and test items; spaces stand in their place, lines stay where they are.
    text: String,
    /// Lines that belong to test items.
    test_lines: usize,
    /// Names of `#[cfg(test)] mod name;`.
    pub test_modules: Vec<String>,
}

/// A path as it is named, groups of `use` taken apart: `["std", "fs"]`.
#[derive(Debug)]
pub struct Used {
    pub line: usize,
    pub path: Vec<String>,
}

impl Code {
    pub fn read(source: &str) -> Code {
        let mut code = Code { text: bare(source), test_lines: 0, test_modules: Vec::new() };
        let mut from = 0;
        while let Some(start) = code.text[from..].find("#[cfg(test)]").map(|at| from + at) {
            let end = item_end(&code.text, start);
            let item = &code.text[start..end];
            if let Some(name) = item.strip_suffix(';').and_then(|item| item.rsplit_once("mod ")) {
                code.test_modules.push(name.1.trim().to_string());
            }
            code.test_lines += item.matches('\n').count() + 1;
            let blank: String = item.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            code.text.replace_range(start..end, &blank);
            from = start + blank.len();
        }
        code
    }

    /// Lines of the file less those of test items.
    pub fn lines(&self) -> usize {
        self.text.lines().count().saturating_sub(self.test_lines)
    }

    /// The code with one space between words and signs.
    pub fn words(&self) -> String {
        let words: Vec<&str> = tokens(&self.text).into_iter().map(|(_, token)| token).collect();
        words.join(" ")
    }

    /// Every path of the code, single names left out unless a `use` names them.
    pub fn paths(&self) -> Vec<Used> {
        let tokens = tokens(&self.text);
        let mut paths = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let starts =
                is_name(tokens[at].1) && (at == 0 || tokens[at - 1].1 != "::" || at < 2 || !is_name(tokens[at - 2].1));
            let goes_on = tokens.get(at + 1).is_some_and(|t| t.1 == "::") || (at > 0 && tokens[at - 1].1 == "use");
            if starts && goes_on {
                at = tree(&tokens, at, &[], &mut paths);
            } else {
                at += 1;
            }
        }
        paths
    }
}

/// Reads a path or a group from `at` on, appends what it names under `prefix`, and gives the place behind it.
fn tree(tokens: &[(usize, &str)], mut at: usize, prefix: &[String], paths: &mut Vec<Used>) -> usize {
    let mut path = prefix.to_vec();
    let mut line = tokens.get(at).map_or(0, |t| t.0);
    while let Some((here, token)) = tokens.get(at) {
        if *token == "{" && !path.is_empty() {
            at += 1;
            while let Some((_, token)) = tokens.get(at) {
                match *token {
                    "}" => return at + 1,
                    "," => at += 1,
                    _ => {
                        let next = tree(tokens, at, &path, paths);
                        at = next.max(at + 1);
                        // `as name`, which belongs to what was read
                        while tokens.get(at).is_some_and(|t| t.1 != "," && t.1 != "}") {
                            at += 1;
                        }
                    }
                }
            }
            return at;
        }
        if !is_name(token) {
            break;
        }
        line = *here;
        path.push(token.to_string());
        at += 1;
        match tokens.get(at) {
            Some((_, "::")) if tokens.get(at + 1).is_some_and(|t| is_name(t.1) || t.1 == "{") => at += 1,
            _ => break,
        }
    }
    if path.len() > prefix.len() {
        paths.push(Used { line, path });
    }
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and single signs, each with its line.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let length = match c {
            ':' if text[at..].starts_with("::") => 2,
            c if c.is_alphanumeric() || c == '_' => {
                text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - at)
            }
            c => c.len_utf8(),
        };
        if c == '\n' {
            line += 1;
        } else if !c.is_whitespace() {
            tokens.push((line, &text[at..at + length]));
        }
        at += length;
    }
    tokens
}

/// Where the item ends whose attributes begin at `start`: behind its block, or its semicolon.
fn item_end(text: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (at, c) in text[start..].char_indices() {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets = brackets.saturating_sub(1),
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                // A group of a `use` ends with its semicolon.
                let rest = text[start + at + 1..].trim_start();
                if depth == 0 && brackets == 0 && !rest.starts_with(';') {
                    return start + at + 1;
                }
            }
            ';' if depth == 0 && brackets == 0 => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Comments and the insides of texts replaced by spaces.
fn bare(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = text_literal(rest).filter(|_| !after_name || c == '"') {
            length
        } else if c == '\'' {
            char_literal(rest).unwrap_or(0)
        } else {
            0
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of a text literal, with its prefix: `"…"`, `b"…"`, `r#"…"#`, `br"…"`, `c"…"`.
fn text_literal(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let body = &rest[prefix..];
    if rest[..prefix].contains('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let inside = body[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = inside.find(&close).map_or(inside.len(), |at| at + close.len());
        return Some(prefix + hashes + 1 + end);
    }
    let inside = body.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// Length of a character literal; `None` for a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        // The escaped character may be a quote itself.
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|end| 2 + first + end + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside[first..].starts_with('\'').then_some(1 + first + 1)
}
