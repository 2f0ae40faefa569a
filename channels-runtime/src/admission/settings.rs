//! The settings of admission control.

use std::time::Duration;

use crate::admission::origin::{Hosts, Origins};
use crate::admission::proxies::Proxies;

/// The settings of [`ChannelsBuilder`](crate::ChannelsBuilder) for admission.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) origins: Origins,
    pub(crate) require_origin: bool,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Proxies,
    /// `None`: from the limit of open files.
    pub(crate) max_connections: Option<usize>,
    /// `None`: half of all connections, for internet addresses.
    pub(crate) max_per_address: Option<usize>,
    /// `None`: from the limit of open files.
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
