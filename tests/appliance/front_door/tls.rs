//! Certificates that change while the service runs, and plain HTTP beside them.

use serde_json::Value;

use super::{Pair, address, header, raw, rename_over, with_tls};
use crate::support::{Installation, eventually};

/// Whether a fresh connection is trusted by who trusts this certificate only.
async fn serves(installation: &Installation, pair: &Pair) -> bool {
    let url = format!("{}/healthz", address(installation));
    pair.client().get(url).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let installation = Installation::new();
    let (used, next) = (Pair::made(&installation, "used", "30"), Pair::made(&installation, "next", "60"));
    let first = Pair {
        certificate: installation.beside().join("first.pem"),
        key: used.key.clone(),
        told: Value::Null,
    };
    std::fs::copy(&used.certificate, &first.certificate).unwrap();
    let node = with_tls(&installation, &used).set("Metrics.Prometheus.Enabled", "true").start().await;
    assert!(serves(&installation, &first).await && !serves(&installation, &next).await);
    let figures = || async {
        let url = format!("http://{}/metrics", node.addresses["exporter"]);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    assert!(figures().await.contains("cv3_tls_certificate_files_usable 1"), "{}", figures().await);

    // A connection that is open stays, and is served to its end.
    let open = first.client();
    assert_eq!(open.get(format!("{}/healthz", address(&installation))).send().await.unwrap().status(), 200);
    next.replace(&used);
    eventually("the new certificate", || async { serves(&installation, &next).await.then_some(()) }).await;
    assert!(!serves(&installation, &first).await);
    assert_eq!(open.get(format!("{}/healthz", address(&installation))).send().await.unwrap().status(), 200);
    let expires = next.told["expires"].as_str().unwrap();
    let seconds =
        expires.parse::<chrono::NaiveDate>().unwrap().and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
    let line = format!("cv3_tls_certificate_expires_seconds {seconds}");
    eventually("its end in the figures", || async { figures().await.contains(&line).then_some(()) }).await;

    // A key of another pair: the old one stays, and it is said what is wrong.
    let other = Pair::made(&installation, "other", "90");
    rename_over(&other.key, &used.key);
    let complaint = "is not the key of the certificate";
    eventually("the complaint", || async { node.log().contains(complaint).then_some(()) }).await;
    assert!(
        node.log().contains("the certificate was not changed; the one before is served"),
        "{}",
        node.log()
    );
    assert!(node.log().contains(used.key.to_str().unwrap()));
    assert!(serves(&installation, &next).await);
    let unusable = "cv3_tls_certificate_files_usable 0";
    eventually("the figure", || async { figures().await.contains(unusable).then_some(()) }).await;
    assert!(!node.log().contains("PRIVATE KEY"), "{}", node.log());

    // Its certificate follows.
    rename_over(&other.certificate, &used.certificate);
    eventually("the other certificate", || async { serves(&installation, &other).await.then_some(()) }).await;
    let usable = "cv3_tls_certificate_files_usable 1";
    eventually("the figure", || async { figures().await.contains(usable).then_some(()) }).await;

    // Asked by hand, it says so each time.
    std::fs::write(&used.certificate, "nothing").unwrap();
    node.hang_up();
    eventually("the complaint", || async { node.log().contains("holds no certificate").then_some(()) }).await;
    assert!(serves(&installation, &other).await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_are_swapped_are_followed() {
    let installation = Installation::empty();
    let (one, two) = (Pair::made(&installation, "one", "30"), Pair::made(&installation, "two", "60"));
    let link = installation.beside().join("live");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let live =
        Pair { certificate: link.join("certificate.pem"), key: link.join("key.pem"), told: Value::Null };
    let node = with_tls(&installation, &live).start().await;
    assert!(serves(&installation, &one).await);
    std::os::unix::fs::symlink("two", installation.beside().join("new")).unwrap();
    std::fs::rename(installation.beside().join("new"), &link).unwrap();
    eventually("the other certificate", || async { serves(&installation, &two).await.then_some(()) }).await;
    node.stop().await;
}

#[test]
fn doctor_tells_of_the_certificate_as_it_is_now() {
    let installation = Installation::new();
    let doctor = |pair: &Pair, public: &str| -> (bool, Value) {
        let set = [
            format!("Appliance.TLS.Certificate={}", pair.certificate.display()),
            format!("Appliance.TLS.Key={}", pair.key.display()),
            format!("Appliance.PublicURL={public}"),
        ];
        let [certificate, key, public] = &set;
        let (healthy, said) =
            installation.try_tool(&["doctor", "--json", "--set", certificate, "--set", key, "--set", public]);
        (healthy, serde_json::from_str(&said).unwrap())
    };
    let told = |said: &Value| -> Vec<String> {
        let findings = said["findings"].as_array().unwrap().iter();
        findings.filter(|it| it["name"] == "certificate").map(|it| it["text"].to_string()).collect()
    };
    let good = Pair::made(&installation, "good", "60");
    let (healthy, said) = doctor(&good, "https://localhost");
    assert!(healthy && told(&said)[0].contains(good.told["sha256"].as_str().unwrap()), "{said}");
    assert!(told(&said)[0].contains("days left: 5"), "{said}");
    let (healthy, said) = doctor(&good, "https://cv.example.org");
    assert!(!healthy && told(&said)[1].contains("it is not for cv.example.org"), "{said}");
    let soon = Pair::made(&installation, "soon", "10");
    let (healthy, said) = doctor(&soon, "https://localhost");
    assert!(!healthy && told(&said)[0].contains("expires on"), "{said}");
    let mixed = Pair { certificate: good.certificate, key: soon.key, told: Value::Null };
    let (healthy, said) = doctor(&mixed, "https://localhost");
    assert!(!healthy && told(&said)[0].contains("is not the key of the certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_is_sent_to_the_public_address_and_to_no_other() {
    let installation = Installation::new();
    let pair = Pair::made(&installation, "tls", "30");
    let node = with_tls(&installation, &pair).set("Appliance.RedirectHTTP", "127.0.0.1:0").start().await;
    let plain = &node.addresses["redirect"];
    for (request, target) in [
        ("GET /api/sources/?x=1 HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "/api/sources/?x=1"),
        ("GET http://evil.example.com/x HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "/x"),
        ("GET / HTTP/1.0\r\n\r\n", "/"),
        ("POST /setup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "/setup"),
    ] {
        let answer = raw(plain, request).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 308 ") || answer.starts_with("http/1.0 308 "), "{answer}");
        let location = format!("location: {}{target}\r\n", address(&installation));
        assert!(answer.contains(&location), "{location:?} is not in {answer}");
        assert!(!answer.contains("evil") && !answer.contains("strict-transport"), "{answer}");
    }
    let alive = raw(plain, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(alive.starts_with("HTTP/1.1 200 ") && alive.contains("alive"), "{alive}");
    // The tool that supervisors call is not led astray by it.
    let set = format!("Appliance.TLS.Certificate={}", pair.certificate.display());
    let key = format!("Appliance.TLS.Key={}", pair.key.display());
    let (healthy, said) = installation.try_tool(&["health", "--set", &set, "--set", &key]);
    assert!(healthy, "{said}");
    // There, browsers are told to use nothing else from now on.
    let answer = pair.client().get(format!("{}/healthz", address(&installation))).send().await.unwrap();
    assert_eq!(header(&answer, "strict-transport-security"), Some("max-age=31536000"));
    node.stop().await;
}

#[test]
fn a_redirect_without_a_place_to_go_is_refused_at_start() {
    let installation = Installation::empty();
    let pair = Pair::made(&installation, "tls", "30");
    let certificate = format!("Appliance.TLS.Certificate={}", pair.certificate.display());
    let key = format!("Appliance.TLS.Key={}", pair.key.display());
    let check = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|pair| ["--set", pair]).collect();
        installation.try_tool(&[&["config", "check"], set.as_slice()].concat()).0
    };
    let (redirect, public) =
        ("Appliance.RedirectHTTP=127.0.0.1:8080", "Appliance.PublicURL=https://localhost");
    assert!(check(&[redirect, public, &certificate, &key]));
    assert!(!check(&[redirect, public]));
    assert!(!check(&[redirect, &certificate, &key]), "the public address is one without TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_written_to_once_about_a_certificate_that_ends_soon() {
    let installation = Installation::new();
    let (short, long) = (Pair::made(&installation, "short", "9"), Pair::made(&installation, "long", "60"));
    let told = || installation.tool(&["mail", "list", "--json"], "").matches("certificateEnds").count();
    let node = with_tls(&installation, &long).start().await;
    node.stop().await;
    assert_eq!(told(), 0);
    for _ in 0..2 {
        let node = with_tls(&installation, &short).start().await;
        eventually("the reminder", || async { node.log().contains("days left").then_some(()) }).await;
        eventually("the mail", || async { (told() == 1).then_some(()) }).await;
        node.stop().await;
    }
    assert_eq!(told(), 1);
}
