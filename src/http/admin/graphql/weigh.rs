//! How much a request may ask for, known before anything is looked up.
//!
//! What counts is the work behind an answer: a field that calls a use case costs `CALL`, a list its page times what is
//! asked of each entry, anything else one. Fragments count as often as they are spread.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Error, ErrorExtensions, Pos, ServerError, ValidationResult};

/// How deep a query may go: as deep as the introspection of usual tools; the deepest of ours has five levels.
const DEPTH: usize = 15;

/// How much it may weigh.
const WEIGHT: usize = 100_000;

/// How many fields it may have with every fragment spread.
const FIELDS: usize = 5_000;

/// The same where it asks what there is to ask: those fields have no pages, and the usual question has about 230.
const FIELDS_OF_SCHEMA: usize = 500;

/// How deep fragments may be nested in one another.
const NESTED: usize = 32;

/// What one call of a use case weighs.
const CALL: usize = 500;

/// Entries of a list answered at once unless more or fewer are asked for.
pub const PAGE: u32 = 100;

/// Most entries of a list that are answered at once.
pub const MOST: u32 = 1_000;

/// A field that calls a use case.
pub fn called(inside: usize) -> usize {
    CALL.saturating_add(inside)
}

/// A field that calls a use case and answers a page of a list.
pub fn listed(limit: u32, inside: usize) -> usize {
    called(page(limit, inside))
}

/// A list inside a list: one small look-up for each of the outer.
pub fn nested(limit: u32, inside: usize) -> usize {
    page(limit, inside).saturating_add(20)
}

/// Whole documents, which are large, as one field.
pub fn documents(limit: u32) -> usize {
    listed(limit, 10)
}

fn page(limit: u32, inside: usize) -> usize {
    (limit.min(MOST) as usize).saturating_mul(inside.max(1))
}

/// A refusal that names its limit.
fn refused(code: &'static str, why: String) -> ServerError {
    Error::new(why)
        .extend_with(|_, extensions| extensions.set("code", code))
        .into_server_error(Pos::default())
}

/// Counts fields with every fragment spread, each fragment looked at once, so that counting costs little.
struct Counter<'a> {
    document: &'a ExecutableDocument,
    fragments: HashMap<&'a str, usize>,
    asks_for_schema: bool,
}

impl<'a> Counter<'a> {
    fn fields(&mut self, set: &'a SelectionSet, depth: usize) -> usize {
        if depth > NESTED {
            return usize::MAX;
        }
        let mut sum = 0_usize;
        for selection in &set.items {
            let inside = match &selection.node {
                Selection::Field(field) => {
                    self.asks_for_schema |= matches!(field.node.name.node.as_str(), "__schema" | "__type");
                    self.fields(&field.node.selection_set.node, depth + 1).saturating_add(1)
                }
                Selection::InlineFragment(fragment) => {
                    self.fields(&fragment.node.selection_set.node, depth + 1)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth),
            };
            sum = sum.saturating_add(inside);
        }
        sum
    }

    fn fragment(&mut self, name: &'a str, depth: usize) -> usize {
        if let Some(known) = self.fragments.get(name) {
            return *known;
        }
        let Some(fragment) = self.document.fragments.get(name) else { return 0 };
        let fields = self.fields(&fragment.node.selection_set.node, depth + 1);
        self.fragments.insert(name, fields);
        fields
    }
}

/// Refuses a document that has too many fields, before anything goes through it field by field.
pub fn count(document: &ExecutableDocument) -> Result<(), ServerError> {
    let mut counter = Counter { document, fragments: HashMap::new(), asks_for_schema: false };
    let mut fields = 0_usize;
    for (_, operation) in document.operations.iter() {
        fields = fields.saturating_add(counter.fields(&operation.node.selection_set.node, 0));
    }
    let most = if counter.asks_for_schema { FIELDS_OF_SCHEMA } else { FIELDS };
    if fields > most {
        let why = format!(
            "the request has more than {most} fields, counted with every fragment spread: ask for fewer"
        );
        return Err(refused("TOO_MANY_FIELDS", why));
    }
    Ok(())
}

/// Refuses what weighs too much or goes too deep, by name.
#[derive(Debug, Clone, Copy)]
pub struct Weighed;

impl ExtensionFactory for Weighed {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Weighed {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let found = next.run(context).await?;
        if found.depth > DEPTH {
            let why = format!(
                "the request is nested {} levels deep, and at most {DEPTH} are answered",
                found.depth
            );
            return Err(vec![refused("TOO_DEEP", why)]);
        }
        if found.complexity > WEIGHT {
            let why = format!(
                "the request weighs {}, and at most {WEIGHT} is answered: ask for fewer fields, or for smaller pages with limit",
                found.complexity
            );
            return Err(vec![refused("TOO_COMPLEX", why)]);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use rstest::rstest;

    use super::*;

    /// Each fragment spreads the next twice: `2^n` fields in a text of some hundred bytes.
    fn doubling(fragments: usize) -> String {
        let spread: String = (1..fragments)
            .map(|n| format!("fragment f{n} on Query {{...f{} ...f{}}}", n + 1, n + 1))
            .collect();
        format!("{{...f1}} {spread} fragment f{fragments} on Query {{me {{userId}}}}")
    }

    #[rstest]
    #[case("{me {userId}}".into(), None)]
    #[case(doubling(8), None)]
    #[case(doubling(20), Some("TOO_MANY_FIELDS"))]
    #[case(doubling(31), Some("TOO_MANY_FIELDS"))]
    #[case(doubling(5_000), Some("TOO_MANY_FIELDS"))]
    #[case("{...a} fragment a on Query {...b} fragment b on Query {...a}".into(), Some("TOO_MANY_FIELDS"))]
    #[case(format!("{{{}}}", "me {userId} ".repeat(2_400)), None)]
    #[case(format!("{{{}}}", "me {userId} ".repeat(2_600)), Some("TOO_MANY_FIELDS"))]
    #[case(format!("{{__schema {{{}}}}}", "types {name} ".repeat(300)), Some("TOO_MANY_FIELDS"))]
    #[case("{... on Query {__schema {types {name}}}}".into(), None)]
    fn fields_are_counted_as_often_as_they_are_asked_for(#[case] query: String, #[case] code: Option<&str>) {
        let counted = count(&parse_query(&query).unwrap());
        let found = counted.err().map(|error| error.extensions.unwrap().get("code").unwrap().to_string());
        assert_eq!(found, code.map(|code| format!("\"{code}\"")), "{:.200}", query);
    }

    #[test]
    fn a_list_weighs_its_page_times_what_is_asked_of_each_entry() {
        assert_eq!(listed(100, 3), 500 + 300);
        assert_eq!(listed(u32::MAX, 3), 500 + 3_000, "no more than is answered");
        assert_eq!(listed(10, nested(20, 2)), 500 + 10 * (20 + 40));
        assert_eq!(nested(10, usize::MAX), usize::MAX);
    }
}
