//! From the path of a request to a file of the folder, and to none outside it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::http::pages::form::decoded;

/// The page that stands for every address of a front end's own.
const INDEX: &str = "index.html";

/// The one folder with a dot in front that is for everybody (RFC 8615); authorities look into it, too.
const WELL_KNOWN: &str = ".well-known";

/// A file of the folder.
#[derive(Debug)]
pub struct Found {
    pub file: PathBuf,
    pub about: Metadata,
    /// Relative to the folder, as it was asked for.
    pub name: String,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Place {
    File(Box<Found>),
    Nothing,
    /// The folder itself is not there.
    NoFolder,
}

/// Looks for the file of a path; `page` says whether a person waits for a page, who then gets the front end's own.
pub fn find(folder: &Path, path: &str, page: bool) -> Place {
    // Looked up each time: a new release is often a link that is swapped.
    let Ok(root) = folder.canonicalize() else { return Place::NoFolder };
    let Some(relative) = relative(path) else { return Place::Nothing };
    let closed = path.ends_with('/');
    match root.join(&relative).canonicalize() {
        Ok(found) if !found.starts_with(&root) => return Place::Nothing,
        Ok(found) if found.is_dir() && closed => {
            let place = file(&root, &root.join(&relative).join(INDEX), &join(&relative, INDEX));
            if !matches!(place, Place::Nothing) {
                return place;
            }
        }
        Ok(found) if !closed && !found.is_dir() => return file(&root, &found, &relative),
        _ => {}
    }
    let last = relative.rsplit('/').next().unwrap_or_default();
    let route = (page || !last.contains('.')) && !relative.starts_with(WELL_KNOWN);
    if route { file(&root, &root.join(INDEX), INDEX) } else { Place::Nothing }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A regular file below the root, links followed.
fn file(root: &Path, file: &Path, name: &str) -> Place {
    let found = file.canonicalize().ok().filter(|file| file.starts_with(root));
    let found = found.and_then(|file| Some((file.metadata().ok().filter(Metadata::is_file)?, file)));
    match found {
        Some((about, file)) => Place::File(Box::new(Found { file, about, name: name.to_owned() })),
        None => Place::Nothing,
    }
}

/// The path below the folder, decoded, with single slashes; `None` for what names no file of a front end: a way up, a
/// name with a dot in front, bytes that are no text.
fn relative(path: &str) -> Option<String> {
    // A plus is a plus in a path.
    let path = decoded(path.replace('+', "%2B").as_bytes()).ok()?;
    if path.contains(['\0', '\\']) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let hidden =
        |(at, segment): (usize, &&str)| segment.starts_with('.') && (at, *segment) != (0, WELL_KNOWN);
    (!segments.iter().enumerate().any(hidden)).then(|| segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[rstest::rstest]
    #[case("/", Some(""))]
    #[case("/a/b.js", Some("a/b.js"))]
    #[case("//a///b", Some("a/b"))]
    #[case("/a%20b+c.js", Some("a b+c.js"))]
    #[case("/.well-known/x", Some(".well-known/x"))]
    #[case("/a/.well-known/x", None)]
    #[case("/../x", None)]
    #[case("/a/../x", None)]
    #[case("/%2e%2e/x", None)]
    #[case("/a/..%2f..%2fx", None)]
    #[case("/./x", None)]
    #[case("/.env", None)]
    #[case("/.git/config", None)]
    #[case("/a%00.js", None)]
    #[case("/a%5c..%5cx", None)]
    #[case("/a%", None)]
    #[case("/%ff", None)]
    fn only_plain_paths_lead_anywhere(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(relative(path).as_deref(), expected);
    }

    fn folder() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("app");
        for folder in ["assets", "guide", ".hidden"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["index.html", "assets/a.js", "guide/index.html", ".hidden/x", ".env", "assets/.b"] {
            std::fs::write(root.join(file), file).unwrap();
        }
        std::fs::write(place.path().join("secret.js"), "secret").unwrap();
        symlink("../secret.js", root.join("out.js")).unwrap();
        symlink(place.path(), root.join("up")).unwrap();
        symlink("assets/a.js", root.join("in.js")).unwrap();
        symlink("nowhere", root.join("broken.js")).unwrap();
        place
    }

    #[rstest::rstest]
    #[case("/", false, Some("index.html"))]
    #[case("/index.html", false, Some("index.html"))]
    #[case("/assets/a.js", false, Some("assets/a.js"))]
    #[case("/in.js", false, Some("assets/a.js"))]
    #[case("/guide/", false, Some("guide/index.html"))]
    // Routes of the front end itself.
    #[case("/guide", false, Some("index.html"))]
    #[case("/sources/7", false, Some("index.html"))]
    #[case("/sources/1.2", true, Some("index.html"))]
    #[case("/assets/", false, Some("index.html"))]
    // A script that is not there is not a page.
    #[case("/assets/b.js", false, None)]
    #[case("/sources/1.2", false, None)]
    #[case("/broken.js", false, None)]
    #[case("/.well-known/acme-challenge/x", true, None)]
    #[case("/out.js", true, None)]
    #[case("/up/secret.js", true, None)]
    #[case("/.env", true, None)]
    #[case("/.hidden/x", true, None)]
    #[case("/assets/.b", true, None)]
    #[case("/../secret.js", true, None)]
    #[case("/%2e%2e/secret.js", true, None)]
    fn paths_lead_to_files_of_the_folder(
        #[case] path: &str,
        #[case] page: bool,
        #[case] expected: Option<&str>,
    ) {
        let place = folder();
        let root = place.path().join("app");
        let found = match find(&root, path, page) {
            Place::File(found) => {
                Some(found.file.strip_prefix(root.canonicalize().unwrap()).unwrap().to_owned())
            }
            Place::Nothing => None,
            Place::NoFolder => panic!("the folder is there"),
        };
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn the_folder_itself_may_be_a_link_that_is_swapped() {
        let place = folder();
        let link = place.path().join("current");
        assert!(matches!(find(&link, "/", true), Place::NoFolder));
        symlink("app", &link).unwrap();
        assert!(matches!(find(&link, "/", true), Place::File(_)));
    }
}
