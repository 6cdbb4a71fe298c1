//! Standard output and error: their width, whether they take colour, and writing that outlives a closed pipe.

use std::io::Write;

use anstream::ColorChoice;

use super::log;
use super::render::Style;
use super::render::diagnostic::diagnostics;
use crate::diagnostic::Diagnostic;

pub fn stdout_style() -> Style {
    style(anstream::AutoStream::choice(&std::io::stdout()), terminal_size::terminal_size_of(std::io::stdout()))
}

pub fn stderr_style() -> Style {
    let stderr = std::io::stderr();
    let choice = if log::is_json() { ColorChoice::Never } else { anstream::AutoStream::choice(&stderr) };
    style(choice, terminal_size::terminal_size_of(stderr))
}

fn style(choice: ColorChoice, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Style {
    Style { color: choice != ColorChoice::Never, width: size.map_or(100, |(width, _)| usize::from(width.0)) }
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub fn out(text: &str) {
    let mut stream = anstream::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Waits until nobody can read standard output any more, and calls `then`; on a thread of its own. Only of a pipe: what
/// else it may be has no reader to go away. A run that prints rarely would learn it much later from a failing write.
#[cfg(unix)]
pub fn when_out_is_closed(then: impl FnOnce() + Send + 'static) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::{FileType, fstat};
    let is_pipe = |of: rustix::fs::Stat| FileType::from_raw_mode(of.st_mode) == FileType::Fifo;
    if !fstat(std::io::stdout()).is_ok_and(is_pipe) {
        return;
    }
    std::thread::spawn(move || {
        let out = std::io::stdout();
        loop {
            let mut polled = [PollFd::new(&out, PollFlags::empty())]; // errors and hang-ups are always told
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) if polled.iter().all(|polled| polled.revents().is_empty()) => {}
                Ok(_) => return then(),
                Err(_) => return,
            }
        }
    });
}

/// Here the next write tells.
#[cfg(not(unix))]
pub fn when_out_is_closed(_then: impl FnOnce() + Send + 'static) {}

/// Writes to standard error; where logs are JSON, as a line of the log.
pub fn err(text: &str) {
    if log::is_json() {
        return log::say(text);
    }
    raw_err(text);
}

/// Writes what went wrong to standard error.
pub fn faults(faults: &[Diagnostic]) {
    if log::is_json() {
        return faults.iter().for_each(log::fault);
    }
    let style = stderr_style();
    raw_err(&diagnostics(faults, style.color, style.width));
}

/// Writes to standard error as it is.
pub fn raw_err(text: &str) {
    let mut stream = anstream::stderr().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
