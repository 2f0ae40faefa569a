//! The macro `counted!`, which declares application counters, each with its metric.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Declares counters as two structs: one that users read, and one of atomics.
///
/// `=> METRIC["value"]` after a counter names its metric in [`metrics`](crate::support::metrics) and the value of its label.
/// `report` does not export a counter without a metric.
macro_rules! counted {
    (
        $(#[$about:meta])*
        pub struct $Stats:ident of $Counters:ident {
            $($(#[$doc:meta])* $counter:ident $(=> $metric:ident $([$label:literal])?)?,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
        #[non_exhaustive]
        pub struct $Stats {
            $($(#[$doc])* pub $counter: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct $Counters {
            $(pub(crate) $counter: std::sync::atomic::AtomicU64,)*
        }

        impl $Counters {
            /// Returns the current values.
            pub(crate) fn snapshot(&self) -> $Stats {
                $Stats { $($counter: self.$counter.load(std::sync::atomic::Ordering::Relaxed),)* }
            }
        }

        #[cfg(feature = "metrics")]
        impl $Stats {
            /// Reports the counters to the metrics recorder.
            pub(crate) fn report(&self) {
                $($($crate::support::metrics::$metric.set(&[$($label)?], self.$counter);)?)*
            }
        }
    };
}

pub(crate) use counted;
