//! Text is not an error type, and an error of `anyhow` must be converted like a boxed error.

use channels_runtime::prelude::*;

mod anyhow {
    #[derive(Debug)]
    pub struct Error;
    pub type Result<T> = std::result::Result<T, Error>;

    impl From<Error> for Box<dyn std::error::Error + Send + Sync> {
        fn from(_: Error) -> Self {
            "a box".into()
        }
    }
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("no")]
    async fn no(&mut self, _cx: &mut Context<Self>, _command: No) -> Result<()> {
        Err("no".into())
    }

    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) -> anyhow::Result<()> {
        Ok(())
    }

    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        let loaded: anyhow::Result<()> = Ok(());
        loaded?;
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct No {}

fn main() {}
