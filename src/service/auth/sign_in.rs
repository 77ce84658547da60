//! Codes and refresh tokens become tokens for whoever may sign in here (specification §5.1).

use super::Auth;
use crate::identity::Tokens;
use crate::service::Failure;

impl Auth {
    /// Exchanges a code for tokens after the checks of specification §5.1; `hints` are the `Referer` and `Origin` headers.
    pub async fn sign_in(
        &self,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        hints: [Option<&str>; 2],
    ) -> Result<Tokens, Failure> {
        let redirect = self.redirect_uri(redirect_uri, hints);
        let tokens = self.ports.identity.exchange_code(code, &redirect, verifier).await?;
        self.admitted(&tokens).await?;
        Ok(tokens)
    }

    /// Exchanges a refresh token, with the same checks as at sign-in.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, Failure> {
        let tokens = self.ports.identity.refresh(refresh_token).await?;
        self.admitted(&tokens).await?;
        Ok(tokens)
    }

    /// Whoever got tokens may use them here. The code was good: what is refused now is a permission (specification §5.1).
    async fn admitted(&self, tokens: &Tokens) -> Result<(), Failure> {
        match self.user(&tokens.access_token).await {
            Ok(_) => Ok(()),
            Err(Failure::Unauthenticated(reason)) => Err(Failure::Forbidden(reason)),
            Err(other) => Err(other),
        }
    }

    /// The contract's body has no `redirect_uri`: resolution order of specification §5.1.
    fn redirect_uri(&self, given: Option<&str>, [referer, origin]: [Option<&str>; 2]) -> String {
        let options = self.options.now();
        let allowed = &options.redirect_urls;
        if let Some(given) = given.filter(|uri| allowed.iter().any(|a| a == uri)) {
            return given.to_owned();
        }
        // Our own issuer compares it exactly and says what is wrong.
        if let Some(given) = given.filter(|_| self.ports.identity.issuer().is_some()) {
            return given.to_owned();
        }
        let of_folder = |page: &str| {
            let folder = page.split(['?', '#']).next()?.rsplit_once('/')?.0;
            allowed.iter().find(|a| **a == format!("{folder}/callback.html"))
        };
        if let Some(found) = referer.and_then(of_folder) {
            return found.clone();
        }
        let same_origin = |o: &str| {
            let mut matching =
                allowed.iter().filter(|a| a.starts_with(&format!("{}/", o.trim_end_matches('/'))));
            matching.next().filter(|_| matching.next().is_none())
        };
        if let Some(found) = origin.and_then(same_origin) {
            return found.clone();
        }
        allowed.first().cloned().unwrap_or_default()
    }
}
