use std::io::{self, BufRead, Read};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// A buffered reader that can look further than one read goes.
pub struct Peek<R> {
    input: R,
    buffer: Vec<u8>,
    /// Up to where the buffer was consumed.
    used: usize,
}

impl<R: Read> Peek<R> {
    pub fn new(input: R) -> Peek<R> {
        Peek { input, buffer: Vec::new(), used: 0 }
    }

    /// The next `length` bytes, which stay; fewer at the end only.
    ///
    /// # Errors
    /// What the system says.
    pub fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.rest().len() < length && self.fill()? > 0 {}
        Ok(self.rest().get(..length).unwrap_or(self.rest()))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// Reads more behind what is there.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + BLOCK, 0);
        let read = loop {
            match self.input.read(self.buffer.get_mut(filled..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(filled + read.as_ref().map_or(0, |read| *read));
        read
    }
}

impl<R: Read> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.used += amount;
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What asks for much needs no copy.
        if self.rest().is_empty() && buffer.len() >= BLOCK {
            return self.input.read(buffer);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
