//! Volatile and coalescing events, every policy of a mailbox, and what can be a key.

use channels_runtime::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
enum Part {
    Head,
    Arm { left: bool },
}

#[event("body.blink", volatile)]
struct Blink;

#[event("body.move", volatile, coalesce = "part")]
struct Move {
    part: Part,
    x: f64,
}

#[event("body.name", coalesce = "type")]
struct Name {
    #[serde(rename = "kind")]
    r#type: String,
}

#[event("body.pair", coalesce = "of")]
struct Pair<T: std::hash::Hash> {
    of: (T, Option<u8>),
}

macro_rules! consumers {
    ($($name:ident $mailbox:literal)*) => {$(
        #[derive(Default)]
        struct $name;

        #[consumer(mailbox = $mailbox)]
        impl $name {
            #[handler("body.blink")]
            fn blink(&mut self, _cx: &mut Context<Self>, _event: &Blink) {}

            #[handler("body.move")]
            fn moved(event: &Move) -> String {
                event.x.to_string()
            }
        }
    )*};
}

consumers!(Newest "drop_newest" Oldest "drop_oldest" Leaving "disconnect");

#[test]
fn runs() {
    const { assert!(Blink::VOLATILE && Move::VOLATILE && !Name::VOLATILE) };
    assert!(Blink.key().is_none() && Name { r#type: "a".into() }.key().is_some());
    let moved = |part, x| Move { part, x }.key();
    assert_eq!(moved(Part::Head, 1.0), moved(Part::Head, 2.0));
    assert_ne!(moved(Part::Head, 1.0), moved(Part::Arm { left: true }, 1.0));
    assert_ne!(Pair { of: (1, None) }.key(), Pair { of: (2, None) }.key());
}
