//! The commands and messages of a consumer, as a test client knows them.

use std::fmt;
use std::marker::PhantomData;

/// A command of the consumer `C` with the payload `P`. `#[consumer]` makes a constant for each `#[receive("send")]`. Its name is the
/// method's name in capitals: `ChatConsumer::SEND`. The constants exist if `channels-runtime` has the feature `testing`. A command with
/// a borrowed payload has none.
///
/// `A` is [`Answered`] if the return type shows an answer, such as `Result<Reply, Refused>`, and `()` otherwise. With an alias for the
/// return type it is `()`, so [`ask`](crate::testing::WebsocketCommunicator::ask) does not take the command.
pub struct Command<C, P, A = ()> {
    name: &'static str,
    types: PhantomData<(C, P, A)>,
}

/// The answer of a command: the reply `R`, or the refusal `E`.
#[derive(Debug)]
pub struct Answered<R, E>(PhantomData<fn() -> (R, E)>);

impl<C, P, A> Command<C, P, A> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// Returns the command's name: `send`.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<C, P, A> Clone for Command<C, P, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, P, A> Copy for Command<C, P, A> {}

impl<C, P, A> fmt::Debug for Command<C, P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.name).finish()
    }
}

/// `ChatConsumer: SendsToClient<Joined>`: a client can receive a `Joined`. `#[consumer]` implements it for the types in `sends(..)`,
/// and for the `T` of handlers without `self` that return `Json<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` never sends `{T}` to its clients",
    label = "not a message of `{Self}`",
    note = "its messages are the types in `#[consumer(sends(..))]`, and the `T` of handlers without `self` that return `Json<T>`",
    note = "receive any other JSON with `receive_json_from::<{T}>()`"
)]
pub trait SendsToClient<T: ?Sized> {}
