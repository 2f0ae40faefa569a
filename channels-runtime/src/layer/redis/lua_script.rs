//! Lua scripts that Redis runs, each as one step.

use std::sync::OnceLock;

use deadpool_redis::redis::{self, Cmd, Script};

/// A script, and its hash.
#[derive(Debug)]
pub(super) struct LuaScript {
    text: &'static str,
    hash: OnceLock<String>,
}

impl LuaScript {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| Script::new(self.text).get_hash().to_owned())
    }
}

/// A call of a script.
pub(super) trait ScriptCall: Send {
    /// Returns the script.
    fn script(&self) -> &'static LuaScript;

    /// Adds the number of keys, the keys, and the other arguments.
    fn add_arguments(&self, command: &mut Cmd);

    /// Returns the command. If the script is `loaded`, the command contains only its hash. The first command of a pipeline
    /// contains the text, so that the others work even if the server has restarted.
    fn command(&self, loaded: bool) -> Cmd {
        let script = self.script();
        let mut command = if loaded { redis::cmd("EVALSHA") } else { redis::cmd("EVAL") };
        command.arg(if loaded { script.hash() } else { script.text });
        self.add_arguments(&mut command);
        command
    }
}
