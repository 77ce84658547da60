//! What answers give away, measured by attacking them: levels, noise, budget, small numbers, differencing.
//!
//! Lives here: attackers who do what a user may do and know all the rest, over many simulated sources with fixed
//! seeds; the figures stand in `docs/security.md`. Does not: whether answers are right (`tests/engine`).
//! To add an attack: a list of [`attack::Answer`]s in a file here, and a row in the document.
//! The modules say `cfg(test)` so that the lints on panics know them for tests, helpers included.

#[cfg(test)]
mod attack;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod differencing;
#[cfg(test)]
mod frequency;
#[cfg(test)]
mod guessing;
#[cfg(test)]
mod house;
#[cfg(test)]
mod noops;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod small;
#[cfg(test)]
#[path = "../engine/world.rs"]
mod world;
