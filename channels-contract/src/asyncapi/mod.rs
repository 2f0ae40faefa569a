//! The AsyncAPI 3.0 document.

mod document;
mod example;
#[cfg(test)]
mod fit;
mod schema;

pub(crate) use document::asyncapi;
