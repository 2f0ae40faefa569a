//! A question to one channel, and the answer to it.

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

/// Where the answer to an event goes, and which event the answer is: a field of the question.
///
/// On the wire it is the name of a channel, a plain string. A Python consumer answers with
/// `await self.channel_layer.send(event["reply_to"], {"type": "report.built", ..})`, and may ask with the name of a channel
/// of its own. See [`ChannelLayer::request`].
pub struct ReplyTo<E> {
    channel: ChannelName,
    reply: PhantomData<fn(E)>,
}

impl<E> ReplyTo<E> {
    /// For who reads the answers from a channel of its own ([`ChannelLayer::new_channel`]): several of them, or none of them
    /// with a deadline.
    pub fn new(channel: ChannelName) -> Self {
        Self { channel, reply: PhantomData }
    }

    /// The channel that the answer is sent to.
    pub fn channel_name(&self) -> &ChannelName {
        &self.channel
    }
}

impl ChannelLayer {
    /// Asks one channel, a worker's above all, and waits for the answer. The closure makes the question, and puts into it
    /// where the answer goes; which event that is, the compiler knows from the field's type.
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
    /// # let asked = async {
    /// let reports = ChannelName::<ReportConsumer>::of_worker("reports")?;
    /// let question = |reply_to| ReportBuild { id: 7, reply_to };
    /// let built = layer.request(&reports, Duration::from_secs(5), question).await?;
    /// assert_eq!(built.url, "/reports/7.pdf");
    /// # Ok(()) };
    /// # tokio::select! { biased; stopped = worker.run_until(std::future::pending()) => stopped, done = asked => done }
    /// # }
    /// ```
    ///
    /// The first answer counts. What comes later (the answer of a second worker, or one after the deadline) finds nobody, and
    /// is counted in [`LayerStats::unread`](crate::stats::LayerStats::unread). A handler that awaits an answer handles nothing else
    /// meanwhile, so a consumer must not ask itself; `cx.spawn(..)` asks beside the handlers.
    ///
    /// # Errors
    /// [`LayerError::NoReply`] when no answer comes in time, whether the question was lost, nobody reads the channel or its
    /// reader takes longer. [`LayerError::WrongReply`] when the answer is another event, or does not fit. Otherwise as
    /// [`Self::send`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind. The question may have been sent or not.
    pub fn request<C, Q, R>(
        &self,
        channel: &ChannelName<C>,
        deadline: Duration,
        question: impl FnOnce(ReplyTo<R>) -> Q,
    ) -> Unawaited<'_, Result<R, LayerError>>
    where
        C: Handles<Q>,
        Q: Event,
        R: Event,
    {
        let (question, answers) = self.question(question);
        let answer = self.answer(channel.untyped(), deadline, question, answers, R::TYPE);
        Unawaited::new(async move {
            let (channel, answer) = answer.await?;
            read(&channel, &answer)
        })
    }

    fn question<Q: Event, R>(&self, question: impl FnOnce(ReplyTo<R>) -> Q) -> (Result<Envelope, LayerError>, Channel) {
        let answers = Channel::new(Arc::clone(self.backend()), self.config());
        let question = question(ReplyTo::new(answers.name().clone()));
        (Envelope::from_event(&question, self.backend().format()), answers)
    }

    async fn answer(
        &self,
        channel: ChannelName,
        deadline: Duration,
        question: Result<Envelope, LayerError>,
        answers: Channel,
        event: &'static str,
    ) -> Result<(ChannelName, Envelope), LayerError> {
        let answered = async {
            self.backend().announce(answers.name()).await?;
            self.deliver(channel.clone(), question).await?;
            answers.receive().await.ok_or(LayerError::Closed)
        };
        match timeout(deadline, answered).await {
            Ok(answer) => Ok((channel, answer?)),
            Err(_) => Err(LayerError::NoReply { channel: channel.to_string(), event, deadline }),
        }
    }

    /// Sends the answer to a question. In a consumer, use [`Context::reply`].
    ///
    /// # Errors
    /// The same as those of [`Self::send`]. Nobody waiting for it any more is none.
    pub fn reply<E: Event>(&self, to: &ReplyTo<E>, event: &E) -> Unawaited<'_, Result<(), LayerError>> {
        self.send(&to.channel, event)
    }
}

impl BlockingChannelLayer {
    /// The twin of [`ChannelLayer::request`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use channels_runtime::{ReplyTo, prelude::*};
    /// # #[event("report.build")] struct ReportBuild { id: u64, reply_to: ReplyTo<ReportBuilt> }
    /// # #[event("report.built")] struct ReportBuilt { url: String }
    /// # fn report(layer: ChannelLayer) -> Result<String> {
    /// let reports = ChannelName::<channels_runtime::layer::Untyped>::of_worker("reports")?;
    /// let question = |reply_to| ReportBuild { id: 7, reply_to };
    /// let built: ReportBuilt = layer.blocking().request(&reports, Duration::from_secs(5), question)?;
    /// # Ok(built.url) }
    /// ```
    ///
    /// # Errors
    /// The same, and [`LayerError::BlockingInAsync`] on a thread that runs async code.
    pub fn request<C, Q, R>(
        &self,
        channel: &ChannelName<C>,
        deadline: Duration,
        question: impl FnOnce(ReplyTo<R>) -> Q,
    ) -> Result<R, LayerError>
    where
        C: Handles<Q>,
        Q: Event,
        R: Event,
    {
        let (layer, channel) = (self.layer.clone(), channel.untyped());
        let (question, answers) = layer.question(question);
        let answered = async move { layer.answer(channel, deadline, question, answers, R::TYPE).await };
        let (channel, answer) = self.wait_for(answered)?;
        read(&channel, &answer)
    }
}

/// Reads an answer, which may be anything.
fn read<R: Event>(channel: &ChannelName, answer: &Envelope) -> Result<R, LayerError> {
    let read = if answer.event_name() == R::TYPE {
        answer.decode()
    } else {
        Err(DecodeError::Unexpected { event: shown(answer.event_name()).to_owned(), wanted: R::TYPE })
    };
    read.map_err(|source| LayerError::WrongReply { channel: channel.to_string(), source })
}

impl<C> Context<C> {
    /// Sends the answer to a question ([`ChannelLayer::request`]). Compiles only if it is the event that the question asks
    /// for:
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
    /// When the asker's mailbox is full, the event cannot be written, or the other end of the layer cannot be reached. That
    /// nobody waits for it any more is no error; it is counted in [`LayerStats::unread`](crate::stats::LayerStats::unread).
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
