//! The identities of kept messages as text in Redis: 16 characters each.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::event::Id;
use crate::layer::chain::Link;

/// The length of an identity's text, in bytes.
const ID: usize = 16;

/// The length of a link's text: the identity of the predecessor, then that of the message.
pub(super) const LINK: usize = 2 * ID;

/// Returns the text of an identity.
pub(super) fn text_of(id: Id) -> String {
    URL_SAFE_NO_PAD.encode(id.0)
}

/// Reads an identity. Returns `None` if the text is not one.
pub(super) fn read_id(text: &[u8]) -> Option<Id> {
    // The crate decodes into whole groups of three bytes.
    let mut id = [0; 12];
    let length = if text.len() == ID { URL_SAFE_NO_PAD.decode_slice(text, &mut id).ok()? } else { 0 };
    (length == id.len()).then_some(Id(id))
}

/// Reads a link. Returns `None` if the text is not one.
pub(super) fn read_link(text: &[u8]) -> Option<Link> {
    let (prev, at) = text.split_at_checked(ID)?;
    Some(Link { prev: read_id(prev)?, at: read_id(at)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_round_trips_and_garbage_is_none() {
        for _ in 0..100 {
            let link = Link { prev: Id::random(), at: Id::random() };
            let text = text_of(link.prev) + &text_of(link.at);
            assert_eq!((text.len(), read_link(text.as_bytes())), (LINK, Some(link)));
            for garbage in [&text[1..], &format!("{text}A"), &text.replace(&text[..1], "!"), &text[..ID], ""] {
                assert_eq!(read_link(garbage.as_bytes()), None, "{garbage}");
            }
        }
        // The predecessor of the first message of a history.
        assert_eq!(text_of(read_id(&[b'-'; ID]).unwrap()).as_bytes(), [b'-'; ID]);
        assert_eq!(read_link(&[0xff; LINK]), None);
    }
}
