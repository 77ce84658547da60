//! Requests, queries and tokens that are refused.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Bearer, Body, Case, Send, World};

fn api(
    name: &'static str,
    (method, path): (Method, impl Into<String>),
    body: impl Into<Body>,
    becomes: &'static str,
    says: &'static str,
) -> Case {
    Case { name, send: Send::Api(method, path.into(), body.into()), becomes, says }
}

fn query(name: &'static str, body: impl Into<Body>, says: &'static str) -> Case {
    Case { name, send: Send::Query(body.into()), becomes: "400", says }
}

fn token(name: &'static str, bearer: Bearer, becomes: &'static str, says: &'static str) -> Case {
    Case { name, send: Send::Token(bearer), becomes, says }
}

impl From<Value> for Body {
    fn from(body: Value) -> Self {
        Self::Json(body)
    }
}

/// A remap pipeline of one directive, changed by these fields.
pub fn remap_with(change: Value) -> Value {
    let set = json!({"patternSetType": "basic", "pattern": "^(.+)$", "replacement": r"\1"});
    let mut directive =
        json!({"directiveType": "termSet", "origin": "a", "destination": "eav", "patternSets": [set]});
    directive.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"pipelineName": "remap", "pipelineType": "remapPipeline", "directives": [directive]})
}

fn replacing(pattern: &str, replacement: &str) -> Value {
    let set = json!({"patternSetType": "basic", "pattern": pattern, "replacement": replacement});
    remap_with(json!({"patternSets": [set]}))
}

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = pipelines();
    cases.extend(processing(world));
    cases.extend(resources(world));
    cases.extend(queries());
    cases.extend(tokens());
    cases
}

fn pipelines() -> Vec<Case> {
    let post = || (Method::POST, "/pipelines/");
    let rule = |rule: Value| {
        let mut body = json!({"pipelineName": "p", "pipelineType": "filePipeline"});
        body.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        body
    };
    let huge = "(".repeat(500) + &")".repeat(500);
    vec![
        api(
            "a pipeline without a name",
            post(),
            json!({"pipelineType": "filePipeline", "subjectIdLocation": "attributeInName"}),
            "400",
            "$.pipelineName is missing",
        ),
        api(
            "a pipeline of another kind",
            post(),
            json!({"pipelineName": "p", "pipelineType": "oil"}),
            "400",
            "$.pipelineType must be filePipeline or remapPipeline",
        ),
        api(
            "a pipeline that names nobody",
            post(),
            rule(json!({"subjectIdLocation": "nowhere"})),
            "400",
            "$.subjectIdLocation must be",
        ),
        api(
            "batches of nobody",
            post(),
            rule(json!({"subjectIdLocation": "assignPerBatch", "prefix": "S", "batchSize": 0})),
            "400",
            "$.batchSize must be",
        ),
        api(
            "an expansion without columns",
            post(),
            rule(
                json!({"subjectIdLocation": "assignByExpansion", "columns": [], "expansionPolicy": "individual", "newAttribute": "n"}),
            ),
            "400",
            "$.columns must name",
        ),
        api(
            "a pattern with an open bracket",
            post(),
            replacing("(", "x"),
            "400",
            "$.directives[0].patternSets[0].pattern",
        ),
        api(
            "a pattern that grows without end",
            post(),
            replacing("(a{1000}){1000}", "x"),
            "400",
            "$.directives[0].patternSets[0].pattern",
        ),
        api(
            "a pattern nested five hundred times",
            post(),
            replacing(&huge, "x"),
            "400",
            "$.directives[0].patternSets[0].pattern",
        ),
        api(
            "a pattern of five thousand letters",
            post(),
            replacing(&"a".repeat(5_000), "x"),
            "400",
            "is longer than 2000 characters",
        ),
        api(
            "a replacement by a group that is not there",
            post(),
            replacing("^(a)$", r"\9"),
            "400",
            "$.directives[0].patternSets[0].replacement",
        ),
        api(
            "a destination that is not there",
            post(),
            remap_with(json!({"destination": "moon"})),
            "400",
            "$.directives[0].destination must be",
        ),
        api(
            "a directive that is none",
            post(),
            json!({"pipelineName": "p", "directives": [7]}),
            "400",
            "$.directives[0] must be an object",
        ),
        api(
            "two hundred and one directives",
            post(),
            json!({"pipelineName": "p", "directives": vec![json!({}); 201]}),
            "400",
            "1 to 200 entries",
        ),
    ]
}

