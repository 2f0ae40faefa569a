//! The time to find the handler of an event and to decode it, compared with a hand-written `match` and serde's tagged enum.
//!
//! ```sh
//! cargo run --release --manifest-path benches/dispatch/Cargo.toml
//! ```

use std::hint::black_box;
use std::time::Instant;

use channels_runtime::Consumer;
use channels_runtime::prelude::*;
use serde::Serialize;

#[expect(dead_code, reason = "decoding is measured, and the result is not read")]
mod chat;

use chat::{ChatConsumer, Tagged, by_hand, number_of};

/// Calls per reading.
const CALLS: u32 = 100_000;

/// Readings of each row; the rows alternate.
const ROUNDS: usize = 31;

#[derive(Serialize)]
struct Said {
    r#type: &'static str,
    text: &'static str,
    number: u64,
}

/// Returns a message as a consumer receives it: through a layer.
async fn envelope(layer: &ChannelLayer, name: &'static str) -> Result<Envelope> {
    let channel = layer.new_channel().await?;
    let said = Said { r#type: name, text: "how do you do?", number: 7 };
    layer.send_raw(channel.name().as_str(), serde_json::to_value(said)?).await?;
    channel.receive().await.ok_or_else(|| Error::msg("the layer is closed"))
}

/// Returns the nanoseconds per call.
fn reading(call: &dyn Fn()) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let layer = ChannelLayer::in_memory();
    let (known, unknown) = (envelope(&layer, "chat.stopped").await?, envelope(&layer, "chat.shopped").await?);
    let (known, unknown) = (&known, &unknown);
    assert!(ChatConsumer::decode(known).is_ok() && ChatConsumer::decode(unknown).is_ok());
    assert!(matches!(by_hand("chat.stopped", known.body()), Some(Ok(Tagged::Stopped(_)))));
    assert!(by_hand("chat.shopped", unknown.body()).is_none());
    let rows: [(&str, &dyn Fn()); 6] = [
        ("a name without a handler, by the macro", &|| drop(black_box(ChatConsumer::decode(black_box(unknown))))),
        ("a name without a handler, by a match", &|| _ = black_box(number_of(black_box(unknown.event_name())))),
        ("a name with a handler, by a match", &|| _ = black_box(number_of(black_box(known.event_name())))),
        ("found and decoded, by the macro", &|| drop(black_box(ChatConsumer::decode(black_box(known))))),
        ("found and decoded, by a match", &|| {
            drop(black_box(by_hand(black_box(known.event_name()), black_box(known.body()))));
        }),
        ("found and decoded, by a tagged enum of serde", &|| {
            drop(black_box(rmp_serde::from_slice::<Tagged>(black_box(known.body()))));
        }),
    ];
    let mut readings = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, call), readings) in rows.iter().zip(&mut readings) {
            readings.push(reading(call));
        }
    }
    println!("20 handlers, {ROUNDS} readings of {CALLS} calls: median [lowest-highest] in ns");
    for ((name, _), mut readings) in rows.iter().zip(readings) {
        readings.sort_by(f64::total_cmp);
        println!("{name:<46} {:>7.1} [{:.1}-{:.1}]", readings[ROUNDS / 2], readings[0], readings[ROUNDS - 1]);
    }
    Ok(())
}
