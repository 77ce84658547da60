//! The page `/setup`.

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make};
use poem::http::{Method, StatusCode, header};
use poem::{EndpointExt, IntoResponse, Request, Response, Route};

use super::{CodeLocation, Finished, FirstAccount, Setup, SetupError};
use crate::domain::clock::Random;
use crate::domain::users::Profile;
use crate::http::pages::form::Fields;
use crate::http::pages::guard::Guard;
use crate::http::pages::{Value, alert, fill, message, page};

const FORM: &str = include_str!("../pages/setup.html");
/// Its parts where accounts are our own.
const USERNAME: &str = include_str!("../pages/setup_username.html");
const PASSWORD: &str = include_str!("../pages/setup_password.html");
/// What stands in their place where an identity provider keeps them.
const PROVIDER: &str = include_str!("../pages/setup_provider.html");
const FINISHED: &str = include_str!("../pages/setup_done.html");

/// `/setup`. `secure` says that browsers reach it over TLS. The guard does not ask for one origin: the first
/// visit is often through a tunnel, and the code already proves who posts.
pub fn routes(setup: Arc<Setup>, random: Arc<dyn Random>, secure: bool) -> BoxEndpoint<'static> {
    let edge = Arc::new(Edge { setup, guard: Guard::new(random, secure, None) });
    let endpoint = make(move |request| {
        let edge = Arc::clone(&edge);
        async move { edge.answer(request).await }
    });
    Route::new().at("/setup", endpoint).map_to_response().boxed()
}

struct Edge {
    setup: Arc<Setup>,
    guard: Guard,
}

impl Edge {
    async fn answer(&self, mut request: Request) -> Response {
        match *request.method() {
            Method::GET => self.form(&request, &Fields::default(), None, StatusCode::OK).await,
            Method::POST => match Fields::of_body(&mut request).await {
                Ok(fields) => self.posted(&request, &fields).await,
                Err(text) => message(StatusCode::BAD_REQUEST, "The form could not be read", text),
            },
            _ => message(StatusCode::METHOD_NOT_ALLOWED, "Set up", "open this page with a browser"),
        }
    }

    async fn posted(&self, request: &Request, fields: &Fields) -> Response {
        if !self.guard.admits(request, fields) {
            let text = "this page was open too long or the browser refuses cookies: try once more";
            return self.form(request, fields, Some(text), StatusCode::FORBIDDEN).await;
        }
        if fields.text("password") != fields.text("again") {
            let text = "the two passwords differ";
            return self.form(request, fields, Some(text), StatusCode::BAD_REQUEST).await;
        }
        let text = |name: &str| fields.text(name).to_owned();
        let profile = Profile {
            username: self.setup.username().unwrap_or_else(|| text("username")),
            email: text("email"),
            first_name: text("firstName"),
            last_name: text("lastName"),
            affiliation: text("affiliation"),
        };
        let account = FirstAccount { profile, password: text("password") };
        match self.setup.finish(fields.text("code"), account).await {
            Ok(finished) => {
                let name = self.setup.username().unwrap_or_else(|| text("username"));
                let next = next(finished, &name);
                let values = [("username", Value::Text(&name)), ("next", Value::Text(&next))];
                page(StatusCode::OK, "Set-up finished", &fill(FINISHED, &values), None)
            }
            Err(SetupError::Done) => done(),
            Err(SetupError::Failed(reason)) => failed(&reason),
            Err(error) => self.form(request, fields, Some(&error.to_string()), StatusCode::BAD_REQUEST).await,
        }
    }

    async fn form(
        &self,
        request: &Request,
        fields: &Fields,
        error: Option<&str>,
        status: StatusCode,
    ) -> Response {
        // Showing the form also replaces a code that ran out.
        let place = match self.setup.open().await {
            Ok(Some(CodeLocation::Terminal)) => {
                "printed in the terminal the service was started from".to_owned()
            }
            // Only the name: the page is no place for the machine's paths.
            Ok(Some(CodeLocation::File(_))) => "in the file setup-code of the data directory".to_owned(),
            Ok(None) => return done(),
            Err(error) => return failed(&error.to_string()),
        };
        let (token, cookie) = self.guard.token(request);
        let place = format!("It is {place}.");
        let alert = alert(error);
        let mut values = vec![
            ("alert", Value::Markup(alert.as_str())),
            ("csrf", Value::Text(&token)),
            ("where", Value::Text(&place)),
        ];
        // Passwords are typed again; everything else is kept.
        for name in ["code", "email", "firstName", "lastName", "affiliation"] {
            values.push((name, Value::Text(fields.text(name))));
        }
        let given = self.setup.username();
        let (account, password) = match &given {
            Some(given) => (fill(PROVIDER, &[("given", Value::Text(given))]), ""),
            None => (fill(USERNAME, &[("username", Value::Text(fields.text("username")))]), PASSWORD),
        };
        values.extend([("account", Value::Markup(&account)), ("password", Value::Markup(password))]);
        let shown = page(status, "Set up", &fill(FORM, &values), None);
        shown.with_header(header::SET_COOKIE, cookie).into_response()
    }
}

/// The first thing to do, in words.
fn next(finished: Finished, name: &str) -> String {
    match finished {
        Finished::WithPassword => "Sign in at your front end with the password you chose.".to_owned(),
        Finished::AsBefore => {
            format!(
                "Sign in at your front end: the identity provider knows {name} already, with the password it has."
            )
        }
        Finished::Mailed => {
            "Choose a password with the link in the mail that the identity provider sent.".to_owned()
        }
        Finished::Printed => {
            "Sign in with the one-time password that is printed in the terminal the service was started from."
                .to_owned()
        }
        Finished::Untold => format!(
            "The identity provider could not send a mail. Run cv3-backend user reset-password --user {name} at a \
             terminal: it prints a one-time password."
        ),
    }
}

fn done() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "Set up already",
        "this installation has its first account: sign in instead",
    )
}

fn failed(reason: &str) -> Response {
    tracing::error!(%reason, "setting up failed");
    let text = "something went wrong here; the reason is in the log";
    message(StatusCode::INTERNAL_SERVER_ERROR, "Not set up", text)
}
