//! Workers in a test: the workers of all simulated processes share the jobs, as over Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::LayerProbe;
use tokio::task::JoinHandle;

#[event("count.wanted")]
struct Wanted {
    number: u32,
}

#[event("count.done")]
struct Done {
    number: u32,
    by: ChannelName,
}

#[group("counts", events(Done))]
struct Counts;

#[derive(Default)]
struct CountConsumer;

#[consumer]
impl CountConsumer {
    #[handler("count.wanted")]
    async fn wanted(&mut self, cx: &mut Context<Self>, event: &Wanted) -> Result<()> {
        // A job takes time, so that the other worker has its turn.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let by = cx.channel_name().untyped();
        cx.group_send(&Counts, &Done { number: event.number, by }).await
    }
}

async fn worker(layer: &ChannelLayer) -> (Channels, JoinHandle<Result<()>>) {
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let running = tokio::spawn(channels.worker::<CountConsumer>("counting").run());
    // Its consumer has a channel once the worker takes jobs.
    while layer.channels_here() == 0 {
        tokio::task::yield_now().await;
    }
    (channels, running)
}

fn counting() -> ChannelName<CountConsumer> {
    ChannelName::of_worker("counting").unwrap()
}

/// Sends jobs to two processes with a worker each. Returns the jobs that were done, and the channels of the workers that did
/// them, in their order.
async fn jobs_of_two_processes(probe: &LayerProbe) -> Vec<(u32, ChannelName)> {
    let (one, other) = (probe.process(), probe.process());
    let (_one, _other) = (worker(&one).await, worker(&other).await);
    for number in 0..20 {
        other.send(&counting(), &Wanted { number }).await.unwrap();
    }
    let mut done = Vec::new();
    for _ in 0..20 {
        let Done { number, by } = probe.assert_sent::<Done>(&Counts).await;
        done.push((number, by));
    }
    for number in 0..20 {
        assert_eq!(probe.assert_sent_to::<Wanted>(&counting()).await.number, number);
    }
    probe.assert_nothing_more().await;
    done
}

#[tokio::test(start_paused = true)]
async fn workers_of_two_processes_share_jobs() {
    let mut orders = BTreeSet::new();
    for seed in 0..10 {
        let done = jobs_of_two_processes(&LayerProbe::with_seed(seed)).await;
        let numbers: BTreeSet<_> = done.iter().map(|(number, _)| *number).collect();
        assert_eq!((numbers.len(), done.len()), (20, 20), "seed {seed}: each job is done once");
        let workers: BTreeSet<_> = done.iter().map(|(_, by)| by.to_string()).collect();
        assert_eq!(workers.len(), 2, "seed {seed}: both workers do jobs");
        let again = jobs_of_two_processes(&LayerProbe::with_seed(seed)).await;
        assert_eq!(again, done, "seed {seed} reproduces the order");
        orders.insert(done.into_iter().map(|(number, by)| (number, by.to_string())).collect::<Vec<_>>());
    }
    assert!(orders.len() > 1, "the order depends on the seed");
    let done = jobs_of_two_processes(&LayerProbe::new()).await;
    assert_eq!(done.iter().map(|(number, _)| number).collect::<BTreeSet<_>>().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn worker_queue_has_capacity_and_expiry() {
    let config = LayerConfig::default().capacity(2).expiry(Duration::from_secs(1));
    let probe = LayerProbe::new();
    let layer = probe.process_with(config.clone());
    // Without a worker the channel has no reader, which is not an error.
    layer.send(&counting(), &Wanted { number: 0 }).await.unwrap();
    let (channels, running) = worker(&layer).await;
    let wanted = async |number| layer.send(&counting(), &Wanted { number }).await;
    wanted(1).await.unwrap();
    wanted(2).await.unwrap();
    let full = wanted(3).await.unwrap_err();
    assert!(matches!(full, LayerError::ChannelFull { capacity: 2, .. }), "{full}");
    assert_eq!(probe.assert_sent::<Done>(&Counts).await.number, 1);
    assert_eq!(probe.assert_sent::<Done>(&Counts).await.number, 2);
    // It stops, but its queue stays: a job waits for the next worker, no longer than `expiry`.
    assert!(channels.shutdown(Duration::from_secs(1)).await);
    running.await.unwrap().unwrap();
    layer.close().await;

    let probe = LayerProbe::with_seed(1);
    let (busy, next) = (probe.process_with(config.clone()), probe.process_with(config));
    let (channels, running) = worker(&busy).await;
    assert!(channels.shutdown(Duration::from_secs(1)).await);
    // The worker still has its queue until it has ended.
    next.send(&counting(), &Wanted { number: 4 }).await.unwrap();
    running.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (_next, _running) = worker(&next).await;
    next.send(&counting(), &Wanted { number: 5 }).await.unwrap();
    assert_eq!(probe.assert_sent::<Done>(&Counts).await.number, 5);
    assert_eq!(next.stats().expired, 1);
}
