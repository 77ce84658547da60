use super::*;
use poem::{EndpointExt, Route, get};

fn served(folder: &Path) -> impl Endpoint<Output = Response> {
    let policy = Policy::new("", &[]);
    Route::new()
        .at("/healthz", get(poem::endpoint::make_sync(|_| "alive")))
        .nest("/api", poem::endpoint::make_sync(|request: Request| format!("api {}", request.uri().path())))
        .nest("/", FrontEnd::new("/", folder, policy.clone()))
        .nest("/discover", FrontEnd::new("/discover", folder, policy))
        .catch_all_error(error::render)
        .map_to_response()
}

struct Seen {
    response: Response,
    body: Vec<u8>,
}

impl Seen {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

async fn ask(app: &impl Endpoint<Output = Response>, request: poem::RequestBuilder) -> Seen {
    let mut response = app.call(request.finish()).await.unwrap();
    let body = response.take_body().into_vec().await.unwrap();
    Seen { response, body }
}

fn path(path: &str) -> poem::RequestBuilder {
    Request::builder().uri(path.parse().unwrap())
}

fn folder() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("assets")).unwrap();
    let page = "<title>front end</title><script>run()</script>";
    std::fs::write(place.path().join("index.html"), page).unwrap();
    std::fs::write(place.path().join("assets/app-B3xK9z1a.js"), "app()".repeat(1000)).unwrap();
    place
}

