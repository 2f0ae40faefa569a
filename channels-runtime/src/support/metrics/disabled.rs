//! No-op versions of the functions of `recorder`, for builds without the feature `metrics`.

use futures_util::future::BoxFuture;

/// The start of a call. It is not measured.
pub(crate) struct CallStart;

/// The guard of a measured call. It is never created.
pub(crate) struct Timing;

pub(crate) fn sent(_event: &'static str) {}

pub(crate) fn received(_consumer: &'static str, _event: impl FnOnce() -> Option<&'static str>) {}

pub(crate) fn refused(_consumer: &'static str, _code: &'static str) {}

pub(crate) fn start_call() -> CallStart {
    CallStart
}

impl CallStart {
    pub(crate) fn record(self, _consumer: &'static str, _attribute: &'static str) {}

    pub(crate) fn timing(self, _consumer: &'static str, _attribute: &'static str) -> Option<Timing> {
        None
    }
}

pub(crate) fn timed<'a, T: Send + 'a>(
    _consumer: &'static str,
    _attribute: &'static str,
    _start: CallStart,
    call: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    call
}
