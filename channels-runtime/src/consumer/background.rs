//! What a consumer has going on beside its handlers: timers, and work of its own. It ends with the consumer.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

use crate::codec::Envelope;
use crate::consumer::consumer::Consumer;
use crate::consumer::context::Context;
use crate::consumer::tasks::Background;
use crate::error::Result;
use crate::event::{Event, Handles};
use crate::layer::{ChannelLayer, Full};
use crate::name::ChannelName;
use crate::support::panic_message;

/// The shortest and the longest period of a timer: what tokio's clock can tell apart, and what it can count.
const PERIODS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(30 * 365 * 24 * 60 * 60));

/// An event of a consumer's timer, and its way to the consumer's own mailbox. It never leaves the process.
struct TimerEvent {
    layer: ChannelLayer,
    channel: ChannelName,
    envelope: Envelope,
}

impl TimerEvent {
    /// Gives `false` if there is no mailbox any more. A full one misses the event, which is counted.
    fn ring(&self) -> bool {
        let table = self.layer.backend().table();
        table.send(&self.channel, &self.envelope).unwrap_or_else(|Full { .. }| {
            table.counters().count_full(self.channel.as_str());
            true
        })
    }
}

/// Timers and work beside the handlers. What they give is a [`Background`], to be kept only by who may want to cancel.
///
/// All of it belongs to the consumer: however the connection ends (or the job of a [worker](crate::Worker) panics), it is
/// aborted, and none of it runs any more when `#[disconnect]` is called. What `#[disconnect]` itself begins ends with it. A
/// consumer may have 100 timers and pieces of work at the same time.
// `C` is asked to be a consumer where its name is wanted: to one that is none, because it is not `Send`, the timers would
// otherwise be missing, too.
impl<C> Context<C> {
    /// Runs a future beside the handlers. It has no `cx`; what it finds out it sends to the consumer as an event, which gets
    /// its turn among the others:
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
    ///         let (weather, layer, me) = (self.weather.clone(), cx.channel_layer(), cx.channel_name());
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
    /// Work that fails or panics is logged, and nothing else: the connection goes on. What it logs stands in the span that it
    /// was begun in.
    ///
    /// # Errors
    /// [`BackgroundError::TooMany`](crate::error::BackgroundError::TooMany); the future is then dropped.
    pub fn spawn(&mut self, work: impl Future<Output = Result<()>> + Send + 'static) -> Result<Background>
    where
        C: Consumer,
    {
        // Boxed, because a task that is done keeps its place, which may be large, until the next one is spawned.
        let work = Box::pin(async move {
            let consumer = C::INFO.name;
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(consumer, %error, "work drive_output_while the handlers failed"),
                Err(panic) => {
                    let panic = panic_message(&*panic);
                    tracing::error!(consumer, panic, "work drive_output_while the handlers panicked");
                }
            }
        });
        Ok(self.tasks().spawn(work.in_current_span())?)
    }

    /// Sends this consumer an event when so much time has passed. Compiles only if the consumer handles the event.
    ///
    /// It comes to the consumer's mailbox as any other event: it waits for its turn behind those that came before, and a full
    /// mailbox misses it, which is counted (`LayerStats::dropped_full`). It does not leave the process, whatever the layer.
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
    /// For [`check_app!`](crate::check_app) the event is one of `direct`.
    ///
    /// # Errors
    /// [`BackgroundError::TooMany`](crate::error::BackgroundError::TooMany); [`LayerError::Encode`](crate::error::LayerError::Encode) when the event cannot be written.
    pub fn after<E>(&mut self, delay: Duration, event: &E) -> Result<Background>
    where
        C: Handles<E::Itself>,
        E: Event,
    {
        let (alarm, waiting) = (self.alarm(event)?, tokio::time::sleep(delay));
        let timer = async move {
            waiting.await;
            alarm.ring();
        };
        Ok(self.tasks().spawn(timer)?)
    }

    /// Sends this consumer the same event again and again, the first time after one period. Compiles only if the consumer
    /// handles the event.
    ///
    /// The event comes as with [`Self::after`]. A time that the process missed, because it was too busy, is skipped, and the
    /// next one comes when it would have come anyway. While handlers take longer than the period, events pile up in the
    /// mailbox, `capacity` of them; one that says `#[event("..", coalesce = "field")]` waits there once only.
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
    /// A period shorter than a millisecond is taken as one.
    ///
    /// # Errors
    /// As [`Self::after`].
    pub fn every<E>(&mut self, period: Duration, event: &E) -> Result<Background>
    where
        C: Handles<E::Itself>,
        E: Event,
    {
        let alarm = self.alarm(event)?;
        let (shortest, longest) = PERIODS;
        let mut ticks = tokio::time::interval(period.clamp(shortest, longest));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let timer = async move {
            // The first tick is the beginning.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if !alarm.ring() {
                    return;
                }
            }
        };
        Ok(self.tasks().spawn(timer)?)
    }

    fn alarm<E: Event>(&self, event: &E) -> Result<TimerEvent> {
        let layer = self.channel_layer();
        let envelope = Envelope::from_event(event, layer.backend().format())?;
        Ok(TimerEvent { layer, channel: self.channel_name().untyped(), envelope })
    }
}
