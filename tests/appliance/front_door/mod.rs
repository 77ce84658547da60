//! The front door as browsers and operators meet it: certificates, redirects, headers, compression, front ends.

mod answers;
mod front_ends;
mod made;
mod tls;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Installation;
use crate::support::node::Launch;

/// A certificate and key that the tool made.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub told: Value,
}

impl Pair {
    /// Makes one for this machine in a folder of its own below the installation's.
    pub fn made(installation: &Installation, name: &str, days: &str) -> Self {
        let folder = installation.beside().join(name);
        let args =
            ["tls", "self-signed", "--host", "localhost", "127.0.0.1", "--days", days, "--json", "--out"];
        let told = installation.tool(&[&args[..], &[folder.to_str().unwrap()]].concat(), "");
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        Self { certificate, key, told: serde_json::from_str(&told).unwrap() }
    }

    /// Puts a copy into the place of another, as careful writers do: whole, then renamed.
    pub fn replace(&self, place: &Pair) {
        rename_over(&self.key, &place.key);
        rename_over(&self.certificate, &place.certificate);
    }

    /// A client that trusts this certificate and no other.
    pub fn client(&self) -> reqwest::Client {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&self.certificate).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }
}

/// Puts a copy of a file into the place of another at once.
pub fn rename_over(from: &Path, to: &Path) {
    let new = to.with_extension("copy");
    std::fs::copy(from, &new).unwrap();
    std::fs::rename(new, to).unwrap();
}

/// A node with TLS, not started yet.
pub fn with_tls<'a>(installation: &'a Installation, pair: &Pair) -> Launch<'a> {
    installation
        .serve()
        .set("Appliance.TLS.Certificate", pair.certificate.to_str().unwrap())
        .set("Appliance.TLS.Key", pair.key.to_str().unwrap())
        .set("Appliance.PublicURL", &address(installation))
}

/// The address of the front door with TLS.
pub fn address(installation: &Installation) -> String {
    format!("https://localhost:{}", installation.port)
}

/// Sends a request as it stands and answers all that comes back.
pub async fn raw(address: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A header of an answer as text.
pub fn header<'a>(answer: &'a reqwest::Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}
