//! The AsyncAPI 3.0 document.

mod document;
mod example;
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod validation;

pub(crate) use document::asyncapi;
