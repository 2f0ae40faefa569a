//! The functions of `recorder` as no-ops.

use futures_util::future::BoxFuture;

/// The start of a call, not measured.
pub(crate) struct Began;

/// The guard of a measured call.
pub(crate) struct Timing;

pub(crate) fn sent(_event: &'static str) {}

pub(crate) fn received(_consumer: &'static str, _event: impl FnOnce() -> Option<&'static str>) {}

pub(crate) fn refused(_consumer: &'static str, _code: &'static str) {}

pub(crate) fn begun() -> Began {
    Began
}

impl Began {
    pub(crate) fn record(self, _consumer: &'static str, _attribute: &'static str) {}

    pub(crate) fn timing(self, _consumer: &'static str, _attribute: &'static str) -> Option<Timing> {
        None
    }
}

pub(crate) fn timed<'a, T: Send + 'a>(
    _consumer: &'static str,
    _attribute: &'static str,
    _began: Began,
    call: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    call
}
