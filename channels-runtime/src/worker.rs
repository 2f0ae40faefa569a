//! A consumer on a named channel, without a client: what Django's `runworker` runs.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app::Channels;
use crate::codec::Envelope;
use crate::consumer::{BoxFuture, Consumer, Context, Delivered};
use crate::error::{Error, LayerError, Reject, Result};
use crate::layer::{Channel, ChannelLayer, Delivery, WorkerQueue};
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::server::JobCounters;
use crate::session;
use crate::session::{spans, within};
use crate::support::{count, metrics, panic_message, signal};
use crate::websocket::CloseCode;

/// How long a worker waits before it tries again to make a consumer whose `#[connect]` failed.
const RETRY: Duration = Duration::from_secs(1);

/// A consumer that takes messages from a named channel, one after the other: Django's `runworker`. Made by
/// [`Channels::worker`].
///
/// Whoever sends to the channel ([`ChannelLayer::send`], or `channel_layer.send("thumbnails", ..)` in Python) gives it a
/// job. The consumer's `#[connect]` runs once, before the first job, and its `#[disconnect]` when the worker stops. There
/// is no client: `cx.send_json(..)` and its like are an error that says so. Groups can be joined; their events come
/// between the jobs.
///
/// With the core layer of Redis any number of processes may work on one channel, in Rust and in Python: each job goes to
/// one of them. Jobs wait in Redis for `expiry` at most, `capacity` of them; a sender to a full channel is told. A job is
/// done **at most once**: it is taken from Redis before it begins, so it is lost if the process is killed in the middle of
/// it. (Workers of channels_redis take each other's jobs back now and then, which does them twice; against workers of
/// this kind they do not.) With the pub/sub layer every process's worker gets every job; with the one in memory a job
/// stays in the process.
///
/// A handler that fails or panics is logged and counted ([`Stats::jobs`](crate::stats::Stats::jobs)), and the worker goes on; after a
/// panic with a new consumer.
///
/// ```no_run
/// use channels_runtime::prelude::*;
///
/// #[event("thumbnail.wanted")]
/// struct ThumbnailWanted { id: u64 }
///
/// #[derive(Default)]
/// struct ThumbnailConsumer { made: u64 }
///
/// #[consumer]
/// impl ThumbnailConsumer {
///     #[handler("thumbnail.wanted")]
///     async fn thumbnail_wanted(&mut self, cx: &mut Context<Self>, event: &ThumbnailWanted) -> Result<()> {
///         self.made += 1;
///         Ok(())
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     let channels = Channels::builder().layer(ChannelLayer::from_env().await?).build()?;
///     channels.worker::<ThumbnailConsumer>("thumbnails").run().await
/// }
/// ```
#[must_use = "call `.run().await`"]
pub struct Worker<C> {
    connect: Connect<C>,
    layer: ChannelLayer,
    channel: String,
    concurrency: usize,
    shutdown_deadline: Duration,
    stopping: CancellationToken,
    counters: Arc<JobCounters>,
}

/// `#[connect]`, without arguments of a path.
type Connect<C> = for<'a> fn(&'a mut Context<C>) -> BoxFuture<'a, Result<C, Reject>>;

/// What a path captures where there is no path.
#[diagnostic::on_unimplemented(
    message = "`#[connect]` of a worker's consumer takes nothing behind `cx`, and this one takes `{Self}`",
    label = "a worker has no path that captures",
    note = "write `async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject>`, or leave it out for `Default`"
)]
pub trait NoCaptures: Sized {
    #[doc(hidden)]
    fn none() -> Self;
}

#[diagnostic::do_not_recommend]
impl NoCaptures for () {
    fn none() -> Self {}
}

impl Channels {
    /// A worker: a consumer that takes jobs from the channel of this name.
    ///
    /// The name is checked when the worker runs.
    pub fn worker<C: Consumer<Captures: NoCaptures>>(&self, channel: impl Into<String>) -> Worker<C> {
        Worker {
            connect: |cx| C::connect(cx, NoCaptures::none()),
            layer: self.channel_layer(),
            channel: channel.into(),
            concurrency: 1,
            shutdown_deadline: self.server().settings.shutdown_deadline,
            stopping: self.server().stopping().clone(),
            counters: Arc::clone(self.server().jobs()),
        }
    }
}

