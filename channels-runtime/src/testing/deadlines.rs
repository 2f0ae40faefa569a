//! Time limits of the test tools.

use std::time::Duration;

/// The time limit for something that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The time for which nothing must happen.
pub(crate) const SILENCE: Duration = Duration::from_millis(100);
