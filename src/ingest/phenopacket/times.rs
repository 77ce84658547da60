//! Points in a life as years.

use chrono::NaiveDate;

use super::super::ages::{date, years_between, years_of_duration};
use super::wire::{Individual, MetaData, OntologyClass, Time};

/// HPO onset classes that lie before the first birthday as a whole (HPO, children of `HP:0003674`); the other classes
/// span years and are no age.
const BEFORE_ONE: [&str; 9] = [
    "HP:0030674", // antenatal
    "HP:0011460", // embryonal
    "HP:0011461", // fetal
    "HP:0034199", // late first trimester
    "HP:0034198", // second trimester
    "HP:0034197", // third trimester
    "HP:0003577", // congenital
    "HP:0003623", // neonatal
    "HP:0003593", // infantile
];

/// Whole years of a class of onset that is as good as an age.
pub(super) fn years_of_class(class: &OntologyClass<'_>) -> Option<f64> {
    BEFORE_ONE.contains(&class.id.as_str()).then_some(0.0)
}

/// Whole years of a point in a life; of a range or interval its beginning; before birth is 0.
pub(super) fn years(time: &Time<'_>, birth: Option<NaiveDate>) -> Option<f64> {
    let since_birth = |text: &str| years_between(birth?, date(text)?);
    let class = |id: &str| BEFORE_ONE.contains(&id).then_some(0.0);
    time.age
        .as_ref()
        .and_then(|age| years_of_duration(age.0.as_str()))
        .or_else(|| time.age_range.as_ref().and_then(|range| years_of_duration(range.start.0.as_str())))
        .or_else(|| time.ontology_class.as_ref().and_then(years_of_class))
        .or_else(|| since_birth(time.timestamp.as_str()))
        .or_else(|| time.interval.as_ref().and_then(|interval| since_birth(interval.start.as_str())))
        .or_else(|| time.gestational_age.map(|_| 0.0))
        .or_else(|| class(time.id.as_str()))
}

/// The day of birth, if given.
pub(super) fn birth(subject: &Individual<'_>) -> Option<NaiveDate> {
    date(subject.date_of_birth.as_str())
}

/// Age when last seen; without that, from the date of birth to the day the packet was made, which unlike today
/// stays the same when the file is read again.
pub(super) fn age(subject: &Individual<'_>, meta: Option<&MetaData<'_>>) -> Option<f64> {
    let birth = birth(subject);
    subject
        .time_at_last_encounter
        .as_ref()
        .and_then(|time| years(time, birth))
        .or_else(|| subject.age_at_collection.as_ref().and_then(|age| years_of_duration(age.0.as_str())))
        .or_else(|| {
            subject
                .age_range_at_collection
                .as_ref()
                .and_then(|range| years_of_duration(range.start.0.as_str()))
        })
        .or_else(|| years_between(birth?, date(meta?.created.as_str())?))
}
