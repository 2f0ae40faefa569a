//! The charts of the example `dashboard`, in real browser windows.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::example::Example;
use crate::{Driver, PATIENCE, Window};

impl Window {
    async fn opens_dashboard(&self, dashboard: &Example, query: &str) {
        self.0.goto(&format!("http://{}/{query}", dashboard.address())).await.unwrap();
        self.wait_for("body[data-state=open][data-samples]").await;
    }

    /// Returns the number of points of each line in the charts.
    async fn points(&self) -> Vec<usize> {
        let script = "return [...document.querySelectorAll('path.one, path.two')]\
            .map((path) => path.getPointAtLength && path.getAttribute('d').split('L').length)";
        serde_json::from_value(self.0.execute(script, Vec::new()).await.unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_charts_grow_in_every_window() {
    let dashboard = Example::start("dashboard", &[]);
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    ann.opens_dashboard(&dashboard, "").await;
    ann.reads("#state", "live, 1 viewer").await;
    let begun = Instant::now();
    let wanted = if std::env::var("SCREENSHOTS").is_ok() { 60 } else { 4 };
    while ann.points().await.iter().any(|points| *points < wanted) {
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(60), "{:?}", ann.points().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // A late viewer gets the whole chart immediately.
    bob.opens_dashboard(&dashboard, "").await;
    assert!(bob.points().await.iter().all(|points| *points >= wanted), "{:?}", bob.points().await);
    for window in [&ann, &bob] {
        window.reads("#state", "live, 2 viewers").await;
        window.reads("#cpu .now", "%").await;
        window.fits().await;
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    ann.reads("#cpu .now", " cores").await;
    let bars = ann.0.execute("return document.querySelectorAll('#cores i').length", Vec::new()).await.unwrap();
    assert!(bars.as_u64().unwrap() >= cores as u64, "{bars} bars for {cores} cores");
    ann.reads("#memory .now", "of ").await;

    // Every point lies inside its chart.
    let outside = "return [...document.querySelectorAll('path')].map((path) => path.getBBox())\
        .filter(({x, y, width, height}) => x < 0 || y < 0 || x + width > 59 || y + height > 100).length";
    assert_eq!(ann.0.execute(outside, Vec::new()).await.unwrap(), json!(0));
    bob.is_pictured("dashboard").await;

    let address = dashboard.address().to_string();
    drop(dashboard);
    ann.wait_for("body[data-state=waiting]").await;
    let _dashboard = Example::start_at("dashboard", &address, &[]);
    ann.reads("#state", "live, 2 viewers").await;
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_charts_grow_over_server_sent_events() {
    let dashboard = Example::start("dashboard", &[]);
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    ann.opens_dashboard(&dashboard, "").await;
    bob.opens_dashboard(&dashboard, "?sse").await;
    for window in [&ann, &bob] {
        window.reads("#state", "live, 2 viewers").await;
    }
    let begun = Instant::now();
    while bob.points().await.iter().any(|points| *points < 4) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", bob.points().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // A closed page is one viewer fewer. The remaining page reconnects to the restarted server.
    ann.0.close().await.unwrap();
    bob.reads("#state", "live, 1 viewer").await;
    let address = dashboard.address().to_string();
    drop(dashboard);
    bob.wait_for("body[data-state=waiting]").await;
    // Server-sent events are a request, which is among the resources of the page. A WebSocket is not.
    let requests =
        "return performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/ws/dashboard/'))";
    let begun = Instant::now();
    while bob.0.execute(requests, Vec::new()).await.unwrap() != json!(true) {
        assert!(begun.elapsed() < PATIENCE, "the page has sent no such request");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let dashboard = Example::start_at("dashboard", &address, &[]);
    bob.reads("#state", "live, 1 viewer").await;
    let eve = driver.window().await;
    eve.opens_dashboard(&dashboard, "").await;
    eve.reads("#state", "live, 2 viewers").await;
    bob.0.close().await.unwrap();
    eve.reads("#state", "live, 1 viewer").await;
    eve.0.close().await.unwrap();
}
