//! Types of attributes (specification §7.4 *Types*): one per source and attribute, from all its values.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::domain::pipelines::ValueType;
use crate::domain::subjects::Scalar;

/// What kinds of values each attribute has in the rows looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSurvey(Vec<Seen>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    number: bool,
    boolean: bool,
    text: bool,
    declared: Option<ValueType>,
}

impl TypeSurvey {
    pub(super) fn new(attributes: usize) -> Self {
        Self(vec![Seen::default(); attributes])
    }

    /// One text makes the attribute text: no further value can change that.
    pub(super) fn is_text(&self, attribute: usize) -> bool {
        self.0.get(attribute).is_some_and(|seen| seen.text)
    }

    pub(super) fn note(&mut self, attribute: usize, value: &str) {
        let Some(seen) = self.0.get_mut(attribute) else { return };
        if decimal(value).is_some() {
            seen.number = true;
        } else if truth(value).is_some() {
            seen.boolean = true;
        } else {
            seen.text = true;
        }
    }

    /// Adds what was seen in other rows, by the same pipeline.
    pub fn absorb(&mut self, other: &Self) {
        for (seen, other) in self.0.iter_mut().zip(&other.0) {
            seen.number |= other.number;
            seen.boolean |= other.boolean;
            seen.text |= other.text;
            seen.declared = seen.declared.or(other.declared);
        }
    }

    pub(super) fn declare(&mut self, attribute: usize, value_type: ValueType) {
        if let Some(seen) = self.0.get_mut(attribute) {
            seen.declared = Some(value_type);
        }
    }
}

impl Seen {
    /// `None` if there was no value.
    fn value_type(self) -> Option<ValueType> {
        self.declared.or(match (self.number, self.boolean, self.text) {
            (false, false, false) => None,
            (true, false, false) => Some(ValueType::Number),
            (false, true, false) => Some(ValueType::Boolean),
            _ => Some(ValueType::Text),
        })
    }
}

/// The type of each attribute a remap fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types {
    /// By the attribute's place; `auto` = each value keeps its own type.
    kinds: Vec<ValueType>,
    known: BTreeMap<String, ValueType>,
    broken: Vec<String>,
}

impl Types {
    pub(super) fn decide(names: &[String], survey: &TypeSurvey, known: &BTreeMap<String, ValueType>) -> Self {
        let mut types =
            Self { kinds: Vec::with_capacity(names.len()), known: known.clone(), broken: Vec::new() };
        for (name, seen) in names.iter().zip(&survey.0) {
            let before = known.get(name).copied();
            let Some(found) = seen.value_type() else {
                types.kinds.push(before.unwrap_or_default());
                continue;
            };
            let kind = match before {
                None => found,
                Some(before) if before == found => before,
                // Numbers and truth values are texts too.
                Some(ValueType::Text) if seen.declared.is_none() => ValueType::Text,
                Some(ValueType::Auto) => ValueType::Auto,
                Some(_) => {
                    types.broken.push(name.clone());
                    ValueType::Auto
                }
            };
            types.known.insert(name.clone(), kind);
            types.kinds.push(kind);
        }
        types
    }

    pub(super) fn kind(&self, attribute: usize) -> ValueType {
        self.kinds.get(attribute).copied().unwrap_or_default()
    }

    /// Stored names of the attributes whose type these rows break: from now on each value keeps its own.
    pub fn mixed(&self) -> &[String] {
        &self.broken
    }

    /// Every type the source now has, by stored name, to hand in the next time; `auto` = mixed.
    pub fn known(&self) -> &BTreeMap<String, ValueType> {
        &self.known
    }
}

/// What decides a value's type: the attribute's, unless the directive declares one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) kind: ValueType,
    pub(super) declared: ValueType,
}

