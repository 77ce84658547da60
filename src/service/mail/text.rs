//! The words of each mail, as plain text and as HTML. Nothing of what is written here can forge a header or markup: a
//! subject is one line, and HTML is escaped where it is put together.
//!
//! What a stranger typed is never repeated to an address that a stranger typed: nobody writes to others through us.

mod form;

use serde_json::Value;

use super::Event;
use form::{Part, plain, rich};

/// Most characters of one fact.
const MOST: usize = 4_000;

/// Most characters of a subject.
const MOST_SUBJECT: usize = 150;

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// Whom it is about.
    Person,
    /// Whoever administers the system.
    Admin,
}

/// The installation that writes.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub name: String,
    /// Its public address.
    pub url: String,
}

/// A mail's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Writes a mail for one kind of reader; `secret` is what it has to tell, if that is why it is sent.
pub(super) fn write(
    event: Event,
    reader: Reader,
    facts: &Value,
    secret: Option<&str>,
    about: &About,
) -> Written {
    let name = line(&about.name, MOST_SUBJECT);
    let fact = |key: &str| facts.get(key).map(said).unwrap_or_default();
    let person = || {
        Part::Facts(vec![
            ("Name", format!("{} {}", fact("firstName"), fact("lastName"))),
            ("E-mail", fact("email")),
            ("Affiliation", fact("affiliation")),
            ("Justification", fact("justification")),
        ])
    };
    let words = |text: &str| Part::Words(text.to_owned());
    let network = || {
        Part::Facts(vec![
            ("Network", fact("network")),
            ("Installation", fact("installation")),
            ("Address", fact("address")),
            ("Reason", fact("reason")),
        ])
    };
    let (subject, mut parts) = match (event, reader) {
        (Event::AccessRequestSubmitted, Reader::Person) => (
            "your request for an account",
            vec![
                Part::Words(format!("Somebody asked for an account at {name} with this e-mail address.")),
                words("An administrator will decide, and you will be told. If it was not you, do nothing."),
            ],
        ),
        (Event::AccessRequestSubmitted, Reader::Admin) => (
            "somebody asks for an account",
            vec![person(), words("Approve or deny the request in the administration.")],
        ),
        (Event::AccessRequestApproved, Reader::Person) => (
            "your request was approved",
            vec![
                Part::Words(format!("You may now sign in to {name}.")),
                words("If the account is new, an administrator will hand you a password for the first time."),
            ],
        ),
        (Event::AccessRequestApproved, Reader::Admin) => {
            ("a request for an account was approved", vec![person()])
        }
        (Event::AccessRequestDenied, Reader::Person) => (
            "your request was turned down",
            vec![Part::Words(format!("You will not get an account at {name}. Ask its administrators why."))],
        ),
        (Event::AccessRequestDenied, Reader::Admin) => {
            ("a request for an account was turned down", vec![person()])
        }
        (Event::AccountCreated, _) => (
            "an account was made for you",
            vec![
                Part::Words(format!("You have an account at {name}.")),
                words("Whoever made it will hand you a password for the first time."),
            ],
        ),
        (Event::CleanupFoundInconsistencies, _) => (
            "the clean-up found inconsistencies",
            vec![
                words("References that led nowhere were removed."),
                Part::Facts(vec![("Members of groups", fact("groupMembers")), ("Nodes", fact("nodes"))]),
                words("`cv3-backend check` says whether everything fits together now."),
            ],
        ),
        (Event::BeaconKeyRotated, _) => (
            "the new key of a Beacon endpoint",
            vec![
                Part::Words(format!(
                    "The Beacon endpoint {} has a new key; the old one is not valid any more.",
                    fact("endpointPath")
                )),
                words("Give it only to those who may ask this Beacon:"),
            ],
        ),
        (Event::BeaconKeyRequested, _) => (
            "the key of a Beacon endpoint",
            vec![
                Part::Words(format!(
                    "You asked for a copy of the key of the Beacon endpoint {}.",
                    fact("endpointPath")
                )),
                words("Give it only to those who may ask this Beacon:"),
            ],
        ),
        (Event::NexusInstallationCreated, _) => (
            "your installation was registered",
            vec![
                Part::Words(format!(
                    "Your installation {} was registered at {name}.",
                    fact("installationName")
                )),
                Part::Facts(vec![("Network server", fact("networkServer")), ("Realm", fact("realm"))]),
                words("What it signs itself with, known to you alone from here on:"),
            ],
        ),
        (Event::NexusCredentialChanged, _) => (
            "sign-in data of your installation change",
            vec![Part::Words(format!(
                "The client of the realm {} was changed at {name}; your installation may have to be told.",
                fact("realm")
            ))],
        ),
        (Event::NexusCredentialRemoved, _) => (
            "sign-in data of your installation were removed",
            vec![Part::Words(format!(
                "The client of the realm {} was removed at {name}; people of your installation cannot sign in there any more.",
                fact("realm")
            ))],
        ),
        (Event::NetworkRequestReceived, _) => (
            "another installation wants to be in a network with you",
            vec![
                words(match fact("kind").as_str() {
                    "invite" => "Another installation invites this one into its network.",
                    _ => "Another installation asks to be let into a network of this one.",
                }),
                network(),
                words(
                    "Approve or deny it in the administration; the three words come from the other administrator.",
                ),
            ],
        ),
        (Event::NetworkRequestDecided, _) => (
            match fact("status").as_str() {
                "accepted" => "a request of a network was accepted",
                _ => "a request of a network was turned down",
            },
            vec![
                words(match (fact("direction").as_str(), fact("kind").as_str()) {
                    ("out", "invite") => "This installation had invited another one.",
                    ("out", _) => "This installation had asked to be let into a network.",
                    (_, "invite") => "Another installation had invited this one.",
                    _ => "Another installation had asked to be let into a network.",
                }),
                network(),
            ],
        ),
        (Event::NodePending, _) => (
            "a new member of a network waits for your approval",
            vec![
                words(
                    "Another member let it in. Until it is approved here, it is asked nothing and answered nothing.",
                ),
                network(),
            ],
        ),
        (Event::JobFailed, _) => (
            "a job failed",
            vec![
                words("It is not tried again by itself."),
                Part::Facts(vec![
                    ("Job", fact("job")),
                    ("Kind", fact("kind")),
                    ("About", fact("about")),
                    ("Reason", fact("reason")),
                ]),
                words("`cv3-backend doctor` lists the jobs that failed."),
            ],
        ),
        (Event::DependencyAway, _) => (
            "something this installation needs cannot be reached",
            vec![
                Part::Facts(vec![
                    ("What", fact("what")),
                    ("Since", fact("since")),
                    ("It says", fact("complaint")),
                ]),
                words("You are told once, and again when it is back. `cv3-backend doctor` says what to do."),
            ],
        ),
        (Event::DependencyBack, _) => (
            "what could not be reached is back",
            vec![Part::Facts(vec![
                ("What", fact("what")),
                ("Away since", fact("since")),
                ("Back at", fact("until")),
            ])],
        ),
        (Event::CertificateEnds, _) => (
            "the certificate of this installation has to be replaced",
            vec![
                Part::Facts(vec![("Ends", fact("until")), ("Fingerprint", fact("fingerprint"))]),
                words(
                    "Put another one in the place of its files: it is taken up by itself. Browsers and other installations turn away after its end.",
                ),
            ],
        ),
        (Event::Test, _) => ("a test", vec![words("This is a test: mail from here arrives.")]),
    };
    if fact("last") == "true" {
        parts.push(words(
            "Mails of this kind are sent at most ten times an hour; this was the tenth. Look into the log for more.",
        ));
    }
    parts.extend(secret.map(|secret| Part::Copy(secret.to_owned())));
    let subject = line(&format!("{name}: {subject}"), MOST_SUBJECT);
    let (text, html) = (plain(&parts, &name, &about.url), rich(&parts, &name, &about.url));
    Written { subject, text, html }
}

