//! `examples/worker` as a process: signals, and the deadline of a running job.

use std::process::Stdio;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::support::example::program;
use crate::support::redis::RedisServer;
use crate::support::until::until;

/// Time limit for a process; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// `examples/worker`, with one job at a time.
struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Process {
    async fn start(redis: &RedisServer) -> Self {
        Self::start_on(redis, "core").await
    }

    async fn start_on(redis: &RedisServer, layer: &str) -> Self {
        let mut child = Command::new(program("worker"))
            .args(["--redis", &redis.url(), "--layer", layer, "work", "--jobs", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("cargo builds the examples before it runs the tests");
        let log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut this = Self { child, log };
        this.says("worker started").await;
        this
    }

    /// Waits until the log contains this text.
    async fn says(&mut self, text: &str) {
        let said = async {
            while let Some(line) = self.log.next_line().await.expect("its log is text") {
                if line.contains(text) {
                    return;
                }
            }
            panic!("the process ended without logging: {text}");
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("the log never contains: {text}"));
    }

    fn terminate(&self) {
        let id = self.child.id().expect("the process is running").to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until the process has ended with an error, because its jobs were cut off.
    async fn ended_with_jobs_cut_off(mut self, cause: &str) {
        self.says(&format!("1 consumers of the worker `primes` had not finished their jobs at {cause}")).await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the process ends").unwrap();
        assert_eq!(status.code(), Some(1));
    }

    /// Waits until the process has ended with success. Returns its output.
    async fn ended(mut self) -> String {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the process ends").unwrap();
        assert!(status.success(), "{status}");
        let mut printed = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut printed).await.unwrap();
        printed
    }
}

/// Requests the primes below a number, and waits until a worker has taken the job.
async fn ask(redis: &RedisServer, layer: &ChannelLayer, below: u64, reply_to: &ChannelName) {
    let job = json!({"type": "primes.wanted", "below": below, "reply_to": reply_to.as_str()});
    layer.send_raw("primes", job).await.unwrap();
    until("the job is taken", || redis.ask("ZCARD asgiprimes").number() == 0).await;
}

/// A job that never ends.
const ENDLESS: u64 = u64::MAX / 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_process_finishes_its_job_on_sigterm() {
    let redis = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[redis.url()]).await.unwrap();
    let answers = layer.new_channel().await.unwrap();
    let mut worker = Process::start(&redis).await;
    ask(&redis, &layer, 300_000, answers.name()).await;
    worker.terminate();
    worker.says("the worker finishes its running jobs").await;
    // The worker takes no other job.
    let other = json!({"type": "primes.wanted", "below": 10, "reply_to": answers.name().as_str()});
    layer.send_raw("primes", other).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, answers.receive()).await.expect("an answer").unwrap();
    assert_eq!(answer.to_value().unwrap()["count"], 25_997);
    let printed = worker.ended().await;
    assert!(printed.contains("done: 1, failed: 0"), "{printed}");
    assert_eq!(redis.ask("ZCARD asgiprimes").number(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_process_cancels_its_job_on_second_sigterm() {
    let redis = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[redis.url()]).await.unwrap();
    let answers = layer.new_channel().await.unwrap();
    let mut worker = Process::start(&redis).await;
    ask(&redis, &layer, ENDLESS, answers.name()).await;
    worker.terminate();
    worker.says("the worker finishes its running jobs").await;
    worker.terminate();
    worker.says("a worker's running jobs are cut off").await;
    worker.ended_with_jobs_cut_off("a second signal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_process_cancels_its_job_at_deadline() {
    let redis = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[redis.url()]).await.unwrap();
    let answers = layer.new_channel().await.unwrap();
    let mut worker = Process::start(&redis).await;
    ask(&redis, &layer, ENDLESS, answers.name()).await;
    let told = Instant::now();
    worker.terminate();
    worker.says("a worker's running jobs are cut off").await;
    worker.ended_with_jobs_cut_off("the deadline").await;
    // Ten seconds, with a margin for a busy machine.
    let took = told.elapsed().as_secs();
    assert!((9..30).contains(&took), "{took} s");
}

/// Two processes share the jobs, and one of them is killed: at most the job that it was running is lost.
async fn killed_worker_process_loses_only_its_running_job(kind: &'static str) {
    const JOBS: u64 = 90;
    let redis = RedisServer::start();
    let layer = match kind {
        "core" => ChannelLayer::redis_core(&[redis.url()]).await.unwrap(),
        _ => ChannelLayer::redis_pubsub(&[redis.url()]).await.unwrap(),
    };
    let answers = layer.new_channel().await.unwrap();
    let (mut killed, stays) = (Process::start_on(&redis, kind).await, Process::start_on(&redis, kind).await);
    let mut done = Vec::new();
    for number in 0..JOBS {
        let below = 30_000 + number;
        let job = json!({"type": "primes.wanted", "below": below, "reply_to": answers.name().as_str()});
        layer.send_raw("primes", job).await.unwrap();
        if number == JOBS / 2 {
            killed.child.start_kill().unwrap();
        }
    }
    killed.child.wait().await.unwrap();
    while (done.len() as u64) < JOBS - 1 {
        let answer = tokio::time::timeout(PATIENCE, answers.receive()).await;
        let answer = answer.unwrap_or_else(|_| panic!("only {} of {JOBS} jobs were done", done.len())).unwrap();
        done.push(answer.to_value().unwrap()["below"].as_u64().unwrap());
    }
    stays.terminate();
    assert!(stays.ended().await.contains("failed: 0"));
    // Arrives after all replies.
    layer.send_raw(answers.name().as_str(), json!({"type": "last"})).await.unwrap();
    loop {
        let answer = answers.receive().await.unwrap();
        if answer.event_name() == "last" {
            break;
        }
        done.push(answer.to_value().unwrap()["below"].as_u64().unwrap());
    }
    let times = done.len();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), times, "each job is done once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_worker_process_on_core_loses_only_its_running_job() {
    killed_worker_process_loses_only_its_running_job("core").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_worker_process_on_pubsub_loses_only_its_running_job() {
    killed_worker_process_loses_only_its_running_job("pubsub").await;
}
