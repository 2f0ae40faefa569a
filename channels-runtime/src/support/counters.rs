//! What an application counts. Each figure is written once, with the metric that it is told as.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// A list of figures: the struct that users read, and the one that is counted in. `=> METRIC["value"]` names the metric of
/// [`figures`](crate::figures) and the value of its label; a figure without it is told otherwise.
macro_rules! counted {
    (
        $(#[$about:meta])*
        pub struct $Stats:ident of $Counters:ident {
            $($(#[$doc:meta])* $figure:ident $(=> $metric:ident $([$label:literal])?)?,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
        #[non_exhaustive]
        pub struct $Stats {
            $($(#[$doc])* pub $figure: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct $Counters {
            $(pub(crate) $figure: std::sync::atomic::AtomicU64,)*
        }

        impl $Counters {
            pub(crate) fn snapshot(&self) -> $Stats {
                $Stats { $($figure: self.$figure.load(std::sync::atomic::Ordering::Relaxed),)* }
            }
        }

        #[cfg(feature = "metrics")]
        impl $Stats {
            pub(crate) fn tell(&self) {
                $($($crate::support::metrics::$metric.tell(&[$($label)?], self.$figure);)?)*
            }
        }
    };
}

pub(crate) use counted;
