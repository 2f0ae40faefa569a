//! The script that keeps a message in the history of its group, and publishes it.

use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::Cmd;

use crate::event::{History, Id};
use crate::layer::redis::lua_script::{LuaScript, ScriptCall};
use crate::layer::redis::pubsub::history_keys::HistoryKeys;
use crate::layer::redis::pubsub::link_text::text_of;

/// The time in seconds for which Redis keeps the newest identity of a group, so that a quiet group can be recovered.
pub(super) const KEEP_NEWEST: u64 = 86_400;

/// Adds a message to a history, and publishes its link and then the message.
///
/// Redis runs the script without interruption, so all processes receive the messages in the order of the history, and nothing
/// comes between a link and its message. The first command that writes is the one that needs memory: a full Redis refuses it, and
/// then nothing is published.
static RECORD: LuaScript = LuaScript::new(
    "\
local prev = redis.call('GET', KEYS[2]) or '----------------'
redis.call('RPUSH', KEYS[1], prev .. ARGV[1] .. ARGV[2])
redis.call('LTRIM', KEYS[1], ARGV[3], -1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[5])
redis.call('PUBLISH', ARGV[6], prev .. ARGV[1])
return redis.call('PUBLISH', ARGV[7], ARGV[2])",
);

/// A message for a group with a history.
pub(super) struct Record {
    pub(super) keys: HistoryKeys,
    /// The topic of the group.
    pub(super) topic: String,
    pub(super) id: Id,
    /// The message as it is published.
    pub(super) sealed: Bytes,
    pub(super) history: History,
}

impl ScriptCall for Record {
    fn script(&self) -> &'static LuaScript {
        &RECORD
    }

    fn add_arguments(&self, command: &mut Cmd) {
        let Self { keys: HistoryKeys { kept, newest, links }, topic, id, sealed, history } = self;
        command.arg(2).arg(kept).arg(newest);
        command.arg(text_of(*id)).arg(&sealed[..]).arg(-i32::from(history.size)).arg(milliseconds(history.ttl));
        command.arg(KEEP_NEWEST).arg(links).arg(topic);
    }
}

fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}
