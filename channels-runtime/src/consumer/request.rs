//! A request to one channel, and its reply.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::timeout;

use crate::codec::Envelope;
use crate::consumer::context::Context;
use crate::error::{DecodeError, LayerError, Result, shown};
use crate::event::{Event, Handles};
use crate::layer::{BlockingChannelLayer, Channel, ChannelLayer};
use crate::name::ChannelName;
use crate::support::Unawaited;

/// The channel that the reply to a request goes to, and the event type of the reply. A field of the request.
///
/// It is encoded as the name of the channel, a plain string. A Python consumer replies with
/// `await self.channel_layer.send(event["reply_to"], {"type": "report.built", ..})`, and sends a request with the name of its own
/// channel. See [`ChannelLayer::request`].
pub struct ReplyTo<E> {
    channel: ChannelName,
    reply: PhantomData<fn(E)>,
}

impl<E> ReplyTo<E> {
    /// Creates a `ReplyTo` for a channel that you read yourself ([`ChannelLayer::new_channel`]): for several replies, or for a
    /// reply without a deadline.
    pub fn new(channel: ChannelName) -> Self {
        Self { channel, reply: PhantomData }
    }

    /// Returns the channel that the reply is sent to.
    pub fn channel_name(&self) -> &ChannelName {
        &self.channel
    }
}

impl ChannelLayer {
    /// Sends a request to one channel, usually that of a worker, and waits for the reply. The closure creates the request with
    /// the given `ReplyTo`, whose type determines the event type of the reply.
    ///
    /// ```
    /// use std::time::Duration;
    /// use channels_runtime::ReplyTo;
    /// use channels_runtime::prelude::*;
    ///
    /// #[event("report.build")]
    /// struct ReportBuild { id: u64, reply_to: ReplyTo<ReportBuilt> }
    ///
    /// #[event("report.built")]
    /// struct ReportBuilt { url: String }
    ///
    /// #[derive(Default)]
    /// struct ReportConsumer;
    ///
    /// #[consumer]
    /// impl ReportConsumer {
    ///     #[handler("report.build")]
    ///     async fn report_build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
    ///         cx.reply(&event.reply_to, &ReportBuilt { url: format!("/reports/{}.pdf", event.id) }).await
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let channels = Channels::builder().build()?;
    /// # let layer = channels.channel_layer();
    /// # let worker = channels.worker::<ReportConsumer>("reports");
    /// # let requested = async {
    /// let reports = ChannelName::<ReportConsumer>::of_worker("reports")?;
    /// let request = |reply_to| ReportBuild { id: 7, reply_to };
    /// let built = layer.request(&reports, Duration::from_secs(5), request).await?;
    /// assert_eq!(built.url, "/reports/7.pdf");
    /// # Ok(()) };
    /// # tokio::select! { biased; stopped = worker.run_until(std::future::pending()) => stopped, done = requested => done }
    /// # }
    /// ```
    ///
    /// Only the first reply counts. A later reply (from a second worker, or after the deadline) is dropped and counted in
    /// [`LayerStats::unread`](crate::stats::LayerStats::unread). While a handler awaits a reply, its consumer handles nothing
    /// else, so a consumer must not send a request to itself. To continue handling, send the request in `cx.spawn(..)`.
    ///
    /// # Errors
    /// [`LayerError::NoReply`] if no reply arrives before the deadline: the request was lost, the channel has no reader, or its
    /// reader takes longer. [`LayerError::WrongReply`] if the reply is a different event, or does not fit its type. Otherwise the
    /// same as those of [`Self::send`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may have been sent or not. The channel for the reply is removed.
    pub fn request<C, Q, R>(
        &self,
        channel: &ChannelName<C>,
        deadline: Duration,
        request: impl FnOnce(ReplyTo<R>) -> Q,
    ) -> Unawaited<'_, Result<R, LayerError>>
    where
        C: Handles<Q>,
        Q: Event,
        R: Event,
    {
        let (request, replies) = self.encode_request(request);
        let reply = self.wait_for_reply(channel.untyped(), deadline, request, replies, R::TYPE);
        Unawaited::new(async move {
            let (channel, reply) = reply.await?;
            decode_reply(&channel, &reply)
        })
    }

    /// Encodes a request, and creates the channel for its reply.
    fn encode_request<Q: Event, R>(
        &self,
        request: impl FnOnce(ReplyTo<R>) -> Q,
    ) -> (Result<Envelope, LayerError>, Channel) {
        let replies = Channel::new(Arc::clone(self.backend()), self.config());
        let request = request(ReplyTo::new(replies.name().clone()));
        (Envelope::from_event(&request, self.backend().format()), replies)
    }

