//! Log files: one for the process, one for its requests, rotated by size as the original's are (specification §14.2).
//!
//! A thread of its own writes them, so that a slow disk keeps nobody waiting.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Loaded;

/// Lines that may wait for the disk.
const WAITING: usize = 8_192;

/// Replicas of one service that may log into one folder, each to files of its own.
const REPLICAS: usize = 16;

/// Which files there are and how large they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Everything but requests.
    main: PathBuf,
    requests: PathBuf,
    /// Warnings and errors once more, where somebody wants them apart.
    serious: Option<PathBuf>,
    /// Bytes above which a file is rotated; 0 = never.
    most: u64,
    /// Rotated files kept.
    kept: u32,
}

impl Settings {
    /// `logs/<name>.log` and `logs/<name>.access.log` in the data directory, unless the environment names files.
    pub fn of(loaded: &Loaded, name: &str) -> Self {
        let (folder, process) = (loaded.data_directory.join("logs"), &loaded.process);
        let logging = &loaded.config.logging;
        Self {
            // `CV3_LOGFILE` is where the start script puts what comes on standard error.
            main: folder.join(format!("{name}.log")),
            requests: process
                .access_log_file
                .clone()
                .unwrap_or_else(|| folder.join(format!("{name}.access.log"))),
            serious: process.error_log_file.clone(),
            most: logging.max_bytes.get(),
            kept: logging.backup_count,
        }
    }
}

enum Message {
    Line { request: bool, serious: bool, text: Vec<u8> },
    Change(Settings),
    Flush(SyncSender<()>),
}

/// The way to the thread; cheap to clone.
#[derive(Clone)]
pub(super) struct Files {
    thread: Option<SyncSender<Message>>,
    lost: Arc<AtomicU64>,
}

impl Files {
    /// Starts the thread; nothing is opened before there are settings.
    pub fn start() -> Self {
        let (thread, messages) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let started = std::thread::Builder::new()
            .name("log-files".to_owned())
            .spawn(move || write(&messages, &counted))
            .inspect_err(|error| eprintln!("cv3-backend: there are no log files: {error}"));
        Self { thread: started.is_ok().then_some(thread), lost }
    }

    /// Other files or sizes from here on.
    pub fn change(&self, settings: Settings) {
        if let Some(thread) = &self.thread {
            // The thread lives as long as the process.
            let _gone = thread.send(Message::Change(settings));
        }
    }

    /// Waits until what was logged before is written.
    pub fn flush(&self, most: Duration) {
        let (done, written) = sync_channel(1);
        if let Some(thread) = &self.thread
            && thread.send(Message::Flush(done)).is_ok()
        {
            let _late = written.recv_timeout(most);
        }
    }
}

/// One line on its way.
pub(super) struct Line<'a> {
    files: &'a Files,
    request: bool,
    serious: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let line = Message::Line { request: self.request, serious: self.serious, text: text.to_vec() };
        if let Some(thread) = &self.files.thread
            && let Err(TrySendError::Full(_)) = thread.try_send(line)
        {
            self.files.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Files {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { files: self, request: false, serious: false }
    }

    fn make_writer_for(&'a self, told: &Metadata<'_>) -> Line<'a> {
        let request = told.target() == super::ACCESS;
        Line { files: self, request, serious: *told.level() <= Level::WARN }
    }
}

/// The thread's loop.
fn write(messages: &Receiver<Message>, lost: &AtomicU64) {
    let mut open: Option<(Settings, Open)> = None;
    let mut failing = false;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Change(settings) => {
                if open.as_ref().is_none_or(|(old, _)| *old != settings) {
                    drop(open.take());
                    let opened = Open::all(&settings);
                    open = Some((settings, opened));
                }
            }
            Message::Flush(done) => {
                let _gone = done.try_send(());
            }
            Message::Line { request, serious, text } => {
                let Some((_, files)) = &mut open else { continue };
                let missed = lost.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    let note = format!("{missed} lines are missing here: the disk was too slow for them\n");
                    let _failing = files.main.line(note.as_bytes());
                }
                let written = files.write(request, serious, &text);
                if let Err(error) = &written
                    && !failing
                {
                    // Not through the log: it would come back here.
                    eprintln!("cv3-backend: log files cannot be written: {error}");
                }
                failing = written.is_err();
            }
        }
    }
}

/// The files of the present settings.
struct Open {
    main: Rotating,
    requests: Rotating,
    serious: Option<Rotating>,
}

impl Open {
    fn all(settings: &Settings) -> Self {
        let file = |path: &Path| Rotating::new(path.to_owned(), settings.most, settings.kept);
        Self {
            main: file(&settings.main),
            requests: file(&settings.requests),
            serious: settings.serious.as_deref().map(file),
        }
    }

