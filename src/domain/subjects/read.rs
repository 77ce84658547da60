//! Reads the untagged shapes of a subject in one pass.
//!
//! Serde's own reading of untagged enums copies each value into a buffer and tries one variant after the other, which
//! was most of the time a scan of wide subjects took.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{EavValue, Scalar, Term};

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a truth value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Number::from_f64(value).map(Scalar::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(value))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct EavVisitor;

impl<'de> Visitor<'de> for EavVisitor {
    type Value = EavValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a truth value or a list of them")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<EavValue, E> {
        ScalarVisitor.visit_bool(value).map(EavValue::One)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<EavValue, E> {
        ScalarVisitor.visit_i64(value).map(EavValue::One)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<EavValue, E> {
        ScalarVisitor.visit_u64(value).map(EavValue::One)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<EavValue, E> {
        ScalarVisitor.visit_f64(value).map(EavValue::One)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<EavValue, E> {
        ScalarVisitor.visit_str(value).map(EavValue::One)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<EavValue, E> {
        ScalarVisitor.visit_string(value).map(EavValue::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<EavValue, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(values)).map(EavValue::Many)
    }
}

impl<'de> Deserialize<'de> for EavValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EavVisitor)
    }
}

struct TermVisitor;

impl<'de> Visitor<'de> for TermVisitor {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a term's id, or an object from id to value")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Term, E> {
        Ok(Term::Present(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Term, E> {
        Ok(Term::Present(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Term, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(entries)).map(Term::Qualified)
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TermVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn round_trips<T: DeserializeOwned + Serialize>(value: &Value) -> bool {
        // Once from text and once from a value: a parser may offer owned or borrowed texts.
        let text =
            serde_json::from_str::<T>(&value.to_string()).map(|read| serde_json::to_value(read).unwrap());
        let tree = serde_json::from_value::<T>(value.clone()).map(|read| serde_json::to_value(read).unwrap());
        assert_eq!(text.is_ok(), tree.is_ok());
        text.is_ok_and(|read| read == *value) && tree.is_ok_and(|read| read == *value)
    }

    #[rstest::rstest]
    #[case(json!("a\n\"é"), true)]
    #[case(json!(true), true)]
    #[case(json!(-3), true)]
    #[case(json!(u64::MAX), true)]
    #[case(json!(2.5), true)]
    #[case(json!(null), false)]
    #[case(json!({}), false)]
    fn attributes_hold_scalars(#[case] value: Value, #[case] legal: bool) {
        assert_eq!(round_trips::<EavValue>(&value), legal);
        assert_eq!(round_trips::<EavValue>(&json!([value, 1])), legal);
        assert!(!round_trips::<EavValue>(&json!([[value]])));
    }

    #[rstest::rstest]
    #[case(json!("0001250"), true)]
    #[case(json!({"0001250": false, "0004322": {"deep": [1]}}), true)]
    #[case(json!({}), true)]
    #[case(json!(7), false)]
    #[case(json!(["0001250"]), false)]
    fn terms_are_ids_or_objects(#[case] value: Value, #[case] legal: bool) {
        assert_eq!(round_trips::<Term>(&value), legal);
    }
}
