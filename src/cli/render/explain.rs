//! The pages of diagnostic codes.

use super::Style;
use super::text::labelled;
use crate::diagnostic::Code;

/// The page of one code: what it means, why it happens, what to do.
pub fn page(code: &Code, style: Style) -> String {
    let rows = [("Cause", code.cause.to_string()), ("Remedy", code.remedy.to_string())];
    let body = labelled(rows, 6, style, |label| (!label.is_empty()).then(|| anstyle::Style::new().bold()));
    format!("{}\n\n{body}", style.bold(&format!("{}: {}", code.id, code.title)))
}

/// All codes with their titles, a line each.
pub fn list<'a>(codes: impl IntoIterator<Item = &'a Code>) -> String {
    codes.into_iter().map(|code| format!("{}  {}\n", code.id, code.title)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes;

    #[test]
    fn a_page_says_what_why_and_what_to_do() {
        insta::assert_snapshot!(page(codes::graph::VARIABLE, Style { color: false, width: 60 }), @r#"
        AG0013: an environment variable that cannot be put in

        Cause   A string of the file refers to `${NAME}`, and
                neither the environment nor `.env` has it; or the
                closing `}` is missing.
        Remedy  Set the variable or close the brace, or give a
                default as in `${NAME:-value}`. `$${` stands for a
                literal `${`.
        "#);
    }

    #[test]
    fn every_page_fits_and_every_code_is_listed() {
        for code in codes::all() {
            let page = page(code, Style { color: false, width: 72 });
            assert!(page.lines().all(|line| line.chars().count() <= 72), "{page}");
        }
        assert_eq!(list(codes::all()).lines().count(), codes::all().count());
        insta::assert_snapshot!(list(codes::all().take(2)), @r#"
        AG0001  TOML syntax
        AG0002  a file that the graph names cannot be read
        "#);
    }
}
