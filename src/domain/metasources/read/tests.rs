//! The table of specification §10.2, a line a rule.

use serde_json::{Value, json};

use super::{Problem, change, read};
use crate::domain::metasources::{MetaSource, MetaSourceType};

const ID: &str = "8df136d8-7fb0-4bec-a72a-5deed972bbb6";
const OTHER: &str = "adbec8c2-9460-4814-9574-06a0dfe2efb5";

fn fresh() -> impl FnMut() -> uuid::Uuid {
    let mut next = 0;
    move || {
        next += 1;
        uuid::Builder::from_random_bytes([next; 16]).into_uuid()
    }
}

fn made(body: &Value) -> Result<MetaSource, Vec<Problem>> {
    read(body, &mut fresh())
}

/// The least of a type, with fields laid over it.
fn of(source_type: &str, extra: Value) -> Value {
    let mut body = json!({
        "sourceName": "x", "sourceType": source_type,
        "publisher": {"publisherType": "individual", "name": "J", "contactEmail": "j@example.org"},
    });
    let own = match source_type {
        "cohort" => json!({"cohortDetails": {"siteType": "singleSite", "country": "UK", "yearStart": 2023}}),
        "dataset" => json!({"datasetVersions": [{"datasetContent": {"numberOfSubjects": 1}}]}),
        _ => json!({}),
    };
    body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    crate::domain::settings::merge(&mut body, &extra);
    body
}

fn paths(body: &Value) -> Vec<String> {
    made(body).map_or_else(|problems| problems.into_iter().map(|p| p.path).collect(), |_| Vec::new())
}

#[test]
fn the_least_of_each_type_is_enough_and_empty_texts_are_there() {
    for source_type in MetaSourceType::ALL {
        let shown = made(&of(source_type.name(), json!({}))).unwrap().shown();
        assert_eq!(shown["sourceType"], source_type.name());
        for empty in ["description", "releaseLicense", "language", "connectionId"] {
            assert_eq!(shown[empty], "", "{empty} of {shown}");
        }
        assert_eq!((&shown["publisher"]["url"], shown.get("customFields")), (&json!(""), None));
        let again: MetaSource = serde_json::from_value(shown.clone()).unwrap_or_else(|_| {
            let mut stored = shown.clone();
            stored.as_object_mut().unwrap().remove("connectionId");
            serde_json::from_value(stored).unwrap()
        });
        assert_eq!(again.shown(), shown);
    }
}

#[rstest::rstest]
#[case("custom", json!({"sourceName": " "}), "sourceName")]
#[case("custom", json!({"sourceName": 7}), "sourceName")]
#[case("custom", json!({"sourceType": "all"}), "sourceType")]
#[case("custom", json!({"sourceType": "Cohort"}), "sourceType")]
#[case("custom", json!({"sourceId": "7"}), "sourceId")]
#[case("custom", json!({"sourceId": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}), "sourceId")]
#[case("custom", json!({"publisher": null}), "publisher")]
#[case("custom", json!({"publisher": {"publisherType": "company"}}), "publisher.publisherType")]
#[case("custom", json!({"publisher": {"name": ""}}), "publisher.name")]
#[case("custom", json!({"publisher": {"contactEmail": "nobody"}}), "publisher.contactEmail")]
#[case("custom", json!({"publisher": {"url": "example.org"}}), "publisher.url")]
#[case("custom", json!({"resourceUrls": ["https://a.example", "/b"]}), "resourceUrls[1]")]
#[case("custom", json!({"resourceUrls": ["javascript:alert(1)"]}), "resourceUrls[0]")]
#[case("custom", json!({"resourceUrls": "https://a.example"}), "resourceUrls")]
#[case("custom", json!({"themes": [7]}), "themes[0]")]
#[case("custom", json!({"releaseLicense": "MIT"}), "releaseLicense")]
#[case("custom", json!({"language": "EN"}), "language")]
#[case("custom", json!({"connectionId": "here"}), "connectionId")]
#[case("custom", json!({"customFields": {"a.b": "c"}}), "customFields.a.b")]
#[case("custom", json!({"customFields": {"a": null}}), "customFields.a")]
#[case("custom", json!({"customFields": {"a": ["b", 7]}}), "customFields.a[1]")]
#[case("custom", json!({"description": "x".repeat(65_537)}), "description")]
#[case("cohort", json!({"cohortDetails": null}), "cohortDetails")]
#[case("cohort", json!({"cohortDetails": {"siteType": ""}}), "cohortDetails.siteType")]
#[case("cohort", json!({"cohortDetails": {"country": "Greece"}}), "cohortDetails.country")]
#[case("cohort", json!({"cohortDetails": {"yearStart": 1899}}), "cohortDetails.yearStart")]
#[case("cohort", json!({"cohortDetails": {"yearStart": "2023"}}), "cohortDetails.yearStart")]
#[case("cohort", json!({"cohortDetails": {"ongoing": "yes"}}), "cohortDetails.ongoing")]
#[case("cohort", json!({"collectedTypes": {"images": ["xray"]}}), "cohortCollectedTypes.images[0]")]
#[case("cohort", json!({"datasetIds": ["x"]}), "datasetIds[0]")]
#[case("dataset", json!({"datasetVersions": []}), "datasetVersions")]
#[case("dataset", json!({"datasetVersions": [{}]}), "datasetVersions[0].datasetContent")]
#[case("dataset", json!({"datasetVersions": [{"datasetContent": {"numberOfSubjects": 0}}]}), "datasetVersions[0].datasetContent.numberOfSubjects")]
#[case("dataset", json!({"datasetVersions": [{"datasetDetails": {"publishedDate": "2023-02-30"}, "datasetContent": {"numberOfSubjects": 1}}]}), "datasetVersions[0].datasetDetails.publishedDate")]
#[case("dataCollection", json!({"dataCollectionContent": {"numberOfSubjects": 1, "minAge": 9, "maxAge": 8}}), "dataCollectionContent.minAge")]
#[case("dataCollection", json!({"dataCollectionContent": {"numberOfSubjects": 1, "countries": ["UK", "XX"]}}), "dataCollectionContent.countries[1]")]
fn what_breaks_a_rule_is_refused_where_it_is(
    #[case] source_type: &str,
    #[case] extra: Value,
    #[case] path: &str,
) {
    assert_eq!(paths(&of(source_type, extra)), [path]);
}

