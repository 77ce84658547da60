//! The client for calls to other servers: whom it trusts over TLS, and through which proxy it calls (`proxy`).
//!
//! The authorities, certificates and keys in `keys/` are throw-away ones for these tests and protect nothing.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod proxy;

use std::sync::Arc;

use cv3_backend::outbound::{Outbound, OutboundError};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const AUTHORITY: &str = include_str!("keys/throw-away-authority.pem");

/// Greets every caller over TLS, under the name `localhost`; answers its port.
async fn server() -> u16 {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::from_pem_slice(include_bytes!("keys/throw-away-server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("keys/throw-away-server.key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A caller that does not trust us hangs up here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = [0; 1024];
            let _read = stream.read(&mut asked).await;
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        }
    });
    port
}

async fn ask(client: &Outbound, url: String) -> Result<Vec<u8>, OutboundError> {
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    client.send(request).await.map(http::Response::into_body)
}

#[tokio::test]
async fn an_authority_is_trusted_only_where_it_is_named() {
    let port = server().await;
    let url = format!("https://localhost:{port}/");
    let stranger = Outbound::new(None).unwrap();
    let refused = ask(&stranger, url.clone()).await.unwrap_err();
    assert!(
        matches!(&refused, OutboundError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{refused}"
    );
    let trusting = Outbound::new(Some(AUTHORITY.as_bytes())).unwrap();
    assert_eq!(ask(&trusting, url).await.unwrap(), b"hello");
    // The certificate is for one name.
    let other = ask(&trusting, format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(&other, OutboundError::Unreachable { .. }), "{other}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    for text in ["", "no certificate", broken] {
        assert!(matches!(Outbound::new(Some(text.as_bytes())), Err(OutboundError::Setup(_))), "{text}");
    }
}
