//! Families and cohorts of phenopackets, version 1 and 2, from upload to answer: how members are named, what a family
//! is called, who counts as affected (§6.4, §7.2, §8.3).

use serde_json::{Value, json};

use crate::support::{Installation, steps};

/// A packet of a person; `features` are HPO ids that are present.
fn packet(id: &str, subject: &str, features: &[&str]) -> Value {
    let features: Vec<Value> =
        features.iter().map(|id| json!({"type": {"id": format!("HP:{id}"), "label": id}})).collect();
    json!({"id": id, "subject": {"id": subject, "sex": "FEMALE"}, "phenotypicFeatures": features,
        "metaData": {"created": "2026-01-01T00:00:00Z", "createdBy": "a test", "phenopacketSchemaVersion": "2.0"}})
}

/// A person of a pedigree: id, father, mother, status.
fn person(id: &str, father: &str, mother: &str, status: &str) -> Value {
    json!({"familyId": "any", "individualId": id, "paternalId": father, "maternalId": mother, "sex": "FEMALE",
        "affectedStatus": status})
}

fn family(id: &str, proband: Value, relatives: Vec<Value>, persons: Vec<Value>) -> Value {
    json!({"id": id, "proband": proband, "relatives": relatives, "pedigree": {"persons": persons},
        "metaData": {"created": "2026-01-01T00:00:00Z", "createdBy": "a test", "phenopacketSchemaVersion": "2.0"}})
}

/// As version 1 writes it: names in snake case, `negated` features.
fn version_1_family() -> Value {
    let meta = json!({"created": "2019-01-01T00:00:00Z", "created_by": "a test"});
    let mother = json!({"id": "mother", "subject": {"id": "M", "sex": "FEMALE"}, "meta_data": meta,
        "phenotypic_features": [{"type": {"id": "HP:0001250", "label": "Seizure"}, "negated": true}]});
    let child = json!({"id": "child", "subject": {"id": "C", "age_at_collection": {"age": "P9Y"}}, "meta_data": meta,
        "phenotypic_features": [{"type": {"id": "HP:0001250", "label": "Seizure"}}]});
    let persons = json!([
        {"family_id": "v1", "individual_id": "C", "paternal_id": "F", "maternal_id": "M", "affected_status": 2},
        {"family_id": "v1", "individual_id": "M", "paternal_id": "0", "maternal_id": "0", "affected_status": 1},
        {"family_id": "v1", "individual_id": "F", "affected_status": 0},
    ]);
    json!({"id": "v1", "proband": child, "relatives": [mother], "pedigree": {"persons": persons}, "meta_data": meta})
}

/// Files with what is expected of their subjects: id, kind of family, whether affected.
type Expected = Vec<(&'static str, Option<&'static str>, bool)>;

