//! The log of the examples.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Writes the log to stderr, from the level INFO on. The variable `RUST_LOG` sets other levels.
///
/// With the feature `env-filter`, `tracing_subscriber::fmt::init()` logs only errors unless `RUST_LOG` is set.
pub(crate) fn init() {
    let levels = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(levels).with_writer(std::io::stderr).init();
}
