//! How long the test clients wait.

use std::time::Duration;

/// How long something is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How long silence must last to count as nothing.
pub(crate) const SILENCE: Duration = Duration::from_millis(100);
