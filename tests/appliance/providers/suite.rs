//! What is promised with every provider.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::house::{House, SignedIn, fresh};
use super::provider::{Provider, Visit};
use crate::support::client::Reply;
use crate::support::node::{PASSWORD, text};

const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

pub async fn a_person_signs_in_with_a_code_and_stays(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let told = reqwest::get(format!("{}/api/config/keycloak", house.installation.base())).await.unwrap();
    let told: Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
    let url = match provider {
        Provider::BuiltIn => house.installation.base(),
        Provider::Outside(server) => server.url.clone(),
    };
    assert_eq!(told, json!({"url": url, "realm": "cafe_variome", "client_id": "cafevariome"}));

    assert!(house.code(&ada, "not the password").await.is_none());
    let code = house.code(&ada, PASSWORD).await.unwrap();
    let tokens = SignedIn::of(&house.redeem(&code).await.ok());
    let own = house.who(&tokens.access).await.ok();
    assert_eq!((&own["username"], &own["role"]), (&json!(ada), &json!("developer")));
    assert_eq!(own["email"], format!("{ada}@example.org"));
    let renewed = SignedIn::of(&house.refresh(&tokens.refresh).await.ok());
    assert_eq!(house.who(&renewed.access).await.ok()["username"], json!(ada));

    // A code works once, and only with its proof key; neither a code nor a refresh token can be made up.
    assert_eq!(house.redeem(&code).await.status, UNAUTHORIZED);
    let mut stolen = house.code(&ada, PASSWORD).await.unwrap();
    stolen.verifier = "another-verifier-than-the-one-it-was-asked-with-0123".into();
    assert_eq!(house.redeem(&stolen).await.status, UNAUTHORIZED);
    let invented =
        json!({"grant_type": "authorization_code", "code": "invented", "redirect_uri": code.redirect_uri});
    assert_eq!(house.post("/api/auth/token", &invented).await.status, UNAUTHORIZED);
    let long = json!({"grant_type": "authorization_code", "code": "x".repeat(40_000)});
    assert_eq!(house.post("/api/auth/token", &long).await.status, UNAUTHORIZED);
    assert_eq!(house.refresh("invented").await.status, UNAUTHORIZED);
    assert_eq!(house.refresh(&renewed.access).await.status, UNAUTHORIZED);

    // The query API has the same address.
    let code = house.code(&ada, PASSWORD).await.unwrap();
    let body = json!({
        "grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier,
    });
    SignedIn::of(&house.post("/query/auth/token", &body).await.ok());
    node.stop().await;
}

/// A code asked for by a front end of the contract: no proof key, and no `redirect_uri` in the body (§5.1).
async fn bare(house: &House, name: &str, page: &str, header: Option<(&str, String)>) -> StatusCode {
    let redirect_uri = format!("{}/{page}", house.front_end());
    let code = match &house.provider {
        Provider::BuiltIn => {
            let mut asked =
                crate::support::pages::CodeRequest::new(&house.installation.base(), "a bare code");
            asked.url = asked.url.replace("callback.html", &page.replace('/', "%2F"));
            asked.url = without_proof(&asked.url);
            let shown = asked.fill_in(&mut crate::support::pages::Browser::new(), name, PASSWORD).await;
            shown.sent("code").unwrap()
        }
        Provider::Outside(server) => {
            let mut visit = Visit::new(server, "cafevariome", &redirect_uri, "a bare code");
            visit.url = without_proof(&visit.url);
            visit.code(name, PASSWORD, PASSWORD).await.unwrap()
        }
    };
    let body = json!({"grant_type": "authorization_code", "code": code});
    let mut request =
        reqwest::Client::new().post(format!("{}/api/auth/token", house.installation.base())).json(&body);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    Reply::of(request).await.status
}

fn without_proof(url: &str) -> String {
    let (before, query) = url.split_once('?').unwrap();
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("code_challenge")).collect();
    format!("{before}?{}", kept.join("&"))
}

pub async fn the_return_address_is_found_by_the_published_order(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let front = house.front_end();
    // The only or first entry; the page that asks; never one that merely looks like it.
    assert_eq!(bare(&house, &ada, "callback.html", None).await, 200);
    let page = ("referer", format!("{front}/discover/index.html?x=/y/"));
    assert_eq!(bare(&house, &ada, "discover/callback.html", Some(page)).await, 200);
    let origin = ("origin", front.clone());
    assert_eq!(bare(&house, &ada, "callback.html", Some(origin)).await, 200, "two of one origin: the first");
    assert_eq!(bare(&house, &ada, "discover/callback.html", None).await, UNAUTHORIZED);
    let elsewhere = ("referer", "https://elsewhere.example.org/discover/index.html".to_owned());
    assert_eq!(bare(&house, &ada, "discover/callback.html", Some(elsewhere)).await, UNAUTHORIZED);
    node.stop().await;
}

