//! Destination `subject` (specification §7.4): what a row says outright about demographics.
//!
//! Settled when the whole row was read, because ages may be given as dates and need the row's date of birth.

use chrono::NaiveDate;
use serde_json::Value;

use super::Made;
use super::types::by_itself;
use crate::domain::pipelines::Demographic;
use crate::domain::subjects::{Scalar, Subject};
use crate::ingest::StagedRow;
use crate::ingest::ages::{date, years_between, years_of_text};
use crate::ingest::demographics::{affected_of_scalar, family_type_of_text, gender_of_text};

/// What the directives of a row claim: which demographic, the value, the directive's place.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<(Option<Demographic>, String, usize)>);

/// Stored, or why not and which value.
pub(super) type Outcome<'v> = Result<(), (&'static str, &'v str)>;

impl Claims {
    /// Takes a result; a basic one speaks of the demographic its column is named after.
    pub(super) fn add(&mut self, origin: &str, made: Made, directive: usize) {
        match made {
            Made::Basic(value) => self.0.push((Demographic::parse(origin), value, directive)),
            Made::Qualified(name, value) => self.0.push((Demographic::parse(&name), value, directive)),
            Made::Unmatched | Made::Empty | Made::TooSlow => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills `given.explicit`; the first good value of each demographic counts. Each claim's outcome is told.
    pub(super) fn settle(
        &self,
        row: &StagedRow,
        subject: &mut Subject,
        told: &mut dyn FnMut(usize, Outcome<'_>),
    ) {
        let birth = self.birth(row);
        for (demographic, value, directive) in &self.0 {
            let outcome = match demographic {
                None => Err("the qualifier is not a demographic"),
                Some(demographic) => fill(subject, *demographic, value, birth),
            };
            told(*directive, outcome.map_err(|reason| (reason, value.as_str())));
        }
    }

    /// The date of birth a directive names, else the one of a column named so.
    fn birth(&self, row: &StagedRow) -> Option<NaiveDate> {
        let claimed =
            self.0.iter().filter(|(demographic, ..)| *demographic == Some(Demographic::DateOfBirth));
        let column =
            row.columns.iter().filter(|(name, _)| Demographic::parse(name) == Some(Demographic::DateOfBirth));
        claimed
            .map(|(_, value, _)| value.as_str())
            .chain(column.filter_map(|(_, value)| Value::as_str(value)))
            .find_map(date)
    }
}

fn fill(
    subject: &mut Subject,
    demographic: Demographic,
    text: &str,
    birth: Option<NaiveDate>,
) -> Result<(), &'static str> {
    let given = &mut subject.given.explicit;
    match demographic {
        Demographic::Gender => set(&mut given.gender, gender_of_text(text).ok_or("is not male or female")?),
        Demographic::Age => set(&mut given.age, years(text, birth)?),
        Demographic::AgeFirstDiagnosis => set(&mut given.age_first_diagnosis, years(text, birth)?),
        Demographic::AgeFirstSymptoms => set(&mut given.age_first_symptoms, years(text, birth)?),
        Demographic::Affected => {
            let affected = affected_of_scalar(&match by_itself(text.to_owned()) {
                Scalar::Number(number) => Scalar::Text(number.to_string()),
                other => other,
            });
            set(&mut given.affected, affected.ok_or("is not true or false")?);
        }
        Demographic::FamilyType => {
            set(&mut given.family_type, family_type_of_text(text).ok_or("is not singleton, trio or family")?);
        }
        Demographic::DateOfBirth => {
            date(text).ok_or("is not a date of the form YYYY-MM-DD")?;
        }
    }
    Ok(())
}

fn set<T>(field: &mut Option<T>, value: T) {
    field.get_or_insert(value);
}

/// A number of years, a duration, or a date counted from birth; the last two rounded down.
fn years(text: &str, birth: Option<NaiveDate>) -> Result<f64, &'static str> {
    if let Some(years) = years_of_text(text) {
        return Ok(years);
    }
    let day = date(text).ok_or("is not an age in years, an ISO 8601 duration or a date")?;
    let birth = birth.ok_or("is a date, and the row has no date of birth to count from")?;
    years_between(birth, day).ok_or("is a date that is no possible age of the person")
}
