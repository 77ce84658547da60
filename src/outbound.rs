//! The one HTTP client for calls to other servers (design: *Outbound*).
//!
//! Lives here: proxies, certificate authorities, time and size limits, and which addresses are never called.
//! Does not: what is said to whom (the adapters), nor which addresses a caller may name (the use cases).
//! Whoever calls another server over HTTP gets an [`Outbound`] handed in and builds no client of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use thiserror::Error;

use crate::trace;

/// Time until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// Time until an answer is read to its end.
const WHOLE: Duration = Duration::from_secs(20);

/// Largest answer, in bytes.
const LARGEST: usize = 8 << 20;

/// A call that got no answer; never holds a header or a body. Addresses are without user, query and fragment.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// The address is none, or one that is never called.
    #[error("{0}")]
    Address(String),
    #[error("{to} cannot be reached: {reason}")]
    Unreachable { to: String, reason: String },
    #[error("{0} took too long to answer")]
    Timeout(String),
    #[error("the answer of {0} is too large")]
    TooLarge(String),
    /// The client itself cannot be made.
    #[error("{0}")]
    Setup(String),
}

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// For loopback, which is never asked for through a proxy (specification §3.2).
    direct: reqwest::Client,
    /// Honours `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case.
    proxied: reqwest::Client,
}

impl Outbound {
    /// Trusts the system's certificate authorities and those given as PEM.
    pub fn new(authorities: Option<&[u8]>) -> Result<Self, OutboundError> {
        // The client takes the process's TLS provider; the program has installed it already.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let setup =
            |e: reqwest::Error| OutboundError::Setup(format!("certificate authorities: {}", told(&e)));
        let own = match authorities {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?,
            None => Vec::new(),
        };
        if authorities.is_some() && own.is_empty() {
            return Err(OutboundError::Setup("certificate authorities: the file has none".into()));
        }
        let builder = || {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .referer(false)
                .user_agent(concat!("cv3-backend/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(Checked))
        };
        let with_system = || {
            let direct = builder().no_proxy().tls_certs_merge(own.clone()).build()?;
            Ok::<_, reqwest::Error>(Self { direct, proxied: builder().tls_certs_merge(own.clone()).build()? })
        };
        match with_system() {
            Ok(client) => Ok(client),
            // A container without any authorities can still speak plain HTTP, and TLS with those that are given.
            Err(error) => {
                tracing::warn!(error = told(&error), "the system has no certificate authorities to trust");
                let only = |b: reqwest::ClientBuilder| b.tls_certs_only(own.clone()).build().map_err(setup);
                Ok(Self { direct: only(builder().no_proxy())?, proxied: only(builder())? })
            }
        }
    }

    /// Sends a request as part of the trace of the task at hand, and reads the answer, whatever its status; follows no
    /// redirect.
    pub async fn send(
        &self,
        mut request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        if let Some(trace) = trace::current() {
            request.headers_mut().extend(trace.headers());
        }
        let request = reqwest::Request::try_from(request)
            .map_err(|_| OutboundError::Address("the address of another server cannot be read".into()))?;
        let url = request.url();
        let to = format!("{}{}", url.origin().ascii_serialization(), url.path());
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Address(format!("{to} is no web address")));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let literal = host.parse::<IpAddr>().ok();
        // Names are looked at when they are resolved; written addresses never are.
        if literal.is_some_and(|address| !may_be_called(address)) {
            return Err(OutboundError::Address(format!("{to} is an address that is never called")));
        }
        let loopback = literal.is_some_and(|address| address.to_canonical().is_loopback())
            || host == "localhost"
            || host.ends_with(".localhost");
        let client = if loopback { &self.direct } else { &self.proxied };
        let failed = |e: reqwest::Error| match e.is_timeout() {
            true => OutboundError::Timeout(to.clone()),
            false => OutboundError::Unreachable { to: to.clone(), reason: told(&e) },
        };
        let mut response = client.execute(request).await.map_err(failed)?;
        if response.content_length().is_some_and(|length| length > LARGEST as u64) {
            return Err(OutboundError::TooLarge(to));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(OutboundError::TooLarge(to));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

/// An error with its causes; addresses are left out, as they may carry what is secret.
fn told(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    // The innermost cause says what happened; the outer ones repeat that something did.
    texts.pop().unwrap_or_else(|| "the request failed".to_owned())
}

/// Resolves names with the system and leaves out addresses that are never called, so that what was checked is what is
/// connected to.
#[derive(Debug)]
struct Checked;

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0))
                .await?
                .filter(|address| may_be_called(address.ip()))
                .collect();
            if found.is_empty() {
                return Err(format!("{host} has no address that may be called").into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Link-local addresses (among them the metadata services of clouds), multicast, broadcast and unspecified ones are
/// never called.
fn may_be_called(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.octets().first() == Some(&0)
                || v4 == Ipv4Addr::new(100, 100, 100, 200))
        }
        IpAddr::V6(v6) => {
            let metadata = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254);
            !(v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified() || v6 == metadata)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[rstest::rstest]
    #[case("127.0.0.1", true)]
    #[case("10.1.2.3", true)]
    #[case("::1", true)]
    #[case("192.0.2.7", true)]
    #[case("169.254.169.254", false)]
    #[case("::ffff:169.254.169.254", false)]
    #[case("fe80::1", false)]
    #[case("fd00:ec2::254", false)]
    #[case("224.0.0.1", false)]
    #[case("255.255.255.255", false)]
    #[case("0.0.0.0", false)]
    #[case("::", false)]
    fn some_addresses_are_never_called(#[case] address: &str, #[case] called: bool) {
        assert_eq!(may_be_called(address.parse().unwrap()), called);
    }

    fn client() -> Outbound {
        Outbound::new(None).unwrap()
    }

    fn get(url: &str) -> http::Request<Vec<u8>> {
        http::Request::get(url).body(Vec::new()).unwrap()
    }

    /// Answers every connection with these bytes.
    async fn server(answer: &'static [u8], more: usize) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 1024];
                let _read = stream.read(&mut asked).await;
                let _sent = stream.write_all(answer).await;
                for _ in 0..more {
                    if stream.write_all(&[b'x'; 65_536]).await.is_err() {
                        break;
                    }
                }
            }
        });
        url
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let url = server(b"HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n", 0).await;
        let answer = client().send(get(&url)).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (302, &"/next".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn a_call_belongs_to_the_trace_of_its_task() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut all = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                all.push(String::from_utf8_lossy(&asked[..read]).into_owned());
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            }
            all
        });
        let trace = trace::Trace::begin();
        let id = trace.id();
        trace.over(async { client().send(get(&url)).await.unwrap() }).await;
        client().send(get(&url)).await.unwrap();
        let asked = asked.await.unwrap();
        assert!(asked[0].contains(&format!("traceparent: 00-{id}-")), "{}", asked[0]);
        assert!(!asked[1].contains("traceparent"), "{}", asked[1]);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        let url = server(b"HTTP/1.1 200 OK\r\n\r\n", usize::MAX).await;
        assert!(matches!(client().send(get(&url)).await, Err(OutboundError::TooLarge(_))));
    }

    #[tokio::test]
    async fn nobody_there_is_said_without_query() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/at?secret=1", listener.local_addr().unwrap());
        drop(listener);
        let error = client().send(get(&url)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Unreachable { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_metadata_service_is_not_called() {
        let error = client().send(get("http://169.254.169.254/latest")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Address(_)), "{error}");
    }
}
