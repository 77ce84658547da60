//! Front ends out of folders, over real sockets.

use reqwest::StatusCode;
use serde_json::Value;

use super::{header, raw};
use crate::support::{Installation, eventually};

fn write(installation: &Installation, name: &str) -> std::path::PathBuf {
    let folder = installation.beside().join(name);
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    let page = format!("<!doctype html><title>{name}</title><script>start()</script>");
    std::fs::write(folder.join("index.html"), page).unwrap();
    std::fs::write(folder.join("callback.html"), format!("<title>{name} callback</title>")).unwrap();
    std::fs::write(folder.join("assets/app-B3xK9z1a.js"), "console.log('hello');\n".repeat(500)).unwrap();
    std::fs::write(folder.join(".env"), "SECRET=1").unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_three_front_ends_are_served_beside_the_interfaces() {
    let installation = Installation::new();
    let [admin, discover, meta] = ["admin", "discover", "meta"].map(|name| write(&installation, name));
    // What a service is called is the service's, whatever lies in the folder.
    for name in ["api", "nexus", "realms"] {
        std::fs::create_dir(admin.join(name)).unwrap();
        std::fs::write(admin.join(name).join("index.html"), "a file").unwrap();
    }
    std::fs::write(installation.beside().join("secret.txt"), "SECRET=2").unwrap();
    std::os::unix::fs::symlink("../secret.txt", admin.join("secret.txt")).unwrap();
    let node = installation
        .serve()
        .set("Appliance.FrontEnds.Admin", admin.to_str().unwrap())
        .set("Appliance.FrontEnds.Discover", discover.to_str().unwrap())
        .set("Appliance.FrontEnds.MetaDiscover", meta.to_str().unwrap())
        .start()
        .await;
    let base = installation.base();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = |path: &str| http.get(format!("{base}{path}"));
    for (path, title) in [
        ("/", "admin"),
        ("/sources/7", "admin"),
        ("/callback.html", "admin callback"),
        ("/discover/", "discover"),
        ("/discover/callback.html", "discover callback"),
        ("/discover/query/7", "discover"),
        ("/meta-discover/", "meta"),
    ] {
        let answer = get(path).send().await.unwrap();
        assert_eq!(header(&answer, "content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(header(&answer, "cache-control"), Some("no-cache"), "{path}");
        assert_eq!(header(&answer, "x-frame-options"), Some("SAMEORIGIN"), "{path}");
        assert!(answer.text().await.unwrap().contains(&format!("<title>{title}</title>")), "{path}");
    }
    let slash = get("/discover?a=b").send().await.unwrap();
    assert_eq!(
        (slash.status(), header(&slash, "location")),
        (StatusCode::PERMANENT_REDIRECT, Some("discover/?a=b"))
    );
    // The page may call the interfaces and the issuer, and run its own scripts.
    let page = get("/").send().await.unwrap();
    let policy = header(&page, "content-security-policy").unwrap();
    assert!(policy.contains(&format!("connect-src 'self' {base};")), "{policy}");
    assert!(policy.contains("script-src 'self' 'sha256-"), "{policy}");
    let tag = header(&page, "etag").unwrap();
    let again = get("/").header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

    let script = get("/assets/app-B3xK9z1a.js").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&script, "cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(header(&script, "content-encoding"), Some("gzip"));
    let part = get("/assets/app-B3xK9z1a.js").header("range", "bytes=0-6").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.text().await.unwrap(), "console");
    let head = http.head(format!("{base}/assets/app-B3xK9z1a.js")).send().await.unwrap();
    assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, Some("11000")));

    for (path, status) in [
        ("/api/", 200),
        ("/api", 200),
        ("/api/nothing", 404),
        ("/query/nothing", 404),
        ("/nexus", 404),
        ("/nexus/index.html", 404),
        ("/realms/nothing", 404),
        ("/healthz", 200),
        ("/assets/gone.js", 404),
    ] {
        let answer = get(path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(
            header(&answer, "content-type").map(|kind| kind.starts_with("application/json")),
            Some(true),
            "{path}"
        );
    }
    assert_eq!(get("/docs").send().await.unwrap().status(), 200);

    // Clients tidy paths up before they send them; whoever means harm does not.
    let address = format!("127.0.0.1:{}", installation.port);
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/.env",
        "/%2eenv",
        "/secret.txt",
        "/discover/..%2f..%2fsecret.txt",
        "//.env",
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        );
        let answer = raw(&address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("SECRET"), "{path}: {answer}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_not_there_is_named_and_served_once_it_is() {
    let installation = Installation::new();
    let folder = installation.beside().join("later");
    let set = format!("Appliance.FrontEnds.Discover={}", folder.display());
    let node =
        installation.serve().set("Appliance.FrontEnds.Discover", folder.to_str().unwrap()).start().await;
    let said = format!("Appliance.FrontEnds.Discover: the folder {} is not there", folder.display());
    assert!(node.log().contains(&said), "{}", node.log());
    let (healthy, found) = installation.try_tool(&["doctor", "--json", "--set", &set]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert!(!healthy && found.to_string().contains("Appliance.FrontEnds.Discover"), "{found}");
    let url = format!("{}/discover/", installation.base());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
    // Without a front end of its own the root shows what it always did.
    let root = reqwest::get(installation.base()).await.unwrap().text().await.unwrap();
    assert!(root.contains("/docs"), "{root}");
    write(&installation, "later");
    eventually("the front end", || async {
        reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    node.stop().await;
}
