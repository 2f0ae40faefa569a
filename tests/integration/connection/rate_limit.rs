//! Inbound rate limiting: a client that floods the server is slowed down.

use std::time::Duration;

use channels_runtime::prelude::*;
use tokio::time::Instant;

use crate::connection::board::{App, Newest};

#[tokio::test(start_paused = true)]
async fn rate_limit_slows_only_the_flooding_client() {
    let app = App::with(Channels::builder().inbound_limit(100, 1 << 20));
    let (mut flooder, _) = app.client::<Newest>().await;
    let (mut other, _) = app.client::<Newest>().await;
    app.go_on(10_000);
    let begun = Instant::now();
    for number in 0..1000 {
        flooder.send_to(number.to_string()).await.unwrap();
    }
    for number in 0..1000 {
        assert_eq!(flooder.receive_text_from().await.unwrap(), number.to_string());
        if number % 100 == 0 {
            // Neither events for the flooding client nor other clients are delayed.
            let asked = Instant::now();
            other.send_to("quick").await.unwrap();
            assert_eq!(other.receive_text_from().await.unwrap(), "quick");
            assert!(asked.elapsed() < Duration::from_millis(10));
        }
    }
    // Two seconds' worth immediately, the rest at the limited rate.
    let took = begun.elapsed();
    assert!(Duration::from_millis(7900) < took && took < Duration::from_millis(9500), "{took:?}");
    assert!(app.channels.stats().connections.throttled > 50);
    // Nothing was lost, and the connection is no longer slowed down.
    flooder.send_to("calm").await.unwrap();
    assert_eq!(flooder.receive_text_from().await.unwrap(), "calm");
}

#[tokio::test(start_paused = true)]
async fn rate_limit_of_bytes_still_delivers_to_throttled_client() {
    let app = App::with(Channels::builder().inbound_limit(1000, 100_000));
    let (mut flooder, _) = app.client::<Newest>().await;
    app.go_on(100);
    let begun = Instant::now();
    let text = "x".repeat(500_000);
    let sent = async {
        flooder.send_to(text.clone()).await.unwrap();
        // The client is throttled, but it receives events.
        app.note("for you").await;
        assert_eq!(flooder.receive_text_from().await.unwrap(), "for you");
        let mut heard = flooder.receive_from().await;
        while heard.is_err() && begun.elapsed() < Duration::from_secs(60) {
            heard = flooder.receive_from().await;
        }
        assert_eq!(heard.unwrap(), Frame::text(text.clone()));
    };
    sent.await;
    let took = begun.elapsed();
    assert!(Duration::from_secs(3) < took && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(app.channels.stats().connections.unanswered, 0);
}
