//! `load fan8 --addr 127.0.0.1:8000 --pid 1234` plays a scenario against a chat server and prints a line of JSON.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match load::scenario::run(&load::scenario::Options::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", serde_json::json!({ "error": failure }));
            ExitCode::FAILURE
        }
    }
}
