//! `/meta/*` of the query API: which data is described, and where (specification §10.4, §10.5).

use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;

use crate::domain::ids::NetworkId;
use crate::http::body::Doc;
use crate::http::gate::Anyone;
use crate::http::shared::networks::{MetaIndexShape, id};
use crate::service::Services;
use crate::shapes;

shapes! {
    MetaQueryShape = "meta_query", "Values asked for; in an array one suffices, between fields all are needed. What is absent is not asked.", {
        "types": ["cohort", "dataset"], "publisherTypes": ["organization"], "text": "gait parkinson",
        "minSubjects": 100, "age": {"min": 40, "max": 90}, "customFields": {"Consortium": ["Example"]},
        "cohort": {"availableTypes": ["multiSite"], "availableCountries": ["GB"], "diseases": ["pd"],
            "bioSamples": ["csf"], "images": ["mri"], "cognitiveData": ["longitudinal"]},
        "dataset": {"availableTypes": ["clinical"], "keywords": ["gait"], "availableCountries": ["GB"],
            "diseases": ["pd"], "sex": ["female"], "clinical": ["familyHistory"], "markers": ["tau"],
            "images": ["mri"], "electrophysiology": ["eeg"]},
        "dataCollection": {"diseases": ["pd"]}
    };
    FoundShape = "meta_answer", "A meta source, with the node that has it.", {
        "nodeId": "1a1f0d3c-2b7f-4a52-9d43-0f6a58a0a2a1", "sourceId": "8df136d8-7fb0-4bec-a72a-5deed972bbb6",
        "sourceName": "Gait in Parkinson's disease", "sourceType": "registry",
        "publisher": {"publisherType": "organization", "name": "Example University", "contactEmail": "data@example.org",
            "contactName": "", "url": "", "location": ""},
        "resourceUrls": ["https://www.example.org/gait"], "description": "", "themes": ["https://www.example.org/theme"],
        "releaseLicense": "", "language": "en", "connectionId": ""
    };
}

/// Meta queries.
#[derive(Debug)]
pub struct MetaSourcesApi(pub Services);

#[OpenApi]
impl MetaSourcesApi {
    /// Values that meta sources have and can be asked for
    #[oai(path = "/meta/index", method = "get")]
    async fn index(&self, asker: Anyone) -> poem::Result<Json<Doc<MetaIndexShape>>> {
        Ok(Json(Doc::of(self.0.metasources.index(&asker.0).await?)))
    }

    /// Meta sources with these values
    #[oai(path = "/meta/query", method = "post")]
    async fn query(
        &self,
        asker: Anyone,
        #[oai(name = "Network-Id")] network: Header<Option<String>>,
        body: Json<Doc<MetaQueryShape>>,
    ) -> poem::Result<Json<Vec<Doc<FoundShape>>>> {
        let named = network.0.filter(|n| !n.is_empty()).map(|n| id(NetworkId::parse(n))).transpose()?;
        let network = self.0.networks.described(&asker.0, named.as_ref()).await?;
        let found = self.0.metasources.query(&asker.0, &network, &body.0.0).await?;
        Ok(Json(found.into_iter().map(Doc::of).collect()))
    }
}
