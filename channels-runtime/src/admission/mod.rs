//! Admission control for a server: the checks and limits before any code of the application runs.

mod admission;
mod open_files;
mod origin;
mod proxies;
mod settings;
mod stats;

pub(crate) use admission::{Admission, counted_as, retry_after};
pub(crate) use origin::{Hosts, Origins, is_host_and_port};
pub(crate) use proxies::Proxies;
pub(crate) use settings::Settings;
pub use stats::HandshakeStats;
