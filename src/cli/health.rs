//! `health`: ask the processes that serve a data folder whether they are ready. For supervisors of containers that hold
//! nothing but the program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Common;
use super::output::Output;
use crate::appliance::listeners;

/// Until an answer is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Far above what `/readyz` says.
const LARGEST: u64 = 64 * 1024;

/// Fails unless every process that wrote down where it listens says that it is ready.
pub async fn run(common: &Common, output: &Output) -> anyhow::Result<()> {
    let loaded = common.load()?;
    let tls = loaded.config.appliance.tls.is_some();
    let run = loaded.data_directory.join("run");
    let processes = listeners::alive(&run);
    if processes.is_empty() {
        bail!("no process serves {}; start one with `cv3-backend serve`", loaded.data_directory.display());
    }
    let mut said = Vec::new();
    for (pid, addresses) in processes {
        // A plain address is asked; behind TLS alone it is enough that somebody listens.
        let asked = |name: &str| name != listeners::REDIRECT && (!tls || name != "front");
        let plain = addresses.iter().find(|(name, _)| asked(name));
        let text = match (plain, addresses.first_key_value()) {
            (Some((name, address)), _) => {
                ready(reachable(*address)).await.with_context(|| format!("process {pid}, {name}"))?
            }
            (None, Some((name, address))) => {
                connect(reachable(*address)).await.with_context(|| format!("process {pid}, {name}"))?;
                "listens".to_owned()
            }
            // A worker has nothing to ask; that it runs was seen.
            (None, None) => "runs".to_owned(),
        };
        said.push((pid, text));
    }
    let value = said.iter().map(|(pid, text)| json!({"process": pid, "state": text})).collect::<Vec<_>>();
    output.result(&json!({"healthy": true, "processes": value}), || {
        said.iter().map(|(pid, text)| format!("process {pid} {text}")).collect::<Vec<_>>().join("\n")
    })
}

/// Where an address that stands for every address can be reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    tokio::time::timeout(PATIENCE, TcpStream::connect(address))
        .await
        .with_context(|| format!("{address} does not answer"))?
        .with_context(|| format!("{address} cannot be reached"))
}

/// Asks `/readyz`; anything but 200 fails with what was said.
async fn ready(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = connect(address).await?;
    let ask = async {
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LARGEST).read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer =
        tokio::time::timeout(PATIENCE, ask).await.with_context(|| format!("{address} does not answer"))??;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    if status != "200" {
        bail!("{address} answers {status}: {body}");
    }
    Ok("is ready".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("0.0.0.0:5080", "127.0.0.1:5080")]
    #[case("[::]:5080", "[::1]:5080")]
    #[case("10.1.2.3:5080", "10.1.2.3:5080")]
    fn an_address_for_all_is_asked_on_loopback(#[case] bound: SocketAddr, #[case] asked: SocketAddr) {
        assert_eq!(reachable(bound), asked);
    }
}