    fn write(&mut self, request: bool, serious: bool, text: &[u8]) -> io::Result<()> {
        let also = match &mut self.serious {
            Some(file) if serious => file.line(text),
            _ => Ok(()),
        };
        if request { self.requests.line(text) } else { self.main.line(text) }.and(also)
    }
}

/// A file that starts over when it is full, its past numbered behind its name: `.1` is the newest.
struct Rotating {
    /// As asked for; a replica that comes second adds its number before the extension.
    wanted: PathBuf,
    most: u64,
    kept: u32,
    open: Option<(PathBuf, File, u64)>,
}

impl Rotating {
    fn new(wanted: PathBuf, most: u64, kept: u32) -> Self {
        Self { wanted, most, kept, open: None }
    }

    fn line(&mut self, text: &[u8]) -> io::Result<()> {
        if self.open.is_none() {
            self.open = Some(claim(&self.wanted)?);
        }
        let full = |size: u64| self.most > 0 && size > 0 && size + text.len() as u64 > self.most;
        if self.open.as_ref().is_some_and(|(_, _, size)| full(*size)) {
            self.rotate()?;
        }
        let Some((_, file, size)) = &mut self.open else { return Ok(()) };
        file.write_all(text)?;
        *size += text.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Some((path, _, _)) = &self.open else { return Ok(()) };
        let numbered = |n: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        for n in (1..self.kept).rev() {
            moved(&numbered(n), &numbered(n + 1))?;
        }
        if self.kept > 0 {
            moved(path, &numbered(1))?;
        }
        let path = path.clone();
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        let _another_process = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        self.open = Some((path, file, 0));
        Ok(())
    }
}

/// Renames what is there.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Opens a log file at its end; where another process writes it, the next of that name.
fn claim(wanted: &Path) -> io::Result<(PathBuf, File, u64)> {
    if let Some(folder) = wanted.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let (stem, ending) = (wanted.with_extension(""), wanted.extension().unwrap_or_default());
    let mut last = io::Error::other("too many processes log here");
    for number in 1..=REPLICAS {
        let path = match number {
            1 => wanted.to_owned(),
            _ => {
                let mut name = stem.as_os_str().to_owned();
                name.push(format!("-{number}."));
                name.push(ending);
                PathBuf::from(name)
            }
        };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let size = file.metadata()?.len();
                return Ok((path, file, size));
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap_or_else(|_| "absent".into())
    }

    #[test]
    fn a_full_file_is_numbered_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::new(folder.path().join("logs/a.log"), 8, 2);
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            file.line(line.as_bytes()).unwrap();
        }
        let logs = folder.path().join("logs");
        let found = ["a.log", "a.log.1", "a.log.2", "a.log.3"].map(|name| read(&logs, name));
        assert_eq!(found, ["five\n", "four\n", "three\n", "absent"]);
    }

    #[rstest::rstest]
    #[case::never(0, 3, "one\ntwo\n")]
    #[case::nothing_kept(4, 0, "two\n")]
    fn limits_of_nothing(#[case] most: u64, #[case] kept: u32, #[case] left: &str) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::new(folder.path().join("a.log"), most, kept);
        file.line(b"one\n").unwrap();
        file.line(b"two\n").unwrap();
        assert_eq!(read(folder.path(), "a.log"), left);
        assert_eq!(read(folder.path(), "a.log.1"), "absent");
    }

    #[test]
    fn a_line_larger_than_the_limit_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotating::new(folder.path().join("a.log"), 4, 1);
        file.line(b"a long line\n").unwrap();
        file.line(b"b\n").unwrap();
        assert_eq!([read(folder.path(), "a.log"), read(folder.path(), "a.log.1")], ["b\n", "a long line\n"]);
    }

    #[test]
    fn a_file_is_continued_and_two_processes_never_share_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("query.access.log");
        Rotating::new(path.clone(), 100, 1).line(b"before\n").unwrap();
        let mut first = Rotating::new(path.clone(), 100, 1);
        first.line(b"first\n").unwrap();
        Rotating::new(path, 100, 1).line(b"second\n").unwrap();
        assert_eq!(read(folder.path(), "query.access.log"), "before\nfirst\n");
        assert_eq!(read(folder.path(), "query.access-2.log"), "second\n");
    }

    #[test]
    fn lines_go_to_the_file_of_their_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = Files::start();
        files.change(Settings {
            main: path("main.log"),
            requests: path("requests.log"),
            serious: Some(path("serious.log")),
            most: 0,
            kept: 0,
        });
        for (request, serious, text) in
            [(false, false, "a\n"), (true, false, "b\n"), (false, true, "c\n"), (true, true, "d\n")]
        {
            Line { files: &files, request, serious }.write_all(text.as_bytes()).unwrap();
        }
        files.flush(Duration::from_secs(60));
        let found = ["main.log", "requests.log", "serious.log"].map(|name| read(folder.path(), name));
        assert_eq!(found, ["a\nc\n", "b\nd\n", "c\nd\n"]);
    }
}
