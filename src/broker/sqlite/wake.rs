//! Wake-ups and notices between the processes of one installation, over datagram sockets in `<data>/run/`.
//!
//! Each broker has `<name>.sock` to listen on and `<name>.alive`, locked as long as it lives: a socket whose lock can
//! be taken is a dead one's and is removed. Delivery is best effort; whoever waits also looks by itself.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, broadcast};

use crate::broker::{BrokerError, Notice, Queue};

/// Bytes of a datagram at most.
const DATAGRAM: usize = 8_192;
/// Bytes of a topic at most; topics are words of ours.
const TOPIC: usize = 64;
/// Bytes of a subject at most; a longer one is told as "anything of the topic".
const SUBJECT: usize = 1_024;
/// Notices a slow reader may lag behind before it is told that it missed some.
const LAG: usize = 256;
/// `sockaddr_un` takes 108 bytes (unix(7)); longer paths go through `/proc/self/fd`.
const ADDRESS: usize = 100;

const QUEUES: [Queue; 3] = [Queue::DatabaseManager, Queue::QueryCompiler, Queue::QueryMeta];

/// A process's place among the others.
#[derive(Debug)]
pub(super) struct Post {
    folder: PathBuf,
    /// Kept open for addresses that are too long to be spelled out.
    handle: File,
    name: String,
    ear: Arc<UnixDatagram>,
    mouth: UnixDatagram,
    bells: Arc<Bells>,
    ending: Arc<AtomicBool>,
    /// Locked as long as this broker lives.
    _alive: File,
}

#[derive(Debug)]
struct Bells {
    queues: [Notify; QUEUES.len()],
    notices: broadcast::Sender<Notice>,
}

/// Held while brokers come and go; released when dropped.
pub(super) struct Door(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

/// Makes the folder and waits until no other broker of the installation is starting.
pub(super) fn door(folder: &Path) -> io::Result<Door> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = File::create(folder.join("lock"))?;
    file.lock()?;
    Ok(Door(file))
}

impl Post {
    /// Clears away dead sockets, binds an own one and listens. The caller holds the door.
    pub fn open(folder: &Path, name: String, _door: &Door) -> io::Result<Self> {
        bury(folder)?;
        let alive = File::create(folder.join(format!("{name}.alive")))?;
        alive.lock()?;
        let handle = File::open(folder)?;
        let ear = Arc::new(UnixDatagram::bind(address(folder, &handle, &format!("{name}.sock")))?);
        let mouth = UnixDatagram::unbound()?;
        // A full ear has enough to wake up for.
        mouth.set_nonblocking(true)?;
        let bells = Arc::new(Bells { queues: Default::default(), notices: broadcast::channel(LAG).0 });
        let ending = Arc::new(AtomicBool::new(false));
        let (heard, rung, over) = (Arc::clone(&ear), Arc::clone(&bells), Arc::clone(&ending));
        std::thread::Builder::new()
            .name("jobs-listen".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || listen(&heard, &rung, &over))?;
        Ok(Self { folder: folder.to_owned(), handle, name, ear, mouth, bells, ending, _alive: alive })
    }

    /// Rings for each queue, here and everywhere.
    pub fn wake(&self, queues: &[Queue]) {
        for (number, queue) in QUEUES.iter().enumerate() {
            if queues.contains(queue) {
                self.ring(*queue);
                self.tell(&[u8::try_from(number).unwrap_or_default()]);
            }
        }
    }

    /// Rings for a queue in this process only.
    pub fn ring(&self, queue: Queue) {
        self.bells.ring(queue);
    }

    /// Completes at the next ring for the queue; one ring is kept if nobody is waiting.
    pub async fn rung(&self, queue: Queue) {
        if let Some(bell) = self.bells.queues.get(place(queue)) {
            bell.notified().await;
        }
    }

    /// Tells all processes, this one first.
    pub fn publish(&self, mut notice: Notice) -> Result<(), BrokerError> {
        if notice.topic.is_empty() || notice.topic.len() > TOPIC {
            return Err(BrokerError::Engine(format!("a topic has 1 to {TOPIC} bytes").into()));
        }
        if notice.subject.len() > SUBJECT {
            notice.subject.clear();
        }
        let told = serde_json::to_vec(&notice).map_err(|error| BrokerError::Engine(error.into()))?;
        // Nobody listening here is fine.
        let _ = self.bells.notices.send(notice);
        self.tell(&told);
        Ok(())
    }

    /// Notices from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.bells.notices.subscribe()
    }

    /// Sends to every other socket in the folder.
    fn tell(&self, datagram: &[u8]) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(name) = file.to_str() else { continue };
            if name.strip_suffix(".sock").is_none_or(|other| other == self.name) {
                continue;
            }
            let sent = self.mouth.send_to(datagram, address(&self.folder, &self.handle, name));
            // Bound but unheard: its process is gone.
            if sent.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Ends the listener's wait.
        let _ = self.ear.shutdown(std::net::Shutdown::Both);
        let _ = fs::remove_file(self.folder.join(format!("{}.sock", self.name)));
        let _ = fs::remove_file(self.folder.join(format!("{}.alive", self.name)));
    }
}

