//! One cell: trimming, missing values, splitting and the typing of numbers.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::domain::pipelines::{FilePipeline, MissingValues};

/// A cell as its format gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'c> {
    /// From a format that knows only text.
    Text(&'c str),
    /// From a format with types; its texts stay texts.
    Value(Value),
}

/// How one pipeline reads cells.
#[derive(Debug)]
pub(super) struct Cells {
    missing: MissingValues,
    delimiter: String,
}

impl Cells {
    pub(super) fn new(pipeline: &FilePipeline) -> Self {
        Self {
            missing: MissingValues::new(pipeline.missing_values.as_deref()),
            delimiter: pipeline.internal_delimiter.clone(),
        }
    }

    /// The value to stage, `None` if there is none; a cell that splits into several parts is an array.
    pub(super) fn value(&self, cell: Cell<'_>) -> Option<Value> {
        match cell {
            Cell::Text(text) => self.split(text, &typed),
            Cell::Value(Value::Null) => None,
            Cell::Value(Value::String(text)) => self.split(&text, &|text| Value::String(text.to_owned())),
            Cell::Value(Value::Array(items)) => {
                let items = items.into_iter().filter_map(|item| self.value(Cell::Value(item)));
                let flat = items.flat_map(|item| match item {
                    Value::Array(parts) => parts,
                    other => vec![other],
                });
                one_or_many(flat.collect())
            }
            Cell::Value(other) => Some(other),
        }
    }

    fn split(&self, text: &str, typed: &dyn Fn(&str) -> Value) -> Option<Value> {
        let text = text.trim();
        if self.missing.contains(text) {
            return None;
        }
        if self.delimiter.is_empty() || !text.contains(&self.delimiter) {
            return Some(typed(text));
        }
        let parts = text.split(&self.delimiter).map(str::trim).filter(|part| !self.missing.contains(part));
        one_or_many(parts.map(typed).collect())
    }

    /// The cell as one trimmed text, `None` if it has no value.
    pub(super) fn text(&self, cell: &Cell<'_>) -> Option<String> {
        let text = whole(cell);
        let text = text.trim();
        (!self.missing.contains(text)).then(|| text.to_owned())
    }

    /// The parts of a cell in their places: a part without a value is empty, a cell without one has no parts.
    pub(super) fn parts(&self, cell: &Cell<'_>) -> Vec<String> {
        let part = |text: &str| {
            let text = text.trim();
            if self.missing.contains(text) { String::new() } else { text.to_owned() }
        };
        if let Cell::Value(Value::Array(items)) = cell {
            return items.iter().map(|item| part(&whole(&Cell::Value(item.clone())))).collect();
        }
        let text = whole(cell);
        match text.trim() {
            text if self.missing.contains(text) => Vec::new(),
            text if self.delimiter.is_empty() => vec![part(text)],
            text => text.split(&self.delimiter).map(part).collect(),
        }
    }
}

fn whole<'c>(cell: &'c Cell<'_>) -> Cow<'c, str> {
    match cell {
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Value(Value::String(text)) => Cow::Borrowed(text),
        Cell::Value(Value::Null) => Cow::Borrowed(""),
        Cell::Value(other) => Cow::Owned(other.to_string()),
    }
}

fn one_or_many(mut values: Vec<Value>) -> Option<Value> {
    if values.len() > 1 { Some(Value::Array(values)) } else { values.pop() }
}

/// A text as staged: a number if nothing is lost by it.
pub(super) fn typed(text: &str) -> Value {
    exact_number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// The number whose JSON form is exactly the text: at most 15 digits, no leading or trailing zeros that would vanish.
pub fn exact_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Most cells are decided here.
    if !digits.as_bytes().first()?.is_ascii_digit() || digits.len() > 16 {
        return None;
    }
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let Some(fraction) = fraction else {
        return (digits.len() <= 15 && text != "-0")
            .then(|| text.parse::<i64>().ok().map(Number::from))
            .flatten();
    };
    let keeps = !fraction.is_empty() && (fraction == "0" || !fraction.ends_with('0'));
    // Below 0.001 the JSON form may be an exponent; -0.0 would be compared as 0.
    let small = whole == "0" && (fraction.starts_with("000") || fraction == "0");
    if !all_digits(fraction) || !keeps || small || whole.len() + fraction.len() > 15 {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("9", true)]
    #[case("-12", true)]
    #[case("0.5", true)]
    #[case("4.0", true)]
    #[case("244.9589", true)]
    #[case("0", true)]
    #[case("123456789012345", true)]
    #[case("07", false)]
    #[case("-0", false)]
    #[case("0.0", false)]
    #[case("1.50", false)]
    #[case("1e3", false)]
    #[case("1.", false)]
    #[case(".5", false)]
    #[case("+5", false)]
    #[case("0.0001", false)]
    #[case("1234567890123456", false)]
    #[case("1.2.3", false)]
    #[case("", false)]
    #[case("-", false)]
    #[case("NaN", false)]
    fn a_text_is_a_number_if_nothing_is_lost(#[case] text: &str, #[case] number: bool) {
        assert_eq!(exact_number(text).map(|n| n.to_string()), number.then(|| text.to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn an_exact_number_writes_itself_as_its_text(text in "-?[0-9]{1,16}(\\.[0-9]{1,15})?") {
            if let Some(number) = exact_number(&text) {
                assert_eq!(number.to_string(), text);
            }
        }

        #[test]
        fn a_number_s_own_text_is_exact(number in -99_999_999_i64..99_999_999, scale in 0_u32..3) {
            let text = Value::from(number as f64 / 10_f64.powi(scale as i32)).to_string();
            assert!(text.ends_with("0.0") || text.starts_with("0.00") || text.starts_with("-0.00") || exact_number(&text).is_some(), "{text}");
        }
    }
}
