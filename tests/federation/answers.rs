//! What becomes of our own requests: asking, and what is made of the answers.

use cv3_backend::peers::Answer;
use serde_json::{Value, json};

use crate::NETWORK;
use crate::house::{House, status};
use crate::others::{Other, answer};

async fn asked(what: Answer) -> House {
    let house = House::new().await;
    house.join().await.unwrap();
    house.peers.sent();
    house.peers.answer_with(what);
    house.pursue_after(61).await;
    house
}

async fn own(house: &House) -> String {
    house.request().await["messageAttributes"]["messageId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_request_is_asked_about_every_hour() {
    let house = asked(answer(200, "Success")).await;
    let id = own(&house).await;
    let question = house.peers.sent().remove(0);
    assert_eq!(question.url, "https://them.example.org/federation/");
    let message = question.message();
    assert_eq!(
        message["messageAttributes"],
        json!({"messageId": id, "networkId": NETWORK, "authType": "status"})
    );
    assert!(message.get("messageData").is_none());
    assert_eq!(
        json!(question.header("X-Installation-ID")),
        house.request().await["messageData"]["node"]["nodeId"]
    );
    house.pursue_after(30).await;
    assert!(house.peers.sent().is_empty());
    for silent in [true, false] {
        house.peers.are_well(!silent);
        house.pursue_after(61).await;
        assert_eq!(house.peers.sent().is_empty(), silent);
    }
    assert_eq!(status(&house.request().await), "sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_let_in_enters_with_the_node_it_asked_as() {
    let (house, them) = (House::new().await, Other::called("them"));
    house.join().await.unwrap();
    let request = house.request().await;
    let id = own(&house).await;
    house.peers.answer_with(them.signed(&them.approval(&id)));
    house.pursue_after(61).await;
    let network = house.network(NETWORK).await.unwrap();
    assert_eq!(json!(network.instance_id), request["messageData"]["node"]["nodeId"]);
    assert_eq!((network.network_name.as_str(), network.is_unfinished()), ("Theirs", false));
    let members = house.members(NETWORK).await;
    assert_eq!((members.len(), members[0].node_id.as_str()), (1, "them"));
    assert!(!members[0].authentication_enabled && members[0].user_mapping.is_none(), "local decisions");
    assert_eq!(status(&house.request().await), "accepted");
    house.peers.sent();
    house.pursue_after(10_000).await;
    assert!(house.peers.sent().is_empty());
    house.tend().await;
    assert!(house.has_key(NETWORK).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_accepts_an_invitation_is_a_member_and_announced() {
    let house = House::new().await;
    let other = Other::called("other");
    house
        .receive(&Other::called("first").at("https://first.example.org").asks(
            "request",
            "1",
            house.local().await.as_str(),
        ))
        .await;
    house.approve("1").await.unwrap();
    let local = house.local().await;
    let id = house.invite(&local).await.unwrap();
    house.peers.sent();
    let mut accepted = other.response(&id, true, Some(json!({"node": other.node()})));
    accepted["messageAttributes"]["networkId"] = json!(local);
    let mut answer = other.signed(&accepted);
    answer.headers[1].1 = local.to_string();
    house.peers.answer_with(answer);
    house.pursue_after(61).await;
    assert!(house.members(local.as_str()).await.iter().any(|node| node.node_id.as_str() == "other"));
    assert!(house.network(local.as_str()).await.unwrap().node_ids.iter().any(|id| id.as_str() == "other"));
    let kinds = house.peers.kinds();
    assert!(kinds.contains(&("join".into(), "https://first.example.org/federation/".into())), "{kinds:?}");
    let requests = house.requests().await;
    assert!(requests.iter().all(|request| status(request) == "accepted"), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_down_keeps_neither_key_nor_network() {
    for ours in [false, true] {
        let house = House::new().await;
        house.join().await.unwrap();
        let id = own(&house).await;
        let refusal = match ours {
            true => json!({"messageId": id, "status": "Rejected"}),
            false => Other::called("them").response(&id, false, None),
        };
        house.peers.answer_with(answer(200, refusal.to_string()));
        house.pursue_after(61).await;
        let request = house.request().await;
        assert_eq!(
            (status(&request), &request["reason"]),
            ("rejected", &json!("the other installation turned it down"))
        );
        assert!(!house.has_key(NETWORK).await && house.network(NETWORK).await.is_none());
    }
}

/// Each answer is one that lets us in, with one thing changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_may_be_a_lie_changes_nothing() {
    let (house, them, stranger) = (House::new().await, Other::called("them"), Other::called("stranger"));
    house.join().await.unwrap();
    let id = own(&house).await;
    let good = them.approval(&id);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut message = good.clone();
        change(&mut message);
        them.signed(&message)
    };
    let mut altered = them.signed(&good);
    altered.body = String::from_utf8(altered.body).unwrap().replace("Theirs", "Others").into_bytes();
    let mut headless = them.signed(&good);
    headless.headers.clear();
    let mut of_another_node = them.signed(&good);
    of_another_node.headers[0].1 = "another".into();
    let mut of_another_network = them.signed(&good);
    of_another_network.headers[1].1 = "another".into();
    let mut twice = them.signed(&good);
    twice.body = String::from_utf8(twice.body).unwrap().replacen('{', r#"{"timestamp":1,"#, 1).into_bytes();
    let nothing = with(&|m| m["messageAttributes"]["status"] = json!("pending"));
    for (what, answer) in [
        ("the text was altered", altered),
        ("no headers", headless),
        ("another node in the header", of_another_node),
        ("another network in the header", of_another_network),
        ("a field twice", twice),
        ("signed by a stranger", stranger.signed(&good)),
        ("another request", with(&|m| m["messageAttributes"]["messageId"] = json!("another"))),
        ("another network", with(&|m| m["messageAttributes"]["networkId"] = json!("another"))),
        (
            "another address",
            with(&|m| m["messageData"]["node"]["nodeUrl"] = json!("https://evil.example.org")),
        ),
        ("no key", with(&|m| m["messageData"]["node"]["publicKey"] = json!(null))),
        ("no node", with(&|m| m["messageData"]["node"] = json!(null))),
        ("no network", with(&|m| m["messageData"]["network"] = json!(null))),
        ("a refusal with a node", with(&|m| m["messageAttributes"]["approved"] = json!(false))),
        ("a join", with(&|m| m["messageAttributes"]["authType"] = json!("join"))),
        ("a list", answer(200, "[]")),
        ("plain words", answer(200, format!(r#"{{"messageId": "{id}", "status": "accepted"}}"#))),
        ("not 200", Answer { status: 201, ..them.signed(&good) }),
    ] {
        house.peers.answer_with(answer);
        house.pursue_after(61).await;
        assert_eq!(status(&house.request().await), "sent", "{what}");
        assert!(house.network(NETWORK).await.is_none() && house.members(NETWORK).await.is_empty(), "{what}");
        assert!(house.has_key(NETWORK).await, "{what}");
    }
    // An attribute more is what a later release may send.
    house.peers.answer_with(nothing);
    house.pursue_after(61).await;
    assert_eq!(status(&house.request().await), "accepted");
}
