//! Workers: consumers on a named channel, without a client. Django's `runworker` runs them.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app::Channels;
use crate::codec::Envelope;
use crate::connection::Shared;
use crate::consumer::{BoxFuture, Consumer, Context, Delivered, NeedsNoClient};
use crate::error::{Error, LayerError, Reject, Result, shown, shown_error};
use crate::layer::{Channel, Delivery, WorkerQueue};
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::server::JobCounters;
use crate::session;
use crate::session::{spans, within};
use crate::support::{count, metrics, panic_message, signal};
use crate::websocket::CloseCode;

/// The time between two attempts to create a consumer whose `#[connect]` failed.
const RETRY: Duration = Duration::from_secs(1);

/// A worker: a consumer that handles the messages of a named channel, one after the other, like Django's `runworker`. Created by
/// [`Channels::worker`], and by [`Channels::worker_with`] for a consumer that needs a value, such as a pool of database connections.
///
/// Each message to the channel ([`ChannelLayer::send`](crate::ChannelLayer::send), or `channel_layer.send("thumbnails", ..)` in Python) is a job. The
/// consumer's `#[connect]` runs once, before the first job, and its `#[disconnect]` when the worker stops. There is no client:
/// a consumer that calls `cx.send_json(..)`, receives from a client or renders frames does not compile as a worker. Where the
/// compiler cannot see such a call, it returns [`SendError::NoClient`](crate::error::SendError::NoClient). The consumer can join
/// groups; it handles their events between the jobs.
///
/// A job is done **at most once**: the worker takes it before it begins, so the job is lost if the process is killed. Up to
/// `capacity` jobs wait, for up to `expiry`.
///
/// - **Redis, core**: any number of processes, in Rust and in Python, may work on one channel, and each job goes to one of them.
///   A send to a full channel returns an error. Jobs wait while no worker runs. (Workers of channels_redis sometimes take each
///   other's jobs back and do them twice; they do not do so with these workers.)
/// - **Redis, pub/sub**: any number of Rust processes may work on one channel, and each job goes to one of them. A job is lost if
///   no process with a worker is connected. A full channel drops further jobs, and the sender gets no error. Workers in Python
///   each get every job, in addition.
/// - **memory**: a job stays in the process, which can have one worker for the channel.
///
/// If a handler fails or panics, the worker logs and counts it ([`Stats::jobs`](crate::stats::Stats::jobs)) and continues; after
/// a panic, with a new consumer.
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
///
/// A worker and a server in one program: both end on SIGTERM, and the program waits for the running jobs.
///
/// ```no_run
/// # use channels_runtime::prelude::*;
/// # #[derive(Default)] struct ThumbnailConsumer;
/// # #[consumer] impl ThumbnailConsumer { #[disconnect] fn ended(&mut self, _: &mut Context<Self>, _: CloseCode) {} }
/// # #[derive(Default)] struct ChatConsumer;
/// # #[consumer] impl ChatConsumer { #[disconnect] fn ended(&mut self, _: &mut Context<Self>, _: CloseCode) {} }
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     let channels = Channels::builder().build()?;
///     let worker = tokio::spawn(channels.worker::<ThumbnailConsumer>("thumbnails").run());
///     let chat = channels.route::<ChatConsumer>(warp::path!("ws"));
///     channels.serve(chat, "127.0.0.1:8000").await?;
///     worker.await?
/// }
/// ```
#[must_use = "call `.run().await`"]
pub struct Worker<C> {
    connect: Connect<C>,
    shared: Arc<Shared>,
    channel: String,
    concurrency: usize,
    shutdown_deadline: Duration,
    stopping: CancellationToken,
    counters: Arc<JobCounters>,
    /// The number of consumers that have not ended.
    unfinished: Arc<AtomicUsize>,
}

/// Runs `#[connect]` with the arguments of the worker.
type Connect<C> = Arc<dyn for<'a> Fn(&'a mut Context<C>) -> BoxFuture<'a, Result<C, Reject>> + Send + Sync>;

