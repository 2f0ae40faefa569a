//! Workers: consumers on a named channel, on every layer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::stats::{JobStats, LayerStats};
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use crate::support::redis::RedisServer;
use crate::support::until::{until, until_within};

#[event("job")]
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) does: String,
}

#[event("answer")]
pub(crate) struct Answer {
    pub(crate) number: u32,
    pub(crate) by: ChannelName,
}

#[group("shift", events(Job))]
pub(crate) struct Shift;

pub(crate) fn job(number: u32, does: &str) -> Job {
    Job { number, does: does.into() }
}

/// The jobs that were done, by the name of the channel. Each test has its own channel.
pub(crate) static DONE: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());

pub(crate) fn done(channel: &str) -> Vec<u32> {
    DONE.lock().unwrap().iter().filter(|(name, _)| name == channel).map(|(_, number)| *number).collect()
}

pub(crate) struct JobConsumer {
    pub(crate) channel: String,
    pub(crate) since_it_began: u32,
}

#[consumer]
impl JobConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Shift).await?;
        Ok(Self { channel: cx.scope().path().into(), since_it_began: 0 })
    }

    #[handler("job")]
    async fn job(&mut self, cx: &mut Context<Self>, event: &Job) -> Result<()> {
        match event.does.as_str() {
            "panic" => panic!("as asked"),
            "fail" => return Err(Error::msg("as asked")),
            "talk" => return talk(cx).await,
            "doze" => {
                DOZING.fetch_add(1, SeqCst);
                DOZED.notified().await;
            }
            "sleep" => tokio::time::sleep(Duration::from_millis(300)).await,
            reply if reply.starts_with("reply ") => {
                let to = ChannelName::new(&reply["reply ".len()..])?;
                let by = cx.channel_name().untyped();
                cx.send_event(&to, &Answer { number: self.since_it_began, by }).await?;
            }
            _ => {}
        }
        self.since_it_began += 1;
        DONE.lock().unwrap().push((self.channel.clone(), event.number));
        Ok(())
    }

    #[disconnect]
    async fn disconnect(&mut self, _: &mut Context<Self>, _: CloseCode) {
        DONE.lock().unwrap().push((self.channel.clone(), 1_000_000));
    }
}

/// The number of jobs that wait for [`DOZED`].
static DOZING: AtomicUsize = AtomicUsize::new(0);

static DOZED: Notify = Notify::const_new();

/// Not in the block, where the compiler would see that a worker has no client.
async fn talk(cx: &mut Context<JobConsumer>) -> Result<()> {
    cx.send_text("to whom?").await
}

pub(crate) const DISCONNECTED: u32 = 1_000_000;

pub(crate) struct Running {
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: tokio::task::JoinHandle<(Result<()>, JobStats)>,
}

impl Running {
    pub(crate) fn begin(layer: &ChannelLayer, channel: &str, concurrency: usize) -> Self {
        let channels = Channels::builder().layer(layer.clone()).build().unwrap();
        let worker = channels.worker::<JobConsumer>(channel).concurrency(concurrency);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let outcome = worker.run_until(async { _ = stopped.await }).await;
            (outcome, channels.stats().jobs)
        });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) -> JobStats {
        _ = self.stop.send(());
        let (outcome, stats) = tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
        outcome.unwrap();
        stats
    }
}

