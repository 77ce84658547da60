//! Reads a query builder as published, with every alias, into its canonical form.
#[derive(Debug)]
pub struct BuilderError;
#[derive(Debug)]
pub struct Problem;
