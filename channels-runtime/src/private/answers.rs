//! The return types of commands: whether a command answers, and with which types.
//!
//! The rule: a command answers if its `Ok` holds something else than `()`. The macro sees only tokens, and `Result<Taken>` may be an
//! alias, so the types decide: [`Returns::HOW`] is [`Silent`] or [`Answering`], and its methods run the command.

use std::any::type_name;
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;

use crate::__private::calls::{self, Outcome};
use crate::consumer::{Asked, BoxFuture, Consumer, Context, blocking};
use crate::error::{Error, Reference, Result};
use crate::websocket::{EncodedFrame, ToJson};

/// The way in which a command with the return type `O` runs: the constant [`Returns::HOW`].
#[derive(Debug)]
pub struct Returns<O>(PhantomData<O>);

impl Returns<()> {
    pub const HOW: Silent = Silent;
}

impl<E> Returns<Result<(), E>> {
    pub const HOW: Silent = Silent;
}

impl<R, E, F> Returns<Result<Result<R, E>, F>> {
    pub const HOW: Answering<Nested> = Answering(PhantomData);
}

/// [`Returns::HOW`] for every other type.
pub trait Replies {
    const HOW: Answering<Flat> = Answering(PhantomData);
}

impl<O> Replies for Returns<O> {}

/// A command without an answer.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Silent {
    pub const fn answers(self) -> bool {
        false
    }

    pub fn asked<C>(self, _: &Context<C>, _: Option<Reference>) {}

    pub fn run<'a, O, F>(self, (): (), future: F) -> BoxFuture<'a, Result<()>>
    where
        O: Outcome,
        F: Future<Output = O> + Send + 'a,
    {
        calls::run(future)
    }

    pub fn ran<'a, O: Outcome>(self, (): (), outcome: O) -> BoxFuture<'a, Result<()>> {
        calls::ran(outcome)
    }

    pub fn run_blocking<'a, O, F>(self, (): (), call: F) -> BoxFuture<'a, Result<()>>
    where
        O: Outcome,
        F: FnOnce() -> O + Send + 'a,
    {
        calls::run_blocking(call)
    }
}

/// A command that answers. `N` is [`Flat`] or [`Nested`].
#[derive(Debug, Clone, Copy)]
pub struct Answering<N>(PhantomData<N>);

/// `Result<Reply, Refused>`, or `Result<Reply>`, whose error closes the connection.
#[derive(Debug, Clone, Copy)]
pub enum Flat {}

/// `Result<Result<Reply, Refused>>`: the outer error closes the connection.
#[derive(Debug, Clone, Copy)]
pub enum Nested {}

impl<N> Answering<N> {
    pub const fn answers(self) -> bool {
        true
    }

    pub fn asked<C: Consumer>(self, cx: &Context<C>, reference: Option<Reference>) -> Option<Asked> {
        Asked::new(cx, reference)
    }

    pub fn run<'a, O, F>(self, asked: Option<Asked>, future: F) -> BoxFuture<'a, Result<()>>
    where
        O: Answer<N>,
        F: Future<Output = O> + Send + 'a,
    {
        Box::pin(async move {
            let rest = future.await.offer(asked.as_ref())?;
            send_rest(asked, rest).await
        })
    }

    pub fn ran<'a, O: Answer<N>>(self, asked: Option<Asked>, outcome: O) -> BoxFuture<'a, Result<()>> {
        let rest = outcome.offer(asked.as_ref());
        Box::pin(async move { send_rest(asked, rest?).await })
    }

    pub fn run_blocking<'a, O, F>(self, asked: Option<Asked>, call: F) -> BoxFuture<'a, Result<()>>
    where
        O: Answer<N>,
        F: FnOnce() -> O + Send + 'a,
    {
        Box::pin(async move {
            let rest = blocking::run(call).offer(asked.as_ref())?;
            send_rest(asked, rest).await
        })
    }

    /// Returns the paths of the types of the reply and the refusal.
    pub fn types<O: Answer<N>>(self) -> (&'static str, &'static str) {
        (type_name::<O::Reply>(), type_name::<O::Refusal>())
    }
}

async fn send_rest(asked: Option<Asked>, rest: Option<EncodedFrame>) -> Result<()> {
    if let (Some(asked), Some(frame)) = (asked, rest) {
        asked.send_rest(frame).await;
    }
    Ok(())
}

/// The return type of a command that answers.
#[diagnostic::on_unimplemented(
    message = "a command cannot answer with `{Self}`",
    label = "return `Result<Reply, Refused>` with types that serde can serialise, or `Result<()>` or nothing",
    note = "the client receives the `Ok` or the `Err`: write `#[derive(serde::Serialize)]` above `Reply` and `Refused`",
    note = "`Result<Reply>` for an error that the client must not see: it closes the connection; `Result<Result<Reply, Refused>>` for both",
    note = "a command that does not answer sends with `cx.send_json(..)`"
)]
pub trait Answer<N> {
    /// The type in `Ok`.
    type Reply;
    /// The type of the error that the client receives. [`Infallible`] if there is none.
    type Refusal;

    /// Sends the answer if the client expects one and there is space. Otherwise returns the frame.
    fn offer(self, asked: Option<&Asked>) -> Result<Option<EncodedFrame>>;
}

#[diagnostic::do_not_recommend]
impl<R: ToJson, E: ToJson> Answer<Flat> for Result<R, E> {
    type Reply = R;
    type Refusal = E;

    fn offer(self, asked: Option<&Asked>) -> Result<Option<EncodedFrame>> {
        asked.map_or(Ok(None), |asked| asked.offer(self.as_ref()))
    }
}

// `Error` does not implement `Serialize`, so this is never the same type as above.
#[diagnostic::do_not_recommend]
impl<R: ToJson> Answer<Flat> for Result<R, Error> {
    type Reply = R;
    type Refusal = Infallible;

    fn offer(self, asked: Option<&Asked>) -> Result<Option<EncodedFrame>> {
        let reply = self?;
        asked.map_or(Ok(None), |asked| asked.offer::<R, ()>(Ok(&reply)))
    }
}

#[diagnostic::do_not_recommend]
impl<R: ToJson, E: ToJson, F: Into<Error>> Answer<Nested> for Result<Result<R, E>, F> {
    type Reply = R;
    type Refusal = E;

    fn offer(self, asked: Option<&Asked>) -> Result<Option<EncodedFrame>> {
        let answer = self.map_err(Into::into)?;
        asked.map_or(Ok(None), |asked| asked.offer(answer.as_ref()))
    }
}

/// Whether serde can serialise the error of a command that does not answer: the constant [`ErrorOf::IS_SENDABLE`].
#[derive(Debug)]
pub struct ErrorOf<O>(PhantomData<O>);

impl<E: Into<Error> + serde::Serialize> ErrorOf<Result<(), E>> {
    pub const IS_SENDABLE: bool = true;
}

/// [`ErrorOf::IS_SENDABLE`] for every other type. A type whose error is not an error at all is reported by [`Outcome`].
pub trait NeverSent {
    const IS_SENDABLE: bool = false;
}

impl<O> NeverSent for ErrorOf<O> {}
