//! Requests of a test client: commands that the consumer answers.

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::consumer::AnswerFields;
use crate::support::Unawaited;
use crate::testing::communicator::WebsocketCommunicator;
use crate::testing::error::{Call, CommunicatorError};
use crate::testing::requests::{Requests, answer};
use crate::websocket::{Frame, FromJson, ToJson};

impl<C> WebsocketCommunicator<C> {
    /// Sets the fields of answers, for a consumer that names them: `.answer_fields(ChatConsumer::INFO.answer)`. Default: `ref`,
    /// `ok` and `error`.
    #[must_use]
    pub fn answer_fields(mut self, fields: AnswerFields) -> Self {
        self.requests.fields = fields;
        self
    }

    /// Sends a command as JSON with a reference of its own, and returns the consumer's answer: the reply, or the refusal. Waits up to
    /// a second. Frames that arrive before the answer are kept, in their order, for the next receives.
    ///
    /// The refusal is also the reason why a frame is not a command, which has a `code` and a `message`. A `serde_json::Value` takes
    /// both.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use channels_runtime::testing::WebsocketCommunicator;
    /// use serde::Deserialize;
    /// use serde_json::Value;
    ///
    /// #[derive(Deserialize)]
    /// struct Bid { amount: u32 }
    ///
    /// #[derive(Default)]
    /// struct AuctionConsumer { highest: u32 }
    ///
    /// #[consumer]
    /// impl AuctionConsumer {
    ///     #[receive("bid")]
    ///     async fn bid(&mut self, cx: &mut Context<Self>, bid: Bid) -> Result<u32, &'static str> {
    ///         if bid.amount <= self.highest {
    ///             return Err("too low");
    ///         }
    ///         self.highest = bid.amount;
    ///         Ok(bid.amount)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let channels = Channels::builder().build()?;
    /// let route = channels.route::<AuctionConsumer>(warp::path!("auction"));
    /// let mut client = WebsocketCommunicator::new(route, "/auction");
    /// client.connect().await?;
    /// let taken: Result<u32, String> = client.request(&json!({"type": "bid", "amount": 7})).await?;
    /// assert_eq!(taken, Ok(7));
    /// let refused: Result<u32, String> = client.request(&json!({"type": "bid", "amount": 7})).await?;
    /// assert_eq!(refused, Err("too low".into()));
    /// let malformed: Result<u32, Value> = client.request(&json!({"type": "bid"})).await?;
    /// assert_eq!(malformed.unwrap_err()["code"], "malformed_command");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`CommunicatorError::Unanswered`] if no answer arrives, for example because the command does not answer.
    /// [`CommunicatorError::Json`] if the answer is other JSON. Also if the connection is closed.
    ///
    /// # Panics
    /// If serde does not encode the command as a JSON object.
    #[track_caller]
    pub fn request<R: FromJson, E: FromJson>(
        &mut self,
        command: &(impl ToJson + ?Sized),
    ) -> Unawaited<'_, Result<Result<R, E>, CommunicatorError>> {
        let call = self.call();
        let command = serde_json::to_value(command).expect("a value that JSON can hold");
        let Value::Object(command) = command else { panic!("a command is a JSON object, not {command}") };
        Unawaited::new(async move { self.answer_to(call, command).await })
    }

    /// Sends a command with a new reference, and returns its answer.
    pub(super) async fn answer_to<R: FromJson, E: FromJson>(
        &mut self,
        call: Call,
        mut command: Map<String, Value>,
    ) -> Result<Result<R, E>, CommunicatorError> {
        self.requests.last += 1;
        let Requests { fields, last } = self.requests;
        command.insert(fields.reference.into(), last.into());
        self.send(call.clone(), Frame::Text(Value::Object(command).to_string())).await?;
        let deadline = Instant::now() + self.patience;
        let answer = self.receive_where(&call, deadline, |frame| answer(frame, fields.reference, last)).await;
        let (answer, frame) = answer.map_err(|error| match error {
            CommunicatorError::Nothing { call, transcript, .. } => {
                CommunicatorError::Unanswered { call, waited: self.patience, transcript }
            }
            error => error,
        })?;
        let read = match (answer.get(fields.ok), answer.get(fields.error)) {
            (Some(reply), None) => R::deserialize(reply).map(Ok),
            (_, refusal) => E::deserialize(refusal.unwrap_or(&Value::Null)).map(Err),
        };
        read.map_err(|source| {
            let (Frame::Text(text), transcript) = (frame, self.transcript.clone()) else { unreachable!("it is JSON") };
            CommunicatorError::Json { call, text, source, transcript }
        })
    }
}
