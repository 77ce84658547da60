//! Names, paths, and the order of syncs and renames that keeps every named file whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::scratch::private;
use crate::blobs::BlobError;
use crate::domain::clock::{Random, SystemRandom};

/// Read and hashed at once.
const BLOCK: usize = 256 * 1024;
/// Checked names that are remembered at most (some 100 B each); then checking starts again.
const REMEMBERED: usize = 100_000;

/// A name that is one: 64 lower-case hexadecimal digits, so never a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(String);

impl Name {
    /// Takes the text if it can be a name.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let legal = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if legal {
            return Ok(Self(text.to_owned()));
        }
        Err(BlobError::Name(text.chars().take(80).filter(|character| !character.is_control()).collect()))
    }

    fn of(hash: Sha256) -> Self {
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The two folders it lies in.
    fn places(&self) -> (&str, &str) {
        (self.0.get(..2).unwrap_or_default(), self.0.get(2..4).unwrap_or_default())
    }
}

/// What a checked file looked like; a file that looks different is checked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Look {
    fn of(metadata: &fs::Metadata) -> Self {
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.len(), changed }
    }
}

/// The folder of all blobs.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    pub(super) scratch: PathBuf,
    checked: Mutex<HashMap<Name, Look>>,
    /// Folders of which this process knows that they survive power loss.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    /// Works in `root`, writing first into `scratch`, which lies on the same file system.
    pub fn new(root: &Path, scratch: &Path) -> Self {
        Self {
            root: root.to_owned(),
            scratch: scratch.to_owned(),
            checked: Mutex::default(),
            durable: Mutex::default(),
        }
    }

    /// Answers the name and the file, which is locked against deletion until it is closed.
    pub fn put(&self, bytes: &[u8]) -> Result<(String, File), BlobError> {
        let name = Name::of(Sha256::new_with_prefix(bytes));
        loop {
            if let Some(held) = self.keep(&name)? {
                return Ok((name.0, held));
            }
            let draft = self.draft();
            let published = create(&draft).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()?;
                Ok(self.publish(&file, &draft, &name)?.then_some(file))
            });
            if let Ok(Some(held)) = published {
                return Ok((name.0, held));
            }
            let _ = fs::remove_file(&draft);
            published.map_err(|error| full(error, &name.0))?;
        }
    }

    /// As `put`. Until the final rename the file stays where it is, so that whatever happens it is in one of the two
    /// places.
    pub fn put_file(&self, path: &Path) -> Result<(String, File), BlobError> {
        let refuse = |why| {
            let words = format!("{} {why}", path.display());
            Err(io::Error::new(ErrorKind::InvalidInput, words).into())
        };
        if !fs::symlink_metadata(path)?.is_file() {
            return refuse("is not a regular file");
        }
        let file = File::open(path)?;
        let look = Look::of(&file.metadata()?);
        let name = Name::of(hash(&file, io::sink())?);
        if Look::of(&fs::symlink_metadata(path)?) != look {
            return refuse("changed while it was stored");
        }
        loop {
            let mut held = self.keep(&name)?;
            if held.is_none() {
                file.sync_all()?;
                match self.publish(&file, path, &name) {
                    Ok(true) => return Ok((name.0, file)),
                    Ok(false) => {}
                    Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                        held = self.copy(path, &name)?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if let Some(held) = held {
                fs::remove_file(path)?;
                return Ok((name.0, held));
            }
        }
    }

    pub fn open(&self, name: &Name) -> Result<Option<PathBuf>, BlobError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        if self.whole(name, &file)? {
            Ok(Some(self.path(name)))
        } else {
            Err(BlobError::Damaged(name.0.clone()))
        }
    }

    pub fn size(&self, name: &Name) -> Result<Option<u64>, BlobError> {
        match fs::metadata(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => Ok(Some(other?.len())),
        }
    }

    /// The blob's file, locked so that nobody can store it; `None` if there is none or somebody is storing it.
    pub fn condemn(&self, name: &Name) -> Result<Option<File>, BlobError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        match file.try_lock() {
            Ok(()) => Ok(self.has_name(&file, name)?.then_some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Removes a condemned blob.
    pub fn delete(&self, name: &Name, condemned: &File) -> Result<bool, BlobError> {
        let _names = self.names()?;
        // Set aside as damaged meanwhile, perhaps, and stored anew.
        if !self.has_name(condemned, name)? {
            return Ok(false);
        }
        self.checked().remove(name);
        let path = self.path(name);
        fs::remove_file(&path)?;
        sync_folder(path.parent())?;
        Ok(true)
    }

    /// All names with their sizes.
    pub fn all(&self) -> Result<Vec<(String, u64)>, BlobError> {
        let mut found = Vec::new();
        for first in pairs(&self.root)? {
            for second in pairs(&first)? {
                for entry in entries(&second)? {
                    let name = entry.file_name().to_str().and_then(|text| Name::parse(text).ok());
                    // A blob may be deleted while we look.
                    if let (Some(name), Ok(metadata)) = (name, entry.metadata()) {
                        found.push((name.0, metadata.len()));
                    }
                }
            }
        }
        Ok(found)
    }

    fn file(&self, name: &Name) -> io::Result<Option<File>> {
        match File::open(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether the file is the one that has the name now.
    fn has_name(&self, file: &File, name: &Name) -> io::Result<bool> {
        match fs::metadata(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            other => Ok(other?.ino() == file.metadata()?.ino()),
        }
    }

    /// Whether the file has the content its name says; if not, it is set aside.
    fn whole(&self, name: &Name, file: &File) -> io::Result<bool> {
        let look = Look::of(&file.metadata()?);
        if self.checked().get(name) == Some(&look) {
            return Ok(true);
        }
        let whole = Name::of(hash(file, io::sink())?) == *name;
        if whole {
            self.remember(name, look)
        } else {
            self.set_aside(name, look)?
        }
        Ok(whole)
    }

    /// The whole and durable file of the name, locked against deletion; waits while its deletion is decided.
    fn keep(&self, name: &Name) -> io::Result<Option<File>> {
        while let Some(file) = self.file(name)? {
            file.lock_shared()?;
            if !self.has_name(&file, name)? {
                continue;
            }
            if !self.whole(name, &file)? {
                return Ok(None);
            }
            // Another process may have renamed it just now and not have synced its folder yet.
            self.make_places(name)?;
            sync_folder(self.path(name).parent())?;
            return Ok(Some(file));
        }
        Ok(None)
    }

    /// Moves a synced file to its name, locked against deletion; `false` = another has the name meanwhile.
    fn publish(&self, file: &File, from: &Path, name: &Name) -> io::Result<bool> {
        self.make_places(name)?;
        file.set_permissions(Permissions::from_mode(0o400))?;
        file.lock_shared()?;
        let to = self.path(name);
        {
            let _names = self.names()?;
            if fs::exists(&to)? {
                return Ok(false);
            }
            fs::rename(from, &to)?;
        }
        sync_folder(to.parent())?;
        self.remember(name, Look::of(&file.metadata()?));
        Ok(true)
    }

    /// For a file on another file system.
    fn copy(&self, from: &Path, name: &Name) -> Result<Option<File>, BlobError> {
        let draft = self.draft();
        let copied = File::open(from).and_then(|source| {
            let target = create(&draft)?;
            if Name::of(hash(&source, &target)?) != *name {
                return Err(io::Error::other("the file changed while it was stored"));
            }
            target.sync_all()?;
            Ok(self.publish(&target, &draft, name)?.then_some(target))
        });
        if !matches!(copied, Ok(Some(_))) {
            let _ = fs::remove_file(&draft);
        }
        copied.map_err(|error| full(error, &name.0))
    }

    /// The lock under which names come and go.
    fn names(&self) -> io::Result<File> {
        let lock = File::create(self.root.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Renames a damaged file into `damaged/`, unless it has been replaced meanwhile.
    fn set_aside(&self, name: &Name, look: Look) -> io::Result<()> {
        self.checked().remove(name);
        let _names = self.names()?;
        let path = self.path(name);
        if fs::metadata(&path).is_ok_and(|metadata| Look::of(&metadata) == look) {
            let aside = self.root.join("damaged");
            private(&aside)?;
            let to = aside.join(format!("{}.{}", name.0, SystemRandom.uuid().simple()));
            fs::rename(&path, &to)?;
            sync_folder(path.parent())?;
            sync_folder(Some(&aside))?;
            tracing::error!(blob = name.0, kept = %to.display(), "a damaged blob was set aside");
        }
        Ok(())
    }

    /// Makes the folders of a name so that they survive power loss.
    fn make_places(&self, name: &Name) -> io::Result<()> {
        let (first, second) = name.places();
        let first = self.root.join(first);
        let second = first.join(second);
        if self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(&second) {
            return Ok(());
        }
        private(&second)?;
        sync_folder(Some(&first))?;
        sync_folder(Some(&self.root))?;
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).insert(second);
        Ok(())
    }

    fn path(&self, name: &Name) -> PathBuf {
        let (first, second) = name.places();
        self.root.join(first).join(second).join(&name.0)
    }

    fn draft(&self) -> PathBuf {
        self.scratch.join(format!("{}.draft", SystemRandom.uuid().simple()))
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<Name, Look>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, name: &Name, look: Look) {
        let mut checked = self.checked();
        if checked.len() >= REMEMBERED {
            checked.clear();
        }
        checked.insert(name.clone(), look);
    }
}

/// Hashes a file while handing its bytes on.
fn hash(mut from: &File, mut to: impl Write) -> io::Result<Sha256> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(hash),
            Ok(length) => {
                let read = block.get(..length).unwrap_or_default();
                hash.update(read);
                to.write_all(read)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A rename lasts once its folder is synced (fsync(2)).
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The folders in a folder that are named by two hexadecimal digits.
fn pairs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let two = |entry: &fs::DirEntry| {
        entry.file_name().len() == 2 && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    Ok(entries(folder)?.into_iter().filter(two).map(|entry| entry.path()).collect())
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    fs::read_dir(folder)?.collect()
}

fn full(error: io::Error, what: &str) -> BlobError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            BlobError::Full(format!("blob {what}"))
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::a_hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", true)]
    #[case::upper_case("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", false)]
    #[case::short("e3b0", false)]
    #[case::empty("", false)]
    #[case::a_path("../../../../../../../../../../../../../../../../../../../../etc/passwd", false)]
    #[case::with_a_slash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8/5", false)]
    #[case::two_byte_letters("éééééééééééééééééééééééééééééééé", false)]
    fn only_a_hash_in_lower_case_is_a_name(#[case] text: &str, #[case] legal: bool) {
        assert_eq!(Name::parse(text).is_ok(), legal);
    }

    #[test]
    fn a_refused_name_is_told_short_and_printable() {
        let error = Name::parse(&"\n\u{1b}[31m".repeat(1_000)).unwrap_err().to_string();
        assert!(error.len() < 200 && !error.contains(['\n', '\u{1b}']), "{error}");
    }
}
