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

use crate::broker::bells::Bells;
use crate::broker::limits::told;
use crate::broker::{BrokerError, Notice, Queue};

/// Bytes of a datagram at most.
const DATAGRAM: usize = 8_192;
/// `sockaddr_un` takes 108 bytes (unix(7)); longer paths go through `/proc/self/fd`.
const ADDRESS: usize = 100;

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
        let bells = Arc::new(Bells::new());
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
        for (number, queue) in Queue::ALL.iter().enumerate() {
            if queues.contains(queue) {
                self.bells.ring(*queue);
                self.tell(&[u8::try_from(number).unwrap_or_default()]);
            }
        }
    }

    /// Who waits in this process.
    pub fn bells(&self) -> &Bells {
        &self.bells
    }

    /// Tells all processes, this one first.
    pub fn publish(&self, notice: Notice) -> Result<(), BrokerError> {
        let notice = told(notice)?;
        let text = serde_json::to_vec(&notice).map_err(|error| BrokerError::Engine(error.into()))?;
        self.bells.tell(notice);
        self.tell(&text);
        Ok(())
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

/// One byte is a queue, anything else a notice; what is neither is ignored.
fn hear(bells: &Bells, datagram: &[u8]) {
    match datagram {
        [number] => {
            if let Some(queue) = Queue::ALL.get(usize::from(*number)) {
                bells.ring(*queue);
            }
        }
        json => {
            if let Ok(notice) = serde_json::from_slice::<Notice>(json) {
                bells.tell(notice);
            }
        }
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
            Ok(length) => hear(bells, datagram.get(..length).unwrap_or_default()),
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
    use crate::broker::limits::{SUBJECT, TOPIC};

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
        let mut heard = two.bells().subscribe();
        one.publish(Notice { topic: "user".to_owned(), subject: "7".to_owned() }).unwrap();
        assert_eq!(heard.recv().await.unwrap().subject, "7");
    }

    #[tokio::test]
    async fn a_long_subject_becomes_anything_of_its_topic_and_a_long_topic_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let post = open(folder.path(), "one");
        let mut heard = post.bells().subscribe();
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
            one.bells().rung(queue).await;
            two.bells().rung(queue).await;
        }
        for post in [&one, &two] {
            let unheard = std::future::poll_fn(|context| {
                let rung = std::pin::pin!(post.bells().rung(Queue::QueryCompiler));
                std::task::Poll::Ready(rung.poll(context).is_pending())
            });
            assert!(unheard.await);
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (open(folder.path(), "one"), open(folder.path(), "two"));
        let mut heard = two.bells().subscribe();
        for noise in [&b""[..], &[9], b"{\"topic\":", &[0xff; 100]] {
            one.tell(noise);
        }
        one.publish(Notice { topic: "user".to_owned(), subject: "after".to_owned() }).unwrap();
        assert_eq!(heard.recv().await.unwrap().subject, "after");
    }
}
