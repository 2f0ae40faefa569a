//! Twenty events, a consumer that handles them, and the same lookup by hand.

use channels_runtime::prelude::*;

#[event("chat.added")]
pub(crate) struct Added {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.archived")]
pub(crate) struct Archived {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.deleted")]
pub(crate) struct Deleted {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.edited")]
pub(crate) struct Edited {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.forked")]
pub(crate) struct Forked {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.invited")]
pub(crate) struct Invited {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.joined")]
pub(crate) struct Joined {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.kicked")]
pub(crate) struct Kicked {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.left")]
pub(crate) struct Left {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.locked")]
pub(crate) struct Locked {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.message")]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.muted")]
pub(crate) struct Muted {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.pinned")]
pub(crate) struct Pinned {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.quoted")]
pub(crate) struct Quoted {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.renamed")]
pub(crate) struct Renamed {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.starred")]
pub(crate) struct Starred {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.started")]
pub(crate) struct Started {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.stopped")]
pub(crate) struct Stopped {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.typing")]
pub(crate) struct Typing {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[event("chat.unlocked")]
pub(crate) struct Unlocked {
    pub(crate) text: String,
    pub(crate) number: u64,
}

#[derive(Default)]
pub(crate) struct ChatConsumer {
    seen: u64,
}

#[consumer]
impl ChatConsumer {
    #[handler("chat.added")]
    fn added(&mut self, _cx: &mut Context<Self>, event: &Added) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.archived")]
    fn archived(&mut self, _cx: &mut Context<Self>, event: &Archived) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.deleted")]
    fn deleted(&mut self, _cx: &mut Context<Self>, event: &Deleted) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.edited")]
    fn edited(&mut self, _cx: &mut Context<Self>, event: &Edited) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.forked")]
    fn forked(&mut self, _cx: &mut Context<Self>, event: &Forked) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.invited")]
    fn invited(&mut self, _cx: &mut Context<Self>, event: &Invited) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.joined")]
    fn joined(&mut self, _cx: &mut Context<Self>, event: &Joined) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.kicked")]
    fn kicked(&mut self, _cx: &mut Context<Self>, event: &Kicked) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.left")]
    fn left(&mut self, _cx: &mut Context<Self>, event: &Left) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.locked")]
    fn locked(&mut self, _cx: &mut Context<Self>, event: &Locked) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.message")]
    fn message(&mut self, _cx: &mut Context<Self>, event: &Message) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.muted")]
    fn muted(&mut self, _cx: &mut Context<Self>, event: &Muted) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.pinned")]
    fn pinned(&mut self, _cx: &mut Context<Self>, event: &Pinned) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.quoted")]
    fn quoted(&mut self, _cx: &mut Context<Self>, event: &Quoted) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.renamed")]
    fn renamed(&mut self, _cx: &mut Context<Self>, event: &Renamed) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.starred")]
    fn starred(&mut self, _cx: &mut Context<Self>, event: &Starred) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.started")]
    fn started(&mut self, _cx: &mut Context<Self>, event: &Started) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.stopped")]
    fn stopped(&mut self, _cx: &mut Context<Self>, event: &Stopped) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.typing")]
    fn typing(&mut self, _cx: &mut Context<Self>, event: &Typing) {
        self.seen += event.number + event.text.len() as u64;
    }

