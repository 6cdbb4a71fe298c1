use reqwest::Url;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, codes};
use crate::domain::Timestamp;
use crate::io::ingest::remote::parse_url;
use crate::node::Assets;

/// The placeholders of a `url`.
const PLACEHOLDERS: [&str; 3] = ["{last_time}", "{last_seconds}", "{last_millis}"];

/// A `url` with placeholders for a time.
#[derive(Debug, Clone)]
pub(super) struct Address {
    written: String,
    /// With something in place of the placeholders.
    example: Url,
}

impl Address {
    /// # Errors
    /// AG0005.
    pub fn parse(written: &Spanned<String>, assets: &Assets<'_>) -> Result<Address, Diagnostic> {
        let text = written.get_ref();
        let example =
            PLACEHOLDERS.iter().fold(text.clone(), |text, name| text.replace(name, name.trim_matches(['{', '}'])));
        let example = parse_url(written, &example, assets)?;
        let address = Address { written: text.clone(), example };
        let refuse = |what: &str| {
            Err(Diagnostic::new(codes::graph::WRONG_TYPE, what)
                .at(assets.source(), written.span())
                .help(format!("the placeholders are {}, in the path or the query", PLACEHOLDERS.join(", "))))
        };
        let filled = PLACEHOLDERS.iter().fold(text.clone(), |text, name| text.replace(name, ""));
        if filled.contains(['{', '}']) {
            return refuse("braces that are none of the placeholders");
        }
        let at = Timestamp::from_micros(0).and_then(|time| address.fill(time));
        if at.is_none_or(|at| at.origin() != address.example.origin()) {
            return refuse("a placeholder where no time can stand");
        }
        Ok(address)
    }

    /// For the name of the source.
    pub fn first(&self) -> Url {
        self.example.clone()
    }

    /// `None` where it is no address any more, which `parse` has ruled out.
    pub fn fill(&self, time: Timestamp) -> Option<Url> {
        let seconds = time.micros().div_euclid(1_000_000).to_string();
        let millis = time.micros().div_euclid(1000).to_string();
        let values = [time.to_string(), seconds, millis];
        let filled = PLACEHOLDERS
            .iter()
            .zip(values)
            .fold(self.written.clone(), |text, (name, value)| text.replace(name, &value));
        Url::parse(&filled).ok()
    }
}

/// The address with this value of the parameter, in place of any other.
pub(super) fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(key, _)| key != name).map(|(key, value)| (key.into(), value.into())).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    url
}

/// The address of the next page in a `Link` header: `<https://…?page=2>; rel="next"`.
pub(super) fn linked(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, after) = link.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next =
            parameters.split([';', ',']).filter_map(|parameter| parameter.split_once('=')).any(|(key, value)| {
                let mut relations = value.trim().trim_matches('"').split_whitespace();
                key.trim().eq_ignore_ascii_case("rel") && relations.any(|word| word.eq_ignore_ascii_case("next"))
            });
        if is_next {
            return Some(target);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (header, expected) in [
            ("<https://x/?page=2>; rel=\"next\", <https://x/?page=9>; rel=\"last\"", Some("https://x/?page=2")),
            ("<https://x/?page=1>; rel=prev; title=\"a\", <?a=1,2>;rel=Next", Some("?a=1,2")),
            ("<https://x/?page=2>; rel=\"last next\"", Some("https://x/?page=2")),
            ("<https://x/?page=1>; rel=\"first\"", None),
            ("nonsense < ; rel=next", None),
            ("", None),
        ] {
            assert_eq!(linked(header), expected, "{header}");
        }
    }

    #[test]
    fn a_parameter_is_replaced() {
        let url = Url::parse("https://x/a?cursor=old&n=1").unwrap();
        assert_eq!(with_parameter(&url, "cursor", "a b&c").as_str(), "https://x/a?n=1&cursor=a+b%26c");
        assert_eq!(with_parameter(&Url::parse("https://x/a").unwrap(), "c", "1").as_str(), "https://x/a?c=1");
    }
}
