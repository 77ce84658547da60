//! The connection that all commands share: made when it is needed, made anew after it broke.
//!
//! Not the crate's own manager: that one lets callers wait for all its attempts, and stays broken where a new connection
//! was refused for another reason than the network (a password that is being changed).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline};
use redis::{RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::time::Instant;

use super::failures::{breaks, is_refused, late, may_pass, nowhere};
use super::scripts::Script;
use super::settings::{RedisSettings, shown_places};
use crate::broker::BrokerError;

/// Time until a connection stands.
const CONNECT: Duration = Duration::from_secs(2);
/// Time until a command is answered.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// How long a failed attempt to connect answers for those who ask meanwhile.
const FAILED: Duration = Duration::from_millis(250);
/// Nodes of a cluster that are remembered at most.
const MOST_NODES: usize = 256;
/// Characters of a server's words that are kept at most.
const MOST_WORDS: usize = 300;

/// The way to the server or the cluster.
pub(super) struct Link {
    settings: RedisSettings,
    places: Vec<ConnectionInfo>,
    /// Hosts and ports, for messages.
    shown: String,
    /// Other nodes that the cluster has told of, for when the configured ones are down.
    nodes: Mutex<BTreeSet<(String, u16)>>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number tells connections apart, so that only the one that broke is given up.
    open: Option<(u64, Connection)>,
    made: u64,
    failed: Option<(Instant, RedisError)>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl Link {
    pub fn new(settings: RedisSettings) -> Result<Self, BrokerError> {
        let places = settings.places()?;
        let shown = shown_places(&places);
        let settings = settings.trusting_the_system();
        let (nodes, state) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { settings, places, shown, nodes, state })
    }

    /// Makes the shared connection if there is none.
    pub async fn reach(&self) -> RedisResult<()> {
        self.connection().await.map(drop)
    }

    /// The number of the database in the address, 0 unless it says one.
    pub fn database(&self) -> i64 {
        self.places.first().map_or(0, |place| place.redis_settings().db())
    }

    pub fn is_cluster(&self) -> bool {
        self.settings.cluster
    }

    /// Runs a command.
    pub async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, BrokerError> {
        self.raw(command).await.map_err(|error| self.told(&error))
    }

    /// Runs a script on the server that has its keys, which learns it where it does not know it.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[Arg<'_>],
    ) -> Result<T, BrokerError> {
        let command = |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(keys.len()).arg(keys);
            for arg in args {
                match arg {
                    Arg::Number(number) => command.arg(*number),
                    Arg::Text(text) => command.arg(*text),
                    Arg::Bytes(bytes) => command.arg(*bytes),
                };
            }
            command
        };
        let outcome = match self.raw(&command("EVALSHA", script.hash())).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.raw(&command("EVAL", script.code())).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| self.told(&error))
    }

    /// A connection for one node that hears channels.
    pub async fn pubsub(&self) -> RedisResult<PubSub> {
        let mut last = nowhere();
        for place in self.all_places() {
            let client = self.settings.client(place)?;
            match tokio::time::timeout(CONNECT, client.get_async_pubsub()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(_) => last = late(),
            }
        }
        Err(last)
    }

    /// What the first node that answers says of itself; `None` if it does not say.
    pub async fn info(&self) -> RedisResult<Option<String>> {
        let mut last = nowhere();
        for place in self.all_places() {
            match self.one(place).await {
                Ok(mut connection) => {
                    let info = redis::cmd("INFO").query_async::<String>(&mut connection).await;
                    return match info {
                        Ok(info) => Ok(Some(info)),
                        Err(error) if error.code() == Some("NOPERM") => Ok(None),
                        Err(error) => Err(error),
                    };
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Gives up the shared connection because there is reason to believe that it is dead.
    pub async fn give_up(&self) {
        self.state.lock().await.open = None;
    }

    /// Asks the cluster for its nodes, to find it again when those of the configuration are down.
    pub async fn learn(&self) {
        if !self.settings.cluster {
            return;
        }
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        if let Ok(answer) = self.raw::<Value>(&slots).await {
            let found: BTreeSet<_> = nodes_in(&answer).into_iter().take(MOST_NODES).collect();
            *self.nodes.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    /// What a failure means to the caller.
    pub fn told(&self, error: &RedisError) -> BrokerError {
        let whole = match (error.kind(), error.detail()) {
            (ErrorKind::InvalidClientConfig, Some(ours)) => ours.to_owned(),
            _ => error.to_string(),
        };
        let words: String = whole.chars().take(MOST_WORDS).collect();
        let said = format!("Redis at {}: {words}", self.shown);
        if may_pass(error) {
            let hint = if is_refused(error) { "; check Redis.User and Redis.Password" } else { "" };
            return BrokerError::Unavailable(format!("{said}{hint}"));
        }
        BrokerError::Engine(said.into())
    }

    async fn raw<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let (number, mut connection) = self.connection().await?;
        let outcome = command.query_async(&mut connection).await;
        if let Err(error) = &outcome
            && breaks(error)
        {
            let mut state = self.state.lock().await;
            if state.open.as_ref().is_some_and(|(open, _)| *open == number) {
                state.open = None;
            }
        }
        outcome
    }

    /// The open connection, else a new one. Who comes while one is being made gets the same, or the same failure.
    async fn connection(&self) -> RedisResult<(u64, Connection)> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open {
            return Ok(open.clone());
        }
        if let Some((when, error)) = &state.failed
            && when.elapsed() < FAILED
        {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(connection) => {
                state.made += 1;
                state.failed = None;
                let open = (state.made, connection);
                state.open = Some(open.clone());
                Ok(open)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        if !self.settings.cluster {
            let place = self.places.first().cloned().ok_or_else(nowhere)?;
            return self.one(place).await.map(Connection::One);
        }
        let places = self.all_places();
        let certificates = places.first().and_then(|place| self.settings.certificates(place));
        let mut client = ClusterClientBuilder::new(places)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .retries(8)
            .min_retry_wait(20)
            .max_retry_wait(500);
        if let Some(certificates) = certificates {
            client = client.certs(certificates);
        }
        let client = client.build()?;
        let connection = tokio::time::timeout(ANSWER, client.get_async_connection());
        let connection = connection.await.map_err(|_| late())??;
        Ok(Connection::Many(connection))
    }

    async fn one(&self, place: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        self.settings.client(place)?.get_multiplexed_async_connection_with_config(&limits).await
    }

    /// The configured places, then the other nodes of the cluster.
    fn all_places(&self) -> Vec<ConnectionInfo> {
        let mut places = self.places.clone();
        let given: BTreeSet<String> = places.iter().map(|place| place.addr().to_string()).collect();
        for (host, port) in self.nodes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Ok(place) = self.settings.place_of(host, *port)
                && !given.contains(&place.addr().to_string())
            {
                places.push(place);
            }
        }
        places
    }
}

/// An argument of a script.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// To one server, or to the nodes of a cluster.
#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(command),
            Self::Many(many) => many.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Many(many) => many.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Many(many) => many.get_db(),
        }
    }
}

/// Hosts and ports in the answer to `CLUSTER SLOTS`: ranges of `first, last, [host, port, …] …`.
fn nodes_in(answer: &Value) -> BTreeSet<(String, u16)> {
    let mut found = BTreeSet::new();
    let Value::Array(ranges) = answer else { return found };
    for range in ranges {
        let Value::Array(range) = range else { continue };
        for node in range.iter().skip(2) {
            let Value::Array(node) = node else { continue };
            if let [Value::BulkString(host), Value::Int(port), ..] = node.as_slice()
                && let Ok(host) = std::str::from_utf8(host)
                && !host.is_empty()
                && let Ok(port) = u16::try_from(*port)
            {
                found.insert((host.to_owned(), port));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_nodes_of_a_cluster_are_read_and_what_is_none_is_left_out() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let range = |nodes: Vec<Value>| Value::Array([vec![Value::Int(0), Value::Int(9)], nodes].concat());
        let answer = Value::Array(vec![
            range(vec![node(bulk("10.0.0.1"), 7000), node(bulk("10.0.0.2"), 7001)]),
            range(vec![node(Value::Nil, 7002), node(bulk(""), 7003), node(bulk("h"), 700_000), Value::Nil]),
            Value::Okay,
        ]);
        let expected = [("10.0.0.1".to_owned(), 7000), ("10.0.0.2".to_owned(), 7001)];
        assert_eq!(nodes_in(&answer), BTreeSet::from(expected));
        assert!(nodes_in(&Value::Nil).is_empty());
    }
}
