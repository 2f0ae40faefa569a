//! The methods of a context that start timers and tasks.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;

use crate::codec::Envelope;
use crate::consumer::background::Background;
use crate::consumer::consumer::Consumer;
use crate::consumer::context::Context;
use crate::consumer::tasks::When;
use crate::error::{Result, shown_error};
use crate::event::{Event, Handles, Timer};
use crate::support::panic_message;

/// Timers, and tasks that run concurrently with the handlers. Each method returns a [`Background`]; keep it only to cancel.
///
/// Timers and tasks belong to the consumer. However the connection ends, they are aborted before `#[disconnect]` runs. If a job
/// of a [worker](crate::Worker) panics, they are aborted too. Timers and tasks that `#[disconnect]` starts end with it. A
/// consumer may have 100 timers and tasks at a time.
// Each method requires `C: Consumer` itself. With the bound on the block, the compiler would report that a consumer that is not
// `Send` has no such methods, instead of the missing `Send`.
impl<C> Context<C> {
    /// Spawns a task that runs concurrently with the handlers. The task has no `cx`. It sends its result to the consumer as an
    /// event, which is handled in turn:
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[derive(Clone)] struct Weather;
    /// # impl Weather { async fn ask(&self, city: &str) -> Result<i32> { Ok(city.len() as i32) } }
    /// #[event("weather.answer")]
    /// struct WeatherAnswer { degrees: i32 }
    ///
    /// struct WeatherConsumer { weather: Weather }
    ///
    /// #[consumer]
    /// impl WeatherConsumer {
    /// #   #[connect] fn connect(_cx: &mut Context<Self>) -> Self { Self { weather: Weather } }
    ///     #[receive]
    ///     async fn receive(&mut self, cx: &mut Context<Self>, city: String) -> Result<()> {
    ///         let (weather, layer, me) = (self.weather.clone(), cx.channel_layer().clone(), cx.channel_name());
    ///         cx.spawn(async move {
    ///             let degrees = weather.ask(&city).await?;
    ///             Ok(layer.send(&me, &WeatherAnswer { degrees }).await?)
    ///         })?;
    ///         Ok(())
    ///     }
    ///
    ///     #[handler("weather.answer")]
    ///     async fn answer(&mut self, cx: &mut Context<Self>, event: &WeatherAnswer) -> Result<()> {
    ///         cx.send_text(event.degrees.to_string()).await
    ///     }
    /// }
    /// # #[cfg(not(feature = "testing"))] fn main() {}
    /// # #[cfg(feature = "testing")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let route = Channels::builder().build()?.route::<WeatherConsumer>(warp::path!("weather"));
    /// # let mut client = channels_runtime::testing::WebsocketCommunicator::new(route, "/weather");
    /// # client.connect().await?;
    /// # client.send_to("Lima").await?;
    /// # assert_eq!(client.receive_text_from().await?, "4");
    /// # Ok(()) }
    /// ```
    ///
    /// A task that fails or panics is logged; the connection stays open. The task's log records are in the span of the call that
    /// spawned it.
    ///
    /// # Errors
    /// [`BackgroundError::TooMany`](crate::error::BackgroundError::TooMany) if the consumer has 100 timers and tasks. The future
    /// is dropped.
    pub fn spawn(&mut self, task: impl Future<Output = Result<()>> + Send + 'static) -> Result<Background>
    where
        C: Consumer,
    {
        // Boxed, because an ended task keeps its memory, which may be large, until the next one is spawned.
        let task = Box::pin(async move {
            let consumer = C::INFO.name;
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(consumer, error = shown_error(error), "a spawned task failed");
                }
                Err(panic) => {
                    let panic = shown_error(panic_message(&*panic));
                    tracing::error!(consumer, panic, "a spawned task panicked");
                }
            }
        });
        Ok(self.tasks().spawn(task.in_current_span())?)
    }

    /// Sends this consumer an event after a delay. Compiles only if the consumer handles the event. A delay is at most 30 years.
    ///
    /// The event goes to the consumer's mailbox like any other: it is handled after earlier events, and a full mailbox drops it,
    /// which is counted (`LayerStats::dropped_full`). With every layer, the event stays in this process.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use channels_runtime::prelude::*;
    /// # #[event("quiz.time_is_up")] struct TimeIsUp { question: u32 }
    /// # #[derive(Default)] struct QuizConsumer { question: u32 }
    /// # #[consumer]
    /// # impl QuizConsumer {
    /// #[receive("next")]
    /// async fn next(&mut self, cx: &mut Context<Self>, _: Next) -> Result<()> {
    ///     self.question += 1;
    ///     cx.after(Duration::from_secs(20), &TimeIsUp { question: self.question })?;
    ///     Ok(())
    /// }
    ///
    /// #[handler("quiz.time_is_up")]
    /// async fn time_is_up(&mut self, cx: &mut Context<Self>, event: &TimeIsUp) -> Result<()> {
    ///     if event.question == self.question { cx.send_text("too late").await } else { Ok(()) }
    /// }
    /// # }
    /// # #[derive(serde::Deserialize)] struct Next {}
    /// ```
    ///
    /// In [`check_app!`](crate::check_app), list the event in `direct`.
    ///
    /// # Errors
    /// [`BackgroundError::TooMany`](crate::error::BackgroundError::TooMany) if the consumer has 100 timers and tasks.
    /// [`LayerError::Encode`](crate::error::LayerError::Encode) if the event cannot be encoded.
    pub fn after<E>(&mut self, delay: Duration, event: &E) -> Result<Background>
    where
        C: Handles<E::Itself, Timer>,
        E: Event,
    {
        self.start_timer(When::After(delay), event)
    }

    /// Sends this consumer an event once in each period, the first time after one period. Compiles only if the consumer handles
    /// the event.
    ///
    /// The event is delivered as by [`Self::after`]. A period that a busy process misses is skipped; the times of the later
    /// events do not change. While handlers take longer than the period, up to `capacity` events collect in the mailbox. An
    /// event with `#[event("..", coalesce = "field")]` waits there only once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use channels_runtime::prelude::*;
    /// # #[event("clock.tick")] struct Tick {}
    /// # struct ClockConsumer { since: u32 }
    /// # #[consumer]
    /// # impl ClockConsumer {
    /// #[connect]
    /// async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///     cx.every(Duration::from_secs(1), &Tick {})?;
    ///     Ok(Self { since: 0 })
    /// }
    ///
    /// #[handler("clock.tick")]
    /// async fn tick(&mut self, cx: &mut Context<Self>, _: &Tick) -> Result<()> {
    ///     self.since += 1;
    ///     cx.send_json(&self.since).await
    /// }
    /// # }
    /// ```
    ///
    /// A period below a millisecond or above 30 years is set to that limit.
    ///
    /// # Errors
    /// The same as those of [`Self::after`].
    pub fn every<E>(&mut self, period: Duration, event: &E) -> Result<Background>
    where
        C: Handles<E::Itself, Timer>,
        E: Event,
    {
        self.start_timer(When::Every(period), event)
    }

    fn start_timer<E: Event>(&mut self, when: When, event: &E) -> Result<Background> {
        let (layer, channel) = (self.channel_layer().clone(), self.channel().clone());
        let envelope = Envelope::from_event(event, layer.backend().format())?;
        Ok(self.tasks().start_timer(&layer, &channel, when, envelope)?)
    }
}
