//! Ages and dates as texts: ISO 8601 durations and dates, as years rounded down (specification §7.4).

use chrono::{Datelike, NaiveDate};

/// Nobody is older; a larger value is a mistake.
pub const MAX_AGE: f64 = 150.0;

/// Whole years of an ISO 8601 duration such as `P9Y9M9D`; a year has 12 months, 365.25 days.
pub fn years_of_duration(text: &str) -> Option<f64> {
    let (text, sign) = match text.trim().strip_prefix('-') {
        Some(rest) => (rest, -1.0),
        None => (text.trim(), 1.0),
    };
    let body = text.strip_prefix(['P', 'p'])?;
    // The time of day never makes a year; it only has to be there after a `T`.
    let (date, time) = body.split_once(['T', 't']).map_or((body, None), |(date, time)| (date, Some(time)));
    if date.is_empty() && time.is_none_or(str::is_empty) {
        return None;
    }
    let mut years = 0.0;
    let mut months = 0.0;
    let mut days = 0.0;
    let mut rest = date;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let (number, after) = rest.split_at_checked(end)?;
        let amount: f64 = number.replace(',', ".").parse().ok()?;
        let mut letters = after.chars();
        match letters.next()?.to_ascii_uppercase() {
            'Y' => years += amount,
            'M' => months += amount,
            'W' => days += 7.0 * amount,
            'D' => days += amount,
            _ => return None,
        }
        rest = letters.as_str();
    }
    // Whole months are added as twelfths of an integer, so that P11M1M and 12 months are exactly a year.
    let total = sign * (years + (months + days / 30.4375) / 12.0).floor();
    plausible(total)
}

/// The calendar day an ISO 8601 date or timestamp begins with.
pub fn date(text: &str) -> Option<NaiveDate> {
    let day = text.trim().get(..10)?;
    NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()
}

/// Whole years lived from birth to a day; `None` if the day comes first.
pub fn years_between(birth: NaiveDate, day: NaiveDate) -> Option<f64> {
    let full = day.year() - birth.year();
    let before_birthday = (day.month(), day.day()) < (birth.month(), birth.day());
    plausible(f64::from(full - i32::from(before_birthday)))
}

/// Years from an age written as a number, a numeric text or an ISO 8601 duration.
pub fn years_of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(years) => plausible(years),
        Err(_) => years_of_duration(text),
    }
}

/// The value if it can be an age in years.
pub fn plausible(years: f64) -> Option<f64> {
    (0.0..=MAX_AGE).contains(&years).then_some(years + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("P33Y", Some(33.0))]
    #[case("P9Y11M30D", Some(9.0))]
    #[case("P11M", Some(0.0))]
    #[case("P14M", Some(1.0))]
    #[case("P400D", Some(1.0))]
    #[case("P52W", Some(0.0))]
    #[case("P53W", Some(1.0))]
    #[case("P1.5Y", Some(1.0))]
    #[case("P3DT4H", Some(0.0))]
    #[case("PT30M", Some(0.0))]
    #[case(" p2y ", Some(2.0))]
    #[case("P", None)]
    #[case("PT", None)]
    #[case("P5", None)]
    #[case("PY", None)]
    #[case("P5X", None)]
    #[case("-P1Y", None)]
    #[case("P900Y", None)]
    #[case("P99999999999999999999999999Y", None)]
    #[case("33", None)]
    fn a_duration_becomes_whole_years(#[case] text: &str, #[case] years: Option<f64>) {
        assert_eq!(years_of_duration(text), years);
    }

    #[rstest::rstest]
    #[case("2000-02-29", "2001-02-28", Some(0.0))]
    #[case("2000-02-29", "2001-03-01", Some(1.0))]
    #[case("1980-06-15T00:00:00Z", "2020-06-15", Some(40.0))]
    #[case("2020-01-01", "2019-01-01", None)]
    fn a_birthday_completes_a_year(#[case] birth: &str, #[case] day: &str, #[case] years: Option<f64>) {
        assert_eq!(years_between(date(birth).unwrap(), date(day).unwrap()), years);
    }
}
