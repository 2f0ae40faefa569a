//! The whole system, through its public API. The folders are the layers of `channels-runtime/src`.

mod admission;
mod app;
mod auth;
mod codec;
mod connection;
mod consumer;
mod examples;
mod faults;
mod layer;
mod server;
mod session;
mod support;
mod testing;
mod web;
mod websocket;
mod worker;
