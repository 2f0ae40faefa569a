//! Answers of Redis that are known to be those of the question.
//!
//! Redis does not say which command an answer is for: it answers in order, and one answer too many on the line gives every
//! later question the answer to another one, so that a message would go to the members of another group. So each pipeline
//! ends with a number that nothing else on this connection was asked for.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{self, Pipeline, RedisResult, Value};

use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::host::USUAL;

/// How many bytes even a slow line carries in a second: a large pipeline is waited for so much longer.
const SLOW_LINE: u32 = 1024 * 1024;

/// By when this pipeline has its answers, on a line that works.
pub(super) fn usual(asked: &Pipeline) -> Duration {
    let bytes = u32::try_from(asked.get_packed_pipeline().len()).unwrap_or(u32::MAX);
    USUAL + Duration::from_secs_f64(f64::from(bytes) / f64::from(SLOW_LINE))
}

/// Asks, and gives one answer for each command. After an error the connection is not to be used again: what was asked may have
/// been done or not, and what comes next may be the answer to it. Dropped, the same.
pub(super) async fn answers(
    mut pipeline: Pipeline,
    connection: &mut impl ConnectionLike,
) -> Result<Vec<RedisResult<Value>>, ConnectionError> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    pipeline.cmd("PING").arg(number);
    // What Redis refuses is an answer, too.
    pipeline.ignore_errors();
    let mut answers: Vec<RedisResult<Value>> = pipeline.query_async(connection).await?;
    let last = answers.pop().ok_or(ConnectionError::OutOfStep)??;
    match redis::from_redis_value::<u64>(last) {
        Ok(answered) if answered == number => Ok(answers),
        _ => Err(ConnectionError::OutOfStep),
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::{Cmd, RedisFuture};

    use super::*;

    /// A line with an answer too many on it: each question gets the end of what the one before was answered.
    #[derive(Default)]
    struct Shifted {
        waiting: Vec<Value>,
        by: usize,
    }

    impl ConnectionLike for Shifted {
        fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
            unreachable!("only pipelines are asked")
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            asked: &'a Pipeline,
            _: usize,
            _: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            let echo = |command: &Cmd| {
                let last = command.args_iter().last();
                let Some(redis::Arg::Simple(word)) = last else { panic!("a word") };
                Value::BulkString(word.to_vec())
            };
            self.waiting.extend(asked.cmd_iter().map(echo));
            let many = asked.len();
            if self.waiting.len() == many {
                for _ in 0..self.by {
                    self.waiting.insert(0, Value::BulkString(u64::MAX.to_string().into_bytes()));
                }
            }
            Box::pin(async move { Ok(self.waiting.drain(..many).collect()) })
        }

        fn get_db(&self) -> i64 {
            0
        }
    }

    #[test]
    fn a_line_that_is_slow_is_waited_for_as_long_as_what_it_carries_takes() {
        let carrying = |bytes: usize| {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ECHO").arg(vec![0_u8; bytes]);
            (usual(&pipeline) - USUAL).as_millis()
        };
        assert_eq!((carrying(0), carrying(8 << 20)), (0, 8000));
    }

    #[tokio::test]
    async fn answers_to_another_question_are_noticed() {
        let ask = || {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("ECHO").arg("1").cmd("ECHO").arg("2");
            pipeline
        };
        let mut in_step = Shifted::default();
        for _ in 0..3 {
            let answers = answers(ask(), &mut in_step).await.unwrap();
            let answers: Vec<u64> =
                answers.into_iter().map(|answer| redis::from_redis_value(answer.unwrap()).unwrap()).collect();
            assert_eq!(answers, [1, 2]);
        }
        for by in 1..7 {
            let mut out_of_step = Shifted { by, ..Shifted::default() };
            for _ in 0..3 {
                let answered = answers(ask(), &mut out_of_step).await;
                assert!(matches!(answered, Err(ConnectionError::OutOfStep)), "{by}: {answered:?}");
            }
        }
    }
}
