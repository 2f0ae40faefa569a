//! Python types: every event with its fields, every group with its events and the handlers of its members.

mod annotation;
mod group;
mod module;
mod names;
mod source;

pub(crate) use module::python;
