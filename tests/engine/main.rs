//! The query engine against a naive oracle, and what it promises beside answers: canonical plans, damaged parts
//! refused, indices that keep people back.
//!
//! Lives here: everything that needs whole sources. Rules of one file are tested beside it. To add a filter
//! family: a textbook loop in `oracle.rs`, a generator in `generate.rs`.
//! The modules say `cfg(test)` so that the lints on panics know them for tests, helpers included.
//! `CV3_PAIRS` sets how many (source, builder) pairs the differential test draws, `CV3_SEED` where it starts.

#[cfg(test)]
mod building;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod indices;
#[cfg(test)]
mod merging;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod source;
#[cfg(test)]
mod world;
