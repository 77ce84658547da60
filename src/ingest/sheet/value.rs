//! Cells of spreadsheets as JSON: dates as ISO 8601, numbers as numbers, errors as their texts.

use calamine::{Data, ExcelDateTime};
use serde_json::{Number, Value};

/// Whole numbers up to here are exact in the format's only number type.
const EXACT: f64 = 9_007_199_254_740_992.0;
const MILLISECONDS_PER_DAY: f64 = 86_400_000.0;

/// The value of a cell, `None` if it is empty or blank.
pub(super) fn of(data: Data) -> Option<Value> {
    match data {
        Data::Empty => None,
        Data::Int(number) => Some(Value::from(number)),
        Data::Float(number) => float(number),
        Data::String(text) => text_value(text),
        Data::Bool(truth) => Some(Value::Bool(truth)),
        Data::DateTime(moment) => Some(Value::String(iso(&moment))),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text_value(text),
        Data::Error(error) => Some(Value::String(error.to_string())),
    }
}

fn text_value(text: String) -> Option<Value> {
    (!text.trim().is_empty()).then_some(Value::String(text))
}

/// What the sheet shows as `9` is 9, not 9.0.
fn float(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() < EXACT {
        // In range by the line above; the number has no fraction.
        return format!("{number:.0}").parse::<i64>().ok().map(Value::from);
    }
    Number::from_f64(number).map(Value::Number)
}

/// `2022-04-09`, `2022-04-09T13:30:00`, `13:30:00` for a time of day, `PT30H15M` for a duration.
fn iso(moment: &ExcelDateTime) -> String {
    let serial = moment.as_f64();
    if moment.is_duration() {
        return duration(serial);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    let time = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    if serial > 0.0 && serial < 1.0 {
        return time;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => date,
        _ => format!("{date}T{time}"),
    }
}

fn duration(days: f64) -> String {
    let sign = if days < 0.0 { "-" } else { "" };
    // A float to integer conversion saturates; such durations are nonsense anyway.
    let milliseconds = (days.abs() * MILLISECONDS_PER_DAY).round() as u64;
    let (seconds, milli) = (milliseconds / 1_000, milliseconds % 1_000);
    let mut text = format!("{sign}PT");
    for (amount, letter) in [(seconds / 3_600, 'H'), (seconds / 60 % 60, 'M')] {
        if amount > 0 {
            text.push_str(&format!("{amount}{letter}"));
        }
    }
    match (seconds % 60, milli) {
        (0, 0) if milliseconds > 0 => {}
        (second, 0) => text.push_str(&format!("{second}S")),
        (second, milli) => text.push_str(&format!("{second}.{milli:03}S")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::{CellErrorType, ExcelDateTimeType};
    use serde_json::json;

    fn date(serial: f64, kind: ExcelDateTimeType) -> Data {
        Data::DateTime(ExcelDateTime::new(serial, kind, false))
    }

    #[rstest::rstest]
    #[case(Data::Float(9.0), json!(9))]
    #[case(Data::Float(-3.0), json!(-3))]
    #[case(Data::Float(26.63838307), json!(26.63838307))]
    #[case(Data::Float(1e300), json!(1e300))]
    #[case(Data::String("007".into()), json!("007"))]
    #[case(Data::Bool(true), json!(true))]
    #[case(Data::Error(CellErrorType::Ref), json!("#REF!"))]
    #[case(Data::Error(CellErrorType::NA), json!("#N/A"))]
    #[case(date(44660.0, ExcelDateTimeType::DateTime), json!("2022-04-09"))]
    #[case(date(44660.5625, ExcelDateTimeType::DateTime), json!("2022-04-09T13:30:00"))]
    #[case(date(0.5625, ExcelDateTimeType::DateTime), json!("13:30:00"))]
    #[case(date(1.25, ExcelDateTimeType::TimeDelta), json!("PT30H"))]
    #[case(date(0.01, ExcelDateTimeType::TimeDelta), json!("PT14M24S"))]
    #[case(date(0.0, ExcelDateTimeType::TimeDelta), json!("PT0S"))]
    fn cells_become_what_they_show(#[case] data: Data, #[case] expected: Value) {
        assert_eq!(of(data), Some(expected));
    }

    #[rstest::rstest]
    #[case(Data::Empty)]
    #[case(Data::String("  ".into()))]
    #[case(Data::Float(f64::NAN))]
    fn empty_cells_have_no_value(#[case] data: Data) {
        assert_eq!(of(data), None);
    }
}
