//! `examples/auction`: each bid is answered, and all clients receive the price.

use serde_json::json;

use super::Client;
use crate::support::example::Example;

#[tokio::test]
async fn auction_answers_each_bid() {
    let example = Example::start("auction", &[]);
    let (mut ann, mut bob) =
        (Client::connect(&example, "/ws/auction/").await, Client::connect(&example, "/ws/auction/").await);
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.next_json().await, json!({"highest": 0}));
    }
    ann.say(&json!({"type": "bid", "ref": "a", "amount": 12})).await;
    // The order of these two is not fixed: the layer carries the price.
    let mut heard = [ann.next_json().await, ann.next_json().await];
    heard.sort_by_key(|message| message.get("ref").is_none());
    assert_eq!(heard, [json!({"ref": "a", "ok": {"highest": 12}}), json!({"highest": 12})]);
    assert_eq!(bob.next_json().await, json!({"highest": 12}));
    bob.say(&json!({"type": "bid", "ref": 1, "amount": 12})).await;
    assert_eq!(bob.next_json().await, json!({"ref": 1, "error": {"code": "too_low", "highest": 12}}));
    bob.say(&json!({"type": "bid", "ref": 2, "amount": "13"})).await;
    let malformed = bob.next_json().await;
    assert_eq!((&malformed["ref"], &malformed["error"]["code"]), (&json!(2), &json!("malformed_command")));
}