    /// Sends a request and returns the first reply, with the channel of the request.
    async fn wait_for_reply(
        &self,
        channel: ChannelName,
        deadline: Duration,
        request: Result<Envelope, LayerError>,
        replies: Channel,
        event: &'static str,
    ) -> Result<(ChannelName, Envelope), LayerError> {
        let reply = async {
            self.backend().announce(replies.name()).await?;
            self.deliver(channel.clone(), request).await?;
            replies.receive().await.ok_or(LayerError::Closed)
        };
        match timeout(deadline, reply).await {
            Ok(reply) => Ok((channel, reply?)),
            Err(_) => Err(LayerError::NoReply { channel: channel.to_string(), event, deadline }),
        }
    }

    /// Sends the reply to a request. In a consumer, use [`Context::reply`].
    ///
    /// # Errors
    /// The same as those of [`Self::send`]. It is not an error if the requester no longer waits.
    pub fn reply<E: Event>(&self, to: &ReplyTo<E>, event: &E) -> Unawaited<'_, Result<(), LayerError>> {
        self.send(&to.channel, event)
    }
}

impl BlockingChannelLayer {
    /// The blocking version of [`ChannelLayer::request`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use channels_runtime::{ReplyTo, prelude::*};
    /// # #[event("report.build")] struct ReportBuild { id: u64, reply_to: ReplyTo<ReportBuilt> }
    /// # #[event("report.built")] struct ReportBuilt { url: String }
    /// # fn report(layer: ChannelLayer) -> Result<String> {
    /// let reports = ChannelName::<channels_runtime::layer::Untyped>::of_worker("reports")?;
    /// let request = |reply_to| ReportBuild { id: 7, reply_to };
    /// let built: ReportBuilt = layer.blocking().request(&reports, Duration::from_secs(5), request)?;
    /// # Ok(built.url) }
    /// ```
    ///
    /// # Errors
    /// The same as those of [`ChannelLayer::request`], and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn request<C, Q, R>(
        &self,
        channel: &ChannelName<C>,
        deadline: Duration,
        request: impl FnOnce(ReplyTo<R>) -> Q,
    ) -> Result<R, LayerError>
    where
        C: Handles<Q>,
        Q: Event,
        R: Event,
    {
        let (layer, channel) = (self.layer.clone(), channel.untyped());
        let (request, replies) = layer.encode_request(request);
        let reply = async move { layer.wait_for_reply(channel, deadline, request, replies, R::TYPE).await };
        let (channel, reply) = self.wait_for(reply)?;
        decode_reply(&channel, &reply)
    }
}

/// Decodes a reply, which may be any message.
fn decode_reply<R: Event>(channel: &ChannelName, reply: &Envelope) -> Result<R, LayerError> {
    let decoded = if reply.event_name() == R::TYPE {
        reply.decode()
    } else {
        Err(DecodeError::Unexpected { event: shown(reply.event_name()).to_owned(), wanted: R::TYPE })
    };
    decoded.map_err(|source| LayerError::WrongReply { channel: channel.to_string(), source })
}

impl<C> Context<C> {
    /// Sends the reply to a request ([`ChannelLayer::request`]). Compiles only if the event is of the type that the request
    /// expects:
    ///
    /// ```compile_fail,E0308
    /// # use channels_runtime::{ReplyTo, prelude::*};
    /// # #[event("report.build")] struct ReportBuild { reply_to: ReplyTo<ReportBuilt> }
    /// # #[event("report.built")] struct ReportBuilt {}
    /// # #[event("report.failed")] struct ReportFailed {}
    /// # #[derive(Default)] struct ReportConsumer;
    /// # #[consumer] impl ReportConsumer {
    /// #[handler("report.build")]
    /// async fn report_build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
    ///     cx.reply(&event.reply_to, &ReportFailed {}).await  // expected `&ReportBuilt`, found `&ReportFailed`
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the requester's mailbox is full, the event cannot be encoded, or the layer's server cannot be reached. It is not an
    /// error if the requester no longer waits; the reply is counted in [`LayerStats::unread`](crate::stats::LayerStats::unread).
    pub fn reply<E: Event>(&self, to: &ReplyTo<E>, event: &E) -> Unawaited<'_, Result<()>> {
        let sent = self.layer().reply(to, event);
        Unawaited::new(async move { Ok(sent.await?) })
    }
}

impl<E> Clone for ReplyTo<E> {
    fn clone(&self) -> Self {
        Self::new(self.channel.clone())
    }
}

impl<E> PartialEq for ReplyTo<E> {
    fn eq(&self, other: &Self) -> bool {
        self.channel == other.channel
    }
}

impl<E> Eq for ReplyTo<E> {}

impl<E> fmt::Debug for ReplyTo<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({:?})", self.channel.as_str())
    }
}

impl<E> Serialize for ReplyTo<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.channel.serialize(serializer)
    }
}

impl<'de, E> Deserialize<'de> for ReplyTo<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ChannelName::deserialize(deserializer).map(Self::new)
    }
}
