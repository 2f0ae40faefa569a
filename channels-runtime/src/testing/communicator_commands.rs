//! Commands and messages of a test client that knows its consumer.

use serde_json::{Map, Value};

use crate::consumer::Consumer;
use crate::support::Unawaited;
use crate::testing::command::{Answered, Command, SendsToClient};
use crate::testing::communicator::WebsocketCommunicator;
use crate::testing::error::CommunicatorError;
use crate::websocket::{Frame, FromJson, ToJson};

impl<C: Consumer> WebsocketCommunicator<C> {
    /// Sends a command of the consumer. Compiles only with a command that the consumer takes, and with its payload, which must
    /// implement `Serialize`. For tests in the same crate, `#[cfg_attr(test, derive(serde::Serialize))]` above it is enough.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::testing::WebsocketCommunicator;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Say { text: String }
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Vote { option: u32 }
    ///
    /// #[derive(Debug, Serialize, Deserialize, PartialEq)]
    /// struct Joined { members: u32 }
    ///
    /// #[derive(Debug, Serialize, Deserialize, PartialEq)]
    /// struct Said { said: String }
    ///
    /// #[derive(Default)]
    /// struct ChatConsumer;
    ///
    /// #[consumer(sends(Joined, Said))]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///         cx.send(&Joined { members: 1 }).await?;
    ///         Ok(Self)
    ///     }
    ///
    ///     #[receive("say")]
    ///     async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
    ///         cx.send(&Said { said: say.text }).await
    ///     }
    ///
    ///     #[receive("vote")]
    ///     async fn vote(&mut self, _cx: &mut Context<Self>, vote: Vote) -> Result<u32, String> {
    ///         if vote.option > 2 { Err("no such option".into()) } else { Ok(vote.option) }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let channels = Channels::builder().build()?;
    /// let route = channels.route::<ChatConsumer>(warp::path!("ws"));
    /// let mut client = WebsocketCommunicator::new(route, "/ws").of::<ChatConsumer>();
    /// client.connect().await?;
    /// assert_eq!(client.hears::<Joined>().await?, Joined { members: 1 });
    ///
    /// client.say(ChatConsumer::SAY, &Say { text: "hi".into() }).await?;
    /// assert_eq!(client.hears::<Said>().await?, Said { said: "hi".into() });
    ///
    /// assert_eq!(client.ask(ChatConsumer::VOTE, &Vote { option: 1 }).await?, Ok(1));
    /// assert_eq!(client.ask(ChatConsumer::VOTE, &Vote { option: 7 }).await?, Err("no such option".into()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the connection is closed.
    ///
    /// # Panics
    /// If serde does not encode the payload as a JSON object.
    #[track_caller]
    pub fn say<P: ToJson, A>(
        &mut self,
        command: Command<C, P, A>,
        payload: &P,
    ) -> Unawaited<'_, Result<(), CommunicatorError>> {
        let call = self.call();
        let command = tagged::<C>(command.name(), payload);
        Unawaited::new(self.send(call, Frame::Text(Value::Object(command).to_string())))
    }

    /// Sends a command that answers, with a reference of its own, and returns the reply or the refusal. Frames that arrive before
    /// the answer are kept for the next receives. Waits up to a second.
    ///
    /// A command that returns `Result<Reply>` has no type for refusals, so `E` is `serde_json::Value`. Use [`Self::request`] with
    /// `Value` as the refusal if the consumer may refuse the frame itself as malformed.
    ///
    /// # Errors
    /// Those of [`Self::request`].
    ///
    /// # Panics
    /// If serde does not encode the payload as a JSON object.
    #[track_caller]
    pub fn ask<P: ToJson, R: FromJson, E: FromJson>(
        &mut self,
        command: Command<C, P, Answered<R, E>>,
        payload: &P,
    ) -> Unawaited<'_, Result<Result<R, E>, CommunicatorError>> {
        let call = self.call();
        let command = tagged::<C>(command.name(), payload);
        Unawaited::new(async move { self.answer_to(call, command).await })
    }

    /// Returns the next frame as this message. Compiles only with a message that the consumer sends.
    ///
    /// # Errors
    /// If something else or nothing arrives, or the connection is closed.
    #[track_caller]
    pub fn hears<T: FromJson>(&mut self) -> Unawaited<'_, Result<T, CommunicatorError>>
    where
        C: SendsToClient<T>,
    {
        let call = self.call();
        Unawaited::new(async move { self.receive_json(call).await })
    }
}

/// Returns a payload as a command with this name.
fn tagged<C: Consumer>(name: &str, payload: &impl ToJson) -> Map<String, Value> {
    let mut command = match serde_json::to_value(payload).expect("a value that JSON can hold") {
        Value::Object(fields) => fields,
        // A unit struct.
        Value::Null => Map::new(),
        other => panic!("the payload of a command is a JSON object, not {other}"),
    };
    command.insert(C::INFO.tag.into(), name.into());
    command
}
