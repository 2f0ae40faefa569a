//! The AsyncAPI 3.0 document.

mod document;
mod example;
#[cfg(test)]
pub(crate) mod fit;
pub(crate) mod schema;

pub(crate) use document::asyncapi;
