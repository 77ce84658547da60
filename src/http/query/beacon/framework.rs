//! The informational answers of the Beacon v2 framework (GA4GH Beacon 2.1.1, `framework/json/responses`), with what the
//! published CV3 documents require besides.

use serde_json::{Map, Value, json};

use crate::domain::beacon::{AuthMethod, Endpoint, UserMapping};
use crate::domain::ids::{BeaconId, NetworkId};
use crate::domain::settings::{BeaconSettings, OwnershipSettings, SystemConfig};
use crate::service::beacon::Described;

/// Where the schemas of the framework and of the default model are.
const SCHEMAS: &str = "https://raw.githubusercontent.com/ga4gh-beacon/beacon-v2/main";

/// The version of the interface, where none is set.
const VERSION: &str = "v2.0";

/// An endpoint that the documents show.
pub fn example() -> Described {
    let id = |text: &str| text.to_owned();
    let endpoint = Endpoint {
        endpoint_id: BeaconId::from_uuid(uuid::Uuid::nil()),
        endpoint_path: id("rare-diseases"),
        network_id: NetworkId::from_uuid(uuid::Uuid::nil()),
        beacon_auth_method: AuthMethod::AuthKey,
        user_mapping: UserMapping::default(),
    };
    let url = || id("https://cafe.example.org");
    let day = || id("2026-01-31T12:00:00Z");
    let settings = SystemConfig {
        ownership_settings: OwnershipSettings {
            address: id("University Road, Leicester"),
            email: id("data@example.org"),
            name: id("Example University"),
            description: id("A university"),
            logo: id("https://www.example.org/logo.png"),
            url: id("https://www.example.org"),
            organization_id: id("org.example"),
        },
        beacon_settings: BeaconSettings {
            welcome_url: url(),
            alternative_url: url(),
            beacon_id: id("org.example.cafe"),
            description: id("Rare diseases of two clinics"),
            create_date_time: day(),
            update_date_time: day(),
            ..BeaconSettings::default()
        },
        ..SystemConfig::default()
    };
    Described { endpoint, settings, public_url: url() }
}

/// Root and `/info`.
pub fn info(at: &Described) -> Value {
    let (beacon, owner) = (&at.settings.beacon_settings, &at.settings.ownership_settings);
    let response = said(json!({
        "id": beacon_id(at), "name": name(at), "apiVersion": version(at), "environment": environment(at),
        "description": first(&[&beacon.description, &at.settings.instance_settings.description]),
        "version": format!("v{}", env!("CARGO_PKG_VERSION")),
        "welcomeUrl": first(&[&beacon.welcome_url, &at.public_url]), "alternativeUrl": beacon.alternative_url,
        "createDateTime": beacon.create_date_time, "updateDateTime": beacon.update_date_time,
        "organization": said(json!({
            "id": first(&[&owner.organization_id, &owner.url, &at.public_url]), "name": organization(at),
            "description": owner.description, "address": owner.address, "welcomeUrl": owner.url,
            "contactUrl": contact(at), "logoUrl": owner.logo,
        })),
    }));
    answer(at, "info", "beaconInfoResponse", response)
}

/// `/service-info`: GA4GH Service Info 1.0, without an envelope.
pub fn service_info(at: &Described) -> Value {
    let (beacon, owner) = (&at.settings.beacon_settings, &at.settings.ownership_settings);
    said(json!({
        "id": beacon_id(at), "name": name(at),
        "type": {"group": "org.ga4gh", "artifact": "beacon", "version": version(at).trim_start_matches('v')},
        "organization": {
            "name": organization(at), "url": first(&[&owner.url, &beacon.welcome_url, &at.public_url]),
        },
        "version": env!("CARGO_PKG_VERSION"), "environment": environment(at),
        "description": first(&[&beacon.description, &at.settings.instance_settings.description]),
        "contactUrl": contact(at), "documentationUrl": format!("{}/docs/", at.public_url),
        "createdAt": beacon.create_date_time, "updatedAt": beacon.update_date_time,
    }))
}

