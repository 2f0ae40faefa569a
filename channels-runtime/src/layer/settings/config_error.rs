//! The error of reading a layer's settings, or of opening the layer.

use std::io;
use std::path::PathBuf;

/// The environment variable with the layers, as JSON.
pub(super) const VARIABLE: &str = "CHANNEL_LAYERS";

/// An error in the settings of a layer, or in opening it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the file of {VARIABLE}, {}, cannot be read", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// `CHANNEL_LAYERS` is not JSON.
    #[error(
        "{VARIABLE} is not a JSON object such as {{\"default\": {{\"BACKEND\": \"channels.layers.InMemoryChannelLayer\"}}}}"
    )]
    NotJson(#[source] serde_json::Error),
    /// A key is missing or unknown, or its value is not valid.
    #[error("{VARIABLE}[\"{alias}\"]{path}: {problem}")]
    Setting {
        /// The layer's alias.
        alias: String,
        /// The place of the setting in the layer: `["CONFIG"]["capacity"]`.
        path: String,
        /// The problem, and the valid values.
        problem: String,
    },
    /// Redis cannot be reached, or its address is not valid.
    #[error("the layer \"{alias}\" cannot be opened")]
    Open {
        /// The layer's alias.
        alias: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConfigError {
    /// Makes the error of one setting. `path` is its place in the layer: `["CONFIG"]["capacity"]`.
    pub(super) fn setting(alias: &str, path: String, problem: impl Into<String>) -> Self {
        Self::Setting { alias: alias.into(), path, problem: problem.into() }
    }
}
