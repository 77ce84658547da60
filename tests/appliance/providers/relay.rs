//! The line between an installation and its provider: it can be cut, and it counts what goes over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A relay of plain connections.
pub struct Relay {
    pub url: String,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    cut: AtomicBool,
    cutting: Notify,
    introspections: AtomicUsize,
    key_sets: AtomicUsize,
    people: AtomicUsize,
}

impl Relay {
    /// To the server of this address; its path is the relay's too.
    pub async fn to(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap();
        let (target, path) = target.find('/').map_or((target, ""), |at| target.split_at(at));
        let target = target.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("http://{}{path}", listener.local_addr().unwrap());
        let line = Arc::new(Line::default());
        let shared = line.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if shared.cut.load(Ordering::SeqCst) {
                    continue;
                }
                let (target, line) = (target.clone(), shared.clone());
                tokio::spawn(async move {
                    let cut = line.cutting.notified();
                    tokio::select! {
                        () = carry(near, &target, &line) => {}
                        () = cut => {}
                    }
                });
            }
        });
        Self { url: relay, line }
    }

    /// Ends every connection and takes no more.
    pub fn cut(&self) {
        self.line.cut.store(true, Ordering::SeqCst);
        self.line.cutting.notify_waiters();
    }

    pub fn mend(&self) {
        self.line.cut.store(false, Ordering::SeqCst);
    }

    /// How many tokens were asked about.
    pub fn introspections(&self) -> usize {
        self.line.introspections.load(Ordering::SeqCst)
    }

    /// How many calls were about people.
    pub fn people(&self) -> usize {
        self.line.people.load(Ordering::SeqCst)
    }

    /// How often the keys were fetched.
    pub fn key_sets(&self) -> usize {
        self.line.key_sets.load(Ordering::SeqCst)
    }
}

async fn carry(near: TcpStream, target: &str, line: &Line) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let up = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(read @ 1..) = near_read.read(&mut bytes).await {
            // Small requests come whole: their first line is at the start of what is read.
            let text = String::from_utf8_lossy(&bytes[..read]);
            let first = text.lines().next().unwrap_or_default();
            if first.contains("/token/introspect ") {
                line.introspections.fetch_add(1, Ordering::SeqCst);
            } else if first.contains("/certs ") {
                line.key_sets.fetch_add(1, Ordering::SeqCst);
            } else if first.contains("/admin/realms/") && first.contains("/users") {
                line.people.fetch_add(1, Ordering::SeqCst);
            }
            if far_write.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    let down = tokio::io::copy(&mut far_read, &mut near_write);
    tokio::select! {
        () = up => {}
        _ = down => {}
    }
}
