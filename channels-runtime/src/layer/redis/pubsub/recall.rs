//! The script that reads the history of a group.

use bytes::Bytes;
use deadpool_redis::redis::{self, Cmd, RedisError, Value};
use sha2::{Digest, Sha256};

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::event::{Id, Reign};
use crate::layer::chain::Link;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::lua_script::{LuaScript, ScriptCall};
use crate::layer::redis::pubsub::history_keys::HistoryKeys;
use crate::layer::redis::pubsub::link_text::{LINK, read_id, read_link, text_of};
use crate::layer::redis::pubsub::record::KEEP_NEWEST;

/// The most messages that a history keeps. A list of another program may be longer: its older entries are not read.
const MOST_KEPT: i32 = 1000;

/// Returns the newest identity of a group, the identity of the server's run, and the kept messages unless the caller knows the
/// newest one. If the group has no newest identity, sets the one that the caller has made.
///
/// It always writes, so that a replica refuses it. Only a full Redis may refuse to set the identity: it refuses to record
/// messages, too, and the first message after that has another predecessor, which the process notices. A user who may not run
/// INFO gets an empty identity of the run.
static RECALL: LuaScript = LuaScript::new(
    "\
local newest = redis.call('GET', KEYS[2])
if newest then
  redis.call('EXPIRE', KEYS[2], ARGV[3])
else
  newest = ARGV[2]
  local set = redis.pcall('SET', KEYS[2], newest, 'EX', ARGV[3])
  if set.err and not string.find(set.err, 'OOM', 1, true) then
    return set
  end
end
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local kept = {}
if newest ~= ARGV[1] then
  kept = redis.call('LRANGE', KEYS[1], ARGV[4], -1)
end
return {newest, run, kept}",
);

/// A request for the history of a group.
pub(super) struct Recall {
    pub(super) keys: HistoryKeys,
    /// The newest message that the caller knows.
    pub(super) known: Option<Id>,
}

impl ScriptCall for Recall {
    fn script(&self) -> &'static LuaScript {
        &RECALL
    }

    fn add_arguments(&self, command: &mut Cmd) {
        command.arg(2).arg(&self.keys.kept).arg(&self.keys.newest);
        command
            .arg(self.known.map(text_of).unwrap_or_default())
            .arg(text_of(Id::random()))
            .arg(KEEP_NEWEST)
            .arg(-MOST_KEPT);
    }
}

/// The answer to a [`Recall`].
#[derive(Debug)]
pub(super) struct Recalled {
    /// The reign. `None` if the server does not return the identity of its run.
    pub(super) reign: Option<Reign>,
    /// The newest identity. `None` if the key holds something else.
    pub(super) top: Option<Id>,
    /// The entries, the oldest first.
    entries: Vec<Bytes>,
}

impl Recalled {
    pub(super) fn from_reply(reply: Value) -> Result<Self, RedisError> {
        let (newest, run, kept): (Vec<u8>, Vec<u8>, Vec<Vec<u8>>) = redis::from_redis_value(reply)?;
        let digest: [u8; 32] = Sha256::digest(&run).into();
        let [a, b, c, d, ..] = digest;
        Ok(Self {
            reign: (!run.is_empty()).then_some(Reign([a, b, c, d])),
            top: read_id(&newest),
            entries: kept.into_iter().map(Bytes::from).collect(),
        })
    }

    /// Opens the entries. Those before an entry that cannot be opened are left out, because nobody can be sent all of them: for a
    /// client that has seen none of the rest, this is a gap. Calls `invalid` with the error of each such entry.
    pub(super) fn open(self, codec: &Codec, mut invalid: impl FnMut(DecodeError)) -> Vec<(Link, Envelope)> {
        let mut kept = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            match open_entry(entry, codec) {
                Ok(entry) => kept.push(entry),
                Err(error) => {
                    invalid(error);
                    kept.clear();
                }
            }
        }
        kept
    }
}

fn open_entry(mut entry: Bytes, codec: &Codec) -> Result<(Link, Envelope), DecodeError> {
    let sealed = entry.split_off(LINK.min(entry.len()));
    let link = read_link(&entry).ok_or(DecodeError::NoLink)?;
    Ok((link, Envelope::from_wire(codec.open(sealed)?, codec.format())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::config::LayerConfig;

    #[test]
    fn entries_up_to_an_invalid_one_are_left_out() {
        let codec = Codec::for_pubsub(&LayerConfig::default());
        let [a, b, c, d] = [(); 4].map(|()| text_of(Id::random()));
        let entry = |prev: &str, at: &str, body: &[u8]| [prev.as_bytes(), at.as_bytes(), body].concat();
        let event: &[u8] = b"\x81\xa4type\xa1a";
        let invalid = [
            entry(&b, &c, b"garbage"),
            entry(&b, &c, b""),
            entry(&b, "short", b""),
            entry(&b, "not base64url!!!", event),
        ];
        for invalid in invalid {
            let entries = [entry(&a, &b, event), invalid, entry(&c, &d, event)].map(Bytes::from).into();
            let recalled = Recalled { reign: None, top: None, entries };
            let mut errors = 0;
            let opened = recalled.open(&codec, |_| errors += 1);
            let opened: Vec<_> = opened.iter().map(|(link, _)| text_of(link.at)).collect();
            assert_eq!((opened, errors), (vec![d.clone()], 1));
        }
    }
}
