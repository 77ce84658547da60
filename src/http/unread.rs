//! What becomes of the rest of a body when its request is answered before it was read to its end.
//!
//! Over HTTP/1 the next request of a connection begins behind that rest. A refusal therefore reads on for a while and
//! throws away; where that is not enough it announces `Connection: close` (RFC 9112, section 9.6), so that no client
//! sends its next request into a connection that is about to go.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use poem::http::{HeaderValue, Version, header};
use poem::{Body, Request, Response};
use tokio_util::bytes::Bytes;

/// Bytes that are read and thrown away for a client that goes on sending.
const MOST: usize = 16 << 20;

/// How long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long for a client that sends nothing just now.
const PAUSE: Duration = Duration::from_millis(200);

type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A request's body, shared with whoever reads it; empty once it has ended or broken.
#[derive(Clone)]
pub struct Unread(Arc<Mutex<Option<Pieces>>>);

impl Unread {
    /// Takes part in the reading of a body; `None` where there is none, or none that is in the way of anything.
    pub fn watch(request: &mut Request) -> Option<Self> {
        let headers = request.headers();
        let sized = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        // A client that waits for 100 Continue has sent nothing, and reading would ask it to.
        let waits = headers.contains_key(header::EXPECT);
        let chunked = headers.contains_key(header::TRANSFER_ENCODING);
        if request.version() > Version::HTTP_11 || waits || !(sized || chunked) {
            return None;
        }
        let pieces: Pieces = Box::pin(request.take_body().into_bytes_stream());
        let unread = Self(Arc::new(Mutex::new(Some(pieces))));
        request.set_body(Body::from_bytes_stream(unread.clone()));
        Some(unread)
    }

    /// Reads what the answer left, within bounds; says so where something remains.
    pub async fn settle(mut self, response: &mut Response) {
        let rest = async {
            let mut read = 0;
            loop {
                match tokio::time::timeout(PAUSE, self.next()).await {
                    Ok(Some(piece)) => read += piece.map_or(0, |piece| piece.len()),
                    Ok(None) => return true,
                    Err(_) => return false,
                }
                if read > MOST {
                    return false;
                }
            }
        };
        if !tokio::time::timeout(PATIENCE, rest).await.unwrap_or(false) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl Stream for Unread {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = pieces.as_mut() else { return Poll::Ready(None) };
        let next = stream.as_mut().poll_next(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            *pieces = None;
        }
        next
    }
}
