//! How the admin API's bodies look.

use crate::http::parts::{dataset, record_index};
use crate::shapes;

shapes! {
    SourceShape = "source", "A data source. Ids, indices and dates are the server's.", {
        "sourceName": "rare-diseases", "displayName": "Rare diseases cohort",
        "sourceDescription": "Deep phenotypes of one clinic", "owner": "Example Hospital",
        "ownerEmail": "data@example.org", "online": true, "sourceType": "internal"
    }, more {
        "sourceId": "5065179a-d608-4aba-8728-2f131ec68127", "recordIndex": (record_index()),
        "pipelineIndex": [0], "sourceUrl": "https://beacon.example.org",
        "indexUrl": "https://beacon.example.org/index", "beaconAuthMethod": null
    };
    GroupShape = "discovery_group", "A grant: these users see these sources at this level.", {
        "groupName": "Researchers", "groupDescription": "", "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f",
        "discoveryPolicy": "count", "assignedUsers": ["2c3821b8-1cdb-4b77-bcd8-a1da701e46aa"],
        "assignedSources": ["5065179a-d608-4aba-8728-2f131ec68127"], "minimumCount": 0, "listBelowMinimum": false
    }, more {"groupId": "5d0f1f0c-59f3-4f44-8c2c-0e5b6c1fdb6f"};
    BeaconEndpointShape = "beacon_endpoint", "A path under which a network is exposed as a Beacon. Id and key are the server's; the key is mailed, never answered, and one that is sent is ignored.", {
        "endpointPath": "rare-diseases", "networkId": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f",
        "beaconAuthMethod": "authKey", "userMapping": "2c3821b8-1cdb-4b77-bcd8-a1da701e46aa"
    }, more {
        "endpointId": "3a9bd1f4-1f0f-4a0f-9d43-0e5b6c1fdb6f", "userMapping": null, "beaconAuthKey": ""
    };
    NexusCredentialShape = "nexus_credential", "The client of a realm that serves V2 installations. The secret is answered once, when it is added.", {
        "realm": "cafe_variome", "clientId": "nexus", "clientSecret": "…"
    };
    NexusInstallationShape = "nexus_installation", "A V2 installation. Key and realm do not change; notice says what it cannot have here.", {
        "installationName": "Example Hospital", "baseUrl": "https://cv2.example.org/", "installationStatus": "online"
    }, more {
        "installationKey": "9f86d081884c7d659a2feaa0c55ad015", "clientId": "", "realm": "cafe_variome", "notice": ""
    };
    NewInstallationShape = "new_nexus_installation", "A V2 installation to be added, and where its administrator reads mail.", {
        "installationName": "Example Hospital", "baseUrl": "https://cv2.example.org/", "email": "data@example.org"
    }, more {"realm": "cafe_variome"};
    NexusNetworkShape = "nexus_network", "A named set of V2 installations. The key is the server's.", {
        "networkName": "Rare diseases", "networkThreshold": 0, "networkStatus": "online",
        "installations": ["9f86d081884c7d659a2feaa0c55ad015"], "clientId": "nexus"
    }, more {"networkKey": 7};
    NewNetworkShape = "new_nexus_network", "A network to be added.", {"networkName": "Rare diseases"};
    NexusRequestShape = "nexus_network_request", "A V2 installation that asks to join a network.", {
        "networkKey": 7, "installationKey": "9f86d081884c7d659a2feaa0c55ad015",
        "token": "0c7a9f2be1d64a0f8f5ad3c1b2e4f607", "email": "data@example.org",
        "justification": "We hold matching data", "ipAddress": "203.0.113.7", "status": "pending"
    };
    MetaSourceShape = "meta_source", "A description of a cohort, dataset or the like. Each type has its own fields.", {
        "sourceId": "8df136d8-7fb0-4bec-a72a-5deed972bbb6", "sourceName": "Gait in Parkinson's disease",
        "sourceType": "cohort",
        "publisher": {"publisherType": "organization", "name": "Example University", "contactEmail": "data@example.org",
            "contactName": "", "url": "https://www.example.org", "location": "Leicester"},
        "resourceUrls": ["https://www.example.org/gait"], "description": "A cohort of two clinics",
        "themes": ["https://www.example.org/theme"], "releaseLicense": "https://opensource.org/licenses/MIT",
        "language": "en", "connectionId": "5065179a-d608-4aba-8728-2f131ec68127", "customFields": {"Consortium": "Example"},
        "cohortDetails": {"siteType": "multiSite", "country": "GB", "yearStart": 2023, "centerName": "", "ongoing": true},
        "cohortCollectedTypes": {"participants": {"diseases": ["pd"], "numberOfSubjects": 1000}, "bioSamples": ["csf"],
            "images": ["mri"], "cognitiveData": ["longitudinal"]},
        "datasetIds": ["adbec8c2-9460-4814-9574-06a0dfe2efb5"]
    }, more {
        "dataCollectionDetails": (dataset(false)[0]), "dataCollectionContent": (dataset(false)[1]),
        "datasetVersions": [{"datasetDetails": (dataset(true)[0]), "datasetContent": (dataset(true)[1])}]
    };
    PipelineShape = "pipeline", "A file pipeline (raw file to rows) or a remap pipeline (rows to subjects).", {
        "pipelineName": "One row per subject", "pipelineType": "filePipeline", "grouping": "individual",
        "internalDelimiter": ";", "subjectIdLocation": "attributeInFile", "attribute": "subject_id",
        "directives": [{"directiveType": "termSet", "origin": "phenotype", "destination": "hpo",
            "patternSets": [{"patternSetType": "basic", "pattern": "^HP:(\\d{7})$", "replacement": "\\1"}]}]
    }, more {
        "pipelineId": "8f14e45f-ceea-467f-a0f4-02d0b2a3e0d1", "groupColumns": "visit", "prefix": "S-", "batchSize": 1,
        "columns": ["sibling"], "expansionPolicy": "individual", "newAttribute": "relation",
        "directives": [{"patternSets": [{"qualifierReplacement": "gender", "valueReplacement": "\\1"}]}]
    };
    IngestRequest = "ingest_request", "Files of the source and the pipeline that reads them.", {
        "pipelineID": "8f14e45f-ceea-467f-a0f4-02d0b2a3e0d1", "dataFileIDs": ["45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26"],
        "mode": "merge"
    };
    DataFileShape = "data_file", "An uploaded file and where it stands.", {
        "dataFileId": "45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26", "filename": "cohort.csv", "fileFormat": "csv",
        "isProcessed": false, "sourceId": "5065179a-d608-4aba-8728-2f131ec68127", "state": "uploaded",
        "size": 1024, "stagedCount": 0, "progress": {"done": 0, "total": 0}, "rejected": 0,
        "warnings": [""], "error": ""
    };
    EavIndexChange = "eav_index_change", "Display names, and which attributes identify people.", {
        "attributes": {"visits-to-hospital": "Visits"}, "values": {"ward-b": "Ward B"}, "mappings": {},
        "identifying": {"sample-name": true}
    };
    StagedRowShape = "staged_row", "A row of a file before remapping.", {"subjectId": "K7"};
    TokenShape = "upload_token", "A token for uploading files, valid for an hour.", {"token": "eyJ…"};
    UploadAnswer = "upload_response", "The chunk is stored.", {
        "status": "The file chunk uploaded successfully", "dataFileId": "45c48cce-2e2d-4fbd-aa1a-fc51c7c6ad26"
    };
    AccessRequestShape = "access_request", "A stranger who asks for an account. Id and time are the server's.", {
        "firstName": "John", "lastName": "Doe", "email": "john@example.com", "affiliation": "Example Org",
        "justification": "We look for patients like ours"
    }, more {"requestId": "7f2a0c0e-0d4b-4a86-9a3c-0e5b6c1fdb6f"};
    StatisticsShape = "dashboard_statistics", "What there is here, and how much of it.", {
        "source_count": 1, "user_count": 3, "network_count": 1, "request_count": 0,
        "sources": {"5065179a-d608-4aba-8728-2f131ec68127": {"display_name": "Rare diseases cohort", "record_count": 100}},
        "space": {"used": 1.5, "available": 100.5},
        "analytics": {"error_count": 2, "query_count": 40, "uptime": "15:30:02.46"}
    }, more {"mail": {"configured": true, "waiting": 0, "failed": 0}};
    NetworkStatistics = "network_statistics", "A network with the number of its nodes.", {
        "networkID": "0c7c1b4e-6c3c-4b3e-8a51-0e5b6c1fdb6f", "networkName": "Local", "nodeCount": 1
    };
    QueryCounts = "query_counts", "Queries by day.", {"2026-01-30": 0, "2026-01-31": 7};
    RejectShape = "reject", "A row, or a value of it, that was left out.", {
        "file": "cohort.csv", "row": 7, "column": "phenotype", "reason": "not an HPO id", "value": "HP:12"
    };
}