fn processing(world: &World) -> Vec<Case> {
    let ingest = || (Method::POST, "/source/{source}/ingest");
    let remap = || (Method::POST, "/source/{source}/remap");
    let asked = |pipeline: &str, files: Value| json!({"pipelineID": pipeline, "dataFileIDs": files});
    let staged = json!([world.staged]);
    let elsewhere = format!("/source/{}/ingest", world.elsewhere);
    let mut sideways = asked(&world.rows, staged.clone());
    sideways["mode"] = "sideways".into();
    vec![
        api(
            "an unknown pipeline",
            ingest(),
            asked("no-such-pipeline", staged.clone()),
            "404",
            "there is no pipeline no-such-pipeline",
        ),
        api(
            "a remap pipeline for a raw file",
            ingest(),
            asked(&world.remap, staged.clone()),
            "400",
            "a filePipeline is needed here",
        ),
        api(
            "a file pipeline for rows",
            remap(),
            asked(&world.rows, staged.clone()),
            "400",
            "a remapPipeline is needed here",
        ),
        api(
            "an unknown file",
            ingest(),
            asked(&world.rows, json!(["no-such-file"])),
            "404",
            "there is no data file of this source no-such-file",
        ),
        api(
            "a file of another source",
            (Method::POST, elsewhere),
            asked(&world.rows, staged.clone()),
            "404",
            "there is no data file of this source",
        ),
        api("no files", ingest(), asked(&world.rows, json!([])), "400", "dataFileIDs: name 1 to"),
        api("numbers for files", ingest(), asked(&world.rows, json!([1])), "400", "dataFileIDs"),
        api(
            "files without a pipeline",
            ingest(),
            json!({"dataFileIDs": [world.staged]}),
            "400",
            "pipelineID is missing",
        ),
        api("another way to merge", ingest(), sideways, "400", "mode must be merge or replace"),
        api(
            "a file that is done",
            ingest(),
            asked(&world.rows, json!([world.done])),
            "409",
            "is done; it must be",
        ),
        api(
            "remapping a file that is done",
            remap(),
            asked(&world.remap, json!([world.done])),
            "409",
            "is done; it must be staged",
        ),
        api(
            "an unknown source",
            (Method::POST, "/source/no-such-source/ingest"),
            asked(&world.rows, staged),
            "404",
            "there is no source no-such-source",
        ),
        api(
            "an unknown file to look at",
            (Method::GET, "/datafiles/no-such-file"),
            Body::Nothing,
            "404",
            "there is no data file no-such-file",
        ),
        api(
            "an unknown file to remove",
            (Method::DELETE, "/datafiles/..%2F..%2Fetc%2Fpasswd"),
            Body::Nothing,
            "404",
            "there is no data file",
        ),
    ]
}

fn resources(world: &World) -> Vec<Case> {
    let post = || (Method::POST, "/sources/");
    let held = json!({
        "sourceName": "held", "displayName": "held", "sourceDescription": "", "owner": "Example Registry",
        "ownerEmail": "data@example.org", "online": true, "sourceType": "internal",
    });
    let mut remote = held.clone();
    remote["sourceName"] = "remote".into();
    remote["sourceType"] = "beacon".into();
    remote["sourceUrl"] = "file:///etc/passwd".into();
    let group = |users: Value, sources: Value| {
        json!({"groupName": "g", "networkId": "no-such-network", "discoveryPolicy": "count",
            "assignedUsers": users, "assignedSources": sources})
    };
    vec![
        api(
            "a source that is a list",
            post(),
            json!(["chosen-id", "chosen"]),
            "400",
            "must be a JSON object",
        ),
        api(
            "a source without a name",
            post(),
            json!({"displayName": "x"}),
            "400",
            "missing field `sourceName`",
        ),
        api("a source in broken JSON", post(), Body::Text("{\"sourceName\": ".into()), "400", "EOF"),
        api(
            "a source in another format",
            post(),
            Body::Typed("text/plain", "sourceName: x"),
            "415",
            "text/plain",
        ),
        Case {
            name: "a body of three megabytes",
            send: Send::Announced("/api/sources/", 3 << 20),
            becomes: "413",
            says: "larger than the 2097152 bytes accepted here",
        },
        api("a source that is there", post(), held, "409", "a source named held exists already"),
        api("a beacon in a local file", post(), remote, "400", "sourceUrl must be an http or https address"),
        api(
            "a chunk that is no form",
            (Method::POST, "/sources/{source}/upload"),
            json!({"file": "a"}),
            "415",
            "multipart/form-data",
        ),
        api(
            "a group of nobody's network",
            (Method::POST, "/groups/"),
            group(json!([]), json!([])),
            "400",
            "there is no network no-such-network",
        ),
        api(
            "a group that is a list",
            (Method::POST, "/groups/"),
            json!(["chosen-id", "g"]),
            "400",
            "must be a JSON object",
        ),
        api(
            "an unknown group",
            (Method::DELETE, "/groups/no-such-group"),
            Body::Nothing,
            "404",
            "there is no discovery group no-such-group",
        ),
        api(
            "an id with a control character",
            (Method::GET, "/sources/a%00b"),
            Body::Nothing,
            "400",
            "printable characters",
        ),
        api(
            "an address where nothing is",
            (Method::GET, "/no/such/place"),
            Body::Nothing,
            "404",
            "there is nothing at this address",
        ),
        api(
            "a method that is not served",
            (Method::PUT, format!("/sources/{}", world.source)),
            Body::Nothing,
            "405",
            "this method is not served",
        ),
    ]
}

