//! The AsyncAPI document, as its parser judges it.
