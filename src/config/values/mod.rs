//! The kinds of values that a setting may have beyond those of JSON.
//!
//! Each type reads every spelling that operators use and writes one. To add one: the type with `Deserialize`
//! and `Serialize`, and a line in `leaves!` that says what it expects.

mod address;
mod amounts;
mod choices;
mod secret;
mod url;

use std::{collections::BTreeMap, path::PathBuf};

pub use self::{
    address::{Listen, Network, is_loopback_host},
    amounts::{Days, Port, Seconds, Size},
    choices::{DatabaseTls, Engine, Level, SmtpTls, Validation},
    secret::{REDACTED, Secret},
    url::{ServerName, WebUrl, redact_credentials},
};
use super::tree::{Form, Leaf, Setting, Shape};

macro_rules! leaves {
    ($($kind:ty => $form:expr, $expects:literal;)*) => { $(
        impl Setting for $kind {
            fn shape() -> Shape {
                Shape::Leaf(Leaf::of::<$kind>($form, $expects))
            }
        }
    )* };
}

leaves! {
    String => Form::Text, "text";
    bool => Form::Boolean, "true or false";
    u16 => Form::Integer { max: u16::MAX as u64 }, "a whole number from 0 to 65535";
    u32 => Form::Integer { max: u32::MAX as u64 }, "a whole number from 0 to 4294967295";
    u64 => Form::Integer { max: i64::MAX as u64 }, "a whole number that is not negative";
    f64 => Form::Number, "a number";
    PathBuf => Form::Path, "a path";
    BTreeMap<String, String> => Form::Map, "an object of texts";
    Port => Form::Port, "a port from 1 to 65535, as number or text";
    Listen => Form::Address, "an address with port, such as 127.0.0.1:5080";
    Network => Form::Network, "a network such as 10.0.0.0/8 or fd00::/8, or one address";
    WebUrl => Form::Url, "an address that starts with http:// or https://";
    ServerName => Form::Text, "a host name, several separated by commas, or a connection address";
    Secret<String> => Form::Secret, "text (or a file named by the variable ending in _FILE)";
    Size => Form::Size, "a number of bytes, or text such as \"20 GiB\"";
    Seconds => Form::Seconds, "a number of seconds, or text such as \"2 min\"";
    Days => Form::Days, "a number of days, or text such as \"30 d\"";
    Level => Form::Choice(Level::NAMES), "one of DEBUG, INFO, WARNING, ERROR, CRITICAL";
    Validation => Form::Choice(Validation::NAMES), "introspect or local";
    SmtpTls => Form::Choice(SmtpTls::NAMES), "one of none, starttls, tls";
    DatabaseTls => Form::Choice(DatabaseTls::NAMES), "one of disable, prefer, require, verify-full";
    Engine => Form::Choice(Engine::NAMES), "one of sqlite, mongodb, postgresql";
}

impl<T: Setting + serde::de::DeserializeOwned> Setting for Vec<T> {
    fn shape() -> Shape {
        match T::shape() {
            Shape::Leaf(item) => Shape::Leaf(Leaf::of::<Self>(Form::List(Box::new(item)), "a list")),
            section @ Shape::Section { .. } => section,
        }
    }
}
