//! Front ends: the files of a folder, with one page for all addresses of their own (specification §2.2).
//!
//! Lives here: the endpoint and what it keeps in memory. `place` finds the file of a path, `policy` says what a page may
//! do, `kinds` what a file is; codings, parts and conditions are those of every body that is the same for all (`fixed`).
//! Does not: which folder is served where (`config/appliance/front.rs`). The prefixes of services win over files.

mod kinds;
mod place;
mod policy;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, Request, Response};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio_util::bytes::Bytes;

use self::place::{Found, Place};
pub use self::policy::Policy;
use super::error;
use super::fixed::{Asked, Fixed, Version, without_body};

/// Larger files are sent from disk, as they are.
const LARGE: u64 = 4 << 20;

/// Bytes of all files of a front end that are kept in memory; beyond it is begun anew.
const KEPT: usize = 48 << 20;

/// What tells a file from the one before it: device, number, length, last change of content and of anything.
type Mark = [i64; 7];

fn mark(about: &Metadata) -> Mark {
    let number = |value: u64| i64::from_ne_bytes(value.to_ne_bytes());
    let place = [number(about.dev()), number(about.ino()), number(about.len())];
    let [device, inode, length] = place;
    [device, inode, length, about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()]
}

/// A file as it is answered.
enum Answer {
    Kept(Arc<Entry>),
    FromDisk(File, Box<Found>),
    Nothing,
    NoFolder,
}

/// A file in memory.
struct Entry {
    body: Arc<Fixed>,
    policy: HeaderValue,
    cache: &'static str,
}

/// A file and the ones packed beside it, as they were when they were read.
type Marks = [Option<Mark>; 3];

/// Files by their place, with what they weigh together.
#[derive(Default)]
struct Kept {
    entries: HashMap<PathBuf, (Marks, Arc<Entry>)>,
    weight: usize,
}

/// A folder that is served.
#[derive(Clone)]
pub struct FrontEnd {
    folder: Arc<Path>,
    /// The path it is served at.
    at: &'static str,
    policy: Policy,
    kept: Arc<Mutex<Kept>>,
}

impl FrontEnd {
    /// Serves a folder at a path.
    pub fn new(at: &'static str, folder: &Path, policy: Policy) -> Self {
        Self { folder: folder.into(), at, policy, kept: Arc::default() }
    }

    /// Why a folder cannot be a front end, if it cannot.
    pub fn lacks(folder: &Path) -> Option<String> {
        match place::find(folder, "/", true) {
            Place::File(_) => None,
            Place::Nothing => Some(format!("{} has no index.html that can be read", folder.display())),
            Place::NoFolder => Some(format!("the folder {} is not there", folder.display())),
        }
    }

    /// Finds and reads; waits for the disk.
    fn look(&self, path: &str, page: bool) -> Answer {
        let found = match place::find(&self.folder, path, page) {
            Place::File(found) => found,
            Place::Nothing => return Answer::Nothing,
            Place::NoFolder => return Answer::NoFolder,
        };
        if found.about.len() > LARGE {
            return match File::open(&found.file) {
                Ok(file) => Answer::FromDisk(file, found),
                Err(_) => Answer::Nothing,
            };
        }
        let Found { file, about, name } = *found;
        let packed = ["br", "gz"].map(|ending| beside(&file, ending, &about));
        let [brotli, gzip] = &packed;
        let of = |packed: &Option<(PathBuf, Mark)>| packed.as_ref().map(|(_, mark)| *mark);
        let marks = [Some(mark(&about)), of(brotli), of(gzip)];
        let held = self.kept.lock().unwrap_or_else(PoisonError::into_inner).entries.get(&file).cloned();
        if let Some((_, entry)) = held.filter(|(known, _)| *known == marks) {
            return Answer::Kept(entry);
        }
        match self.read(&file, &about, &name, packed) {
            Some(entry) => {
                self.keep(file, marks, &entry);
                Answer::Kept(entry)
            }
            None => Answer::Nothing,
        }
    }

