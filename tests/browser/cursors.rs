//! Touch input on the canvas of the example `cursors`.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, PointerAction, TouchActions};
use serde_json::{Value, json};

use crate::example::Example;
use crate::{Driver, Window};

impl Window {
    async fn opens_canvas(&self, cursors: &Example) {
        self.0.goto(&format!("http://{}/", cursors.address())).await.unwrap();
        self.wait_for("body[data-state=open]").await;
    }

    /// Drags a finger from one place to another, in pixels of the screen.
    async fn drags(&self, from: (f64, f64), to: (f64, f64)) {
        let at =
            |(x, y), milliseconds| PointerAction::MoveTo { duration: Some(Duration::from_millis(milliseconds)), x, y };
        let drag = TouchActions::new("finger".into())
            .then(at(from, 0))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(at(to, 400))
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        self.0.perform_actions(drag).await.unwrap();
    }

    /// Waits until a cursor of this kind is at this position, within one pixel.
    async fn sees_cursor(&self, kind: &str, x: f64, y: f64) {
        let there = "return [...document.querySelectorAll(arguments[0])]\
            .map((cursor) => [cursor.dataset.x * 360, cursor.dataset.y * 740])";
        let seen = || async { self.0.execute(there, vec![json!(kind)]).await.unwrap() };
        let waiting = async {
            loop {
                let cursors: Vec<(f64, f64)> = serde_json::from_value(seen().await).unwrap();
                if cursors.iter().any(|cursor| (cursor.0 - x).abs() < 1.0 && (cursor.1 - y).abs() < 1.0) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(crate::PATIENCE, waiting).await.is_err() {
            panic!("no {kind} at {x}, {y}: {}", seen().await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_follow_fingers_in_every_window() {
    let cursors = Example::start("cursors", &[]);
    let driver = Driver::start();
    let (ann, bob, eve) = (driver.window().await, driver.window().await, driver.window().await);
    ann.opens_canvas(&cursors).await;
    ann.reads("#count", "you are alone").await;
    bob.opens_canvas(&cursors).await;

    ann.drags((40.0, 600.0), (90.0, 200.0)).await;
    bob.sees_cursor(".cursor:not(.own)", 90.0, 200.0).await;
    ann.sees_cursor(".cursor.own", 90.0, 200.0).await;
    bob.drags((300.0, 100.0), (250.0, 450.0)).await;
    ann.sees_cursor(".cursor:not(.own)", 250.0, 450.0).await;
    ann.reads("#count", "you and 1 more").await;

    // A late client sees the resting cursors as soon as it moves its own.
    eve.opens_canvas(&cursors).await;
    eve.drags((180.0, 650.0), (200.0, 330.0)).await;
    eve.sees_cursor(".cursor:not(.own)", 90.0, 200.0).await;
    eve.sees_cursor(".cursor:not(.own)", 250.0, 450.0).await;
    eve.reads("#count", "you and 2 more").await;
    eve.fits().await;

    if std::env::var("SCREENSHOTS").is_ok() {
        // The trails fade within a second, so the picture is taken while they grow.
        let at = |x: f64, y: f64| format!("{{clientX: {x}, clientY: {y}}}");
        for step in 0..12 {
            let turn = f64::from(step) / 4.0;
            for (window, x, y) in [(&ann, 90.0, 200.0), (&bob, 250.0, 450.0), (&eve, 170.0, 600.0)] {
                let place = at(x + 50.0 * turn.sin(), y + 50.0 * turn.cos());
                let script = format!("dispatchEvent(new PointerEvent('pointermove', {place}))");
                window.0.execute(&script, Vec::new()).await.unwrap();
            }
        }
        eve.is_pictured("cursors").await;
    }

    // Closing a window removes its cursor. After a server restart the remaining windows see each other again.
    bob.0.close().await.unwrap();
    ann.reads("#count", "you and 1 more").await;
    let address = cursors.address().to_string();
    drop(cursors);
    ann.wait_for("body[data-state=waiting]").await;
    assert!(ann.0.find(Locator::Css(".cursor")).await.is_err(), "an offline page shows no cursor");
    let _cursors = Example::start_at("cursors", &address, &[]);
    ann.reads("#count", "you and 1 more").await;
    for window in [ann, eve] {
        // The ring is drawn only after the server has returned the cursor's position.
        window.wait_for(".cursor.own").await;
        let own: Value = window.0.execute("return document.querySelectorAll('.own').length", Vec::new()).await.unwrap();
        assert_eq!(own, 1, "one ring, not one per connection");
        window.0.close().await.unwrap();
    }
}
