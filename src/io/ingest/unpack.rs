//! Text out of `.gz` and `.zst`, told by their first bytes.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::peek::Peek;
use crate::diagnostic::codes::input;
use crate::domain::{Fault, FaultExample};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Behind a byte from 0x50 to 0x5f: a frame of zstd without data, which some archives begin with.
const SKIPPED: &[u8] = &[0x2a, 0x4d, 0x18];
/// Bytes that tell an archive.
pub const MAGIC: usize = 4;

/// Whether a file that begins so is an archive that [`unpack`] reads.
pub fn is_packed(head: &[u8]) -> bool {
    is_gzip(head) || is_zstd(head)
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(GZIP)
}

fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(ZSTD) || matches!(head, [0x50..=0x5f, rest @ ..] if rest.starts_with(SKIPPED))
}

/// The text of an input, and what was noticed on the way.
pub struct Unpacked {
    pub text: Box<dyn Read + Send>,
    pub garbage: Garbage,
}

/// Whether something stands behind the last member of an archive that is none.
#[derive(Debug, Clone, Default)]
pub struct Garbage(Arc<AtomicBool>);

impl Garbage {
    /// As a run record notes it, once the input was read.
    pub fn fault(&self) -> Option<Fault> {
        let code = input::GARBAGE;
        let detail = "what follows the last part of the archive is left out".to_string();
        let examples = vec![FaultExample { row: 0, detail }];
        let found = self.0.load(Ordering::Relaxed);
        found.then(|| Fault { code: code.id.to_string(), what: code.title.to_string(), count: 1, examples })
    }
}

/// What `input` holds, unpacked if it is an archive: all members and frames of it, in constant memory. Zero bytes between
/// and behind them are padding. Reading an archive that is cut off or damaged gives `UnexpectedEof` or `InvalidData`, never
/// a short text.
///
/// # Errors
/// What the system says of the first bytes.
pub fn unpack(input: impl Read + Send + 'static) -> io::Result<Unpacked> {
    let garbage = Garbage::default();
    let mut source = Peek::new(input);
    let head = source.peek(MAGIC)?;
    let (gzip, zstd) = (is_gzip(head), is_zstd(head));
    let text: Box<dyn Read + Send> = match (gzip, zstd) {
        (true, _) => Box::new(Gzip { member: Some(GzDecoder::new(source)), garbage: garbage.clone() }),
        (_, true) => Box::new(Zstd { source, decoder: FrameDecoder::new(), open: false, garbage: garbage.clone() }),
        _ => Box::new(source),
    };
    Ok(Unpacked { text, garbage })
}

/// Whether another member begins, told by `is_member`, after what may be padding.
fn goes_on<R: Read>(source: &mut Peek<R>, is_member: fn(&[u8]) -> bool, garbage: &Garbage) -> io::Result<bool> {
    loop {
        let bytes = source.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            break;
        }
        source.consume(zeros);
    }
    let head = source.peek(MAGIC)?;
    if head.is_empty() || is_member(head) {
        return Ok(!head.is_empty());
    }
    if GZIP.starts_with(head) || ZSTD.starts_with(head) {
        return Err(cut_off());
    }
    if !garbage.0.swap(true, Ordering::Relaxed) {
        tracing::warn!("what follows the last part of an archive is no archive, and is left out");
    }
    Ok(false)
}

/// Members one after the other.
struct Gzip<R> {
    /// `None` behind the last.
    member: Option<GzDecoder<Peek<R>>>,
    garbage: Garbage,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => cut_off(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => damaged(&error),
                _ => error,
            })?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if !goes_on(member.get_mut(), is_gzip, &self.garbage)? {
                self.member = None;
            } else if let Some(member) = self.member.take() {
                self.member = Some(GzDecoder::new(member.into_inner()));
            }
        }
        Ok(0)
    }
}

/// Frames one after the other; those that hold no data are skipped.
struct Zstd<R> {
    source: Peek<R>,
    decoder: FrameDecoder,
    /// In a frame.
    open: bool,
    garbage: Garbage,
}

impl<R: Read> Zstd<R> {
    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while goes_on(&mut self.source, is_zstd, &self.garbage)? {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.open = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(cut_off());
                    }
                }
                Err(error) => return Err(self.explain(&error)),
            }
        }
        Ok(false)
    }

    /// The decoder says the same of a short archive and of a wrong one.
    fn explain(&mut self, error: &FrameDecoderError) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => cut_off(),
            Ok(_) => damaged(error),
            Err(error) => error,
        }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.open || self.begin()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
                if let Err(error) = self.decoder.decode_blocks(&mut self.source, one) {
                    return Err(self.explain(&error));
                }
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.open = false;
            let stated = self.decoder.get_checksum_from_data();
            if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
                return Err(damaged(&"a checksum does not fit"));
            }
        }
        Ok(0)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the archive ends too soon, it is cut off")
}

