//! The pages of the examples reconnect after the delay that the server requests, not earlier.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use warp::Filter;

use super::{Driver, PATIENCE};

/// Longer than any page waits by itself before its first attempt.
const TOLD: Duration = Duration::from_millis(2500);

/// The times of all connections.
type Visits = Arc<Mutex<Vec<Instant>>>;

/// Closes each connection as a restarting server does.
struct Restarting;

#[consumer]
impl Restarting {
    #[connect]
    fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.scope().user::<Visits>().ok_or(Reject::unauthorized())?.lock().unwrap().push(Instant::now());
        cx.close_with(CloseCode::SERVICE_RESTART, &format!("reconnect in {} ms", TOLD.as_millis()));
        Ok(Self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn example_pages_reconnect_after_the_requested_delay() {
    let driver = Driver::start();
    let window = driver.window().await;
    for (example, page, path, begin) in [
        ("chat", include_str!("../../examples/chat/room.html"), "chat/lobby/", ""),
        ("feed", include_str!("../../examples/feed/room.html"), "feed/lobby/", ""),
        ("multichat", include_str!("../../examples/multichat/site/index.html"), "", ""),
        ("cursors", include_str!("../../examples/cursors/index.html"), "", ""),
        ("dashboard", include_str!("../../examples/dashboard/index.html"), "", ""),
        ("dashboard by events", include_str!("../../examples/dashboard/index.html"), "?sse", ""),
        ("presence", include_str!("../../examples/presence/index.html"), "", ""),
        ("forced-logout", include_str!("../../examples/forced-logout/index.html"), "", "connect('ann')"),
    ] {
        let visits = Visits::default();
        let known = Arc::clone(&visits);
        let channels = Channels::builder()
            .authenticator(move |_| {
                let known = Arc::clone(&known);
                async move { Ok(Some(known)) }
            })
            .build()
            .unwrap();
        let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = server.local_addr();
        let sockets = warp::path!("ws" / ..).or(warp::path!("chat" / "stream" / ..)).unify();
        let routes = channels.route::<Restarting>(sockets).or(channels.sse::<Restarting>(sockets));
        let script = include_str!("../../examples/multichat/site/chat.js");
        let script = warp::path!("static" / "chat.js")
            .map(move || warp::reply::with_header(script, "content-type", "text/javascript"));
        let pages = script.or(warp::get().map(move || warp::reply::html(page)));
        let serving = tokio::spawn(server.serve(routes.or(pages)));
        window.0.goto(&format!("http://{address}/{path}")).await.unwrap();
        window.0.execute(begin, Vec::new()).await.unwrap();
        let begun = Instant::now();
        while visits.lock().unwrap().len() < 2 {
            assert!(begun.elapsed() < PATIENCE, "{example}: the page does not reconnect");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let waited = {
            let visits = visits.lock().unwrap();
            visits[1] - visits[0]
        };
        assert!(waited >= TOLD, "{example}: the page waited {waited:?} instead of {TOLD:?}");
        serving.abort();
    }
    window.0.close().await.unwrap();
}
