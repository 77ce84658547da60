//! Parts that several bodies have, as examples that their schemas are inferred from.

use serde_json::{Value, json};

/// Which filters there are to ask with, or which a user wants to see.
pub fn capability() -> Value {
    json!({
        "subject": true, "genes": true, "hpo": true, "ordo": true, "snomed": true, "variant": true, "source": true,
        "eav": true, "subjectCapability": {"age": true, "gender": true, "familyType": true, "affected": true}
    })
}

/// What a source or network can be asked for.
pub fn record_index() -> Value {
    json!({
        "capability": capability(), "recordCount": 100,
        "eavIndex": {"attributes": {"visits-to-hospital": "Visits To Hospital"}, "values": {"ward-b": "Ward B"},
            "mappings": {"site": ["ward-b"]}}
    })
}

/// Values that meta sources have and can be asked for.
pub fn meta_index() -> Value {
    let described = json!({
        "availableTypes": ["clinical"], "keywords": ["gait"], "availableCountries": ["GB"], "diseases": ["pd"],
        "sex": ["female"], "clinical": ["familyHistory"], "markers": ["tau"], "images": ["mri"],
        "electrophysiology": ["eeg"]
    });
    json!({
        "availableTypes": ["cohort", "dataset"], "publisherTypes": ["organization"],
        "cohort": {"availableTypes": ["multiSite"], "availableCountries": ["GB"], "diseases": ["pd"],
            "bioSamples": ["csf"], "images": ["mri"], "cognitiveData": ["longitudinal"]},
        "dataset": described, "dataCollection": described, "customFields": {"Consortium": ["Example"]}
    })
}

/// What a dataset or collection of data is about, and what is in it.
pub fn dataset(version: bool) -> [Value; 2] {
    let mut details = json!({
        "keywords": ["gait"], "publishedDate": "2026-01-31", "updateDate": "2026-01-31",
        "connectionId": "5065179a-d608-4aba-8728-2f131ec68127"
    });
    if let Some(fields) = details.as_object_mut().filter(|_| version) {
        fields.insert("versionId".into(), "1".into());
        fields.insert("versionName".into(), "First release".into());
    }
    let content = json!({
        "numberOfSubjects": 1000, "minAge": 40, "maxAge": 90, "countries": ["GB"], "diseases": ["pd"],
        "sex": ["female"], "clinical": ["familyHistory"], "markers": ["tau"], "images": ["mri"],
        "electrophysiology": ["eeg"], "dataTypes": ["clinical"]
    });
    [details, content]
}

/// A record query with each filter once; what is absent is not asked.
pub fn builder() -> Value {
    json!({
        "subject": {"gender": "any", "age": {"min": 0, "max": 100}, "ageFirstDiagnosis": {"min": 0, "max": 100},
            "ageFirstSymptoms": {"min": 0, "max": 100}, "affectedOnly": false,
            "familyType": {"singletons": false, "trios": false, "family": false}},
        "hpo": [{"terms": ["HP:0001250", "HP:0001263"], "similarity": 0.5, "minimumMatch": 1, "useOrphaNet": false,
            "includeDescendants": false}],
        "ordo": [{"terms": ["ORPHA:558"], "similarity": 1.0, "minimumMatch": 1, "useHPO": false}],
        "genes": [{"alleles": [{"gene": "APOE", "alleles": ["E4", "E4"]}]}],
        "snomed": [{"terms": ["84757009"], "minimumMatch": 1}],
        "variant": [{"genes": ["FBN1"], "reactome": ["R-HSA-2129379"], "mutation": ["stop_gained"], "maxAf": 0.01,
            "useLocalAf": false}],
        "eav": [{"attribute": "ward", "relation": "stringIs", "value": "a"}],
        "sources": {"sources": ["5065179a-d608-4aba-8728-2f131ec68127"]},
        "advanced": {"granularity": "count", "requiredFilters": {"subject": false, "genes": false, "hpo": false,
            "ordo": false, "snomed": false, "variant": false, "source": false, "eav": false,
            "subjectCapability": {"age": false, "gender": false, "familyType": false, "affected": false}}}
    })
}

/// Whom and what a message of the federation is about.
pub fn attributes(kind: &str) -> Value {
    json!({
        "messageId": "3f0d6f5e-6a39-4a6e-9a8d-93a5e2a1c7b0", "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f",
        "nodeId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1", "dataType": kind, "shouldRelay": false,
        "userId": "2c3821b8-1cdb-4b77-bcd8-a1da701e46aa"
    })
}
