//! Errors of settings.

/// A setting of [`ChannelsBuilder`](crate::ChannelsBuilder) that can never do what it is meant to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A pattern that fits no origin.
    #[error("`{pattern}` is no origin: {problem}")]
    Origin {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A pattern that fits no host.
    #[error("`{pattern}` is no host: {problem}")]
    Host {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something that is no network.
    #[error("`{network}` is neither an address nor a network like `10.0.0.0/8`")]
    Network {
        /// What was given.
        network: String,
    },
}
