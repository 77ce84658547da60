//! Who may do what: roles by area as one table (specification §5.5, §5.6).
