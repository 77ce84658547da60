//! Plain HTTP beside TLS: everything is sent on to the public address, except the question whether the process lives.

use poem::endpoint::make;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, EndpointExt, Request, Response};

use super::{Root, error, front, unread::Unread};

/// Longest target that is sent on.
const LONGEST: usize = 8 << 10;

/// Sends callers to an origin (scheme, host and port), never to the host they name themselves.
pub fn routes(origin: String) -> Root {
    make(move |mut request: Request| {
        let origin = origin.clone();
        async move {
            if request.uri().path() == "/healthz" {
                return front::healthz().call(request).await.map(poem::IntoResponse::into_response);
            }
            let unread = Unread::watch(&mut request);
            let mut response = sent_on(&origin, &request);
            if let Some(unread) = unread {
                unread.settle(&mut response).await;
            }
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            Ok::<Response, poem::Error>(response)
        }
    })
    .map_to_response()
    .boxed()
}

fn sent_on(origin: &str, request: &Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    // `OPTIONS *` asks about the server as a whole.
    let target = if target.starts_with('/') { target } else { "/" };
    if target.len() > LONGEST {
        return error::plain(StatusCode::URI_TOO_LONG, "the address is too long");
    }
    match HeaderValue::from_str(&format!("{origin}{target}")) {
        // Not kept: the public address may be another one tomorrow.
        Ok(to) => Response::builder()
            .status(StatusCode::PERMANENT_REDIRECT)
            .header(header::LOCATION, to)
            .header(header::CACHE_CONTROL, "no-store")
            .finish(),
        Err(_) => error::plain(StatusCode::BAD_REQUEST, "the address has characters that must be encoded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::Method;

    #[rstest::rstest]
    #[case("/", 308, Some("https://cv.example.org/"))]
    #[case("/api/sources/?a=b%20c", 308, Some("https://cv.example.org/api/sources/?a=b%20c"))]
    #[case("//evil.example.com/x", 308, Some("https://cv.example.org//evil.example.com/x"))]
    #[case("http://evil.example.com/x", 308, Some("https://cv.example.org/x"))]
    #[case("*", 308, Some("https://cv.example.org/"))]
    #[case("/healthz", 200, None)]
    #[case("/readyz", 308, Some("https://cv.example.org/readyz"))]
    #[tokio::test]
    async fn callers_are_sent_to_the_public_address(
        #[case] target: &str,
        #[case] status: u16,
        #[case] to: Option<&str>,
    ) {
        let request = Request::builder().method(Method::GET).uri(target.parse().unwrap());
        let request = request.header("host", "evil.example.com").finish();
        let response = routes("https://cv.example.org".into()).call(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.header("location")), (status, to));
    }

    #[tokio::test]
    async fn an_address_without_end_is_refused() {
        let target = format!("/{}", "a".repeat(LONGEST));
        let request = Request::builder().uri(target.parse().unwrap()).finish();
        let response = routes("https://cv.example.org".into()).call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::URI_TOO_LONG);
    }
}
