//! Tests of `#[consumer]`.

mod arguments;
mod block;
mod expansion;
mod helpers;
mod signatures;
mod support;
