//! `examples/dashboard`: one producer sends the same samples to every viewer.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::Client;
use crate::support::client::{connect, handshake, next_or_end};
use crate::support::example::Example;

/// Returns the next sample.
async fn sample(client: &mut Client) -> Value {
    let Value::Array(mut samples) = client.next_json().await else { panic!("the message is an array of samples") };
    assert_eq!(samples.len(), 1, "one sample per second");
    samples.remove(0)
}

fn time(sample: &Value) -> u64 {
    sample["at"].as_u64().expect("a sample has a time")
}

/// Limits the open files of the process so that it can open this many more.
fn leave_files(process: u32, free: usize) {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process runs");
    let open: Vec<u64> = open.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok()).collect();
    // A new file gets the lowest free number, and the limit is above all numbers. Inherited files may have high numbers.
    let limit = (0..).filter(|number| !open.contains(number)).nth(free);
    let pid = rustix::process::Pid::from_raw(process.try_into().expect("a process id")).expect("a process id");
    let limits = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limits).expect("limits can be lowered");
}

/// Connections that use all file descriptors interrupt the samples, and do not end the program.
#[tokio::test]
async fn dashboard_survives_without_free_file_descriptors() {
    let (example, log) = Example::start_with_log("dashboard", "info");
    let mut log = BufReader::new(tokio::process::ChildStderr::from_std(log).unwrap()).lines();
    let address = example.address();
    let mut viewer = connect(address, "/ws/dashboard/").await;
    assert!(next_or_end(&mut viewer).await.is_some());
    leave_files(example.id(), 5);
    let mut sockets = Vec::new();
    // Sockets without a request leave files for others, so some are handshakes.
    for number in 0..80 {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        if number < 40 {
            let request = handshake("/ws/dashboard/", &format!("Host: {address}\n")).replace('\n', "\r\n");
            // The server may have closed the socket already.
            _ = socket.write_all(request.as_bytes()).await;
        }
        sockets.push(socket);
    }
    let failed = async { while !log.next_line().await.unwrap().expect("the program runs").contains("no sample") {} };
    tokio::time::timeout(Duration::from_secs(30), failed).await.expect("a sample fails");
    drop(sockets);
    let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let again = async {
        loop {
            let message = next_or_end(&mut viewer).await.expect("the program runs");
            let samples: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if samples.as_array().unwrap().iter().any(|sample| u128::from(time(sample)) > begun) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("samples arrive again");
}

#[tokio::test]
async fn dashboard_viewers_get_same_samples_and_last_minute() {
    let example = Example::start("dashboard", &[]);
    let mut ann = Client::connect(&example, "/ws/dashboard/").await;
    let mut bob = Client::connect(&example, "/ws/dashboard/").await;
    for client in [&mut ann, &mut bob] {
        assert!(client.next_json().await.is_array(), "the first message is the last minute");
    }

    // From here on both viewers are connected.
    let mut first = sample(&mut ann).await;
    while first["viewers"] != 2 {
        first = sample(&mut ann).await;
    }
    let second = sample(&mut ann).await;
    assert!(time(&first) < time(&second));
    let mut seen = sample(&mut bob).await;
    while time(&seen) < time(&second) {
        seen = sample(&mut bob).await;
    }
    assert_eq!(seen, second);

    // The samples are those of this machine.
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(second["memory_total"], total * 1024);
    let used = second["memory_used"].as_u64().unwrap();
    assert!(0 < used && used < total * 1024, "{used}");
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let cores = stat.lines().filter(|line| line.starts_with("cpu")).count() - 1;
    let busy: Vec<f64> = serde_json::from_value(second["cores"].clone()).unwrap();
    assert!(busy.len() == cores && busy.iter().all(|percent| (0.0..=100.0).contains(percent)), "{busy:?}");
    assert!(second["received"].is_u64() && second["sent"].is_u64());

    let mut late = Client::connect(&example, "/ws/dashboard/").await;
    let minute: Vec<Value> = serde_json::from_value(late.next_json().await).unwrap();
    assert!(minute.contains(&first) && minute.contains(&second), "{minute:?}");
    assert!(minute.is_sorted_by(|one, other| time(one) < time(other)), "{minute:?}");
}