    fn read(
        &self,
        file: &Path,
        about: &Metadata,
        name: &str,
        packed: [Option<(PathBuf, Mark)>; 2],
    ) -> Option<Arc<Entry>> {
        let plain = whole(file)?;
        let [brotli, gzip] = packed.map(|packed| packed.and_then(|(file, _)| whole(&file)));
        let kind = kinds::kind(name);
        let page =
            if kind.starts_with("text/html") { std::str::from_utf8(&plain).unwrap_or_default() } else { "" };
        let policy = self.policy.of(page);
        let mut body = Fixed::new(kind, plain).coded(brotli, gzip);
        if let Some(at) = changed(about) {
            body = body.modified(at);
        }
        Some(Arc::new(Entry { body: Arc::new(body), policy, cache: kinds::cache(name) }))
    }

    fn keep(&self, file: PathBuf, marks: Marks, entry: &Arc<Entry>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = entry.body.weight();
        if kept.weight + weight > KEPT {
            *kept = Kept::default();
        }
        kept.weight += weight;
        if let Some((_, old)) = kept.entries.insert(file, (marks, entry.clone())) {
            kept.weight = kept.weight.saturating_sub(old.body.weight());
        }
    }

    async fn send(&self, request: &Request, file: File, found: Found) -> Response {
        let Found { about, name, .. } = found;
        let digest = Sha256::digest(mark(&about).map(i64::to_be_bytes).concat());
        let tag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let version = Version { tag: format!("\"{tag}\""), modified: changed(&about), length: about.len() };
        let asked = version.asked(request.headers());
        let (start, length) = match &asked {
            Asked::Part(range) => (range.start, range.end - range.start),
            _ => (0, about.len()),
        };
        let found = tokio::task::spawn_blocking(move || {
            let mut file = file;
            file.seek(SeekFrom::Start(start)).map(|_| file)
        });
        let Ok(Ok(file)) = found.await else {
            return error::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        };
        let body = Body::from_async_read(tokio::fs::File::from_std(file).take(length));
        let response = version.answer(&asked, kinds::kind(&name), kinds::cache(&name), body);
        with_policy(without_body(request, response), self.policy.of(""))
    }
}

/// A file that was packed before and is not older than what it was made of.
fn beside(file: &Path, ending: &str, about: &Metadata) -> Option<(PathBuf, Mark)> {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    let packed = PathBuf::from(name);
    // Not through a link: it might lead anywhere.
    let found = packed.symlink_metadata().ok()?;
    let fresh = (found.mtime(), found.mtime_nsec()) >= (about.mtime(), about.mtime_nsec());
    (found.is_file() && fresh && found.len() <= LARGE).then(|| (packed, mark(&found)))
}

/// The content of a file that is not large; `None` where it cannot be read or has become large.
fn whole(file: &Path) -> Option<Bytes> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(LARGE + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LARGE).then(|| bytes.into())
}

fn changed(about: &Metadata) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(about.mtime(), 0)
}

fn with_policy(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // Silent sign-in frames a page of the front end in another of it.
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    response
}

/// Whether a person waits for a page.
fn wants_page(request: &Request) -> bool {
    request.header(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))
}

impl Endpoint for FrontEnd {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused =
                error::plain(StatusCode::METHOD_NOT_ALLOWED, "this method is not served at this address");
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(refused);
        }
        // Files are named relative to the folder: without the slash browsers would look for them beside it. The answer
        // is relative, too, so that it holds behind every proxy.
        let uri = request.original_uri();
        if uri.path() == self.at && self.at != "/" {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let last = self.at.rsplit('/').next().unwrap_or_default();
            let to = format!("{last}/{query}");
            return Ok(Response::builder()
                .status(StatusCode::PERMANENT_REDIRECT)
                .header(header::LOCATION, to)
                .finish());
        }
        let (this, path, page) = (self.clone(), request.uri().path().to_owned(), wants_page(&request));
        let found = tokio::task::spawn_blocking(move || this.look(&path, page)).await;
        Ok(match found {
            Ok(Answer::Kept(entry)) => {
                with_policy(entry.body.answer(&request, entry.cache).await, entry.policy.clone())
            }
            Ok(Answer::FromDisk(file, found)) => self.send(&request, file, *found).await,
            Ok(Answer::Nothing) => error::plain(StatusCode::NOT_FOUND, "there is nothing at this address"),
            Ok(Answer::NoFolder) => error::plain(
                StatusCode::NOT_FOUND,
                "the files of this front end are not there; doctor says where",
            ),
            Err(_) => error::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        })
    }
}

#[cfg(test)]
mod tests;