/// `/configuration`. What is answered at least is whether there is somebody.
pub fn configuration(at: &Described) -> Value {
    let status = match environment(at) {
        "dev" => "DEV",
        "test" | "staging" => "TEST",
        _ => "PROD",
    };
    let level = match at.endpoint.beacon_auth_method {
        AuthMethod::NoAuth => "PUBLIC",
        AuthMethod::Token => "REGISTERED",
        AuthMethod::AuthKey => "CONTROLLED",
    };
    let response = json!({
        "$schema": format!("{SCHEMAS}/framework/json/configuration/beaconConfigurationSchema.json"),
        "maturityAttributes": {"productionStatus": status},
        "securityAttributes": {"defaultGranularity": "boolean", "securityLevels": [level]},
        "entryTypes": types(),
    });
    answer(at, "configuration", "beaconConfigurationResponse", response)
}

/// `/entry_types`.
pub fn entry_types(at: &Described) -> Value {
    answer(at, "entryType", "beaconEntryTypesResponse", json!({"entryTypes": types()}))
}

/// `/map`.
pub fn map(at: &Described) -> Value {
    let base = address(at);
    let set = |kind: &str, path: &str| json!({"entryType": kind, "rootUrl": format!("{base}/{path}")});
    let response = json!({
        "$schema": format!("{SCHEMAS}/framework/json/configuration/beaconMapSchema.json"),
        "endpointSets": {"individual": set("individual", "individuals"), "dataset": set("dataset", "dataset")},
    });
    answer(at, "map", "beaconMapResponse", response)
}

/// The kinds of entries, with the terms and schemas of the default model.
fn types() -> Value {
    let kind = |id: &str, name: &str, about: &str, (term, label): (&str, &str), folder: &str| {
        json!({
            "id": id, "name": name, "description": about, "partOfSpecification": "Beacon v2.0.0",
            "ontologyTermForThisType": {"id": term, "label": label},
            "defaultSchema": {
                "id": format!("ga4gh-beacon-{id}-v2.0.0"), "name": format!("Default schema of the entry type {id}"),
                "description": about, "schemaVersion": "v2.0.0",
                "referenceToSchemaDefinition":
                    format!("{SCHEMAS}/models/json/beacon-v2-default-model/{folder}/defaultSchema.json"),
            },
        })
    };
    let mut dataset =
        kind("dataset", "Dataset", "A data source of the network.", ("NCIT:C47824", "Data set"), "datasets");
    if let Some(fields) = dataset.as_object_mut() {
        fields.insert("aCollectionOf".into(), json!([{"id": "individual", "name": "Individual"}]));
    }
    json!({
        "individual": kind("individual", "Individual", "A person in a data source.",
            ("NCIT:C25190", "Person"), "individuals"),
        "dataset": dataset,
    })
}

/// The envelope; `pagination` and `$schema` are required by the published documents without being described there
/// (specification §11.1).
fn answer(at: &Described, kind: &str, schema: &str, response: Value) -> Value {
    json!({
        "$schema": format!("{SCHEMAS}/framework/json/responses/{schema}.json"),
        "meta": {
            "beaconId": beacon_id(at), "apiVersion": version(at),
            "returnedSchemas": [{"entityType": kind, "schema": format!("{SCHEMAS}/framework/json/responses/{schema}.json")}],
            "returnedGranularity": "record",
            "receivedRequestSummary": {
                "apiVersion": version(at), "requestedSchemas": [], "requestedGranularity": "record", "filters": [],
                "pagination": {"skip": 0, "limit": 0},
            },
        },
        "response": response,
    })
}