#[test]
fn all_problems_are_told_at_once() {
    assert_eq!(paths(&json!({})), ["sourceType", "sourceName", "publisher"]);
    assert_eq!(paths(&json!([])), [""]);
}

#[test]
fn both_spellings_are_read_and_one_is_kept() {
    let cohort = made(&of(
        "cohort",
        json!({"collectedTypes": {"participants": {"diseases": ["ad", "ad"], "numberOfSubjects": 5}, "colour": 1}, "surprise": 1}),
    ));
    let shown = cohort.unwrap().shown();
    assert_eq!(
        shown["cohortCollectedTypes"],
        json!({"participants": {"diseases": ["ad"], "numberOfSubjects": 5}})
    );
    assert_eq!((&shown["cohortDetails"]["country"], shown.get("surprise")), (&json!("GB"), None));
    assert_eq!(made(&of("bioBank", json!({}))).unwrap().shown()["sourceType"], "biobank");
    let stored: MetaSourceType = serde_json::from_value("bioBank".into()).unwrap();
    assert_eq!(stored, MetaSourceType::Biobank);
}

#[rstest::rstest]
#[case(json!({"diseases": [], "numberOfSubjects": 5}))]
#[case(json!({"diseases": ["ad"], "numberOfSubjects": 0}))]
#[case(json!({"diseases": ["ad"]}))]
fn participants_that_say_nothing_are_dropped(#[case] participants: Value) {
    let cohort =
        made(&of("cohort", json!({"cohortCollectedTypes": {"participants": participants}}))).unwrap();
    assert_eq!(cohort.cohort_collected_types, None);
}

#[rstest::rstest]
#[case("dataCollection", json!({"dataCollectionDetails": {"connectionId": ID}}), ID)]
#[case("dataset", json!({"datasetVersions": [{"datasetDetails": {"connectionId": ID}, "datasetContent": {"numberOfSubjects": 1}}]}), ID)]
#[case("dataset", json!({"connectionId": "", "datasetVersions": [{"datasetDetails": {"connectionId": ID}, "datasetContent": {"numberOfSubjects": 1}}]}), ID)]
#[case("dataCollection", json!({"connectionId": OTHER, "dataCollectionDetails": {"connectionId": ID}}), OTHER)]
fn the_connection_is_kept_at_the_top(#[case] source_type: &str, #[case] extra: Value, #[case] id: &str) {
    let shown = made(&of(source_type, extra)).unwrap().shown();
    assert_eq!(shown["connectionId"], id);
    assert_eq!(shown.to_string().matches("connectionId").count(), 1, "{shown}");
}

#[test]
fn a_dataset_with_the_content_of_a_data_collection_is_one() {
    let mut body = of("dataset", json!({"dataCollectionContent": {"numberOfSubjects": 1}}));
    assert_eq!(made(&body).unwrap().source_type, MetaSourceType::Dataset);
    body.as_object_mut().unwrap().remove("datasetVersions");
    assert_eq!(made(&body).unwrap().source_type, MetaSourceType::DataCollection);
}

#[test]
fn a_change_is_a_merge() {
    let body = of(
        "cohort",
        json!({"sourceId": ID, "description": "d", "customFields": {"a": "1", "b": ["2"]}, "connectionId": OTHER}),
    );
    let held = made(&body).unwrap();
    let altered = |by: Value| change(&held, &by, &mut fresh());
    assert_eq!(altered(json!({})).unwrap(), held);
    let changed = altered(json!({
        "sourceId": OTHER, "sourceName": "y", "description": null, "connectionId": null, "customFields": {"a": null},
        "cohortDetails": {"country": "EL"}, "collectedTypes": {"bioSamples": ["csf"]},
    }))
    .unwrap()
    .shown();
    assert_eq!((&changed["sourceId"], &changed["sourceName"]), (&json!(ID), &json!("y")));
    assert_eq!((&changed["description"], &changed["connectionId"]), (&json!(""), &json!("")));
    assert_eq!(changed["customFields"], json!({"b": ["2"]}));
    assert_eq!(
        changed["cohortDetails"],
        json!({"siteType": "singleSite", "country": "GR", "yearStart": 2023})
    );
    assert_eq!(changed["cohortCollectedTypes"], json!({"bioSamples": ["csf"]}));
    let refused = altered(json!({"publisher": {"name": null}})).unwrap_err();
    assert_eq!(refused[0].path, "publisher.name");
    assert!(altered(json!([])).is_err());
}