#[tokio::test]
async fn prefixes_win_over_files_and_every_other_address_is_the_page() {
    let place = folder();
    std::fs::create_dir(place.path().join("api")).unwrap();
    std::fs::write(place.path().join("api/x"), "a file").unwrap();
    std::fs::write(place.path().join("healthz"), "a file").unwrap();
    let app = served(place.path());
    for (asked, expected) in [
        ("/healthz", "alive"),
        ("/api/x", "api /x"),
        ("/api", "api /"),
        ("/", "<title>front end"),
        ("/apiary", "<title>front end"),
        ("/sources/7", "<title>front end"),
        ("/discover/", "<title>front end"),
        ("/discover/queries/7", "<title>front end"),
        ("/discover/assets/app-B3xK9z1a.js", "app()"),
    ] {
        let seen = ask(&app, path(asked)).await;
        assert!(seen.status() == 200 && seen.text().starts_with(expected), "{asked}: {}", seen.text());
    }
    let missing = ask(&app, path("/assets/gone.js")).await;
    assert_eq!(
        (missing.status(), missing.text().as_str()),
        (404, r#"{"error":"there is nothing at this address"}"#)
    );
}

#[tokio::test]
async fn pages_are_asked_for_again_and_hashed_files_are_kept() {
    let place = folder();
    let app = served(place.path());
    let page = ask(&app, path("/")).await;
    assert_eq!(page.response.header("cache-control"), Some("no-cache"));
    assert_eq!(page.response.header("content-type"), Some("text/html; charset=utf-8"));
    let script = ask(&app, path("/assets/app-B3xK9z1a.js")).await;
    assert_eq!(script.response.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let tag = page.response.header("etag").unwrap().to_owned();
    let again = ask(&app, path("/").header("if-none-match", &tag)).await;
    assert_eq!((again.status(), again.body.len()), (304, 0));
    let since = page.response.header("last-modified").unwrap().to_owned();
    assert_eq!(ask(&app, path("/").header("if-modified-since", since)).await.status(), 304);
    // A route of the front end is the same page.
    assert_eq!(ask(&app, path("/sources/7").header("if-none-match", &tag)).await.status(), 304);
}

#[tokio::test]
async fn a_new_release_is_served_at_once_even_if_it_is_as_long_and_as_old() {
    let place = folder();
    let app = served(place.path());
    let file = place.path().join("index.html");
    let old = std::fs::metadata(&file).unwrap().modified().unwrap();
    let before = ask(&app, path("/")).await;
    let other = before.text().replace("front end", "other end");
    std::fs::write(place.path().join("new"), &other).unwrap();
    let new = File::options().write(true).open(place.path().join("new")).unwrap();
    new.set_modified(old).unwrap();
    std::fs::rename(place.path().join("new"), &file).unwrap();
    let after = ask(&app, path("/").header("if-none-match", before.response.header("etag").unwrap())).await;
    assert_eq!((after.status(), after.text()), (200, other));
}

#[tokio::test]
async fn the_page_may_run_the_scripts_in_it_and_be_framed_by_itself() {
    let place = folder();
    let app = served(place.path());
    let page = ask(&app, path("/")).await;
    let policy = page.response.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self' 'sha256-"), "{policy}");
    assert_eq!(page.response.header("x-frame-options"), Some("SAMEORIGIN"));
}

#[tokio::test]
async fn files_packed_before_are_sent_unless_they_are_older() {
    let place = folder();
    let script = place.path().join("assets/app-B3xK9z1a.js");
    let packed = place.path().join("assets/app-B3xK9z1a.js.br");
    std::fs::write(&packed, "brotli").unwrap();
    let app = served(place.path());
    let asked = || path("/assets/app-B3xK9z1a.js").header("accept-encoding", "gzip, br");
    let seen = ask(&app, asked()).await;
    assert_eq!((seen.response.header("content-encoding"), seen.text().as_str()), (Some("br"), "brotli"));
    assert_eq!(seen.response.header("content-type"), Some("text/javascript; charset=utf-8"));
    std::fs::write(place.path().join("assets/app-B3xK9z1a.js.gz"), "gzip").unwrap();
    let seen = ask(&app, path("/assets/app-B3xK9z1a.js").header("accept-encoding", "gzip")).await;
    assert_eq!((seen.response.header("content-encoding"), seen.text().as_str()), (Some("gzip"), "gzip"));
    // The script was built anew and not packed.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    File::options().write(true).open(&script).unwrap().set_modified(later).unwrap();
    let seen = ask(&app, asked()).await;
    assert_eq!(seen.response.header("content-encoding"), Some("gzip"));
    assert_ne!(seen.text(), "gzip");
}

#[tokio::test]
async fn a_large_file_comes_from_disk_with_its_parts() {
    let place = folder();
    let bytes: Vec<u8> = (0..LARGE + 10).map(|n| (n % 251) as u8).collect();
    std::fs::write(place.path().join("film.mp4"), &bytes).unwrap();
    let app = served(place.path());
    let whole = ask(&app, path("/film.mp4").header("accept-encoding", "gzip")).await;
    assert!(whole.status() == 200 && whole.body == bytes);
    assert_eq!(whole.response.header("content-encoding"), None);
    let part = ask(&app, path("/film.mp4").header("range", "bytes=4194304-4194307")).await;
    assert_eq!((part.status(), part.body.as_slice()), (206, &bytes[4_194_304..4_194_308]));
    assert_eq!(part.response.header("content-range"), Some("bytes 4194304-4194307/4194314"));
    let beyond = ask(&app, path("/film.mp4").header("range", "bytes=9999999-")).await;
    assert_eq!((beyond.status(), beyond.body.len()), (416, 0));
    let head = ask(&app, path("/film.mp4").method(Method::HEAD)).await;
    assert_eq!((head.response.header("content-length"), head.body.len()), (Some("4194314"), 0));
    let tag = whole.response.header("etag").unwrap();
    assert_eq!(ask(&app, path("/film.mp4").header("if-none-match", tag)).await.status(), 304);
}

#[tokio::test]
async fn other_methods_are_refused_and_a_folder_that_is_gone_is_said() {
    let place = folder();
    let app = served(place.path());
    let refused = ask(&app, path("/").method(Method::POST)).await;
    assert_eq!((refused.status(), refused.response.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(FrontEnd::lacks(place.path()), None);
    std::fs::remove_file(place.path().join("index.html")).unwrap();
    assert!(FrontEnd::lacks(place.path()).unwrap().contains("has no index.html"));
    let gone = place.path().join("gone");
    assert!(FrontEnd::lacks(&gone).unwrap().contains("is not there"));
    assert_eq!(ask(&served(&gone), path("/")).await.status(), 404);
}

#[tokio::test]
async fn memory_for_files_is_bounded() {
    let place = folder();
    let front = FrontEnd::new("/", place.path(), Policy::new("", &[]));
    for n in 0..20 {
        let name = format!("{n}.js");
        std::fs::write(place.path().join(&name), vec![b'a'; LARGE as usize]).unwrap();
        assert!(matches!(front.look(&format!("/{name}"), false), Answer::Kept(_)));
        assert!(front.kept.lock().unwrap().weight <= KEPT);
    }
    assert!(front.kept.lock().unwrap().entries.len() < 20);
}
