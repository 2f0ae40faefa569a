//! One connection: its mailbox, its outbound queue and its rate limit.

mod backpressure;
mod board;
mod mailbox;
mod overflow;
mod rate_limit;
mod unfinished;
