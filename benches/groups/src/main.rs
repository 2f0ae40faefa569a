//! The time in which one channel joins many groups and leaves them one at a time.
//!
//! ```sh
//! cargo run --release --manifest-path benches/groups/Cargo.toml
//! ```

use std::time::{Duration, Instant};

use channels_runtime::prelude::*;

/// Numbers of groups. If the work is linear, the time for one group is similar in all rows.
const COUNTS: [u32; 5] = [1, 1_000, 10_000, 40_000, 100_000];

/// Readings of each row. The result is the median.
const ROUNDS: usize = 7;

/// The smallest number of joins in a reading.
const JOINS: u32 = 10_000;

#[event("seat.taken")]
struct Taken {
    seat: u32,
}

#[group("seat_{number}", events(Taken))]
struct Seat {
    number: u32,
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// Returns the nanoseconds for one join and for one leave.
async fn reading(count: u32, order: Order) -> Result<[f64; 2]> {
    let layer = ChannelLayer::in_memory();
    let (mut joining, mut leaving) = (Duration::ZERO, Duration::ZERO);
    let repeats = JOINS.div_ceil(count);
    for _ in 0..repeats {
        let channel = layer.new_channel().await?;
        let began = Instant::now();
        for number in 0..count {
            layer.group_add(&Seat { number }, channel.name()).await?;
        }
        joining += began.elapsed();
        let began = Instant::now();
        for number in 0..count {
            let number = match order {
                Order::OldestFirst => number,
                Order::NewestFirst => count - 1 - number,
            };
            layer.group_discard(&Seat { number }, channel.name()).await?;
        }
        leaving += began.elapsed();
        assert_eq!(layer.groups_here(), 0);
    }
    Ok([joining, leaving].map(|time| time.as_secs_f64() * 1e9 / f64::from(count * repeats)))
}

async fn median(count: u32, order: Order) -> Result<[f64; 2]> {
    let (mut joins, mut leaves) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [join, leave] = reading(count, order).await?;
        joins.push(join);
        leaves.push(leave);
    }
    Ok([joins, leaves].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("| groups of the channel | join, ns | leave, oldest first, ns | leave, newest first, ns |");
    println!("| --: | --: | --: | --: |");
    for count in COUNTS {
        let [join, oldest] = median(count, Order::OldestFirst).await?;
        let [_, newest] = median(count, Order::NewestFirst).await?;
        println!("| {count} | {join:.0} | {oldest:.0} | {newest:.0} |");
    }
    Ok(())
}
