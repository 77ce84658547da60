//! What another installation says of itself, taken at its word only as far as a word goes: every field has its bounds,
//! and the key is one that a signature can be checked with (specification §9.1).

use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PublicKey};
use serde_json::Value;

use super::address;
use crate::domain::ids::NetworkId;
use crate::domain::networks::Node;

/// Most characters of a name and of an id at an identity provider.
const MOST_NAME: usize = 255;

/// Most characters of a description.
const MOST_DESCRIPTION: usize = 4_000;

/// Most bytes of a public key, PEM; one of 4096 bits has 800.
const MOST_KEY: usize = 8_192;

/// The exponent of every key.
const EXPONENT: u32 = 65_537;

/// The node of a message of this network, without what only we decide or what its owner has to be asked for; `weakest`
/// is the fewest bits of its key.
pub(super) fn introduced(node: &Value, network: &NetworkId, weakest: usize) -> Result<Node, &'static str> {
    let Some(fields) = node.as_object() else { return Err("does not say who sent it") };
    let mut fields = fields.clone();
    for local in ["authenticationEnabled", "userMapping", "recordIndex", "metaIndex"] {
        fields.remove(local);
    }
    fields.insert("networkId".into(), network.as_str().into());
    let node: Node = serde_json::from_value(fields.into()).map_err(|_| "does not say who sent it")?;
    let long = |text: &str, most: usize| text.chars().count() > most;
    if long(&node.node_name, MOST_NAME) || long(&node.client_id, MOST_NAME) {
        return Err("brings a name of its sender that is too long");
    }
    if long(&node.node_description, MOST_DESCRIPTION) {
        return Err("brings a description of its sender that is too long");
    }
    if address::base(&node.node_url).is_err() {
        return Err("brings no address of its sender that could be answered");
    }
    let pem = node.public_key.as_deref().ok_or("brings no public key of its sender")?;
    if key(pem, weakest).is_none() {
        return Err("brings no public key of its sender that is fit for signatures");
    }
    Ok(node)
}

/// A public key, if it is one alone, of RSA, and strong enough.
fn key(pem: &str, weakest: usize) -> Option<PublicKey> {
    if pem.len() > MOST_KEY || pem.matches("-----BEGIN ").count() != 1 {
        return None;
    }
    let key = PublicKey::from_public_key_pem(pem).ok()?;
    let bits = usize::try_from(key.n().bit_width_vartime()).unwrap_or(0);
    (bits >= weakest && *key.e() == BoxedUint::from(EXPONENT)).then_some(key)
}

#[cfg(test)]
mod tests {
    use rsa::PrivateKey;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};
    use serde_json::json;

    use super::*;

    const BITS: usize = 1_024;

    fn pem(exponent: u32) -> String {
        let key = PrivateKey::new_with_exp(&mut getrandom::SysRng, BITS, exponent.into()).unwrap();
        key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    fn read(field: &str, value: Value) -> Result<Node, &'static str> {
        let mut node = json!({
            "nodeId": "n", "nodeName": "Other", "nodeUrl": "https://b.example.org", "clientId": "b",
            "nodeDescription": "", "publicKey": pem(65_537), "authenticationEnabled": true,
            "userMapping": "somebody", "score": 1,
        });
        node[field] = value;
        introduced(&node, &NetworkId::parse("net").unwrap(), BITS)
    }

    #[test]
    fn a_node_is_read_without_what_only_we_decide() {
        let node = read("networkId", json!("another")).unwrap();
        assert_eq!(
            (node.network_id.as_str(), node.authentication_enabled, node.user_mapping),
            ("net", false, None)
        );
    }

    #[test]
    fn a_key_of_fewer_bits_than_asked_for_is_refused() {
        let pem = pem(65_537);
        assert!(key(&pem, BITS).is_some());
        assert!(key(&pem, BITS + 1).is_none());
    }

    #[rstest::rstest]
    #[case("nodeId", json!(""))]
    #[case("nodeId", json!(null))]
    #[case("nodeName", json!("x".repeat(256)))]
    #[case("clientId", json!("x".repeat(256)))]
    #[case("nodeDescription", json!("x".repeat(4_001)))]
    #[case("nodeUrl", json!("file:///etc/passwd"))]
    #[case("nodeUrl", json!("https://"))]
    #[case("publicKey", json!(null))]
    #[case("publicKey", json!("-----BEGIN PUBLIC KEY-----"))]
    #[case::of_a_small_exponent("publicKey", json!(pem(3)))]
    #[case::two_of_them("publicKey", json!(pem(65_537) + &pem(65_537)))]
    #[case::too_long("publicKey", json!(pem(65_537) + &" ".repeat(8_192)))]
    fn what_is_missing_too_long_or_weak_is_refused(#[case] field: &str, #[case] value: Value) {
        assert!(read(field, value).is_err());
    }
}
