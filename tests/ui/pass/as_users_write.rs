//! Patterns, aliases, raw identifiers, other alphabets, macros of the user's: what methods and their types may be called.

use std::fmt::Debug;
use std::marker::PhantomData;

use channels_runtime::prelude::*;
use channels_runtime::{CommandError, Consumer};

#[event("chat.message")]
pub struct ChatMessage {
    pub message: String,
}

#[derive(Debug, serde::Deserialize)]
struct Say {
    /// The name of the command itself.
    command: String,
    text: String,
}

type Message = ChatMessage;
type Itself = Patterns;

#[derive(Default)]
struct Patterns;

#[consumer(tag = "command")]
impl Patterns
where
    Self: Sized,
{
    #[allow(clippy::use_self)]
    #[connect]
    async fn connect(_: &mut Context<Itself>) -> Result<Itself, Reject> {
        boxed().map_err(Error::from_boxed)?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json((mut first, _)): Json<(String, u8)>) -> Result<()> {
        first.push('!');
        cx.send_text(first).await
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, Say { text, command }: Say) -> Result<()>
    where
        Self: Sized,
    {
        cx.send_text(format!("{command} {text}")).await
    }

    #[handler("chat.message")]
    fn chat_message(Message { message }: &Message) -> String {
        message.clone()
    }
}

fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[event("raw.words")]
struct r#Async {
    r#move: u64,
}

#[derive(Default)]
struct r#Yield;

#[consumer]
impl r#Yield {
    #[handler("raw.words")]
    fn r#type(event: &r#Async) -> String {
        event.r#move.to_string()
    }
}

#[event("other.alphabet")]
struct Ärger {
    größe: u64,
}

#[group("raum_{größe}", events(Ärger))]
struct Raum {
    größe: u64,
}

struct Käufer;

#[consumer]
impl Käufer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, größe: u64) -> Result<Self, Reject> {
        cx.group_add(&Raum { größe }).await?;
        Ok(Self)
    }

    #[handler("other.alphabet")]
    fn größer(event: &Ärger) -> String {
        event.größe.to_string()
    }
}

/// Of what it does not hold it is not asked whether it can travel.
#[event("marked")]
struct Marked<T> {
    id: u64,
    #[serde(skip)]
    of: PhantomData<T>,
}

#[event("listed")]
struct Listed<T: Debug, const N: usize> {
    items: Vec<T>,
}

struct NoSerde;

macro_rules! consumers {
    ($($(#[$meta:meta])* $name:ident $context:ty, $event:ty, $string:literal, $list:ty;)*) => {$(
        $(#[$meta])*
        #[derive(Default)]
        pub struct $name;

        #[consumer]
        impl $name {
            #[handler($string)]
            fn one(event: &$event) -> String {
                event.message.clone()
            }

            #[handler("listed")]
            fn all(&mut self, _cx: &mut $context, event: &$list) {
                let _ = event.items.len();
            }
        }
    )*};
}

consumers! {
    /// Documented.
    Made Context<Self>, ChatMessage, "chat.message", Listed<String, 1>;
    Again Context<Again>, crate::pass::as_users_write::ChatMessage, "chat.message", Listed<Option<u64>, 2>;
}

#[derive(Default)]
struct Marking;

#[consumer]
impl Marking {
    #[handler("marked")]
    fn marked(event: &Marked<NoSerde>) -> Option<String> {
        Some(event.id.to_string())
    }
}

check_app! {
    consumers: [Made, Käufer, r#Yield, Marking],
    groups: [Raum],
    direct: [ChatMessage, Listed<String, 1>, Marked<NoSerde>, r#Async],
}

#[test]
fn runs() {
    let said = r#"{"command": "say", "text": "hi"}"#;
    type Command = <Patterns as channels_runtime::Consumer>::Command;
    let said = Patterns::decode_command(Frame::text(said)).expect("it is a command");
    let Command::Say(Say { command, text }) = said.command else { panic!("it is another command") };
    assert_eq!((command.as_str(), text.as_str()), ("say", "hi"));
    let said = Patterns::decode_command(Frame::text(r#"{"command": "say"}"#));
    assert!(matches!(said, Err(CommandError::Malformed { .. })));
    let raw = r#Yield::INFO;
    assert_eq!((raw.name, raw.handlers[0].method), ("Yield", "type"));
    assert_eq!(Raum { größe: 7 }.name().unwrap().as_str(), "raum_7");
    let marked = Marked::<NoSerde> { id: 7, of: PhantomData };
    assert_eq!(serde_json::to_string(&marked).unwrap(), r#"{"id":7}"#);
    assert_eq!(Again::INFO.handlers.len(), 2);
}
