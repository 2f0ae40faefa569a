//! Macros for what a feature needs. An exported macro lies at the root of the crate, whatever its file.

/// Keeps what a contract needs if the feature `contract` is on. So the macros need no feature of their own.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_contract {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Drops what a contract needs if the feature `contract` is off.
#[cfg(not(feature = "contract"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_contract {
    ($($tokens:tt)*) => {};
}

/// Reports `contract!` if the feature `contract` is off.
#[cfg(not(feature = "contract"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_contract {
    () => {
        compile_error!(
            "`contract!` needs the feature `contract`: write `channels-runtime = { .., features = [\"contract\"] }`"
        );
    };
}

/// Accepts `contract!`.
#[cfg(feature = "contract")]
#[doc(hidden)]
#[macro_export]
macro_rules! __needs_contract {
    () => {};
}

/// Keeps what the test tools need if the feature `testing` is on.
#[cfg(feature = "testing")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_testing {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Drops what the test tools need if the feature `testing` is off.
#[cfg(not(feature = "testing"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_testing {
    ($($tokens:tt)*) => {};
}

pub use crate::{__if_contract as if_contract, __if_testing as if_testing, __needs_contract as needs_contract};
