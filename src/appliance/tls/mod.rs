//! TLS for the front door on rustls with ring; poem's own TLS listener would bring another crypto library.
//!
//! Lives here: the acceptor; `pair` reads and checks the files, `dates` knows when a certificate ends, `watch` takes up
//! what changes, `make` makes a pair for those who have none. Does not: calls to other servers (`outbound`).
//! The handshake runs on the connection's own task, at its first read or write, never in the accept loop.

mod dates;
pub mod make;
pub mod pair;
pub mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{Accept, server::TlsStream};

use pair::{Facts, Pair};

/// A client that does not finish its handshake in this time is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificate and key from files; read again when asked.
#[derive(Debug, Clone)]
pub struct Certificate {
    held: Arc<ArcSwap<Pair>>,
    files: Arc<(PathBuf, PathBuf)>,
}

impl Certificate {
    /// Reads and checks a PEM pair.
    pub fn open(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let held = Arc::new(ArcSwap::from_pointee(pair::read(certificate, key)?));
        Ok(Self { held, files: Arc::new((certificate.to_owned(), key.to_owned())) })
    }

    /// Reads the files again; on error the old pair stays.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.held.store(Arc::new(pair::read(&self.files.0, &self.files.1)?));
        Ok(())
    }

    /// What the certificate in use says of itself.
    pub fn facts(&self) -> Facts {
        self.held.load().facts.clone()
    }
}

/// Wraps accepted connections.
pub struct TlsAcceptor<A> {
    inner: A,
    certificate: Certificate,
}

impl<A> TlsAcceptor<A> {
    /// Serves TLS with the certificate on whatever the inner acceptor accepts.
    pub fn new(inner: A, certificate: Certificate) -> Self {
        Self { inner, certificate }
    }
}

impl<A: Acceptor> Acceptor for TlsAcceptor<A> {
    type Io = Lazy<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, local, remote, _) = self.inner.accept().await?;
        let accept =
            tokio_rustls::TlsAcceptor::from(self.certificate.held.load().config.clone()).accept(stream);
        Ok((Lazy::shaking(accept), local, remote, Scheme::HTTPS))
    }
}

/// A connection that finishes its handshake when it is first used.
pub enum Lazy<S> {
    Shaking(Box<Accept<S>>, Pin<Box<tokio::time::Sleep>>),
    Ready(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lazy<S> {
    fn shaking(accept: Accept<S>) -> Self {
        Self::Shaking(Box::new(accept), Box::pin(tokio::time::sleep(HANDSHAKE)))
    }

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<&mut TlsStream<S>>> {
        if let Self::Shaking(accept, late) = self {
            if late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the TLS handshake took too long",
                )));
            }
            let stream = ready!(Pin::new(accept.as_mut()).poll(cx))?;
            *self = Self::Ready(Box::new(stream));
        }
        match self {
            Self::Ready(stream) => Poll::Ready(Ok(stream)),
            Self::Shaking(..) => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lazy<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = ready!(self.poll_ready(cx))?;
        Pin::new(stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lazy<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = ready!(self.poll_ready(cx))?;
        Pin::new(stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let stream = ready!(self.poll_ready(cx))?;
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Ready(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            // Nothing was said yet: there is nothing to close politely.
            Self::Shaking(..) => Poll::Ready(Ok(())),
        }
    }
}
