//! The record query engine: which subjects of a source satisfy a builder, and how much of that may be said.
//!
//! Lives here: what of a subject is searchable (`keys.rs`), the immutable index file (`part/`), all parts of
//! one version as a whole (`view.rs`), several parts made one (`merge.rs`) and what is published about it (`index.rs`), a builder made concrete for
//! one view (`plan.rs`, `expand.rs`), its execution (`execute.rs`, `threshold.rs`, `words.rs`), what that costs (`explain.rs`), and the shapes
//! of answers (`privacy.rs`, `blur.rs`). Does not live here: where parts are kept, who may ask, remote sources, waiting.
//! To add a filter: its form in `domain/queries.rs`, its keys or column in `keys.rs`, its predicate in
//! `plan.rs`, and its textbook loop in the oracle of `tests/engine`.

mod blur;
pub mod execute;
mod expand;
mod explain;
pub mod index;
pub mod keys;
mod merge;
pub mod part;
pub mod plan;
pub mod privacy;
mod threshold;
pub mod view;
mod words;

pub use blur::Blur;
pub use execute::{Hits, Ids, execute, execute_on};
pub use explain::Work;
pub use index::{IndexRules, Indices, Withheld};
pub use merge::merge;
pub use part::{Part, PartBuilder, PartError, PartStats, kept_bytes};
pub use plan::{Plan, Scope};
pub use view::SourceView;