/// Runs jobs of every kind through one worker.
pub(crate) async fn worker_handles_jobs_of_every_kind(layer: ChannelLayer, channel: &'static str) {
    let worker = Running::begin(&layer, channel, 1);
    let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
    // Memory and pub/sub keep nothing for a worker that has not started.
    until("the worker is running", || layer.members_here(&Shift).unwrap() == 1).await;
    let answers = layer.new_channel().await.unwrap();
    let reply = format!("reply {}", answers.name());
    for (number, does) in [(1, "work"), (2, "fail"), (3, reply.as_str()), (4, "talk"), (5, "panic"), (6, &reply)] {
        layer.send(&to, &job(number, does)).await.unwrap();
    }
    layer.send_raw(channel, json!({"type": "nothing.known"})).await.unwrap();
    layer.send_raw(channel, json!({"type": "job", "number": "not one"})).await.unwrap();
    layer.send(&to, &job(7, "work")).await.unwrap();
    until("the last job is done", || done(channel).contains(&7)).await;
    // The panic ended the consumer, not the worker.
    assert_eq!(done(channel), [1, 3, DISCONNECTED, 6, 7]);
    let answer = |envelope: channels_runtime::Envelope| envelope.decode::<Answer>().unwrap();
    let first = answer(answers.receive().await.unwrap());
    let second = answer(answers.receive().await.unwrap());
    assert_eq!((first.number, second.number), (1, 0));
    assert_ne!(first.by, second.by);
    assert_eq!(layer.stats().unhandled, 1);
    assert_eq!(layer.stats().undecodable, 1);

    layer.group_send(&Shift, &job(8, "work")).await.unwrap();
    until("the group's event is handled", || done(channel).contains(&8)).await;

    // The worker finishes its running job before it stops.
    layer.send(&to, &job(9, "sleep")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stats = worker.stop().await;
    assert_eq!(done(channel)[5..], [8, 9, DISCONNECTED]);
    assert_eq!((stats.done, stats.failed, stats.panicked), (6, 4, 1));
    assert_eq!(layer.channels_here(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_memory_handles_jobs_of_every_kind() {
    worker_handles_jobs_of_every_kind(ChannelLayer::in_memory(), "life-memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_core_handles_jobs_of_every_kind() {
    let server = RedisServer::start();
    worker_handles_jobs_of_every_kind(ChannelLayer::redis_core(&[server.url()]).await.unwrap(), "life-core").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_pubsub_handles_jobs_of_every_kind() {
    let server = RedisServer::start();
    worker_handles_jobs_of_every_kind(ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap(), "life-pubsub").await;
}

/// A worker that stops does the jobs that wait at that time and no more; a panicking job is handled as usual.
pub(crate) async fn worker_finishes_queued_jobs_on_stop(layer: ChannelLayer, channel: &'static str) {
    let worker = Running::begin(&layer, channel, 1);
    let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
    until("the worker is running", || layer.members_here(&Shift).unwrap() == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for (number, does) in [(1, "sleep"), (2, "panic"), (3, "work")] {
        layer.send(&to, &job(number, does)).await.unwrap();
    }
    until("all jobs have arrived", || layer.stats().delivered == 3).await;
    // A further job is always there, because each job takes longer than the next one takes to arrive.
    let busy = tokio::spawn(async move {
        let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
        for number in 100.. {
            _ = layer.send(&to, &job(number, "sleep")).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let stats = worker.stop().await;
    busy.abort();
    let done = done(channel);
    assert_eq!(done[..3], [1, DISCONNECTED, 3], "the one that panicked was replaced");
    assert_eq!(done.last(), Some(&DISCONNECTED));
    assert_eq!((stats.panicked, stats.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_memory_finishes_queued_jobs_on_stop() {
    worker_finishes_queued_jobs_on_stop(ChannelLayer::in_memory(), "stops-memory").await;
}

/// Opens a layer: one of several processes that share these servers.
pub(crate) async fn open(kind: &str, hosts: &[String], config: &LayerConfig) -> ChannelLayer {
    let opened = match kind {
        "core" => ChannelLayer::redis_core_with(hosts, config.clone()).await,
        _ => ChannelLayer::redis_pubsub_with(hosts, config.clone()).await,
    };
    opened.unwrap()
}

/// A worker that stops takes no further job. The others wait in Redis for another worker.
pub(crate) async fn worker_leaves_waiting_jobs_on_stop(kind: &str, channel: &'static str) {
    let server = RedisServer::start();
    let layer = open(kind, &[server.url()], &LayerConfig::default()).await;
    let first = Running::begin(&layer, channel, 1);
    let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
    until("the worker is running", || layer.members_here(&Shift).unwrap() == 1).await;
    for (number, does) in [(1, "sleep"), (2, "work"), (3, "work")] {
        layer.send(&to, &job(number, does)).await.unwrap();
    }
    let queue = queue(kind, channel);
    until("the other jobs wait", || server.ask(&format!("ZCARD {queue}")).number() == 2).await;
    first.stop().await;
    assert_eq!(done(channel), [1, DISCONNECTED]);
    assert_eq!(server.ask(&format!("ZCARD {queue}")).number(), 2);
    let second = Running::begin(&layer, channel, 1);
    until("the other jobs are done", || done(channel).len() == 4).await;
    second.stop().await;
    assert_eq!(done(channel)[2..], [2, 3, DISCONNECTED]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_core_leaves_waiting_jobs_on_stop() {
    worker_leaves_waiting_jobs_on_stop("core", "leaves-core").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_on_pubsub_leaves_waiting_jobs_on_stop() {
    worker_leaves_waiting_jobs_on_stop("pubsub", "leaves-pubsub").await;
}

/// Returns the key of a channel's queue in Redis.
pub(crate) fn queue(kind: &str, channel: &str) -> String {
    if kind == "core" { format!("asgi{channel}") } else { format!("asgi__jobs__{channel}") }
}

/// Waits until all workers of these layers take jobs.
pub(crate) async fn until_running(layers: &[ChannelLayer], each: usize) {
    until("the workers are running", || layers.iter().all(|layer| layer.members_here(&Shift).unwrap() == each)).await;
}

/// Runs workers on one channel in several processes: each job is done once.
pub(crate) async fn worker_processes_share_jobs(kind: &str, servers: usize, channel: &'static str) {
    let servers: Vec<_> = (0..servers).map(|_| RedisServer::start()).collect();
    let hosts: Vec<_> = servers.iter().map(RedisServer::url).collect();
    let config = LayerConfig::default().capacity(10_000);
    let mut workers = Vec::new();
    let mut layers = Vec::new();
    for _ in 0..3 {
        let layer = open(kind, &hosts, &config).await;
        workers.push(Running::begin(&layer, channel, 2));
        layers.push(layer);
    }
    until_running(&layers, 2).await;
    let layer = open(kind, &hosts, &config).await;
    let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
    for number in 0..5000 {
        layer.send(&to, &job(number, "work")).await.unwrap();
    }
    until("all jobs are done", || done(channel).len() >= 5000).await;
    let mut by_each = Vec::new();
    for worker in workers {
        by_each.push(worker.stop().await.done);
    }
    let mut times: HashMap<u32, u32> = HashMap::new();
    for number in done(channel).into_iter().filter(|number| *number != DISCONNECTED) {
        *times.entry(number).or_default() += 1;
    }
    assert_eq!(times.len(), 5000);
    assert!(times.values().all(|times| *times == 1));
    assert_eq!(by_each.iter().sum::<u64>(), 5000);
    assert!(by_each.iter().all(|done| *done > 500), "{by_each:?}");
    for server in &servers {
        assert_eq!(server.ask(&format!("EXISTS {}", queue(kind, channel))).number(), 0);
        assert_eq!(server.ask(&format!("EXISTS asgi{channel}$inflight")).number(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_processes_do_each_job_once() {
    worker_processes_share_jobs("core", 1, "shared-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_processes_do_each_job_once_on_three_shards() {
    worker_processes_share_jobs("core", 3, "shared-3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_processes_on_pubsub_do_each_job_once() {
    worker_processes_share_jobs("pubsub", 1, "shared-pubsub-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_processes_on_pubsub_do_each_job_once_on_three_shards() {
    worker_processes_share_jobs("pubsub", 3, "shared-pubsub-3").await;
}

/// Processes join and leave, and one loses its connection again and again, while another process stays: no job is lost, and
/// none is done twice, although many of them are equal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_processes_on_pubsub_keep_jobs_while_others_join_leave_and_reconnect() {
    let server = RedisServer::start();
    let config = LayerConfig::default().capacity(10_000);
    let hosts = [server.url()];
    let (channel, subscribers) = ("changing", || server.ask("CLIENT LIST TYPE pubsub").text());
    let stays = open("pubsub", &hosts, &config).await;
    let staying = Running::begin(&stays, channel, 1);
    until_running(std::slice::from_ref(&stays), 1).await;
    let keep = subscribers();
    let keep = keep.split_whitespace().find(|word| word.starts_with("id=")).expect("its connection").to_owned();
    let cut = open("pubsub", &hosts, &config).await;
    let reconnecting = Running::begin(&cut, channel, 1);
    until_running(std::slice::from_ref(&cut), 1).await;

    let (sender, sends) = (open("pubsub", &hosts, &config).await, Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&sends);
    let sending = tokio::spawn(async move {
        let to = ChannelName::<JobConsumer>::of_worker(channel).unwrap();
        loop {
            // All jobs of a hundred are the same bytes.
            sender.send(&to, &job(counted.load(SeqCst) / 100, "work")).await.unwrap();
            counted.fetch_add(1, SeqCst);
        }
    });
    for _ in 0..8 {
        // The sender's connection is among them; it has no worker.
        for client in subscribers().lines().filter(|client| !client.contains(&format!("{keep} "))) {
            let id = client.split(' ').find_map(|word| word.strip_prefix("id=")).expect("an id");
            server.ask(&format!("CLIENT KILL ID {id}"));
        }
        let joins = open("pubsub", &hosts, &config).await;
        let joining = Running::begin(&joins, channel, 1);
        until_running(std::slice::from_ref(&joins), 1).await;
        let before = sends.load(SeqCst);
        until("jobs are sent meanwhile", || sends.load(SeqCst) >= before + 200).await;
        joining.stop().await;
        joins.close().await;
    }
    sending.abort();
    _ = sending.await;
    let numbers = || done(channel).into_iter().filter(|number| *number != DISCONNECTED).collect::<Vec<_>>();
    // The last send may have been cut off after Redis executed it.
    let sent = sends.load(SeqCst) as usize;
    until("all jobs are done", || numbers().len() >= sent).await;
    staying.stop().await;
    reconnecting.stop().await;
    assert!(cut.stats().gaps > 0, "its connection was lost");
    assert!((sent..=sent + 1).contains(&numbers().len()), "{} of {sent}", numbers().len());
    let mut times: HashMap<u32, u32> = HashMap::new();
    numbers().into_iter().for_each(|number| *times.entry(number).or_default() += 1);
    let last = u32::try_from(sent / 100).unwrap();
    assert!((0..last).all(|number| times[&number] == 100), "{times:?}");
}

/// A full queue drops the newest jobs, which one of the processes counts. A job that waited for `expiry` is not done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_queue_on_pubsub_has_capacity_and_expiry() {
    let server = RedisServer::start();
    let (hosts, config) = ([server.url()], LayerConfig::default().capacity(2).expiry(Duration::from_secs(1)));
    let layers = [open("pubsub", &hosts, &config).await, open("pubsub", &hosts, &config).await];
    let workers = layers.each_ref().map(|layer| Running::begin(layer, "bounded", 1));
    until_running(&layers, 1).await;
    let to = ChannelName::<JobConsumer>::of_worker("bounded").unwrap();
    for number in [1, 2] {
        layers[0].send(&to, &job(number, "doze")).await.unwrap();
    }
    until("both workers are busy", || DOZING.load(SeqCst) == 2).await;
    for number in 3..8 {
        layers[0].send(&to, &job(number, "work")).await.unwrap();
    }
    let total = |of: fn(&LayerStats) -> u64| layers.iter().map(|layer| of(&layer.stats())).sum::<u64>();
    until("three jobs are dropped", || total(|stats| stats.dropped_full) == 3).await;
    assert_eq!(server.ask("ZCARD asgi__jobs__bounded").number(), 2);
    until("the others have expired", || server.ask("EXISTS asgi__jobs__bounded").number() == 0).await;
    DOZED.notify_waiters();
    let done_by = workers.map(|worker| tokio::spawn(async move { worker.stop().await.done }));
    let mut by_each = Vec::new();
    for done in done_by {
        by_each.push(done.await.unwrap());
    }
    assert_eq!(by_each, [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_when_busy_holds_no_further_job() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_core_with(&[server.url()], LayerConfig::default().capacity(2)).await.unwrap();
    let worker = Running::begin(&layer, "busy", 1);
    let to = ChannelName::<JobConsumer>::of_worker("busy").unwrap();
    layer.send(&to, &job(1, "sleep")).await.unwrap();
    until("the first job is taken", || server.ask("ZCARD asgibusy").number() == 0).await;
    layer.send(&to, &job(2, "work")).await.unwrap();
    layer.send(&to, &job(3, "work")).await.unwrap();
    // Both jobs wait in Redis, and a third send returns an error.
    assert_eq!(server.ask("ZCARD asgibusy").number(), 2);
    let error = layer.send(&to, &job(4, "work")).await.unwrap_err();
    assert!(matches!(error, LayerError::ChannelFull { capacity: 2, .. }), "{error}");
    until("all jobs are done", || done("busy").len() == 3).await;
    worker.stop().await;
    assert_eq!(done("busy"), [1, 2, 3, DISCONNECTED]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_reconnects_to_restarted_redis() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[server.url()]).await.unwrap();
    let worker = Running::begin(&layer, "restarted", 1);
    let server = server.restart();
    let to = ChannelName::<JobConsumer>::of_worker("restarted").unwrap();
    until_within(Duration::from_secs(10), "Redis accepts the job", async || {
        layer.send(&to, &job(1, "work")).await.is_ok()
    })
    .await;
    until("the job is done", || !done("restarted").is_empty()).await;
    worker.stop().await;
    drop(server);
}

/// The key of the wrong type is counted, returned as an error to the sender, and left unchanged. Jobs are done again once
/// the key is a queue.
#[tokio::test]
async fn worker_survives_invalid_queue_and_entries() {
    let server = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[server.url()]).await.unwrap();
    server.ask("SET asgispoilt somebody");
    let worker = Running::begin(&layer, "spoilt", 1);
    until("the wrong type is counted", || layer.stats().undecodable == 1).await;
    let to = ChannelName::<JobConsumer>::of_worker("spoilt").unwrap();
    let error = layer.send(&to, &job(1, "work")).await.unwrap_err();
    let told = std::error::Error::source(&error).expect("the error has a source").to_string();
    assert!(told.contains("does not hold a sorted set"), "{told}");
    assert_eq!(server.ask("GET asgispoilt").text(), "somebody");
    server.ask("DEL asgispoilt");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    server.ask(&format!("ZADD asgispoilt {now} garbage"));
    layer.send(&to, &job(2, "work")).await.unwrap();
    until("the job is done", || done("spoilt").len() == 1).await;
    assert_eq!(layer.stats().undecodable, 2);
    worker.stop().await;
    assert_eq!(done("spoilt"), [2, DISCONNECTED]);
}

#[tokio::test]
async fn worker_with_invalid_name_fails_to_start() {
    let layer = ChannelLayer::in_memory();
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    for bad in ["not legal", "specific.a!b", ""] {
        let error = channels.worker::<JobConsumer>(bad).run_until(std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains("worker channel name"), "{error}");
    }
    let first = Running::begin(&layer, "twice", 1);
    until("the first worker runs", || layer.channels_here() == 2).await;
    let error = channels.worker::<JobConsumer>("twice").run_until(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("already has a worker in this process"), "{error}");
    first.stop().await;

    let closed = Running::begin(&layer, "closed", 1);
    until("the process is running", || layer.channels_here() == 2).await;
    layer.close().await;
    let (outcome, _) = closed.task.await.unwrap();
    assert!(outcome.unwrap_err().to_string().contains("the channel layer is closed"));
}

pub(crate) static BEGUN: AtomicUsize = AtomicUsize::new(0);

pub(crate) static ENDED: AtomicUsize = AtomicUsize::new(0);

/// The third consumer cannot be created.
pub(crate) struct Third;

#[consumer]
impl Third {
    #[connect]
    async fn connect(_: &mut Context<Self>) -> Result<Self, Reject> {
        if BEGUN.fetch_add(1, SeqCst) == 2 { Err(Reject::forbidden()) } else { Ok(Self) }
    }

    #[disconnect]
    async fn disconnect(&mut self, _: &mut Context<Self>, _: CloseCode) {
        ENDED.fetch_add(1, SeqCst);
    }
}

#[tokio::test]
async fn worker_with_rejected_consumer_fails_before_work() {
    let layer = ChannelLayer::in_memory();
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let worker = channels.worker::<Third>("third").concurrency(4);
    let error = worker.run_until(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("`connect` of `Third` rejected"), "{error}");
    assert_eq!((BEGUN.load(SeqCst), ENDED.load(SeqCst)), (3, 2));
    assert_eq!(layer.channels_here(), 0);
}