fn queries() -> Vec<Case> {
    let hpo = |filter: Value| json!({"hpo": [filter]});
    let eav = |relation: &str, value: Value| json!({"eav": [{"attribute": "ward", "relation": relation, "value": value}]});
    let terms: Vec<String> = (0..1_001).map(|n| format!("HP:{n:07}")).collect();
    let deep = format!("{{\"hpo\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    vec![
        query("a query that is no JSON", Body::Text("{\"hpo\": [".into()), "not valid JSON at line 1"),
        query("a query nested five thousand times", Body::Text(deep), "not valid JSON at line 1"),
        query("a query that is a list", json!([]), "builder: expected an object"),
        query("a term of five digits", hpo(json!({"terms": ["HP:01250"]})), "hpo[0].terms[0]: expected"),
        query("a thousand and one terms", hpo(json!({"terms": terms})), "at most 1000 elements"),
        query(
            "more matches than terms",
            hpo(json!({"terms": ["HP:0001250"], "minimumMatch": 2})),
            "hpo[0].minimumMatch",
        ),
        query(
            "a similarity above one",
            hpo(json!({"terms": ["HP:0001250"], "similarity": 1.5})),
            "hpo[0].similarity: expected a number from 0 to 1",
        ),
        query(
            "ages the wrong way round",
            json!({"subject": {"age": {"min": 60, "max": 40}}}),
            "subject.age: expected min not above max",
        ),
        query(
            "an age of half a year",
            json!({"subject": {"age": {"min": 0.5, "max": 40}}}),
            "subject.age.min",
        ),
        query("a relation that is not there", eav("soundsLike", json!("x")), "eav[0].relation"),
        query(
            "a pattern that is none",
            eav("regexContains", json!("(")),
            "eav[0].value: expected a regular expression",
        ),
        query(
            "a pattern that would fill the memory",
            eav("regexContains", json!("((a{999}){999}){999}")),
            "eav[0].value: expected a regular expression",
        ),
        query(
            "a text where a number belongs",
            eav("numericEquals", json!("5")),
            "eav[0].value: expected a number",
        ),
        query(
            "a mutation that is not there",
            json!({"variant": [{"genes": ["APOE"], "mutation": ["sideways"]}]}),
            "variant[0].mutation[0]: expected one of",
        ),
        query(
            "a mutation without a gene",
            json!({"variant": [{"genes": [], "mutation": ["missense"]}]}),
            "variant[0].genes: expected a gene",
        ),
        query(
            "a level that is not there",
            json!({"advanced": {"granularity": "everything"}}),
            "advanced.granularity",
        ),
        query(
            "numbers for sources",
            json!({"sources": {"sources": [7]}}),
            "sources.sources[0]: expected a source id",
        ),
    ]
}

fn tokens() -> Vec<Case> {
    vec![
        token("no token", Bearer::None, "401", "sign in first"),
        token("a token that is none", Bearer::Header("Bearer not-a-token"), "401", ""),
        token(
            "a token of another scheme",
            Bearer::Header("Basic YWRhOnNlY3JldA=="),
            "401",
            "must be `Bearer <token>`",
        ),
        token("an empty token", Bearer::Header("Bearer "), "401", "must be `Bearer <token>`"),
        token("a forged signature", Bearer::Forged, "401", ""),
        token("no signature", Bearer::Unsigned, "401", ""),
        token("an upload token for the rest", Bearer::Upload, "401", ""),
        token(
            "a plain user where data is managed",
            Bearer::PlainUser,
            "403",
            "your role does not allow this",
        ),
    ]
}
