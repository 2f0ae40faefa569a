//! The whole system, through its public API.
