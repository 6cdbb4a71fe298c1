//! Text out of `.gz` and `.zst`, told by their first bytes.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Bytes that tell an archive.
pub const MAGIC: usize = 4;
/// Packed bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// Whether a file that begins so is an archive that [`unpack`] reads.
pub fn is_packed(head: &[u8]) -> bool {
    head.starts_with(GZIP) || head.starts_with(ZSTD)
}

/// What `input` holds, unpacked if it is an archive: all members and frames of it, in constant memory. Reading an
/// archive that is cut off or damaged gives `UnexpectedEof` or `InvalidData`, never a short text.
///
/// # Errors
/// What the system says of the first bytes.
pub fn unpack(mut input: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    input.by_ref().take(MAGIC as u64).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(GZIP), head.starts_with(ZSTD));
    let whole = Cursor::new(head).chain(input);
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(Gzip(MultiGzDecoder::new(BufReader::with_capacity(BLOCK, whole)))),
        (_, true) => Box::new(Zstd::new(BufReader::with_capacity(BLOCK, whole))),
        _ => Box::new(whole),
    })
}

struct Gzip<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => cut_off(),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => damaged(&error),
            _ => error,
        })
    }
}

/// Frames one after the other; those that hold no data are skipped.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    /// In a frame.
    open: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Zstd<R> {
        Zstd { source, decoder: FrameDecoder::new(), open: false }
    }

    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
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

impl<R: BufRead> Read for Zstd<R> {
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
    use std::io::Write;

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

    fn read(packed: &[u8]) -> Result<Vec<u8>, (ErrorKind, String)> {
        let mut text = Vec::new();
        unpack(Cursor::new(packed.to_vec()))
            .and_then(|mut input| input.read_to_end(&mut text))
            .map_err(|error| (error.kind(), error.to_string()))?;
        Ok(text)
    }

    #[test]
    fn every_member_and_frame_is_read() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|i| format!("{{\"n\":{i}}}\n").into_bytes()).collect();
        let (a, b) = text.split_at(123_456);
        let empty_frame = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for packed in [
            text.clone(),
            gz(&text),
            [gz(a), gz(b""), gz(b)].concat(),
            zst(&text),
            [zst(a), empty_frame.to_vec(), zst(b"").clone(), zst(b)].concat(),
        ] {
            assert!(read(&packed).is_ok_and(|got| got == text), "{:?}", &packed[..8]);
        }
        for short in [&b""[..], b"\x1f", b"{}\n", b"\x28\xb5\x2f"] {
            assert_eq!(read(short).unwrap(), short);
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
