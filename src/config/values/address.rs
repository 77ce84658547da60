//! Addresses to bind and networks to trust.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An address to bind: `127.0.0.1:5080`, `[::]:5080`, `localhost:5080`. Port 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen(pub SocketAddr);

impl Listen {
    /// An address of this machine that only this machine reaches.
    pub const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text.strip_prefix("localhost:") {
            Some(port) => port.parse().map(Self::loopback).map_err(|_| "expected a port after localhost:"),
            None => text.parse().map(Self).map_err(|_| "expected an address with port"),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> String {
        listen.0.to_string()
    }
}

/// A network in CIDR form; one address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Treats an IPv4 address that arrives in IPv6 clothes (`::ffff:10.0.0.1`) as what it is.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

impl Network {
    /// Tells whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, plain(address)) {
            (IpAddr::V4(base), IpAddr::V4(it)) => {
                let shift = 32 - u32::from(self.prefix);
                (u32::from(base) ^ u32::from(it)).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(it)) => {
                let shift = 128 - u32::from(self.prefix);
                (u128::from(base) ^ u128::from(it)).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Tells whether the network is the whole of the internet.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| "expected an address")?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse::<u8>().map_err(|_| "expected a prefix length")?,
            None => bits,
        };
        if prefix > bits { Err("prefix too long") } else { Ok(Self { base, prefix }) }
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Tells whether a host name or address is this machine itself; brackets around IPv6 are allowed.
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| plain(address).is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.0.0.0/8", "10.200.3.4", true)]
    #[case("10.0.0.0/8", "11.0.0.1", false)]
    #[case("10.0.0.0/8", "::ffff:10.0.0.1", true)]
    #[case("192.168.1.7", "192.168.1.7", true)]
    #[case("192.168.1.7", "192.168.1.8", false)]
    #[case("0.0.0.0/0", "203.0.113.9", true)]
    #[case("0.0.0.0/0", "2001:db8::1", false)]
    #[case("fd00::/8", "fd12::1", true)]
    #[case("fd00::/8", "fe80::1", false)]
    #[case("::/0", "2001:db8::1", true)]
    fn a_network_contains_its_addresses(#[case] network: Network, #[case] it: IpAddr, #[case] inside: bool) {
        assert_eq!(network.contains(it), inside);
    }

    #[rstest]
    #[case("10.0.0.0/33")]
    #[case("10.0.0/8")]
    #[case("10.0.0.0/")]
    #[case("fd00::/129")]
    #[case("")]
    fn what_is_no_network_is_refused(#[case] text: &str) {
        assert!(text.parse::<Network>().is_err());
    }

    #[rstest]
    #[case("127.0.0.1:5000", "127.0.0.1:5000")]
    #[case("localhost:5000", "127.0.0.1:5000")]
    #[case("[::]:0", "[::]:0")]
    fn an_address_to_bind_reads(#[case] text: &str, #[case] address: SocketAddr) {
        assert_eq!(text.parse::<Listen>().unwrap().0, address);
    }

    #[rstest]
    #[case("localhost", true)]
    #[case("LOCALHOST.", true)]
    #[case("127.4.0.1", true)]
    #[case("[::1]", true)]
    #[case("::ffff:127.0.0.1", true)]
    #[case("localhost.example.org", false)]
    #[case("10.0.0.1", false)]
    fn loopback_hosts_are_known(#[case] host: &str, #[case] loopback: bool) {
        assert_eq!(is_loopback_host(host), loopback);
    }
}
