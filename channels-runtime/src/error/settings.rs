//! Errors of settings: every wrong setting, each with its remedy.

use std::fmt;

/// The wrong settings of a [`ChannelsBuilder`](crate::ChannelsBuilder): all of them, not only the first.
///
/// ```
/// use std::time::Duration;
/// use channels_runtime::prelude::*;
///
/// let builder = Channels::builder()
///     .allowed_origins(["*.example.org"])
///     .heartbeat(Duration::from_secs(30), Duration::from_secs(20));
/// let error = builder.build().unwrap_err();
/// let settings: Vec<_> = error.settings().iter().map(|setting| setting.name()).collect();
/// assert_eq!(settings, ["heartbeat", "allowed_origins"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError(Vec<SettingError>);

impl BuildError {
    pub(crate) fn new(settings: Vec<SettingError>) -> Self {
        Self(settings)
    }

    /// Returns the wrong settings, in the order of their documentation.
    pub fn settings(&self) -> &[SettingError] {
        &self.0
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the application has unusable settings: ")?;
        for (index, setting) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{setting}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// One wrong setting: a part of [`BuildError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: {problem}")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

impl SettingError {
    pub(crate) fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }

    /// Returns the name of the builder's method for this setting: `"heartbeat"`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the problem and its remedy.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
