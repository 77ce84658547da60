//! The query engine against a naive oracle, and what it promises beside answers: canonical plans, damaged parts
//! refused, indices that keep people back.
//!
//! Lives here: everything that needs whole sources. Rules of one file are tested beside it.
//!
//! The proof: `generate/` draws sources and questions, `case.rs` asks both sides, `oracle.rs` answers by the
//! specification (with questions read in `reading.rs` and similarities from `textbook.rs`), `rules.rs` changes
//! questions in ways whose effect is known, `shrink.rs` and `kept.rs` make a failure small and lasting,
//! `mutants.rs` shows that defects are found, `differential.rs` runs it all. To add a filter family: a condition in
//! `oracle.rs`, its spellings in `reading.rs` and `generate/questions.rs`, a defect in `mutants.rs`.
//! The modules say `cfg(test)` so that the lints on panics know them for tests, helpers included.

#[cfg(test)]
mod building;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod case;
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod dice;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod indices;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod merging;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod shrink;
#[cfg(test)]
mod source;
#[cfg(test)]
mod textbook;
#[cfg(test)]
mod world;
