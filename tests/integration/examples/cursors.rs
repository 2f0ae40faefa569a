//! `examples/cursors`: the others see a cursor move until its client is gone.

use serde_json::{Value, json};

use super::Client;
use crate::support::example::Example;

/// Connects a client and returns it with its id.
async fn enter(example: &Example) -> (Client, Value) {
    let mut client = Client::connect(example, "/ws/cursors/").await;
    let news = client.next_json().await;
    let id = news["you"].clone();
    assert!(id.is_u64(), "{news}");
    (client, id)
}

#[tokio::test]
async fn cursor_moves_for_all_clients_and_leaves_with_its_own() {
    let example = Example::start("cursors", &[]);
    let (mut ann, her) = enter(&example).await;
    let (mut bob, him) = enter(&example).await;
    assert_ne!(her, him);

    ann.say(&json!({"type": "move", "x": 0.25, "y": 0.5})).await;
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.next_json().await, json!({"move": [her, 0.25, 0.5]}));
    }
    // Positions are limited to the canvas.
    bob.say(&json!({"type": "move", "x": -3, "y": 1e30})).await;
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.next_json().await, json!({"move": [him, 0.0, 1.0]}));
    }

    // The client is gone without a close frame.
    drop(bob);
    assert_eq!(ann.next_json().await, json!({"gone": him}));
}

#[tokio::test]
async fn cursor_positions_never_go_back() {
    const STEPS: u16 = 500;

    let example = Example::start("cursors", &[]);
    let (mut ann, her) = enter(&example).await;
    let (mut bob, _) = enter(&example).await;
    for step in 1..=STEPS {
        let x = f32::from(step) / f32::from(STEPS);
        ann.say(&json!({"type": "move", "x": x, "y": 0.5})).await;
    }
    // Bob reads only now. His socket has space for all positions, so at least the last one arrives.
    let mut last = 0.0;
    while last < 1.0 {
        let news = bob.next_json().await;
        assert_eq!(news["move"][0], her, "{news}");
        let x = news["move"][1].as_f64().unwrap();
        assert!(x > last, "{x} after {last}");
        last = x;
    }
}
