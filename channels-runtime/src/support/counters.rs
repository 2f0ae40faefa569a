//! Application counters. Each counter is declared once, with its metric.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Declares a list of counters: the struct that users read, and the struct of atomics. `=> METRIC["value"]` names the counter's
/// metric in [`metrics`](crate::support::metrics) and the value of its label. A counter without it is not exported by `report`.
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
            /// Returns the present values.
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
