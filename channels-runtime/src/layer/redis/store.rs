//! The script that adds messages to queues within their capacity.

use bytes::Bytes;
use deadpool_redis::redis::Cmd;

use crate::layer::redis::lua_script::{LuaScript, ScriptCall};

/// Adds messages to queues, each only if its queue holds fewer messages than its capacity. Returns the indices, from 0, of
/// the full queues, and of the keys that do not hold a queue. The other queues still get their message.
///
/// channels_redis does the same in two to four commands, so concurrent senders can fill a queue beyond its capacity.
///
/// The script removes expired messages last. When Redis is out of memory, it refuses to add data, unless the script has already
/// written. If the removal came first, Redis would store the message, although every other send fails.
static STORE: LuaScript = LuaScript::new(
    "\
local full, wrong_type = {}, {}
for i, key in ipairs(KEYS) do
  local count = redis.pcall('ZCOUNT', key, '(' .. ARGV[2], '+inf')
  if type(count) == 'table' then
    if not string.find(count.err, 'WRONGTYPE', 1, true) then
      return count
    end
    wrong_type[#wrong_type + 1] = i - 1
  elseif count >= tonumber(ARGV[2 * i + 2]) then
    full[#full + 1] = i - 1
  else
    redis.call('ZADD', key, ARGV[1], ARGV[2 * i + 3])
    redis.call('EXPIRE', key, ARGV[3])
  end
end
for i, key in ipairs(KEYS) do
  redis.pcall('ZREMRANGEBYSCORE', key, 0, ARGV[2])
end
return {full, wrong_type}",
);

/// The indices of the entries that were not stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotStored {
    /// The queue holds as many messages as its capacity.
    pub(super) full: Vec<usize>,
    /// The key does not hold a queue.
    pub(super) wrong_type: Vec<usize>,
}

/// Messages for queues of one server, one for each.
#[derive(Debug)]
pub(super) struct Store {
    /// The score of the new entries.
    pub(super) score: f64,
    /// Entries up to this score are removed.
    pub(super) cutoff: f64,
    /// The time in seconds for which Redis keeps a queue.
    pub(super) expiry: u64,
    pub(super) entries: Vec<Entry>,
}

/// A sealed message for a queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) queue: String,
    pub(super) capacity: usize,
    pub(super) message: Bytes,
}

impl ScriptCall for Store {
    fn script(&self) -> &'static LuaScript {
        &STORE
    }

    fn add_arguments(&self, command: &mut Cmd) {
        command.arg(self.entries.len());
        for entry in &self.entries {
            command.arg(&entry.queue);
        }
        command.arg(self.score).arg(self.cutoff).arg(self.expiry);
        for entry in &self.entries {
            command.arg(entry.capacity).arg(&entry.message[..]);
        }
    }
}
