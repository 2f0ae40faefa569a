//! The errors of the crate in a program whose functions return `anyhow::Result`.

use channels_runtime::auth::{KeyError, SessionError, TokenError};
use channels_runtime::error::{
    BackgroundError, BlockingError, BuildError, CommandError, DecodeError, EncodeError, Error, FrameError, LayerError,
    NameError, SendError, SettingError,
};
use channels_runtime::layer::ConfigError;
use channels_runtime::testing::CommunicatorError;
use channels_runtime::web::ServeError;

macro_rules! all_convert {
    ($($error:ty),* $(,)?) => {
        $(
            const _: fn($error) -> anyhow::Error = anyhow::Error::from;
        )*
    };
}

all_convert!(
    BackgroundError,
    BlockingError,
    BuildError,
    CommandError,
    CommunicatorError,
    ConfigError,
    DecodeError,
    EncodeError,
    Error,
    FrameError,
    KeyError,
    LayerError,
    NameError,
    SendError,
    ServeError,
    SessionError,
    SettingError,
    TokenError,
);

#[test]
fn error_in_anyhow_keeps_its_cause_and_its_box() {
    fn fails() -> channels_runtime::Result<()> {
        Err(LayerError::Unavailable { server: None, action: "a read", source: "closed".into() })?
    }
    fn run() -> anyhow::Result<()> {
        Ok(fails()?)
    }
    let error = run().unwrap_err();
    assert_eq!(format!("{error:#}"), "the channel layer is unreachable: a read failed: closed");
    // `anyhow` sees only the box.
    let held = error.downcast_ref::<Box<dyn std::error::Error + Send + Sync>>().unwrap();
    assert!(held.is::<LayerError>());
}
