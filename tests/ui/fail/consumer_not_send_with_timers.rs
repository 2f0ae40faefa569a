//! A consumer that is not `Send` gets no further errors about its timers.

use std::rc::Rc;
use std::time::Duration;

use channels_runtime::prelude::*;

#[event("quiz.time_is_up")]
struct TimeIsUp {
    question: u64,
}

#[derive(Default)]
struct QuizConsumer {
    question: Rc<u64>,
}

#[consumer]
impl QuizConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
        cx.every(Duration::from_secs(1), &TimeIsUp { question: *self.question })?;
        Ok(())
    }

    #[handler("quiz.time_is_up")]
    async fn time_is_up(&mut self, cx: &mut Context<Self>, event: &TimeIsUp) -> Result<()> {
        cx.send_json(&event.question).await
    }
}

fn main() {}