pub async fn people_are_made_listed_changed_and_stopped(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let admin = house.sign_in(&ada).await.access;
    let bob = fresh("bob");
    let body = |over: Value| {
        let mut body = json!({
            "username": bob, "email": format!("{bob}@example.org"), "firstName": "Bob", "lastName": "Example",
            "affiliation": "Biobank", "role": "user", "active": true, "allowLogin": true, "budget": 40,
        });
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        body
    };
    let made = house.ask("POST", "/api/users/", &admin, Some(&body(json!({})))).await.ok();
    let id = text(&made, "id");
    // No provider of the tests has mail: the password is handed over.
    let once = text(&made, "oneTimePassword");
    let path = format!("/api/users/{id}");
    assert_eq!(house.ask("GET", &path, &admin, None).await.ok(), body(json!({"userId": id})));

    for (over, status) in [
        (json!({}), StatusCode::CONFLICT),
        (json!({"username": fresh("other")}), StatusCode::CONFLICT),
        (json!({"username": fresh("other"), "email": "no address"}), StatusCode::BAD_REQUEST),
        (
            json!({"username": "no<name", "email": format!("{}@example.org", fresh("x"))}),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({"username": "service-account-x", "email": format!("{}@example.org", fresh("x"))}),
            StatusCode::BAD_REQUEST,
        ),
        (json!({"firstName": "x".repeat(256)}), StatusCode::BAD_REQUEST),
    ] {
        let refused = house.ask("POST", "/api/users/", &admin, Some(&body(over.clone()))).await;
        assert_eq!(refused.status, status, "{over}: {}", refused.body);
    }
    let all = house.ask("GET", "/api/users/", &admin, None).await.ok();
    let names: Vec<String> = all.as_array().unwrap().iter().map(|user| text(user, "username")).collect();
    assert!(names.contains(&bob) && names.contains(&ada), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("service-account-")), "{names:?}");
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);

    // The one-time password must be changed at the first sign-in; then it is no good.
    let bobs = signed_in_first(&house, &bob, &once).await;
    assert_eq!(house.who(&bobs.access).await.ok()["affiliation"], "Biobank");
    assert!(house.code(&bob, &once).await.is_none());

    let change =
        json!({"firstName": "Robert", "affiliation": "Hospital", "username": "never", "role": "dataAdmin"});
    house.ask("PATCH", &path, &admin, Some(&change)).await.ok();
    let shown = house.ask("GET", &path, &admin, None).await.ok();
    let expected =
        body(json!({"userId": id, "firstName": "Robert", "affiliation": "Hospital", "role": "dataAdmin"}));
    assert_eq!(shown, expected);
    let taken = json!({"email": format!("{ada}@example.org")});
    assert_eq!(house.ask("PATCH", &path, &admin, Some(&taken)).await.status, StatusCode::CONFLICT);

    let bobs = house.sign_in(&bob).await;
    house.ask("POST", &format!("{path}/deactivate"), &admin, Some(&json!({}))).await.ok();
    let refused = house.who(&bobs.access).await;
    assert!([StatusCode::FORBIDDEN, UNAUTHORIZED].contains(&refused.status), "{}", refused.body);
    let code = house.code(&bob, PASSWORD).await.unwrap();
    assert_eq!(house.redeem(&code).await.status, StatusCode::FORBIDDEN);
    house.ask("POST", &format!("{path}/activate"), &admin, Some(&json!({}))).await.ok();
    house.sign_in(&bob).await;

    // A realm that others share keeps the account; here nothing is left of it.
    house.ask("DELETE", &path, &admin, None).await.ok();
    let local = house.ask("GET", "/api/users/local", &admin, None).await.ok();
    assert!(local.as_array().unwrap().iter().all(|user| user["userId"] != json!(id)), "{local}");
    let after = house.ask("GET", &path, &admin, None).await;
    match provider {
        Provider::BuiltIn => assert_eq!(after.status, StatusCode::NOT_FOUND),
        Provider::Outside(_) => {
            let after = after.ok();
            let stopped = (&after["active"], &after["allowLogin"], &after["role"]);
            assert_eq!(stopped, (&json!(false), &json!(false), &json!("user")));
            let code = house.code(&bob, PASSWORD).await.unwrap();
            assert_eq!(house.redeem(&code).await.status, StatusCode::FORBIDDEN);
        }
    }
    node.stop().await;
}

/// Signs in with a one-time password, which is changed to [`PASSWORD`] on the way.
async fn signed_in_first(house: &House, name: &str, once: &str) -> SignedIn {
    match &house.provider {
        Provider::Outside(_) => {
            let code = house.code(name, once).await.unwrap();
            SignedIn::of(&house.redeem(&code).await.ok())
        }
        Provider::BuiltIn => {
            let asked =
                crate::support::pages::CodeRequest::new(&house.installation.base(), "the first visit");
            let mut browser = crate::support::pages::Browser::new();
            let page = asked.fill_in(&mut browser, name, once).await;
            let fields = [
                ("csrf", page.hidden("csrf")),
                ("pending", page.hidden("pending")),
                ("password", PASSWORD.to_owned()),
                ("again", PASSWORD.to_owned()),
            ];
            let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
            let code = browser.post(&asked.url, &fields).await.sent("code").unwrap();
            let code =
                super::house::Code { code, redirect_uri: asked.redirect_uri, verifier: asked.verifier };
            SignedIn::of(&house.redeem(&code).await.ok())
        }
    }
}

pub async fn tokens_that_are_none_are_refused(provider: &Provider) {
    let house = House::of(provider).await;
    let ada = house.account("developer", "ada").await;
    let node = house.serve().await;
    let tokens = house.sign_in(&ada).await;
    let (signed, signature) = tokens.access.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    for token in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(7_000),
        format!("{signed}.{other}{}", &signature[1..]),
        format!("{signed}."),
        tokens.refresh.clone(),
    ] {
        let refused = house.who(&token).await;
        assert_eq!(refused.status, UNAUTHORIZED, "{token}: {}", refused.body);
        assert!(!refused.body.contains(&token[..token.len().min(40)]) || token.len() < 6, "{}", refused.body);
    }
    assert_eq!(house.who(&tokens.access).await.status, 200);
    node.stop().await;
}
