//! The event of a timer has a handler, and `check_app!` knows it from `direct`.

use channels_runtime::prelude::*;

use std::time::Duration;

#[event("quiz.tick")]
struct Tick;

#[event("quiz.over")]
struct Over;

#[derive(Default)]
struct QuizConsumer;

#[consumer]
impl QuizConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
        cx.after(Duration::from_secs(1), &Over)?;
        cx.every(Duration::from_secs(1), &Tick)?;
        Ok(())
    }

    #[handler("quiz.tick")]
    async fn tick(&mut self, _cx: &mut Context<Self>, _event: &Tick) {}
}

check_app! {
    consumers: [QuizConsumer],
}

fn main() {}
