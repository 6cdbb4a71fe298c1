/// What a string whose escapes are well-formed means. `quoted` has its quotes, which serde_json wants: it reads what
/// has halves of surrogate pairs.
pub(super) fn unescape(quoted: &str) -> Option<String> {
    simple(quoted.get(1..quoted.len().checked_sub(1)?)?).or_else(|| serde_json::from_str(quoted).ok())
}

fn simple(mut text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    while let Some((before, after)) = text.split_once('\\') {
        plain.push_str(before);
        let (escape, rest) = after.split_at_checked(1)?;
        text = rest;
        plain.push(match escape {
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let (hex, rest) = rest.split_at_checked(4)?;
                text = rest;
                char::from_u32(u32::from_str_radix(hex, 16).ok()?)?
            }
            _ => escape.chars().next()?,
        });
    }
    plain.push_str(text);
    Some(plain)
}
