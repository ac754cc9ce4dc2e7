//! The description, `docs/api.yaml`, says what the program does.

use super::*;
use crate::signer::{KeyReport, KeyReports, NextKeyReport, Place};

#[test]
fn the_description_has_every_route_and_status_and_no_other() {
    let description = description();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            for status in operation["responses"].as_object().unwrap().keys() {
                described.insert(format!("{method} {path} {status}"));
            }
        }
    }
    let table = ROUTES
        .iter()
        .flat_map(|(method, path, statuses)| statuses.iter().map(move |status| format!("{method} {path} {status}")));
    assert_eq!(described, table.collect());
}

#[test]
fn the_description_has_every_error_code_and_no_other() {
    let description = description();
    let codes = description.pointer("/components/schemas/Problem/properties/code/enum").unwrap();
    let described: BTreeSet<_> = codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(described, Code::ALL.iter().map(|code| code.name()).collect());
    let kinds: BTreeSet<_> = description["components"]["x-problems"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(kinds, Code::ALL.iter().map(|code| code.name().to_owned()).collect());
    for code in Code::ALL {
        check_problem(&serde_json::to_value(Error::from(code).problem()).unwrap(), code.status().as_u16());
    }
}

#[test]
fn the_description_has_every_phase_of_a_request() {
    let description = description();
    let described = &description["components"]["schemas"]["RequestStatus"]["properties"]["status"]["enum"];
    let transaction = B256::ZERO;
    let phases = [
        Phase::Received,
        Phase::Accepted,
        Phase::Signing { epoch: 0, nonce: 0 },
        Phase::Cancelling { turn: None },
        Phase::Executed { nonce: 0, transaction },
        Phase::Final { nonce: 0, transaction },
        Phase::Failed { nonce: 0, transaction },
        Phase::Expired,
        Phase::Cancelled,
        Phase::Disputed { nonce: 0, transaction },
    ];
    let names = phases.map(|phase| serde_json::to_value(status(phase)).unwrap()["status"].clone());
    assert_eq!(*described, json!(names));
}

#[tokio::test]
async fn the_description_is_served_as_it_is() {
    let server = Server::start(limits()).await;
    let response = server.client.get(server.url(OPENAPI)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/yaml");
    assert_eq!(response.text().await.unwrap(), include_str!("../../../../docs/api.yaml"));
}

#[test]
fn the_description_has_every_event_that_a_webhook_can_have() {
    let described = description();
    let events = described["components"]["schemas"]["Event"]["oneOf"].as_array().unwrap();
    let titles: BTreeSet<_> = events.iter().map(|event| event["title"].as_str().unwrap()).collect();
    assert_eq!(titles, BTreeSet::from(["request", "head", "halted", "joined", "alarm", "lagged"]));
    let text = include_str!("../../../../docs/api.yaml");
    for subject in crate::notify::Subject::ALL {
        assert!(text.contains(&format!("`{}`", subject.name())), "{subject:?}");
    }
}

#[test]
fn the_description_has_every_place_where_a_key_can_be() {
    let description = description();
    let described = &description["components"]["schemas"]["Key"]["properties"];
    let places = [
        Place::Keystore,
        Place::Memory,
        Place::Split,
        Place::Pkcs11,
        Place::AwsKms,
        Place::GcpKms,
        Place::AzureKv,
        Place::Vault,
        Place::VaultTransit,
        Place::Enclave,
    ];
    assert_eq!(described["keptIn"]["enum"], json!(places));
    let key = KeyReport { address: KEY, kept_in: Place::Memory, seconds_left: Some(1) };
    let next = Some(NextKeyReport { charter: B256::ZERO, key: key.clone() });
    let report = serde_json::to_value(KeyReports { key, next }).unwrap();
    let fields = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(fields(&report), fields(described));
    assert_eq!(fields(&report["next"]), fields(&described["next"]["properties"]));
}

#[test]
fn the_description_has_the_fields_of_a_request() {
    let description = description();
    let schemas = &description["components"]["schemas"];
    let names =
        |schema: &Value| -> BTreeSet<String> { schema["properties"].as_object().unwrap().keys().cloned().collect() };
    let json = request_json();
    let fields = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&schemas["SignedRequest"]), fields(&json));
    assert_eq!(names(&schemas["Request"]), fields(&json["request"]));
    let cancellation = cancelling::body_json();
    assert_eq!(names(&schemas["SignedCancellation"]), fields(&cancellation));
    assert_eq!(names(&schemas["Cancellation"]), fields(&cancellation["cancellation"]));
    assert_eq!(names(&schemas["RequestList"]), BTreeSet::from(["requests", "nextCursor"].map(String::from)));
    let detail = serde_json::to_value(detail(Phase::Signing { epoch: 1, nonce: 2 })).unwrap();
    let mut of_detail = names(&schemas["RequestStatus"]);
    of_detail.extend(names(&schemas["RequestDetail"]["allOf"][1]));
    assert!(fields(&detail).is_subset(&of_detail));
    let health = Health { status: Condition::Running, overview: overview(), peers: Vec::new() };
    assert_eq!(names(&schemas["Health"]), fields(&serde_json::to_value(health).unwrap()));
}
