//! How the peers' own language writes JSON by default, so that what they sign and verify is what is sent: `", "` and
//! `": "` between, everything but printable ASCII as `\uxxxx`, fields in their order, floats in their shortest form.

use std::fmt;
use std::io;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use serde_json::ser::Formatter;

/// Writes a message as the peers write theirs.
pub fn dump(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    message.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced))?;
    Ok(bytes)
}

/// Writes a received text anew as its sender may have signed it; refuses what is no JSON, or has a field twice.
pub fn dump_again(text: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    dump(&serde_json::from_slice::<Ordered>(text)?)
}

/// JSON whose fields keep their order.
enum Ordered {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Ordered>),
    Fields(Vec<(String, Ordered)>),
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(number) => number.serialize(to),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => items.serialize(to),
            Self::Fields(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Ok(Ordered::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Ordered, E> {
        Number::from_f64(value).map(Ordered::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
        Ok(Ordered::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Ordered, E> {
        Ok(Ordered::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Ordered, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Ordered::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Ordered, A::Error> {
        let (mut fields, mut names) = (Vec::new(), std::collections::BTreeSet::new());
        while let Some((name, value)) = from.next_entry::<String, Ordered>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom(format!("the field {name} is there twice")));
            }
            fields.push((name, value));
        }
        Ok(Ordered::Fields(fields))
    }
}

struct Spaced;

impl Formatter for Spaced {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if matches!(c, ' '..='~') {
                write!(writer, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// The shortest digits that mean the number: plain from 1e-4 to below 1e16, else with an exponent of two digits or more.
fn float(value: f64) -> String {
    let written = format!("{value:e}");
    let Some((digits, exponent)) = written.split_once('e') else { return written };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        return format!("{value:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_peers_write_them() {
        #[derive(Serialize)]
        struct Message {
            second: &'static str,
            first: Vec<u8>,
        }
        let message = Message { second: "é\u{7f}\u{1f600}\n\"", first: vec![1, 2] };
        let expected = r#"{"second": "\u00e9\u007f\ud83d\ude00\n\"", "first": [1, 2]}"#;
        assert_eq!(String::from_utf8(dump(&message).unwrap()).unwrap(), expected);
    }

    /// The right sides are what Python 3 writes for the left ones.
    #[rstest::rstest]
    #[case(
        r#"{"b":1,"a":[true,null,{"z":"é\u2028/"}]}"#,
        r#"{"b": 1, "a": [true, null, {"z": "\u00e9\u2028/"}]}"#
    )]
    #[case("[5.0,1e-5,1E16,1e15,0.0001,-0.0]", "[5.0, 1e-05, 1e+16, 1000000000000000.0, 0.0001, -0.0]")]
    #[case("[1.5e300,123456789012345680000.0,-7]", "[1.5e+300, 1.2345678901234568e+20, -7]")]
    #[case(r#"{"a":{"x":{},"y":[]},"":"\t"}"#, r#"{"a": {"x": {}, "y": []}, "": "\t"}"#)]
    fn a_received_text_is_written_again_in_its_own_order(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(String::from_utf8(dump_again(text.as_bytes()).unwrap()).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case(r#"{"a":1,"a":1}"#)]
    #[case(r#"[{"x":{"a":1,"b":2,"a":3}}]"#)]
    #[case(r#"{"a":"\ud800"}"#)]
    #[case("{")]
    #[case("")]
    fn a_field_that_is_there_twice_and_what_is_no_json_is_refused(#[case] text: &str) {
        assert!(dump_again(text.as_bytes()).is_err());
    }
}