fn files() -> Vec<(Value, Expected)> {
    let seizure = ["0001250"];
    let trio = family(
        "trio",
        packet("child", "C", &seizure),
        vec![packet("mother", "M", &[]), packet("father", "F", &seizure)],
        vec![
            person("C", "F", "M", "AFFECTED"),
            person("M", "", "", "UNAFFECTED"),
            // A feature of somebody whom the pedigree calls unaffected does not make them affected.
            person("F", "", "", "UNAFFECTED"),
        ],
    );
    // Three again, but of one generation.
    let sisters = family(
        "sisters",
        packet("a", "A", &seizure),
        vec![packet("b", "B", &[])],
        vec![
            person("A", "", "", "AFFECTED"),
            person("B", "", "", "MISSING"),
            person("X", "", "", "UNAFFECTED"),
        ],
    );
    let quartet = family(
        "quartet",
        packet("one", "1", &seizure),
        vec![packet("two", "2", &[]), packet("three", "3", &[]), packet("four", "4", &[])],
        vec![
            person("1", "3", "4", "AFFECTED"),
            person("2", "3", "4", "AFFECTED"),
            person("3", "", "", "UNAFFECTED"),
            person("4", "", "", "UNAFFECTED"),
        ],
    );
    // A pedigree that lists fewer people than have packets.
    let unlisted = family(
        "unlisted",
        packet("p", "P", &[]),
        vec![packet("q", "Q", &[]), packet("r", "R", &[])],
        vec![person("P", "", "", "AFFECTED")],
    );
    let alone = family("alone", packet("p", "P", &seizure), vec![], vec![person("P", "", "", "AFFECTED")]);
    let cohort = json!({"id": "cohort", "description": "made", "metaData": {"created": "2026-01-01T00:00:00Z"},
        "members": [packet("m", "1", &seizure), packet("n", "2", &[])]});
    let version_1_cohort = json!({"id": "old", "meta_data": {"created": "2019-01-01T00:00:00Z"},
        "members": [{"id": "m", "subject": {"id": "1"}, "phenotypic_features": []}]});
    vec![
        (
            trio,
            vec![
                ("trio/child", Some("trios"), true),
                ("trio/mother", Some("trios"), false),
                ("trio/father", Some("trios"), false),
            ],
        ),
        (version_1_family(), vec![("v1/child", Some("trios"), true), ("v1/mother", Some("trios"), false)]),
        (sisters, vec![("sisters/a", Some("family"), true), ("sisters/b", Some("family"), false)]),
        (
            quartet,
            vec![
                ("quartet/one", Some("family"), true),
                ("quartet/two", Some("family"), true),
                ("quartet/three", Some("family"), false),
                ("quartet/four", Some("family"), false),
            ],
        ),
        (
            unlisted,
            vec![
                ("unlisted/p", Some("family"), true),
                ("unlisted/q", Some("family"), false),
                ("unlisted/r", Some("family"), false),
            ],
        ),
        (alone, vec![("alone/p", Some("singletons"), true)]),
        (cohort, vec![("cohort/m", None, true), ("cohort/n", None, false)]),
        (version_1_cohort, vec![("old/m", None, false)]),
        (packet("nobody's", "N", &seizure), vec![("nobody's", None, true)]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_and_cohorts_are_named_typed_and_asked_for() {
    let installation = Installation::new();
    let node = installation.serve().start().await;
    let client = node.client("ada").await;
    let source = steps::source(&client, "families").await;
    let pipeline = steps::file_pipeline(&client, "").await;
    let files = files();
    let mut ids = Vec::new();
    for (number, (file, _)) in files.iter().enumerate() {
        let name = format!("{number}.json");
        ids.push(steps::upload(&client, &source, &name, file.to_string().into_bytes()).await);
    }
    steps::read_in(&client, &source, &pipeline, &ids).await;
    let everyone: Expected = files.into_iter().flat_map(|(_, expected)| expected).collect();
    let indexed = steps::indexed(&client, &source, everyone.len()).await;
    let capability = &indexed["recordIndex"]["capability"]["subjectCapability"];
    assert_eq!((&capability["familyType"], &capability["affected"]), (&json!(true), &json!(true)));
    steps::grant(&client, "list", &[&client.user_id], &[&source]).await;

    let types = ["singletons", "trios", "family"];
    for choice in 0..16_u8 {
        let checked: Vec<&str> =
            (0..3).filter(|bit| choice & (1 << bit) != 0).map(|bit| types[bit]).collect();
        let affected_only = choice & 8 != 0;
        let mut subject = json!({"affectedOnly": affected_only});
        for kind in types {
            subject["familyType"][kind] = checked.contains(&kind).into();
        }
        let mut expected: Vec<&str> = Vec::new();
        for (id, kind, affected) in &everyone {
            let fits = checked.is_empty() || kind.is_some_and(|kind| checked.contains(&kind));
            if fits && (*affected || !affected_only) {
                expected.push(id);
            }
        }
        expected.sort_unstable();
        let question = json!({"subject": subject, "advanced": {"granularity": "list"}});
        let found = steps::ids(&steps::ask_one(&client, &source, &question).await);
        assert_eq!(found, expected, "{question}");
    }
    // The one who excludes the term is not found by it.
    let question = json!({"hpo": [{"terms": ["HP:0001250"]}], "subject": {"familyType": {"trios": true}},
        "advanced": {"granularity": "list"}});
    let found = steps::ids(&steps::ask_one(&client, &source, &question).await);
    assert_eq!(found, ["trio/child", "trio/father", "v1/child"]);
    node.stop().await;
}