    #[handler("chat.unlocked")]
    fn unlocked(&mut self, _cx: &mut Context<Self>, event: &Unlocked) {
        self.seen += event.number + event.text.len() as u64;
    }
}

/// The same messages as a tagged enum of serde.
#[derive(serde::Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Tagged {
    #[serde(rename = "chat.added")]
    Added(Added),
    #[serde(rename = "chat.archived")]
    Archived(Archived),
    #[serde(rename = "chat.deleted")]
    Deleted(Deleted),
    #[serde(rename = "chat.edited")]
    Edited(Edited),
    #[serde(rename = "chat.forked")]
    Forked(Forked),
    #[serde(rename = "chat.invited")]
    Invited(Invited),
    #[serde(rename = "chat.joined")]
    Joined(Joined),
    #[serde(rename = "chat.kicked")]
    Kicked(Kicked),
    #[serde(rename = "chat.left")]
    Left(Left),
    #[serde(rename = "chat.locked")]
    Locked(Locked),
    #[serde(rename = "chat.message")]
    Message(Message),
    #[serde(rename = "chat.muted")]
    Muted(Muted),
    #[serde(rename = "chat.pinned")]
    Pinned(Pinned),
    #[serde(rename = "chat.quoted")]
    Quoted(Quoted),
    #[serde(rename = "chat.renamed")]
    Renamed(Renamed),
    #[serde(rename = "chat.starred")]
    Starred(Starred),
    #[serde(rename = "chat.started")]
    Started(Started),
    #[serde(rename = "chat.stopped")]
    Stopped(Stopped),
    #[serde(rename = "chat.typing")]
    Typing(Typing),
    #[serde(rename = "chat.unlocked")]
    Unlocked(Unlocked),
}

/// Returns the number of an event by its name: the lookup by hand.
pub(crate) fn number_of(name: &str) -> Option<usize> {
    match name {
        "chat.added" => Some(0),
        "chat.archived" => Some(1),
        "chat.deleted" => Some(2),
        "chat.edited" => Some(3),
        "chat.forked" => Some(4),
        "chat.invited" => Some(5),
        "chat.joined" => Some(6),
        "chat.kicked" => Some(7),
        "chat.left" => Some(8),
        "chat.locked" => Some(9),
        "chat.message" => Some(10),
        "chat.muted" => Some(11),
        "chat.pinned" => Some(12),
        "chat.quoted" => Some(13),
        "chat.renamed" => Some(14),
        "chat.starred" => Some(15),
        "chat.started" => Some(16),
        "chat.stopped" => Some(17),
        "chat.typing" => Some(18),
        "chat.unlocked" => Some(19),
        _ => None,
    }
}

/// Looks an event up by hand and decodes it. Returns `None` if no event has this name.
pub(crate) fn by_hand(name: &str, body: &[u8]) -> Option<Result<Tagged, rmp_serde::decode::Error>> {
    let read = match name {
        "chat.added" => rmp_serde::from_slice(body).map(Tagged::Added),
        "chat.archived" => rmp_serde::from_slice(body).map(Tagged::Archived),
        "chat.deleted" => rmp_serde::from_slice(body).map(Tagged::Deleted),
        "chat.edited" => rmp_serde::from_slice(body).map(Tagged::Edited),
        "chat.forked" => rmp_serde::from_slice(body).map(Tagged::Forked),
        "chat.invited" => rmp_serde::from_slice(body).map(Tagged::Invited),
        "chat.joined" => rmp_serde::from_slice(body).map(Tagged::Joined),
        "chat.kicked" => rmp_serde::from_slice(body).map(Tagged::Kicked),
        "chat.left" => rmp_serde::from_slice(body).map(Tagged::Left),
        "chat.locked" => rmp_serde::from_slice(body).map(Tagged::Locked),
        "chat.message" => rmp_serde::from_slice(body).map(Tagged::Message),
        "chat.muted" => rmp_serde::from_slice(body).map(Tagged::Muted),
        "chat.pinned" => rmp_serde::from_slice(body).map(Tagged::Pinned),
        "chat.quoted" => rmp_serde::from_slice(body).map(Tagged::Quoted),
        "chat.renamed" => rmp_serde::from_slice(body).map(Tagged::Renamed),
        "chat.starred" => rmp_serde::from_slice(body).map(Tagged::Starred),
        "chat.started" => rmp_serde::from_slice(body).map(Tagged::Started),
        "chat.stopped" => rmp_serde::from_slice(body).map(Tagged::Stopped),
        "chat.typing" => rmp_serde::from_slice(body).map(Tagged::Typing),
        "chat.unlocked" => rmp_serde::from_slice(body).map(Tagged::Unlocked),
        _ => return None,
    };
    Some(read)
}
