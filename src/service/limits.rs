//! How often strangers may do what costs us something; counted for all processes together.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Failure;
use crate::ports::Ports;

/// So many within so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub what: &'static str,
    pub most: i64,
    pub within: Duration,
}

/// Counts once for `whom`; `Limited` when that was once too often.
pub(super) async fn admit(ports: &Ports, limit: Limit, whom: &str) -> Result<(), Failure> {
    // Whoever it is, the counter's name is short and tells nobody.
    let whom: String = Sha256::digest(whom.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect();
    let key = format!("limit:{}:{whom}", limit.what);
    if ports.broker.count(&key, 1, Some(limit.within)).await? <= limit.most {
        return Ok(());
    }
    let minutes = limit.within.as_secs().div_ceil(60);
    Err(Failure::Limited(format!(
        "too many requests; at most {} in {minutes} min: try again later",
        limit.most
    )))
}

/// An address as limits see it: of IPv6 the network, since one host may have as many addresses as it likes.
pub(super) fn network_of(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(v6)) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()).to_string(),
        Some(v4) => v4.to_string(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("192.0.2.7", "192.0.2.7")]
    #[case("::ffff:192.0.2.7", "192.0.2.7")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    fn a_host_is_one_however_many_addresses_it_has(#[case] address: &str, #[case] network: &str) {
        assert_eq!(network_of(address.parse().ok()), network);
    }
}
