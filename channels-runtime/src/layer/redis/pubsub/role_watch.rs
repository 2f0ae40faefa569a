//! The watch over the role of the server that receives the commands of the pub/sub layer.

use std::time::Duration;

use tokio::time::sleep;

use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::role::{check_reply, role_command};

/// The time between two checks.
const PERIOD: Duration = Duration::from_secs(1);

/// Checks every second that the connection which sends the commands leads to a master. Returns when it does not. The core layer
/// needs no watch, because a replica refuses its commands.
pub(super) async fn watch_role(commands: &Commands) -> ConnectionError {
    loop {
        sleep(PERIOD).await;
        // An error of the connection concerns the commands alone. Their senders receive it.
        if let Ok(reply) = commands.send("HELLO", role_command()).await
            && let Err(replica) = check_reply(&reply)
        {
            return replica;
        }
    }
}
