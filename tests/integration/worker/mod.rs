//! Workers on named channels.

mod arguments;
mod jobs;
mod process;