impl Bells {
    fn ring(&self, queue: Queue) {
        if let Some(bell) = self.queues.get(place(queue)) {
            bell.notify_one();
        }
    }

    /// One byte is a queue, anything else a notice; what is neither is ignored.
    fn hear(&self, datagram: &[u8]) {
        match datagram {
            [number] => {
                if let Some(queue) = QUEUES.get(usize::from(*number)) {
                    self.ring(*queue);
                }
            }
            json => {
                if let Ok(notice) = serde_json::from_slice::<Notice>(json) {
                    let _ = self.notices.send(notice);
                }
            }
        }
    }
}

fn place(queue: Queue) -> usize {
    match queue {
        Queue::DatabaseManager => 0,
        Queue::QueryCompiler => 1,
        Queue::QueryMeta => 2,
    }
}

fn listen(ear: &UnixDatagram, bells: &Bells, ending: &AtomicBool) {
    let mut datagram = [0; DATAGRAM];
    loop {
        let heard = ear.recv(&mut datagram);
        if ending.load(Ordering::Acquire) {
            return;
        }
        match heard {
            Ok(length) => bells.hear(datagram.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(%error, "wake-ups are not heard any more; work is found by looking every 250 ms");
                return;
            }
        }
    }
}

/// Removes what brokers that died left behind.
fn bury(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("alive") if File::open(&path)?.try_lock().is_ok() => {
                let _ = fs::remove_file(path.with_extension("sock"));
                let _ = fs::remove_file(&path);
            }
            Some("sock") if !path.with_extension("alive").exists() => {
                let _ = fs::remove_file(&path);
            }
            _ => {}
        }
    }
    Ok(())
}

fn address(folder: &Path, handle: &File, name: &str) -> PathBuf {
    let direct = folder.join(name);
    if direct.as_os_str().len() <= ADDRESS {
        return direct;
    }
    Path::new("/proc/self/fd").join(handle.as_raw_fd().to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, name: &str) -> Post {
        Post::open(folder, name.to_owned(), &door(folder).unwrap()).unwrap()
    }

    #[test]
    fn a_dead_brokers_socket_is_removed_and_a_living_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let living = open(folder.path(), "living");
        drop(UnixDatagram::bind(folder.path().join("dead.sock")).unwrap());
        File::create(folder.path().join("dead.alive")).unwrap();
        let _new = open(folder.path(), "new");
        assert!(!folder.path().join("dead.sock").exists());
        assert!(!folder.path().join("dead.alive").exists());
        assert!(folder.path().join("living.sock").exists());
        drop(living);
        assert!(!folder.path().join("living.sock").exists());
    }

    #[tokio::test]
    async fn a_folder_with_a_very_long_name_works() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        let (one, two) = (open(&deep, "one"), open(&deep, "two"));
        let mut heard = two.subscribe();
        one.publish(Notice { topic: "user".to_owned(), subject: "7".to_owned() }).unwrap();
        assert_eq!(heard.recv().await.unwrap().subject, "7");
    }

    #[tokio::test]
    async fn a_long_subject_becomes_anything_of_its_topic_and_a_long_topic_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let post = open(folder.path(), "one");
        let mut heard = post.subscribe();
        post.publish(Notice { topic: "index".to_owned(), subject: "x".repeat(SUBJECT + 1) }).unwrap();
        assert_eq!(heard.recv().await.unwrap(), Notice { topic: "index".to_owned(), subject: String::new() });
        assert!(post.publish(Notice { topic: "x".repeat(TOPIC + 1), subject: String::new() }).is_err());
    }

    #[tokio::test]
    async fn a_ring_is_heard_by_every_broker_and_for_its_queue_only() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (open(folder.path(), "one"), open(folder.path(), "two"));
        one.wake(&[Queue::QueryMeta, Queue::DatabaseManager]);
        for queue in [Queue::QueryMeta, Queue::DatabaseManager] {
            one.rung(queue).await;
            two.rung(queue).await;
        }
        for post in [&one, &two] {
            let unheard = std::future::poll_fn(|context| {
                let rung = std::pin::pin!(post.rung(Queue::QueryCompiler));
                std::task::Poll::Ready(rung.poll(context).is_pending())
            });
            assert!(unheard.await);
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (open(folder.path(), "one"), open(folder.path(), "two"));
        let mut heard = two.subscribe();
        for noise in [&b""[..], &[9], b"{\"topic\":", &[0xff; 100]] {
            one.tell(noise);
        }
        one.publish(Notice { topic: "user".to_owned(), subject: "after".to_owned() }).unwrap();
        assert_eq!(heard.recv().await.unwrap().subject, "after");
    }
}
