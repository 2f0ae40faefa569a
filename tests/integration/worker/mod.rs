//! Workers on named channels.

mod jobs;
mod process;