/// The empty arguments of a consumer whose `#[connect]` takes only `cx`.
#[diagnostic::on_unimplemented(
    message = "`#[connect]` of this worker's consumer also takes `{Self}` after `cx`",
    label = "a worker has no path that could supply arguments",
    note = "supply them with `channels.worker_with::<C>(\"channel\", (argument,))`"
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
    /// Returns a worker: a consumer that handles the jobs of this channel.
    ///
    /// The channel's name is checked when the worker runs.
    pub fn worker<C: Consumer<Captures: NoCaptures> + NeedsNoClient>(&self, channel: impl Into<String>) -> Worker<C> {
        self.new_worker(channel.into(), NoCaptures::none)
    }

    /// Returns a worker whose `#[connect]` takes these arguments after `cx`: what its consumers share, such as a pool of database
    /// connections. They are a tuple, with a comma after a single one: `(pool,)`. Each consumer of the worker gets a clone, and so
    /// does a new one after a panic.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use channels_runtime::prelude::*;
    ///
    /// struct Database { /* a pool */ }
    ///
    /// #[event("report.wanted")]
    /// struct ReportWanted { id: u64 }
    ///
    /// struct ReportConsumer { database: Arc<Database> }
    ///
    /// #[consumer]
    /// impl ReportConsumer {
    ///     #[connect]
    ///     async fn connect(_cx: &mut Context<Self>, database: Arc<Database>) -> Result<Self, Reject> {
    ///         Ok(Self { database })
    ///     }
    ///
    ///     #[handler("report.wanted")]
    ///     async fn report_wanted(&mut self, _cx: &mut Context<Self>, event: &ReportWanted) -> Result<()> {
    ///         // A query on `self.database`.
    ///         Ok(())
    ///     }
    /// }
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<()> {
    ///     let channels = Channels::builder().layer(ChannelLayer::from_env().await?).build()?;
    ///     let database = Arc::new(Database {});
    ///     channels.worker_with::<ReportConsumer>("reports", (database,)).run().await
    /// }
    /// ```
    pub fn worker_with<C>(&self, channel: impl Into<String>, arguments: C::Captures) -> Worker<C>
    where
        C: Consumer<Captures: Clone + Send + Sync + 'static> + NeedsNoClient,
    {
        self.new_worker(channel.into(), move || arguments.clone())
    }

    fn new_worker<C: Consumer>(
        &self,
        channel: String,
        arguments: impl Fn() -> C::Captures + Send + Sync + 'static,
    ) -> Worker<C> {
        Worker {
            connect: Arc::new(move |cx: &mut Context<C>| C::connect(cx, arguments())),
            shared: Arc::clone(self.server().shared()),
            channel,
            concurrency: 1,
            shutdown_deadline: self.server().settings.shutdown_deadline,
            stopping: self.server().stopping().clone(),
            counters: Arc::clone(self.server().jobs()),
            unfinished: Arc::default(),
        }
    }
}

impl<C: Consumer> Worker<C> {
    /// Sets how many jobs this worker does at the same time, each with its own consumer. Default: 1.
    ///
    /// [`Self::run`] returns an error for 0.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// Runs until [`Channels::shutdown`] is called, or until the process gets SIGINT or SIGTERM. Then the worker finishes its
    /// running jobs, takes no more, and runs `#[disconnect]`. Jobs that still run 10 s after the signal
    /// ([`shutdown_deadline`](crate::ChannelsBuilder::shutdown_deadline)), or at a second signal, are cut off and lost, without
    /// `#[disconnect]`. Then the result is an error that names their number.
    ///
    /// The future owns everything that it needs, so it can be spawned: `tokio::spawn(worker.run())`.
    ///
    /// # Errors
    /// If the channel's name is not legal, the concurrency is 0, `#[connect]` rejects or fails, this process already has a worker
    /// for the channel (memory layer), the layer cannot be reached at the start, or the layer is closed. The error is also logged.
    pub async fn run(self) -> Result<()> {
        let signalled = CancellationToken::new();
        let (channel, shutdown_deadline) = (self.channel.clone(), self.shutdown_deadline);
        let unfinished = Arc::clone(&self.unfinished);
        let working = self.run_until(async {
            signal().await;
            tracing::info!(channel, "the worker finishes its running jobs");
            signalled.cancel();
        });
        tokio::select! {
            outcome = working => outcome,
            // Drops the jobs that still run.
            cause = cut_off(&signalled, shutdown_deadline) => {
                let consumers = unfinished.load(Relaxed);
                tracing::warn!(channel, cause, consumers, "a worker's running jobs are cut off");
                Err(Error::msg(format!(
                    "{consumers} consumers of the worker `{channel}` had not finished their jobs at {cause}; allow them more time \
                     with `shutdown_deadline`"
                )))
            }
        }
    }