/// A fact as words.
fn said(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    // Line breaks stay; what steers a terminal or hides text does not.
    let visible = |c: &char| {
        *c == '\n'
            || !(c.is_control()
                || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    text.replace("\r\n", "\n").chars().filter(visible).take(MOST).collect()
}

/// One line of at most so many characters.
fn line(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about() -> About {
        About { name: "House <b>\r\nBcc: eve@example.org".into(), url: "https://cv3.example.org".into() }
    }

    fn hostile() -> Value {
        json!({
            "firstName": "<script>alert(1)</script>", "lastName": "\u{202e}x\u{1b}[31m", "email": "a@example.org",
            "affiliation": "\" onload='x' &", "justification": "one\r\nName: Somebody Else\nthree",
            "network": "<b>", "installation": "one\r\nName: Somebody Else", "address": "\u{202e}<script>", "kind": "<b>",
            "reason": "one\nName: Somebody Else", "about": "<script>", "complaint": "\u{1b}<b>", "what": "<script>",
            "until": "<b>", "fingerprint": "\u{202e}<script>",
        })
    }

    const EVENTS: [Event; 13] = [
        Event::AccessRequestSubmitted,
        Event::AccessRequestApproved,
        Event::AccessRequestDenied,
        Event::AccountCreated,
        Event::CleanupFoundInconsistencies,
        Event::NetworkRequestReceived,
        Event::NetworkRequestDecided,
        Event::NodePending,
        Event::JobFailed,
        Event::DependencyAway,
        Event::DependencyBack,
        Event::CertificateEnds,
        Event::Test,
    ];

    #[test]
    fn no_event_lets_a_fact_become_markup_a_header_or_a_label() {
        for event in EVENTS {
            for reader in [Reader::Person, Reader::Admin] {
                let written = write(event, reader, &hostile(), None, &about());
                assert!(!written.subject.contains(char::is_control), "{written:?}");
                assert!(written.subject.chars().count() <= MOST_SUBJECT && !written.subject.is_empty());
                for markup in ["<script", "<b>", "onload='", "\" onload"] {
                    assert!(!written.html.contains(markup), "{event:?}: {}", written.html);
                }
                for odd in ['\u{202e}', '\u{1b}', '\r'] {
                    assert!(!written.text.contains(odd) && !written.html.contains(odd), "{written:?}");
                }
                assert!(!written.text.contains("\nName: Somebody"), "{}", written.text);
                assert!(written.text.contains("https://cv3.example.org"));
                assert!(written.html.contains("href=\"https://cv3.example.org\""));
            }
        }
    }

    #[test]
    fn an_administrator_reads_what_was_typed_and_the_address_that_was_typed_does_not() {
        let told = |reader| write(Event::AccessRequestSubmitted, reader, &hostile(), None, &about());
        let admin = told(Reader::Admin);
        assert!(admin.text.contains("Justification: one\n    Name: Somebody Else\n    three"));
        assert!(admin.html.contains("one<br>Name: Somebody Else<br>three"));
        assert!(admin.html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(admin.html.contains("&quot; onload=&#39;x&#39; &amp;"));
        let person = told(Reader::Person);
        for typed in ["alert", "onload", "Somebody Else", "three"] {
            assert!(!person.text.contains(typed) && !person.html.contains(typed), "{typed}");
        }
    }

    #[test]
    fn a_secret_stands_in_both_forms_and_nowhere_else() {
        let written = write(Event::Test, Reader::Person, &json!({}), Some("k&y"), &about());
        assert!(written.text.contains("\n    k&y\n") && written.html.contains("<pre>k&amp;y</pre>"));
        assert!(!written.subject.contains("k&y"));
    }

    #[test]
    fn what_is_far_too_long_is_cut() {
        let facts = json!({"justification": "x".repeat(1_000_000)});
        let long = About { name: "n".repeat(10_000), url: String::new() };
        let written = write(Event::AccessRequestSubmitted, Reader::Admin, &facts, None, &long);
        assert!(written.text.len() < 5_000 && written.html.len() < 6_000);
        assert_eq!(written.subject.len(), MOST_SUBJECT);
    }
}
