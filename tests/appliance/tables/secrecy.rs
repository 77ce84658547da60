//! Identifiers that reached a source as free attributes: at no level below `list` may they be seen, or be used.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::raw::Sheet;
use super::{IDENTIFIERS, SUBJECT_ID};
use crate::support::client::Reply;
use crate::support::{Client, Node, steps};

/// Looks through what a user with `count` can reach, through what everyone's indices say, and through the log.
pub async fn nothing_below_list_names_anyone(
    node: &Node,
    source: &str,
    table: &Sheet,
    [ada, grace, emmy]: [&Client; 3],
) {
    let forbidden = Forbidden::of(table);
    let index = format!("/sources/{source}/eav-index");
    for client in [ada, grace, emmy] {
        let shown = client.get(&index).await.ok();
        forbidden.check("the attribute index", &shown.to_string());
        for column in IDENTIFIERS {
            assert!(shown["attributes"].get(column).is_none(), "{column} is listed: {}", shown["attributes"]);
        }
        assert_eq!(
            shown["attributes"]["Ethnic background-0%2E0"], "Ethnic Background 0.0",
            "harmless ones are listed"
        );
        for path in ["/networks/", "/sources/"] {
            // What is withheld is told to those who look after the data, by name and never by value.
            let text = client.get(path).await.ok().to_string();
            if client.user_id == ada.user_id {
                forbidden.values(path, &text)
            } else {
                forbidden.check(path, &text)
            }
        }
        let sources = Reply::of(client.query(reqwest::Method::GET, "/sources/").await).await.ok();
        forbidden.check("sources of the query API", &sources.to_string());
    }
    let told = ada.get(&format!("/sources/{source}")).await.ok();
    let withheld = told["withheldAttributes"].to_string();
    // What names the subject is the subject's id and no attribute, whatever a directive says.
    for column in IDENTIFIERS.into_iter().filter(|column| *column != SUBJECT_ID) {
        assert!(withheld.contains(column), "the data manager is told that {column} is withheld: {withheld}");
    }
    no_question_tells(source, table, grace, emmy, &forbidden).await;
    for file in steps::files(ada, source).await {
        forbidden.values("a data file", &file.to_string());
        forbidden.check("an error of a data file", &file["error"].to_string());
    }
    forbidden.check("the log", &node.log());
}

/// At `count` a filter on an identifier is like one on an attribute nobody has; at `list` it finds its person.
async fn no_question_tells(
    source: &str,
    table: &Sheet,
    grace: &Client,
    emmy: &Client,
    forbidden: &Forbidden,
) {
    let everyone = table.rows();
    for column in IDENTIFIERS {
        let value = table.cell(everyone / 2, column).unwrap();
        for (relation, value) in
            [("stringIs", value), ("stringIsNot", value), ("regexContains", &value[..value.len() - 1])]
        {
            let filter = |attribute: &str| json!({"eav": [{"attribute": attribute, "relation": relation, "value": value}]});
            fn needed(mut builder: Value) -> Value {
                builder["advanced"] = json!({"requiredFilters": {"eav": true}});
                builder
            }
            let unknown = "an attribute nobody has";
            for need in [|builder| builder, needed] {
                let real = steps::ask_one(grace, source, &need(filter(column))).await;
                let other = steps::ask_one(grace, source, &need(filter(unknown))).await;
                let renamed = other.to_string().replace(unknown, column);
                assert_eq!(
                    real.to_string(),
                    renamed,
                    "{column} {relation} is answered like an unknown attribute"
                );
                forbidden.values("an answer", &real.to_string());
            }
            let soft = steps::ask_one(grace, source, &filter(column)).await;
            assert_eq!(soft["recordCount"], everyone, "what nobody has is not asked for: {soft}");
        }
        if column == SUBJECT_ID {
            continue;
        }
        let exact = json!({"eav": [{"attribute": column, "relation": "stringIs", "value": value}]});
        let listed = steps::ids(&steps::ask_one(emmy, source, &exact).await);
        assert_eq!(listed, [table.cell(everyone / 2, SUBJECT_ID).unwrap()], "{column} at the level list");
        // Asked for less than is permitted, the level asked for counts.
        let mut lower = exact.clone();
        lower["advanced"] = json!({"granularity": "count"});
        let answer = steps::ask_one(emmy, source, &lower).await;
        assert!(answer["resultDetails"].is_null(), "a count names nobody: {answer}");
    }
    // A malformed question is told what is wrong with it, nothing about the data.
    let broken = json!({"eav": [{"attribute": IDENTIFIERS[2], "relation": "regexContains", "value": "("}]});
    let refused = Reply::of(grace.query(reqwest::Method::POST, "/record/").await.json(&broken)).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    forbidden.check("a refusal", &refused.body);
}

/// The names and values that must not be seen.
struct Forbidden {
    values: BTreeSet<String>,
}

impl Forbidden {
    fn of(table: &Sheet) -> Self {
        let cells = (0..table.rows()).flat_map(|row| IDENTIFIERS.map(|column| table.cell(row, column)));
        let values: BTreeSet<String> = cells.flatten().map(str::to_owned).collect();
        assert_eq!(values.len(), IDENTIFIERS.len() * table.rows(), "each value names one person");
        Self { values }
    }

    fn check(&self, place: &str, text: &str) {
        self.values(place, text);
        for column in IDENTIFIERS {
            assert!(!text.contains(&format!("\"{column}\"")), "{place} names the column {column}: {text}");
        }
        for column in IDENTIFIERS.into_iter().filter(|column| column.contains(' ')) {
            assert!(!text.contains(column), "{place} speaks of the column {column}: {text}");
        }
    }

    fn values(&self, place: &str, text: &str) {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let found: BTreeSet<&str> = words.filter(|word| self.values.contains(*word)).take(5).collect();
        assert!(found.is_empty(), "{place} shows {found:?}");
    }
}
