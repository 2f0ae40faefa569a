//! The pages of the examples reconnect after the delay that the server requests, not earlier.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use warp::path::FullPath;
use warp::{Filter, Rejection};

use super::{Driver, PATIENCE};

/// Longer than any page waits by itself before its first attempt.
const TOLD: Duration = Duration::from_millis(2500);

/// The scripts of a page: paths and texts.
type Scripts = &'static [(&'static str, &'static str)];

const NO_SCRIPTS: Scripts = &[];
const MULTICHAT: Scripts = &[
    ("/static/chat.js", include_str!("../../examples/multichat/site/chat.js")),
    ("/static/channels.js", include_str!("../../examples/multichat/site/channels.js")),
];
const CURSORS: Scripts = &[("/channels.js", include_str!("../../examples/cursors/channels.js"))];
const DASHBOARD: Scripts = &[("/channels.js", include_str!("../../examples/dashboard/channels.js"))];

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
    for (example, page, path, begin, scripts) in [
        ("chat", include_str!("../../examples/chat/room.html"), "chat/lobby/", "", NO_SCRIPTS),
        ("feed", include_str!("../../examples/feed/room.html"), "feed/lobby/", "", NO_SCRIPTS),
        ("multichat", include_str!("../../examples/multichat/site/index.html"), "", "", MULTICHAT),
        ("cursors", include_str!("../../examples/cursors/index.html"), "", "", CURSORS),
        ("dashboard", include_str!("../../examples/dashboard/index.html"), "", "", DASHBOARD),
        ("dashboard by events", include_str!("../../examples/dashboard/index.html"), "?sse", "", DASHBOARD),
        ("presence", include_str!("../../examples/presence/index.html"), "", "", NO_SCRIPTS),
        ("forced-logout", include_str!("../../examples/forced-logout/index.html"), "", "connect('ann')", NO_SCRIPTS),
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
        let file = warp::path::full().and_then(move |path: FullPath| async move {
            let found = scripts.iter().find(|(known, _)| *known == path.as_str()).ok_or_else(warp::reject)?;
            Ok::<_, Rejection>(warp::reply::with_header(found.1, "content-type", "text/javascript"))
        });
        let pages = file.or(warp::get().map(move || warp::reply::html(page)));
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
