//! Counters and durations that only a metrics exporter reads. Without the feature `metrics`, every call is a no-op.

#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(feature = "metrics")]
mod recorder;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;
#[cfg(feature = "metrics")]
pub(crate) use recorder::*;
