//! Gates obtain the proofs that use cases demand; a handler without one is
//! public, and stands so in the table of `domain/access`.

use poem::http::header;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::service::auth::{
    AnyAdmin, As, Asker, Assistant, Caller, DataAdmin, Demands, SystemAdmin, Uploader,
};
use crate::service::{Failure, Services};

/// The contract's names of the security schemes, and what each is.
const TOKEN: (&str, &str, &str) = ("userAccessToken", "An access token of the configured issuer", "JWT");
const SECRET: (&str, &str, &str) =
    ("sharedSecret", "The secret shared with the Cafe Variome Assistant", "opaque");

/// A signed-in local user.
#[derive(Debug)]
pub struct User(pub Caller);

/// A caller with a duty.
#[derive(Debug)]
pub struct Admin<D>(pub As<D>);

/// Data administration.
pub type Data = Admin<DataAdmin>;

/// System administration.
pub type System = Admin<SystemAdmin>;

/// Any administrator.
pub type Statistics = Admin<AnyAdmin>;

/// System administration of the registry of V2 installations; where that is off there is nothing, whoever asks.
#[derive(Debug)]
pub struct Nexus(pub As<SystemAdmin>);

/// A user, or anonymous where that is switched on.
#[derive(Debug)]
pub struct Anyone(pub Asker);

/// A user if a token is sent; the use case decides what strangers may see.
#[derive(Debug)]
pub struct Maybe(pub Option<Caller>);

/// An upload token or a data administrator's token.
#[derive(Debug)]
pub struct Upload(pub Uploader);

/// The fleet tool.
#[derive(Debug)]
pub struct SharedSecret(pub Assistant);

fn services(request: &Request) -> poem::Result<&Services> {
    request
        .extensions()
        .get::<Services>()
        .ok_or_else(|| Failure::internal("services are not attached").into())
}

/// The bearer token; a header that is there but malformed is an error, never "no token".
fn bearer(request: &Request) -> Result<Option<&str>, Failure> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|t| !t.is_empty())
    });
    token
        .map(Some)
        .ok_or_else(|| Failure::Unauthenticated("the Authorization header must be `Bearer <token>`".into()))
}

/// The token of a request that needs one.
pub(super) fn required(request: &Request) -> Result<&str, Failure> {
    bearer(request)?
        .ok_or_else(|| Failure::Unauthenticated("sign in first: send an Authorization header".into()))
}

/// Implements a gate; `optional` ones are documented as usable without a token.
macro_rules! gate {
    ([$($generic:tt)*] $type:ty, $scheme:ident, optional $optional:literal, |$request:ident| $obtain:expr) => {
        impl<'a, $($generic)*> ApiExtractor<'a> for $type {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                let (name, about, format) = $scheme;
                registry.create_security_scheme(name, MetaSecurityScheme {
                    ty: "http",
                    description: Some(about),
                    name: None,
                    key_in: None,
                    scheme: Some("bearer"),
                    bearer_format: Some(format),
                    flows: None,
                    openid_connect_url: None,
                });
            }

            fn security_schemes() -> Vec<&'static str> {
                vec![$scheme.0]
            }

            fn has_security_fallback() -> bool {
                $optional
            }

            async fn from_request(
                $request: &'a Request,
                _: &mut RequestBody,
                _: ExtractParamOptions<Self::ParamType>,
            ) -> poem::Result<Self> {
                Ok($obtain)
            }
        }
    };
}

gate!([] User, TOKEN, optional false, |request| Self(services(request)?.auth.user(required(request)?).await?));
gate!([D: Demands] Admin<D>, TOKEN, optional false, |request| {
    let auth = &services(request)?.auth;
    Self(auth.prove(auth.user(required(request)?).await?)?)
});
gate!([] Nexus, TOKEN, optional false, |request| {
    let services = services(request)?;
    services.nexus.on()?;
    Self(services.auth.prove(services.auth.user(required(request)?).await?)?)
});
gate!([] Anyone, TOKEN, optional true, |request| Self(services(request)?.auth.asker(bearer(request)?).await?));
gate!([] Maybe, TOKEN, optional true, |request| match bearer(request)? {
    Some(token) => Self(Some(services(request)?.auth.user(token).await?)),
    None => Self(None),
});
gate!([] Upload, TOKEN, optional false, |request| Self(services(request)?.auth.uploader(required(request)?).await?));
gate!([] SharedSecret, SECRET, optional false, |request| {
    Self(services(request)?.auth.assistant(required(request)?).await?)
});
