//! Connections for a word or two: only so many at a time, and none for long, whatever the caller does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time; others wait in the queue of the system.
const MOST: usize = 256;

/// How long one may last.
const LONGEST: Duration = Duration::from_secs(20);

/// Accepts connections that end soon.
pub struct BriefAcceptor<A> {
    inner: A,
    places: Arc<Semaphore>,
    longest: Duration,
}

impl<A> BriefAcceptor<A> {
    /// Bounds what the inner acceptor accepts.
    pub fn new(inner: A) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(MOST)), longest: LONGEST }
    }
}

impl<A: Acceptor> Acceptor for BriefAcceptor<A> {
    type Io = Brief<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let place = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, local, remote, scheme) = self.inner.accept().await?;
        let late = Box::pin(tokio::time::sleep(self.longest));
        Ok((Brief { stream, late, _place: place }, local, remote, scheme))
    }
}

/// A connection whose time is running out.
pub struct Brief<S> {
    stream: S,
    late: Pin<Box<tokio::time::Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Brief<S> {
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.late.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Brief<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Brief<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::listener::{Listener, TcpListener};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn acceptor(
        places: usize,
        longest: Duration,
    ) -> (BriefAcceptor<impl Acceptor>, std::net::SocketAddr) {
        let inner = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = *inner.local_addr()[0].as_socket_addr().unwrap();
        (BriefAcceptor { inner, places: Arc::new(Semaphore::new(places)), longest }, address)
    }

    #[tokio::test]
    async fn a_caller_that_says_nothing_is_left() {
        let (mut acceptor, address) = acceptor(1, Duration::from_millis(20)).await;
        let _silent = TcpStream::connect(address).await.unwrap();
        let (mut stream, ..) = acceptor.accept().await.unwrap();
        let ended = stream.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        // One that goes on sending a byte at a time is no better.
        assert_eq!(stream.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn one_more_waits_until_a_place_is_free() {
        let (mut acceptor, address) = acceptor(1, Duration::from_secs(3600)).await;
        let (_one, _two) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let (first, ..) = acceptor.accept().await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(acceptor.accept()).is_none());
        drop(first);
        acceptor.accept().await.unwrap();
    }
}
