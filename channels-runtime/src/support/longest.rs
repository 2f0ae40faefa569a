//! The longest time of a setting.

use std::time::Duration;

/// The longest time: 30 years. Every clock can add it to the present, and a setting that is longer counts as this long. So
/// `Duration::MAX` means "never", as in tokio.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
