//! The built-in issuer.
#[derive(Debug)]
pub struct Issuer;
