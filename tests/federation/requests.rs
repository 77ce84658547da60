//! Asking to be let in, and inviting.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cv3_backend::domain::federation::word;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pss, PublicKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::faulty::Fate;
use crate::house::{House, status};
use crate::others::answer;
use crate::{NETWORK, THEM};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_signed_over_the_bytes_sent_with_the_key_it_carries() {
    let house = House::new().await;
    house.join().await.unwrap();
    let sent = house.peers.sent().remove(0);
    assert_eq!(sent.url, "https://them.example.org/federation/");
    let message = sent.message();
    let node = &message["messageData"]["node"];
    assert_eq!(
        (sent.header("X-Network-ID"), json!(sent.header("X-Installation-ID"))),
        (NETWORK, node["nodeId"].clone())
    );

    let key = PublicKey::from_public_key_pem(node["publicKey"].as_str().unwrap()).unwrap();
    let signature = STANDARD.decode(sent.header("X-Server-Signature")).unwrap();
    let longest = || Pss::<Sha256>::new_with_salt(1024 / 8 - 32 - 2);
    key.verify(longest(), &Sha256::digest(&sent.body), &signature).unwrap();
    let mut altered = sent.body.clone();
    altered.push(b' ');
    assert!(key.verify(longest(), &Sha256::digest(&altered), &signature).is_err());

    let text = String::from_utf8(sent.body).unwrap();
    assert!(
        text.starts_with(r#"{"messageType": "authMessage", "messageAttributes": {"messageId": "#),
        "{text}"
    );
    assert!(
        !text.contains("PRIVATE")
            && node["authenticationEnabled"] == false
            && node.get("userMapping").is_none()
    );
    // The sending administrator sees the words to read out: three of the list.
    let listed = house.request().await;
    assert_eq!(status(&listed), "sent");
    let words = listed["messageData"]["challenge"].as_array().unwrap();
    assert_eq!(&message["messageData"]["challenge"], &json!(words));
    let list: Vec<_> = (0..2_048).map(word).collect();
    assert!(words.len() == 3 && words.iter().all(|word| list.contains(&word.as_str().unwrap())), "{words:?}");
    assert!(words[0] != words[1] && words[1] != words[2] && words[0] != words[2]);
    assert!(house.has_key(NETWORK).await);
    assert_eq!(
        house.join().await.unwrap_err().to_string(),
        format!("a request for the network {NETWORK} is open already")
    );
}

/// Row 8 of specification §15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_8_a_request_that_was_refused_is_rejected_and_leaves_no_key_and_no_network() {
    let house = House::new().await;
    house.peers.answer_with(answer(403, ""));
    house.join().await.unwrap_err();
    let request = house.request().await;
    assert_eq!(status(&request), "rejected");
    assert_eq!(request["reason"], "the other installation cannot be reached: it answered 403");
    assert!(!house.has_key(NETWORK).await && house.network(NETWORK).await.is_none());
    assert_eq!(house.peers.sent().len(), 1);
}

/// Federation notes §1.3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_one_who_does_not_say_that_it_is_ok() {
    let house = House::new().await;
    let local = house.local().await;
    house.tend().await;
    for (status, body) in [
        (200, r#"{"status": "ok"}"#),
        (200, r#"{"status": ["OK"]}"#),
        (200, r#"{"state": "OK"}"#),
        (200, r#""OK""#),
        (200, "OK"),
        (200, ""),
        (204, r#"{"status": "OK"}"#),
        (404, r#"{"status": "OK"}"#),
        (503, r#"{"status": "OK"}"#),
    ] {
        *house.peers.health.lock().unwrap() = (status, body.into());
        let refused = house.join().await.unwrap_err().to_string();
        assert_eq!(
            refused, "the other installation is not available now; try again later",
            "{status} {body}"
        );
        house.invite(&local).await.unwrap_err();
    }
    assert!(house.peers.sent().is_empty() && house.requests().await.is_empty());
    assert_eq!(house.keys().await, [format!("network/{local}")]);
    *house.peers.health.lock().unwrap() = (200, r#"{"name": "CV3", "status": "OK"}"#.into());
    house.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_stored_is_not_sent_and_leaves_no_key() {
    let house = House::new().await;
    house.faults.after(0, Fate::Fails);
    house.join().await.unwrap_err();
    assert!(house.faults.heal() && house.peers.sent().is_empty());
    assert!(house.requests().await.is_empty() && !house.has_key(NETWORK).await);
    house.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_ask_at_once_one_does_and_keeps_its_key() {
    let house = House::new().await;
    let (one, other) = tokio::join!(house.join(), house.join());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(status(&house.request().await), "sent");
    assert!(house.has_key(NETWORK).await && house.peers.sent().len() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_invited_once_until_it_answers() {
    let house = House::new().await;
    let local = house.local().await;
    house.invite(&local).await.unwrap();
    let sent = house.peers.sent().remove(0).message();
    assert_eq!(sent["messageData"]["network"]["networkId"], local.as_str());
    assert_eq!(
        house.invite(&local).await.unwrap_err().to_string(),
        format!("an invitation of {THEM} is open already")
    );
    assert_eq!(house.requests().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_listed_by_status() {
    let house = House::new().await;
    house.join().await.unwrap();
    let listed = async |status: &str| {
        let status = serde_json::from_value(status.into()).unwrap();
        house.services.networks.requests(&house.admin(), Some(status)).await.unwrap().len()
    };
    assert_eq!((listed("sent").await, listed("pending").await, listed("SENT").await), (1, 0, 1));
}

/// Of a request that expires, and of one that an invitation overtakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_nobody_answers_ends_after_30_days_with_its_key() {
    let house = House::new().await;
    house.join().await.unwrap();
    house.clock.advance(std::time::Duration::from_secs(29 * 86_400));
    house.tend().await;
    assert!(status(&house.request().await) == "sent" && house.has_key(NETWORK).await);
    house.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    house.tend().await;
    let request = house.request().await;
    assert_eq!(
        (status(&request), &request["reason"]),
        ("rejected", &json!("nobody answered within 30 days"))
    );
    assert!(!house.has_key(NETWORK).await);
}