impl Own {
    pub(super) fn scalar(self, text: String) -> Result<Scalar, &'static str> {
        match self.declared {
            ValueType::Text => Ok(Scalar::Text(text)),
            ValueType::Number => {
                declared_number(&text).map(Scalar::Number).ok_or("is not a number, as declared")
            }
            ValueType::Boolean => {
                declared_truth(&text).map(Scalar::Bool).ok_or("is not true or false, as declared")
            }
            ValueType::Auto => Ok(match self.kind {
                ValueType::Text => Scalar::Text(text),
                ValueType::Number => decimal(&text).map_or(Scalar::Text(text), Scalar::Number),
                ValueType::Boolean => truth(&text).map_or(Scalar::Text(text), Scalar::Bool),
                ValueType::Auto => by_itself(text),
            }),
        }
    }
}

/// A value typed by what it looks like: qualifier values and mixed attributes.
pub(super) fn by_itself(text: String) -> Scalar {
    if let Some(number) = decimal(&text) {
        Scalar::Number(number)
    } else if let Some(truth) = truth(&text) {
        Scalar::Bool(truth)
    } else {
        Scalar::Text(text)
    }
}

/// The same as JSON.
pub(super) fn json_by_itself(text: String) -> Value {
    match by_itself(text) {
        Scalar::Bool(truth) => Value::Bool(truth),
        Scalar::Number(number) => Value::Number(number),
        Scalar::Text(text) => Value::String(text),
    }
}

/// A finite decimal without leading zeros or exponent; whole numbers beyond 64 bits stay texts, they are identifiers.
fn decimal(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if whole.len() == digits.len() {
        return text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    }
    text.parse().ok().and_then(Number::from_f64)
}

fn truth(text: &str) -> Option<bool> {
    match text.len() {
        4 if text.eq_ignore_ascii_case("true") => Some(true),
        5 if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Where a number is declared, leading zeros and exponents are numbers too.
fn declared_number(text: &str) -> Option<Number> {
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    decimal(text).or_else(|| numeric.then(|| text.parse().ok()).flatten().and_then(Number::from_f64))
}

fn declared_truth(text: &str) -> Option<bool> {
    truth(text).or_else(|| match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "1" => Some(true),
        "no" | "n" | "0" => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("9", true)]
    #[case("-9.50", true)]
    #[case("0", true)]
    #[case("0.001", true)]
    #[case("18446744073709551615", true)]
    #[case("18446744073709551616", false)]
    #[case("007", false)]
    #[case("1e5", false)]
    #[case("1.", false)]
    #[case(".5", false)]
    #[case("+1", false)]
    #[case("1,5", false)]
    #[case("NaN", false)]
    #[case("inf", false)]
    #[case("", false)]
    #[case("-", false)]
    #[case("٣", false)]
    fn a_decimal_is_finite_and_has_no_leading_zeros(#[case] text: &str, #[case] number: bool) {
        assert_eq!(decimal(text).is_some(), number);
    }

    fn decided(values: &[&str], before: Option<ValueType>) -> (ValueType, bool) {
        let names = ["a".to_owned()];
        let mut survey = TypeSurvey::new(1);
        values.iter().for_each(|value| survey.note(0, value));
        let known = before.map(|kind| ("a".to_owned(), kind)).into_iter().collect();
        let types = Types::decide(&names, &survey, &known);
        (types.kind(0), !types.mixed().is_empty())
    }

    #[rstest::rstest]
    #[case(&["1", "2.5"], None, ValueType::Number, false)]
    #[case(&["true", "FALSE"], None, ValueType::Boolean, false)]
    #[case(&["1", "007"], None, ValueType::Text, false)]
    #[case(&["1", "true"], None, ValueType::Text, false)]
    #[case(&["1"], Some(ValueType::Number), ValueType::Number, false)]
    #[case(&["1"], Some(ValueType::Text), ValueType::Text, false)]
    #[case(&["x"], Some(ValueType::Number), ValueType::Auto, true)]
    #[case(&["1"], Some(ValueType::Boolean), ValueType::Auto, true)]
    #[case(&["1"], Some(ValueType::Auto), ValueType::Auto, false)]
    #[case(&[], Some(ValueType::Number), ValueType::Number, false)]
    fn a_later_file_that_breaks_the_type_makes_it_mixed(
        #[case] values: &[&str],
        #[case] before: Option<ValueType>,
        #[case] kind: ValueType,
        #[case] broken: bool,
    ) {
        assert_eq!(decided(values, before), (kind, broken));
    }
}
