//! A pipeline of commands, with a check that the replies belong to it.
//!
//! Redis replies in order, and a reply does not name its command. After one extra reply on a connection, each command would
//! get the reply to another one, and a message would go to the members of another group. So each pipeline ends with a PING that
//! has a number of its own in this process, and the last reply must repeat the number.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{self, Pipeline, RedisResult, Value};

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::host::USUAL_REPLY_TIME;

/// The bytes per second of a slow connection. They extend the reply time of a large pipeline.
const SLOW_BANDWIDTH: u32 = 1024 * 1024;

/// Returns the time within which a working connection gets the replies to this pipeline.
pub(super) fn usual_reply_time(pipeline: &Pipeline) -> Duration {
    let bytes = u32::try_from(pipeline.get_packed_pipeline().len()).unwrap_or(u32::MAX);
    USUAL_REPLY_TIME + Duration::from_secs_f64(f64::from(bytes) / f64::from(SLOW_BANDWIDTH))
}

/// Runs a pipeline, to which it adds the PING, and returns one reply for each command. An error of one command is a reply.
///
/// After an error of the pipeline, Redis may have executed any of its commands, and its replies may still come. So the caller
/// must discard the connection.
///
/// # Cancel safety
/// Dropping the future has the same effect as an error.
pub(super) async fn run_pipeline(
    pipeline: &mut Pipeline,
    connection: &mut impl ConnectionLike,
) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    pipeline.cmd("PING").arg(number);
    pipeline.ignore_errors();
    let mut replies: Vec<RedisResult<Value>> = pipeline.query_async(connection).await?;
    let last = replies.pop().ok_or(ConnectionError::OutOfStep)??;
    match redis::from_redis_value::<u64>(last) {
        Ok(reply) if reply == number => Ok(replies),
        _ => Err(ConnectionError::OutOfStep),
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::{Cmd, RedisFuture};

    use super::*;

    /// A connection with extra replies: each pipeline gets the last replies to the one before.
    #[derive(Default)]
    struct OutOfStep {
        replies: Vec<Value>,
        extra: usize,
    }

    impl ConnectionLike for OutOfStep {
        fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
            unreachable!("only pipelines are run")
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            pipeline: &'a Pipeline,
            _: usize,
            _: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            let echo = |command: &Cmd| {
                let last = command.args_iter().last();
                let Some(redis::Arg::Simple(argument)) = last else { panic!("expected a plain argument") };
                Value::BulkString(argument.to_vec())
            };
            self.replies.extend(pipeline.cmd_iter().map(echo));
            let count = pipeline.len();
            if self.replies.len() == count {
                for _ in 0..self.extra {
                    self.replies.insert(0, Value::BulkString(u64::MAX.to_string().into_bytes()));
                }
            }
            Box::pin(async move { Ok(self.replies.drain(..count).collect()) })
        }

        fn get_db(&self) -> i64 {
            0
        }
    }

    #[test]
    fn usual_reply_time_grows_with_pipeline_size() {
        let extension = |bytes: usize| {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ECHO").arg(vec![0_u8; bytes]);
            (usual_reply_time(&pipeline) - USUAL_REPLY_TIME).as_millis()
        };
        assert_eq!((extension(0), extension(8 << 20)), (0, 8000));
    }

    #[tokio::test]
    async fn replies_to_another_pipeline_return_out_of_step() {
        let pipeline = || {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ECHO").arg("1").cmd("ECHO").arg("2");
            pipeline
        };
        let mut in_step = OutOfStep::default();
        for _ in 0..3 {
            let replies = run_pipeline(&mut pipeline(), &mut in_step).await.unwrap();
            let replies: Vec<u64> =
                replies.into_iter().map(|reply| redis::from_redis_value(reply.unwrap()).unwrap()).collect();
            assert_eq!(replies, [1, 2]);
        }
        for extra in 1..7 {
            let mut out_of_step = OutOfStep { extra, ..OutOfStep::default() };
            for _ in 0..3 {
                let replies = run_pipeline(&mut pipeline(), &mut out_of_step).await;
                assert!(matches!(replies, Err(ConnectionError::OutOfStep)), "{extra}: {replies:?}");
            }
        }
    }
}