/// Without the fields that are empty: an optional address or time that is not set is left out.
fn said(fields: Value) -> Value {
    match fields {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().filter(|(_, value)| value != "").collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// The first text that says something.
fn first<'a>(texts: &[&'a String]) -> &'a str {
    texts.iter().map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or_default()
}

fn address(at: &Described) -> String {
    format!("{}/query/beacon/{}", at.public_url, at.endpoint.endpoint_path)
}

/// As set, else the address, which is a URI that nobody else has.
fn beacon_id(at: &Described) -> String {
    let set = at.settings.beacon_settings.beacon_id.trim();
    if set.is_empty() { address(at) } else { set.to_owned() }
}

fn version(at: &Described) -> &str {
    let set = at.settings.beacon_settings.api_version.trim();
    if set.is_empty() { VERSION } else { set }
}

fn name(at: &Described) -> &str {
    &at.settings.instance_settings.name
}

fn organization(at: &Described) -> &str {
    first(&[&at.settings.ownership_settings.name, &at.settings.instance_settings.name])
}

fn contact(at: &Described) -> String {
    let email = &at.settings.ownership_settings.email;
    if email.is_empty() { String::new() } else { format!("mailto:{email}") }
}

/// One of the four words the framework knows, whatever was typed.
fn environment(at: &Described) -> &'static str {
    let set = at.settings.beacon_settings.environment.to_lowercase();
    ["dev", "test", "stag"].into_iter().find(|word| set.starts_with(word)).map_or("prod", |word| match word {
        "stag" => "staging",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Production", "prod", "PROD")]
    #[case("development", "dev", "DEV")]
    #[case("TESTING", "test", "TEST")]
    #[case("staging", "staging", "TEST")]
    #[case("", "prod", "PROD")]
    fn an_environment_is_one_of_those_the_framework_knows(
        #[case] set: &str,
        #[case] said: &str,
        #[case] status: &str,
    ) {
        let mut at = example();
        at.settings.beacon_settings.environment = set.into();
        assert_eq!(info(&at)["response"]["environment"], said);
        assert_eq!(configuration(&at)["response"]["maturityAttributes"]["productionStatus"], status);
    }

    #[test]
    fn what_is_not_set_is_left_out_or_follows_from_the_address() {
        let mut at = example();
        at.settings = SystemConfig::default();
        let body = info(&at);
        assert_eq!(body["response"]["id"], "https://cafe.example.org/query/beacon/rare-diseases");
        assert_eq!(body["meta"]["apiVersion"], "v2.0");
        assert_eq!(body["response"]["organization"]["id"], "https://cafe.example.org");
        assert_eq!(body["response"].get("createDateTime"), None);
        let service = service_info(&at);
        assert_eq!(service["organization"]["url"], "https://cafe.example.org");
        assert_eq!(service.get("contactUrl"), None);
    }

    #[rstest::rstest]
    #[case(AuthMethod::NoAuth, "PUBLIC")]
    #[case(AuthMethod::Token, "REGISTERED")]
    #[case(AuthMethod::AuthKey, "CONTROLLED")]
    fn the_level_of_security_follows_from_how_callers_say_who_they_are(
        #[case] method: AuthMethod,
        #[case] level: &str,
    ) {
        let mut at = example();
        at.endpoint.beacon_auth_method = method;
        assert_eq!(configuration(&at)["response"]["securityAttributes"]["securityLevels"], json!([level]));
    }

    #[test]
    fn every_address_of_the_map_is_below_the_endpoint_and_of_a_known_type() {
        let at = example();
        let (map, types) = (map(&at), entry_types(&at));
        let sets = map["response"]["endpointSets"].as_object().unwrap();
        assert_eq!(sets.len(), types["response"]["entryTypes"].as_object().unwrap().len());
        for (kind, set) in sets {
            assert_eq!(types["response"]["entryTypes"][kind]["id"], set["entryType"]);
            assert!(set["rootUrl"].as_str().unwrap().starts_with(&address(&at)), "{set}");
        }
    }
}
