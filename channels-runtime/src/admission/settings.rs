//! The settings of admission control.

use std::time::Duration;

use crate::admission::origin::{Hosts, Origins};
use crate::admission::proxies::Proxies;

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

/// What [`ChannelsBuilder`](crate::ChannelsBuilder) says about the door.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origins: Origins,
    pub(crate) require_origin: bool,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Proxies,
    /// `None`: as many as the process may open files for.
    pub(crate) max_connections: Option<usize>,
    /// `None`: half of all, for addresses of the internet.
    pub(crate) max_per_address: Option<usize>,
    /// `None`: as many as the process may open files for.
    pub(crate) handshakes_per_second: Option<u32>,
    pub(crate) max_waiting: usize,
    pub(crate) header_deadline: Duration,
    pub(crate) token_parameter: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origins: Origins::SameHost,
            require_origin: false,
            hosts: Hosts::any(),
            proxies: Proxies::default(),
            max_connections: None,
            max_per_address: None,
            handshakes_per_second: None,
            max_waiting: 512,
            header_deadline: Duration::from_secs(10),
            token_parameter: None,
        }
    }
}
