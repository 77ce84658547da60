//! The parts of a mail, as plain text and as HTML, which is escaped here.

/// A part of a mail.
pub(super) enum Part {
    Words(String),
    /// Labelled facts.
    Facts(Vec<(&'static str, String)>),
    /// To be copied as it stands.
    Copy(String),
}

/// As plain text, with the installation's name and address below.
pub(super) fn plain(parts: &[Part], name: &str, url: &str) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Words(words) => text.push_str(words),
            Part::Facts(facts) => {
                // A line of a fact never looks like a label.
                let facts =
                    facts.iter().map(|(label, fact)| format!("{label}: {}", fact.replace('\n', "\n    ")));
                text.push_str(&facts.collect::<Vec<_>>().join("\n"));
            }
            Part::Copy(secret) => text.push_str(&format!("    {}", secret.replace('\n', "\n    "))),
        }
        text.push_str("\n\n");
    }
    text.push_str(&format!("-- \n{name}\n{url}\n"));
    text
}

/// As HTML.
pub(super) fn rich(parts: &[Part], name: &str, url: &str) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><body>\n");
    for part in parts {
        match part {
            Part::Words(words) => html.push_str(&format!("<p>{}</p>\n", escaped(words))),
            Part::Facts(facts) => {
                html.push_str("<table>\n");
                for (label, fact) in facts {
                    let fact = escaped(fact).replace('\n', "<br>");
                    html.push_str(&format!("<tr><th align=\"left\">{label}</th><td>{fact}</td></tr>\n"));
                }
                html.push_str("</table>\n");
            }
            Part::Copy(secret) => html.push_str(&format!("<pre>{}</pre>\n", escaped(secret))),
        }
    }
    let (name, url) = (escaped(name), escaped(url));
    html.push_str(&format!("<hr><p>{name}<br><a href=\"{url}\">{url}</a></p>\n</body></html>\n"));
    html
}

/// Text for an element or an attribute in double quotes (HTML §13.1.2).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
