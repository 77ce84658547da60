//! What every engine must do, as functions over an engine.

mod documents;
mod filters;
mod generations;
mod model;
mod sharing;

pub use documents::*;
pub use filters::*;
pub use generations::*;
pub use model::*;
pub use sharing::*;

use cv3_backend::domain::ids::SourceId;
use cv3_backend::domain::sources::Manifest;
use cv3_backend::domain::subjects::Subject;
use cv3_backend::store::{Change, Store, StoreError};

/// Hands the name of every test to a macro.
macro_rules! every_test {
    ($then:ident, $($engine:tt)*) => {
        $then! { $($engine)*;
            absence_is_not_an_error,
            a_document_comes_back_as_it_was_written,
            an_id_that_is_taken_is_a_conflict,
            a_unique_field_that_is_taken_is_a_conflict,
            documents_without_a_unique_field_do_not_conflict,
            rooms_do_not_see_each_other,
            a_replacement_needs_the_expected_revision,
            a_revision_grows_with_every_write_even_past_a_removal,
            kept_documents_are_as_current_as_the_store,
            one_of_many_conditional_writers_wins_each_revision,
            a_failing_write_leaves_its_neighbours_alone,
            an_update_keeps_the_fields_its_type_does_not_know,
            an_update_survives_contention_and_reports_refusal,
            a_write_whose_caller_left_is_carried_out,
            equality_minds_the_type_of_the_value,
            arrays_are_searched_by_element,
            ranges_compare_like_with_like,
            all_conditions_must_hold,
            pages_follow_the_order,
            removal_by_filter_takes_what_meets_it_and_ignores_the_page,
            a_source_nothing_was_committed_to_is_empty,
            staged_changes_are_invisible_until_committed,
            the_last_of_a_subject_staged_twice_wins,
            a_subject_staged_again_after_it_was_asked_for_is_the_newer_one,
            a_change_is_scanned_with_its_deletions,
            a_large_change_is_scanned_in_order_too,
            a_commit_needs_the_expected_version,
            a_later_change_hides_an_earlier_one,
            a_replacing_change_hides_everything_before_it,
            a_discarded_change_is_gone_and_a_committed_one_stays,
            a_committed_change_takes_no_more_subjects,
            folding_changes_nothing_a_reader_sees,
            folding_reaches_only_what_is_committed,
            a_manifest_never_goes_back_behind_what_is_folded,
            subjects_come_in_byte_order_page_by_page,
            subjects_asked_for_twice_are_answered_once,
            a_dropped_source_leaves_nothing_behind,
            sources_do_not_see_each_other,
            whole_subjects_come_back_as_they_were_staged,
            readers_beside_a_fold_miss_and_repeat_nothing,
            generations_agree_with_a_model,
            what_is_written_is_there_after_reopening,
            two_instances_see_each_other_s_writes,
            two_instances_count_to_the_same_number,
            two_instances_fold_the_same_source,
            an_open_store_answers,
        }
    };
}

/// A source's id.
pub fn source(name: &str) -> SourceId {
    SourceId::parse(name).unwrap()
}

/// A subject told apart by one attribute.
pub fn subject(id: &str, mark: u64) -> Subject {
    let mut subject = Subject::new(id);
    subject.ordo.push(mark.to_string());
    subject
}

/// Upserts of subjects with one mark.
pub fn upserts<'a>(ids: impl IntoIterator<Item = &'a str>, mark: u64) -> Vec<Change> {
    ids.into_iter().map(|id| Change::Upsert(subject(id, mark))).collect()
}

/// Deletions.
pub fn deletions<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<Change> {
    ids.into_iter().map(|id| Change::Delete(id.to_owned())).collect()
}

/// The manifest of a version.
pub fn manifest(source: &SourceId, version: u64) -> Manifest {
    Manifest { data_version: version, ..Manifest::empty(source.clone()) }
}

/// Stages a change and commits it as the next version; `replace` makes it hide everything before.
pub async fn add(store: &dyn Store, source: &SourceId, changes: Vec<Change>, replace: bool) -> Manifest {
    let subjects = store.subjects();
    let before = subjects.manifest(source).await.unwrap().unwrap_or_else(|| manifest(source, 0));
    let version = before.data_version + 1;
    subjects.stage(source, version, changes).await.unwrap();
    let mut after = Manifest { data_version: version, ..before.clone() };
    if replace {
        after.replaced_at = version;
    }
    subjects.commit(before.data_version, &after).await.unwrap();
    after
}

/// Every subject of a version as id and mark, read in pages.
pub async fn all(store: &dyn Store, source: &SourceId, version: u64, page: usize) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    loop {
        let after = found.last().map(|(id, _)| id.clone());
        let next = store.subjects().scan(source, version, after.as_deref(), page).await.unwrap();
        let short = next.len() < page;
        found.extend(next.into_iter().map(|s| (s.subject_id, s.ordo.concat())));
        if short {
            return found;
        }
    }
}

/// Owned pairs, for comparing.
pub fn pairs(expected: &[(&str, u64)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, mark)| ((*id).to_owned(), mark.to_string())).collect()
}

/// Whether the answer is a conflict.
pub fn conflicts<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Conflict(_)))
}