    /// Runs until `stop` is done, instead of until a signal; otherwise like [`Self::run`].
    ///
    /// # Errors
    /// If the channel's name is not legal, the concurrency is 0, `#[connect]` rejects or fails, this process already has a worker
    /// for the channel (memory layer), the layer cannot be reached at the start, or the layer is closed. The error is also logged.
    ///
    /// # Cancel safety
    /// Dropping the future stops the worker immediately, in the middle of a job. Let `stop` end instead.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<()> {
        let (channel, consumer) = (self.channel.clone(), C::INFO.name);
        // Logged here, because the result of a spawned worker may be read late, or never.
        self.work(stop).await.inspect_err(|error| {
            tracing::error!(channel, consumer, error = shown_error(error), "a worker ended with an error");
        })
    }

    async fn work(self, stop: impl Future<Output = ()>) -> Result<()> {
        if self.concurrency == 0 {
            return Err(Error::msg("a worker with a concurrency of 0 does no jobs; write `.concurrency(1)` or more"));
        }
        let name = ChannelName::<C>::of_worker(&self.channel)?.untyped();
        let stopping = self.stopping.child_token();
        let sources = self.sources(&name).await?;
        // All consumers exist before the first one takes a job: a failed `#[connect]` must not end the others' jobs.
        let mut ready = Vec::new();
        let span = spans::worker::<C>(&name);
        for _ in 0..self.concurrency {
            match Instance::new(&self.connect, &self.shared, &name).instrument(span.clone()).await {
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
        for (instance, jobs) in ready.into_iter().zip(sources) {
            let (shared, counters) = (Arc::clone(&self.shared), Arc::clone(&self.counters));
            let (connect, name, stopping) = (Arc::clone(&self.connect), name.clone(), stopping.clone());
            let task = Task { connect, shared, name, instance, jobs, counters, stopping };
            let unfinished = Arc::clone(&self.unfinished);
            unfinished.fetch_add(1, Relaxed);
            let run = async move {
                let outcome = task.run().await;
                unfinished.fetch_sub(1, Relaxed);
                outcome
            };
            instances.spawn(run.instrument(span.clone()));
        }
        tracing::info!(channel = self.channel, consumer = C::INFO.name, "worker started");
        let mut stop = std::pin::pin!(stop);
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                // This branch only waits, and is not polled again when it has completed.
                () = &mut stop, if !stopping.is_cancelled() => stopping.cancel(),
                // A task that is not joined stays in the set.
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

    /// Returns the source of jobs of each consumer.
    async fn sources(&self, name: &ChannelName) -> Result<Vec<Source>> {
        let backend = self.shared.layer.backend();
        let mut sources = Vec::with_capacity(self.concurrency);
        while sources.len() < self.concurrency {
            let Some(queue) = backend.jobs(name).await? else {
                // The layer has no queue that workers share.
                let mailbox = Channel::named(Arc::clone(backend), self.shared.layer.config(), name.clone());
                let mailbox = mailbox.ok_or_else(|| LayerError::HasWorker { channel: name.to_string() })?;
                let mailbox = Arc::new(mailbox);
                return Ok((0..self.concurrency).map(|_| Source::Mailbox(Arc::clone(&mailbox))).collect());
            };
            sources.push(Source::Shared(queue));
        }
        Ok(sources)
    }
}

/// The source of a worker's jobs.
enum Source {
    Shared(Box<dyn WorkerQueue>),
    Mailbox(Arc<Channel>),
}

impl Source {
    /// Returns the next job, or `None` after the layer is closed.
    ///
    /// # Cancel safety
    /// A job counts as taken when the future returns it. A dropped future leaves the job for the next call.
    async fn next(&mut self) -> Option<Envelope> {
        match self {
            Self::Shared(jobs) => Some(poll_fn(|cx| jobs.poll_next(cx)).await),
            Self::Mailbox(channel) => channel.receive().await,
        }
    }

    /// Returns a job that this process has already taken from the layer, so that no other process can do it.
    async fn rest(&mut self) -> Option<Envelope> {
        match self {
            Self::Shared(jobs) => poll_fn(|cx| jobs.poll_rest(cx)).await,
            Self::Mailbox(channel) => {
                // After this no further job arrives.
                channel.leave();
                channel.try_receive()
            }
        }
    }
}

/// A consumer, and the channel that receives the events of its groups.
struct Instance<C> {
    consumer: C,
    cx: Context<C>,
    own: Channel,
}

impl<C: Consumer> Instance<C> {
    async fn new(connect: &Connect<C>, shared: &Arc<Shared>, name: &ChannelName) -> Result<Self> {
        let own = shared.layer.new_channel().await?;
        let mut cx = Context::of_worker(Scope::of_worker(name.as_str()), own.name().clone(), Arc::clone(shared));
        let connecting = AssertUnwindSafe(async { connect(&mut cx).await }).catch_unwind();
        let consumer = match connecting.await {
            Ok(Ok(consumer)) => consumer,
            Ok(Err(reject)) => return Err(Error::msg(format!("`connect` of `{}` rejected: {reject:?}", C::INFO.name))),
            Err(panic) => {
                let message = panic_message(&*panic);
                return Err(Error::msg(format!("`connect` of `{}` panicked: {message}", C::INFO.name)));
            }
        };
        Ok(Self { consumer, cx, own })
    }

    async fn end(mut self) {
        session::end(&mut self.consumer, &mut self.cx, CloseCode::GOING_AWAY).await;
    }
}

/// The task of one consumer of a worker.
struct Task<C: Consumer> {
    connect: Connect<C>,
    shared: Arc<Shared>,
    name: ChannelName,
    instance: Instance<C>,
    jobs: Source,
    counters: Arc<JobCounters>,
    stopping: CancellationToken,
}

impl<C: Consumer> Task<C> {
    async fn run(mut self) -> Result<()> {
        let done = self.work_until_stopped().await;
        self.instance.end().await;
        done
    }

    /// Does jobs until the worker stops, and then those that this process has already taken.
    async fn work_until_stopped(&mut self) -> Result<()> {
        loop {
            let job = tokio::select! {
                biased;
                () = self.stopping.cancelled() => break,
                // Both keep a job that they have not returned.
                event = self.instance.own.receive() => event,
                job = self.jobs.next() => job,
            };
            self.do_job(&job.ok_or(LayerError::Closed)?).await?;
        }
        while let Some(job) = self.jobs.rest().await {
            self.do_job(&job).await?;
        }
        Ok(())
    }

    /// Does one job, and replaces the consumer if it panicked.
    ///
    /// # Errors
    /// If the worker stops and no new consumer could be created.
    async fn do_job(&mut self, job: &Envelope) -> Result<()> {
        let Err(panic) = self.handle(job).await else { return Ok(()) };
        count(&self.counters.panicked);
        let (consumer, event) = (C::INFO.name, shown(job.event_name()));
        let panic = shown_error(panic_message(&*panic));
        tracing::error!(consumer, event, panic, "a job panicked");
        self.replace_consumer().await
    }

    /// Replaces a consumer that panicked, whose state is unknown.
    async fn replace_consumer(&mut self) -> Result<()> {
        let new = loop {
            match Instance::new(&self.connect, &self.shared, &self.name).await {
                Ok(instance) => break instance,
                Err(error) if self.stopping.is_cancelled() => return Err(error),
                Err(error) => {
                    let error = shown_error(error);
                    tracing::error!(consumer = C::INFO.name, error, "cannot create a new consumer; retrying");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        std::mem::replace(&mut self.instance, new).end().await;
        Ok(())
    }

    /// Runs the handler of a job. Returns the panic if it panicked.
    async fn handle(&mut self, job: &Envelope) -> Result<(), Box<dyn Any + Send>> {
        let failed = |error: &Error| {
            count(&self.counters.failed);
            let (event, error) = (shown(job.event_name()), shown_error(error));
            tracing::error!(consumer = C::INFO.name, event, error, "a job failed");
        };
        match session::prepare::<C>(job, None) {
            Ok(Delivery::Event(event, ..)) => {
                let event = event.downcast::<Delivered<C::Event>>().expect("prepared for this consumer");
                let Instance { consumer, cx, .. } = &mut self.instance;
                let span = spans::event::<C>(event.event());
                let job = async {
                    let _timing = metrics::start_call().timing(C::INFO.name, "handler");
                    within(span, || consumer.dispatch(cx, &event)).await
                };
                match AssertUnwindSafe(job).catch_unwind().await? {
                    Ok(()) => count(&self.counters.done),
                    Err(error) => failed(&error),
                }
            }
            Ok(Delivery::Nothing | Delivery::Raw(_) | Delivery::Gap(_) | Delivery::HistoryLost(_)) => {
                count(&self.counters.done)
            }
            Ok(Delivery::Frame(..)) => failed(&crate::error::SendError::NoClient.into()),
            Err(problem) => {
                count(&self.counters.failed);
                self.shared.layer.backend().table().counters().count_undeliverable(job, self.name.as_str(), &problem);
            }
        }
        Ok(())
    }
}

/// Waits for the signal, and then for the deadline of the running jobs or for a second signal. Returns which of them it was.
async fn cut_off(signalled: &CancellationToken, deadline: Duration) -> &'static str {
    signalled.cancelled().await;
    tokio::select! {
        // Both branches only wait, so either may be dropped.
        () = tokio::time::sleep(deadline) => "the deadline",
        () = signal() => "a second signal",
    }
}

impl<C> fmt::Debug for Worker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("channel", &self.channel)
            .field("layer", &self.shared.layer)
            .finish_non_exhaustive()
    }
}