// That `#[connect]` takes nothing was asked where the worker was made.
impl<C: Consumer> Worker<C> {
    /// How many jobs this worker does at the same time, each with a consumer of its own: 1 unless said otherwise.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// Works until [`Channels::shutdown`] is called, or until the process gets SIGINT or SIGTERM. Then the running jobs
    /// are finished, no more are taken, and `#[disconnect]` runs. Jobs that run longer than 10 s after the signal
    /// ([`shutdown_deadline`](crate::ChannelsBuilder::shutdown_deadline)), or until a second one, are cut off and lost, without
    /// a `#[disconnect]`.
    ///
    /// # Errors
    /// When the name of the channel is not legal, `#[connect]` refuses or fails, the layer cannot be reached at the
    /// beginning, or the layer is closed.
    pub async fn run(&self) -> Result<()> {
        let told = CancellationToken::new();
        let working = self.run_until(async {
            signal().await;
            tracing::info!(channel = self.channel, "the worker ends when its jobs are done");
            told.cancel();
        });
        tokio::select! {
            worked = working => worked,
            // What still works is dropped, in the middle of its job.
            () = self.cut(&told) => Ok(()),
        }
    }

    /// Until the running jobs have had their time.
    async fn cut(&self, told: &CancellationToken) {
        told.cancelled().await;
        let channel = &self.channel;
        tokio::select! {
            // Both only wait.
            () = tokio::time::sleep(self.shutdown_deadline) => tracing::warn!(channel, "some jobs did not end in time"),
            () = signal() => tracing::warn!(channel, "a second signal: jobs that run are cut off"),
        }
    }

    /// As [`Self::run`], until `stop` is done instead of until a signal comes.
    ///
    /// # Errors
    /// The same.
    ///
    /// # Cancel safety
    /// Dropping the future stops at once, in the middle of a job. Let `stop` end instead.
    pub async fn run_until(&self, stop: impl Future<Output = ()>) -> Result<()> {
        let name = ChannelName::<C>::of_worker(&self.channel)?.untyped();
        let stopping = self.stopping.child_token();
        let source = self.source(&name).await?;
        // All are there before the first one takes a job: one that cannot be made must not end the others in the middle.
        let mut ready = Vec::new();
        let span = spans::worker::<C>(&name);
        for _ in 0..self.concurrency {
            match Instance::new(self.connect, &self.layer, &name).instrument(span.clone()).await {
                Ok(instance) => ready.push(instance),
                Err(error) => {
                    for instance in ready {
                        instance.end().await;
                    }
                    return Err(error);
                }
            }
        }
        let mut instances = JoinSet::new();
        for instance in ready {
            let jobs = match &source {
                Some(mailbox) => Source::Mailbox(Arc::clone(mailbox)),
                None => Source::Shared(self.layer.backend().jobs(&name).expect("asked before")),
            };
            let (layer, counters) = (self.layer.clone(), Arc::clone(&self.counters));
            let (connect, name, stopping) = (self.connect, name.clone(), stopping.clone());
            let task = Task { connect, layer, name, instance, jobs, counters, stopping };
            instances.spawn(task.run().instrument(span.clone()));
        }
        tracing::info!(channel = self.channel, consumer = C::INFO.name, "running worker");
        let mut stop = std::pin::pin!(stop);
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                // Only waits, and is not asked again when it is done.
                () = &mut stop, if !stopping.is_cancelled() => stopping.cancel(),
                // What is not taken out stays in the set.
                ended = instances.join_next() => match ended {
                    None => return outcome,
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => {
                        outcome = Err(error);
                        stopping.cancel();
                    }
                    Some(Err(died)) => {
                        outcome = Err(died.into());
                        stopping.cancel();
                    }
                },
            }
        }
    }

    /// The mailbox behind the name, where the layer has no queue that workers share.
    async fn source(&self, name: &ChannelName) -> Result<Option<Arc<Channel>>> {
        let backend = self.layer.backend();
        if backend.jobs(name).is_some() {
            return Ok(None);
        }
        let mailbox = Channel::named(Arc::clone(backend), self.layer.config(), name.clone());
        let mailbox = mailbox.ok_or_else(|| LayerError::HasWorker { channel: name.to_string() })?;
        backend.announce(name).await?;
        Ok(Some(Arc::new(mailbox)))
    }
}

/// Where the jobs come from.
enum Source {
    Shared(Box<dyn WorkerQueue>),
    Mailbox(Arc<Channel>),
}

impl Source {
    /// The next job; `None` once the layer is closed.
    ///
    /// # Cancel safety
    /// A job is only taken when it is returned, or kept for the next call.
    async fn next(&mut self) -> Option<Envelope> {
        match self {
            Self::Shared(jobs) => Some(poll_fn(|cx| jobs.poll_next(cx)).await),
            Self::Mailbox(channel) => channel.receive().await,
        }
    }

    /// A job that nobody else can do any more, because it is in this process's hands.
    async fn rest(&mut self) -> Option<Envelope> {
        match self {
            Self::Shared(jobs) => poll_fn(|cx| jobs.poll_rest(cx)).await,
            Self::Mailbox(channel) => {
                // Or there might always be one more.
                channel.leave();
                channel.try_receive()
            }
        }
    }
}

