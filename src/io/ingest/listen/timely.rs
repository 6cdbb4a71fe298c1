//! A connection whose other side has to read what it is sent in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Writing fails when what was begun is not through after `limit`, however much of it is.
pub struct Timely<S> {
    stream: S,
    limit: Duration,
    /// Runs while something that could not be written at once waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Timely<S> {
    pub fn new(stream: S, limit: Duration) -> Timely<S> {
        Timely { stream, limit, deadline: None }
    }

    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timely<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timely<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(cx, bytes) {
            return Poll::Ready(written);
        }
        let limit = this.limit;
        ready!(this.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not read in time")))
    }

    /// Asked for once all was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.deadline = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_not_waited_for_and_who_reads_in_time_is() {
        let (near, mut far) = duplex(16);
        let mut near = Timely::new(near, Duration::from_millis(200));
        for _ in 0..3 {
            let (sent, read) = tokio::join!(
                async {
                    near.write_all(&[7; 64]).await?;
                    near.flush().await
                },
                async {
                    sleep(Duration::from_millis(100)).await; // less than the limit each time, more in all
                    far.read_exact(&mut [0; 64]).await
                }
            );
            sent.unwrap();
            read.unwrap();
        }
        let fault = near.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }
}
