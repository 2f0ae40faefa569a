//! The signals that end a process.

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
pub(crate) async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = terminate.recv() => {}
                () = interrupt() => {}
            };
        }
    }
    interrupt().await;
}

/// Waits for Ctrl-C.
async fn interrupt() {
    // An error means that the signal is not available, not that it came. The program can call `Channels::shutdown`.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