/// A consumer, and the channel that its groups and its own name lead to.
struct Instance<C> {
    consumer: C,
    cx: Context<C>,
    own: Channel,
}

impl<C: Consumer> Instance<C> {
    async fn new(connect: Connect<C>, layer: &ChannelLayer, name: &ChannelName) -> Result<Self> {
        let own = layer.new_channel().await?;
        let mut cx = Context::of_worker(Scope::of_worker(name.as_str()), own.name().clone(), layer.clone());
        let connecting = AssertUnwindSafe(async { connect(&mut cx).await }).catch_unwind();
        let consumer = match connecting.await {
            Ok(Ok(consumer)) => consumer,
            Ok(Err(reject)) => return Err(Error::msg(format!("`connect` of `{}` refused: {reject:?}", C::INFO.name))),
            Err(panic) => {
                let said = panic_message(&*panic);
                return Err(Error::msg(format!("`connect` of `{}` panicked: {said}", C::INFO.name)));
            }
        };
        Ok(Self { consumer, cx, own })
    }

    async fn end(mut self) {
        session::end(&mut self.consumer, &mut self.cx, CloseCode::GOING_AWAY).await;
    }
}

/// One consumer at its work.
struct Task<C: Consumer> {
    connect: Connect<C>,
    layer: ChannelLayer,
    name: ChannelName,
    instance: Instance<C>,
    jobs: Source,
    counters: Arc<JobCounters>,
    stopping: CancellationToken,
}

impl<C: Consumer> Task<C> {
    async fn run(mut self) -> Result<()> {
        let done = self.go_on().await;
        self.instance.end().await;
        done
    }

    /// Works until it is told to stop.
    async fn go_on(&mut self) -> Result<()> {
        loop {
            let job = tokio::select! {
                biased;
                () = self.stopping.cancelled() => break,
                // Both keep what they have not returned.
                event = self.instance.own.receive() => event,
                job = self.jobs.next() => job,
            };
            self.take_up(&job.ok_or(LayerError::Closed)?).await?;
        }
        while let Some(job) = self.jobs.rest().await {
            self.take_up(&job).await?;
        }
        Ok(())
    }

    /// Does one job, and goes on with a new consumer if it panicked. When there is none, the worker is at its end.
    async fn take_up(&mut self, job: &Envelope) -> Result<()> {
        let Err(panic) = self.work(job).await else { return Ok(()) };
        count(&self.counters.panicked);
        let (consumer, event, panic) = (C::INFO.name, job.event_name(), panic_message(&*panic));
        tracing::error!(consumer, event, panic, "a job panicked");
        self.begin_anew().await
    }

    /// Puts a new consumer in the place of the one that panicked: nobody knows what state that is in.
    async fn begin_anew(&mut self) -> Result<()> {
        let new = loop {
            match Instance::new(self.connect, &self.layer, &self.name).await {
                Ok(instance) => break instance,
                Err(error) if self.stopping.is_cancelled() => return Err(error),
                Err(error) => {
                    tracing::error!(consumer = C::INFO.name, %error, "no new consumer; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        std::mem::replace(&mut self.instance, new).end().await;
        Ok(())
    }

    /// Does one job. Gives the panic, if it panicked.
    async fn work(&mut self, job: &Envelope) -> Result<(), Box<dyn Any + Send>> {
        let failed = |error: &Error| {
            count(&self.counters.failed);
            tracing::error!(consumer = C::INFO.name, event = job.event_name(), %error, "a job failed");
        };
        match session::prepare::<C>(job) {
            Ok(Delivery::Event(event, ..)) => {
                let event = event.downcast::<Delivered<C::Event>>().expect("prepared for this consumer");
                let Instance { consumer, cx, .. } = &mut self.instance;
                let span = spans::event::<C>(event.event());
                let job = async {
                    let _timing = metrics::begun().timing(C::INFO.name, "handler");
                    within(span, || consumer.dispatch(cx, &event)).await
                };
                match AssertUnwindSafe(job).catch_unwind().await? {
                    Ok(()) => count(&self.counters.done),
                    Err(error) => failed(&error),
                }
            }
            Ok(Delivery::Nothing | Delivery::Raw(_) | Delivery::Gap(_)) => count(&self.counters.done),
            Ok(Delivery::Frame(..)) => failed(&crate::error::SendError::NoClient.into()),
            Err(problem) => {
                count(&self.counters.failed);
                self.layer.backend().table().counters().count_undeliverable(job, self.name.as_str(), &problem);
            }
        }
        Ok(())
    }
}

impl<C> fmt::Debug for Worker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("channel", &self.channel).field("layer", &self.layer).finish_non_exhaustive()
    }
}
