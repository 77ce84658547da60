//! Which format the database is in: a document of `instance.config` that no listing shows.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::CollectionOptions;
use mongodb::{Collection, Database};

use super::{concern, error};
use crate::store::{Room, StoreError};

/// The id of the document that says it.
pub(super) const DOCUMENT: &str = "StoreFormat";
/// The format this program writes; the original's data have none and are the first.
const FORMAT: i64 = 1;

/// Refuses a database of a newer format by name, and notes the format where there is no note.
pub(super) async fn check(database: &Database) -> Result<(), StoreError> {
    let options = CollectionOptions::builder().write_concern(concern(true)).build();
    let collection: Collection<Document> =
        database.collection_with_options(Room::Config.collection(), options);
    let field = Room::Config.id_field();
    if let Some(note) = collection.find_one(doc! { field: DOCUMENT }).await? {
        let format = match note.get("format") {
            Some(Bson::Int32(format)) => i64::from(*format),
            Some(Bson::Int64(format)) => *format,
            other => {
                return Err(StoreError::engine(format!(
                    "the document {DOCUMENT} of {} says format {other:?}, expected a number",
                    Room::Config.collection()
                )));
            }
        };
        if format > FORMAT {
            return Err(StoreError::engine(format!(
                "the MongoDB database {} is in format {format}, which cv3-backend {} wrote; this is {}, which knows \
                 format {FORMAT}: run that version or a later one",
                database.name(),
                note.get_str("program").unwrap_or("of an unknown version"),
                env!("CARGO_PKG_VERSION"),
            )));
        }
        return Ok(());
    }
    let note =
        doc! { "_id": DOCUMENT, field: DOCUMENT, "format": FORMAT, "program": env!("CARGO_PKG_VERSION") };
    match collection.insert_one(note).await {
        // Another process noted it first.
        Err(failed) if error::duplicate(&failed).is_some() => Ok(()),
        Err(failed) if error::is_refusal(&failed) => {
            tracing::warn!(
                database = database.name(),
                "MongoDB does not let this user write, the format is not noted"
            );
            Ok(())
        }
        Err(failed) => Err(failed.into()),
        Ok(_) => Ok(()),
    }
}
