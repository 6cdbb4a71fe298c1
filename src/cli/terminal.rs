//! Standard output and error: their width, whether they take colour, and writing that outlives a closed pipe.

use std::io::Write;

use anstream::ColorChoice;

use super::render::Style;

pub fn stdout_style() -> Style {
    style(anstream::AutoStream::choice(&std::io::stdout()), terminal_size::terminal_size_of(std::io::stdout()))
}

pub fn stderr_style() -> Style {
    style(anstream::AutoStream::choice(&std::io::stderr()), terminal_size::terminal_size_of(std::io::stderr()))
}

fn style(choice: ColorChoice, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Style {
    Style { color: choice != ColorChoice::Never, width: size.map_or(100, |(width, _)| usize::from(width.0)) }
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub fn out(text: &str) {
    let mut stream = anstream::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Writes to standard error.
pub fn err(text: &str) {
    let mut stream = anstream::stderr().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
