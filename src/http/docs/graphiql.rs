//! `/docs/graphiql/`: GraphiQL over the admin API's GraphQL, in development alone, from this binary alone.
//!
//! Its script and style lie beside, packed (`graphiql/README.md`): plain they would add more than a megabyte to the program.

use std::io::Read as _;

use poem::http::header;
use poem::{Endpoint, Request, Response, Route, get};
use serde_json::json;

use super::{Asset, DAY, POLICY};

const SCRIPT: &[u8] = include_bytes!("graphiql/graphiql.js.gz");
const STYLE: &[u8] = include_bytes!("graphiql/graphiql.css.gz");

/// Most bytes that a packed file unpacks to.
const MOST: u64 = 4 << 20;

/// A body that is kept packed and sent so to whoever takes it so.
#[derive(Clone, Copy)]
struct Packed {
    body: &'static [u8],
    kind: &'static str,
}

impl Endpoint for Packed {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let response = Response::builder()
            .header(header::CONTENT_TYPE, self.kind)
            .header(header::CACHE_CONTROL, DAY)
            .header(header::VARY, "Accept-Encoding")
            .header(header::CONTENT_SECURITY_POLICY, POLICY);
        let accepted = request.header(header::ACCEPT_ENCODING).unwrap_or_default();
        if accepted.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("gzip")) {
            return Ok(response.header(header::CONTENT_ENCODING, "gzip").body(self.body));
        }
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(self.body)
            .take(MOST)
            .read_to_end(&mut plain)
            .map_err(crate::service::Failure::internal)?;
        Ok(response.body(plain))
    }
}

/// The routes; `endpoint` is where GraphQL answers.
pub(super) fn routes(endpoint: &str) -> Route {
    let start = format!(
        "const settings = {};\n{}",
        json!({"endpoint": endpoint}),
        include_str!("../pages/graphiql.js")
    );
    let asset = |body: &str, kind| get(Asset::of(body, kind, "no-store"));
    Route::new()
        .at("/", asset(include_str!("../pages/graphiql.html"), "text/html; charset=utf-8"))
        .at("/start.js", asset(&start, "text/javascript; charset=utf-8"))
        .at("/graphiql.js", get(Packed { body: SCRIPT, kind: "text/javascript; charset=utf-8" }))
        .at("/graphiql.css", get(Packed { body: STYLE, kind: "text/css; charset=utf-8" }))
}
