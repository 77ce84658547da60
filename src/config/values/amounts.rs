//! Ports, sizes and durations: numbers that operators also write as text.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A number or text, as the file or the environment has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

/// Reads `20`, `"20"`, `"20 GiB"`: the number times the factor of its unit (caseless; none = the factor of "").
fn amount(written: &Written, units: &[(&str, u64)]) -> Option<u64> {
    match written {
        Written::Number(number) => Some(*number),
        Written::Text(text) => {
            let text = text.trim();
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, unit) = text.split_at_checked(end)?;
            let unit = unit.trim();
            let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
            digits.parse::<u64>().ok()?.checked_mul(*factor)
        }
    }
}

macro_rules! amounts {
    ($($(#[doc = $doc:literal])* $name:ident($inner:ty), $units:expr, $expects:literal;)*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "Written", into = "u64")]
        pub struct $name($inner);

        impl TryFrom<Written> for $name {
            type Error = &'static str;

            fn try_from(written: Written) -> Result<Self, Self::Error> {
                let number = amount(&written, $units).ok_or($expects)?;
                <$inner>::try_from(number).map(Self).map_err(|_| $expects)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> u64 {
                value.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl $name {
            /// Wraps a number of the unit.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// Gives the number of the unit.
            pub const fn get(self) -> $inner {
                self.0
            }
        }
    )* };
}

amounts! {
    /// A number of bytes; text may carry a decimal (kB, MB, GB, TB) or binary (KiB, MiB, GiB, TiB) unit.
    Size(u64), &[
        ("", 1), ("B", 1),
        ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ], "expected a size";
    /// A number of seconds; text may carry s, min, h or d.
    Seconds(u32), &[("", 1), ("s", 1), ("min", 60), ("m", 60), ("h", 3600), ("d", 86_400)], "expected seconds";
    /// A number of days; text may carry d or w.
    Days(u32), &[("", 1), ("d", 1), ("w", 7)], "expected days";
}

impl Seconds {
    /// Gives the duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl Days {
    /// Gives the duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64 * 86_400)
    }
}

/// A port from 1 to 65535, written as number or as text (spec §3.1: the published sample has both).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "u16")]
pub struct Port(u16);

impl Port {
    /// Wraps a port number.
    pub const fn new(port: u16) -> Self {
        Self(port)
    }

    /// Gives the port number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<Written> for Port {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let port = amount(&written, &[("", 1)]).and_then(|number| u16::try_from(number).ok());
        port.filter(|port| *port != 0).map(Self).ok_or("expected a port")
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> u16 {
        port.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, from_value, json};

    use super::*;

    #[rstest]
    #[case(json!(27017), Some(27017))]
    #[case(json!("27017"), Some(27017))]
    #[case(json!(" 25 "), Some(25))]
    #[case(json!(0), None)]
    #[case(json!(65536), None)]
    #[case(json!("25 kB"), None)]
    #[case(json!(-1), None)]
    #[case(json!(25.5), None)]
    #[case(json!(""), None)]
    fn a_port_reads_as_number_or_text(#[case] written: Value, #[case] port: Option<u16>) {
        assert_eq!(from_value::<Port>(written).ok().map(Port::get), port);
    }

    #[rstest]
    #[case(json!(1024), Some(1024))]
    #[case(json!("20 GiB"), Some(20 << 30))]
    #[case(json!("20gib"), Some(20 << 30))]
    #[case(json!("5 MB"), Some(5_000_000))]
    #[case(json!("5 parsecs"), None)]
    #[case(json!("99999999999 TiB"), None)]
    fn a_size_reads_with_unit(#[case] written: Value, #[case] bytes: Option<u64>) {
        assert_eq!(from_value::<Size>(written).ok().map(Size::get), bytes);
    }

    #[rstest]
    #[case(json!(90), Some(90))]
    #[case(json!("2 min"), Some(120))]
    #[case(json!("1h"), Some(3600))]
    #[case(json!("-5"), None)]
    fn seconds_read_with_unit(#[case] written: Value, #[case] seconds: Option<u64>) {
        assert_eq!(from_value::<Seconds>(written).ok().map(|s| s.duration().as_secs()), seconds);
    }

    #[test]
    fn a_week_has_seven_days() {
        assert_eq!(from_value::<Days>(json!("2w")).unwrap().get(), 14);
    }
}