fn damaged(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the archive is damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    pub fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zst(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    /// The text, and whether there was garbage behind it.
    fn read_all(packed: &[u8]) -> Result<(Vec<u8>, bool), (ErrorKind, String)> {
        /// Gives as many bytes at once as it likes.
        struct Pieces(Cursor<Vec<u8>>);
        impl Read for Pieces {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let some = (self.0.position() as usize % 7 + 1).min(buffer.len());
                self.0.read(&mut buffer[..some])
            }
        }
        let whole = |input: io::Result<Unpacked>| {
            let Unpacked { mut text, garbage } = input?;
            let mut read = Vec::new();
            text.read_to_end(&mut read)?;
            Ok((read, garbage.fault().is_some()))
        };
        let explain = |error: io::Error| (error.kind(), error.to_string());
        let at_once = whole(unpack(Cursor::new(packed.to_vec()))).map_err(explain);
        if packed.len() < 10_000 {
            assert_eq!(whole(unpack(Pieces(Cursor::new(packed.to_vec())))).map_err(explain), at_once);
        }
        at_once
    }

    fn read(packed: &[u8]) -> Result<Vec<u8>, (ErrorKind, String)> {
        let (text, garbage) = read_all(packed)?;
        assert!(!garbage);
        Ok(text)
    }

    #[test]
    fn every_member_and_frame_is_read() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|i| format!("{{\"n\":{i}}}\n").into_bytes()).collect();
        let (a, b) = text.split_at(123_456);
        let empty_frame = |id: u8| vec![id, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for packed in [
            text.clone(),
            gz(&text),
            [gz(a), gz(b""), gz(b)].concat(),
            zst(&text),
            [zst(a), empty_frame(0x50), zst(b""), zst(b)].concat(),
            [empty_frame(0x50), empty_frame(0x5f), zst(a), zst(b), empty_frame(0x57)].concat(),
        ] {
            assert!(read(&packed).is_ok_and(|got| got == text), "{:?}", &packed[..8]);
        }
        for short in [&b""[..], b"\x1f", b"{}\n", b"\x28\xb5\x2f"] {
            assert_eq!(read(short).unwrap(), short);
        }
    }

    #[test]
    fn padding_is_nothing_and_garbage_is_noticed() {
        let text = b"{\"timestamp\":1}\n";
        for packed in [gz(text), zst(text)] {
            for zeros in [1, 2, 3, 4, 512, 200_000] {
                let padding = vec![0; zeros];
                assert_eq!(read(&[&packed[..], &padding].concat()).unwrap(), text);
                // As a tape has it.
                let two = [&packed[..], &padding, &packed, &padding].concat();
                assert_eq!(read(&two).unwrap(), text.repeat(2));
                let garbage = [&packed[..], &padding, b"x"].concat();
                assert_eq!(read_all(&garbage).unwrap(), (text.to_vec(), true));
            }
            for garbage in [&b"x"[..], b"\n", b"\x1f\x8c", b"garbage, and much of it"] {
                assert_eq!(read_all(&[&packed[..], garbage].concat()).unwrap(), (text.to_vec(), true));
            }
        }
    }

    #[test]
    fn an_archive_that_is_cut_off_or_damaged_is_never_taken_for_whole() {
        let text = b"{\"timestamp\":1,\"cpu\":2}\n".repeat(50);
        for packed in [gz(&text), zst(&text), [gz(&text), gz(&text)].concat(), [zst(&text), zst(&text)].concat()] {
            let half = if packed.len() % 2 == 0 && packed[..packed.len() / 2] == packed[packed.len() / 2..] {
                packed.len() / 2
            } else {
                0
            };
            for length in (MAGIC..packed.len()).filter(|length| *length != half) {
                let (kind, why) = read(&packed[..length]).unwrap_err();
                assert_eq!(kind, ErrorKind::UnexpectedEof, "{length} of {}: {why}", packed.len());
            }
            let mut wrong = packed.clone();
            let last = wrong.len() - 3; // of a checksum
            wrong[last] ^= 1;
            let (kind, why) = read(&wrong).unwrap_err();
            assert_eq!(kind, ErrorKind::InvalidData, "{why}");
        }
    }
}
