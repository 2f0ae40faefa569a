//! Measurements of the machine from `/proc`.

use std::fs::read_to_string;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use channels_runtime::prelude::*;

/// The load of the machine since the previous sample.
#[event("machine.sample")]
#[derive(Clone)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Sample {
    /// Milliseconds since 1970.
    at: u64,
    /// The load of each core, in percent.
    cores: Vec<f32>,
    /// In bytes, like `memory_total`.
    memory_used: u64,
    memory_total: u64,
    /// Bytes per second over all interfaces, including loopback.
    received: u64,
    sent: u64,
    /// The number of viewers in this process.
    viewers: usize,
}

/// Counters that only grow. A sample is their growth.
pub(crate) struct Machine {
    read_at: Instant,
    cores: Vec<Ticks>,
    traffic: Traffic,
}

#[derive(Clone, Copy)]
struct Ticks {
    idle: u64,
    all: u64,
}

struct Traffic {
    received: u64,
    sent: u64,
}

impl Machine {
    pub(crate) fn read() -> Result<Self> {
        Ok(Self { read_at: Instant::now(), cores: cores()?, traffic: traffic()? })
    }

    /// The kernel generates these files in memory on each read, so reading them does not wait for a disk.
    pub(crate) fn sample(&mut self, viewers: usize) -> Result<Sample> {
        let (now, (memory_used, memory_total)) = (Self::read()?, memory()?);
        let before = std::mem::replace(self, now);
        let seconds = (self.read_at - before.read_at).as_secs_f64().max(0.001);
        let a_second = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as u64;
        Ok(Sample {
            at: SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64,
            cores: self.cores.iter().zip(&before.cores).map(|(now, before)| now.busy_since(*before)).collect(),
            memory_used,
            memory_total,
            received: a_second(self.traffic.received, before.traffic.received),
            sent: a_second(self.traffic.sent, before.traffic.sent),
            viewers,
        })
    }
}

impl Ticks {
    fn busy_since(self, before: Self) -> f32 {
        let (idle, all) = (self.idle.saturating_sub(before.idle), self.all.saturating_sub(before.all));
        100.0 * (1.0 - idle as f32 / all.max(1) as f32).clamp(0.0, 1.0)
    }
}

/// `cpu0 user nice system idle iowait irq softirq steal guest guest_nice`; `user` and `nice` include the guests.
fn cores() -> Result<Vec<Ticks>> {
    let stat = read("/proc/stat")?;
    let lines = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    Ok(lines
        .map(|line| {
            let ticks = numbers(line);
            Ticks { idle: ticks.iter().skip(3).take(2).sum(), all: ticks.iter().take(8).sum() }
        })
        .collect())
}

fn memory() -> Result<(u64, u64)> {
    let info = read("/proc/meminfo")?;
    let bytes = |key: &str| {
        let line = info.lines().find(|line| line.starts_with(key));
        line.and_then(|line| numbers(line).first().copied()).map_or(0, |kilobytes| kilobytes * 1024)
    };
    let total = bytes("MemTotal:");
    Ok((total.saturating_sub(bytes("MemAvailable:")), total))
}

/// `eth0: bytes packets errs drop fifo frame compressed multicast bytes ..`
fn traffic() -> Result<Traffic> {
    let dev = read("/proc/net/dev")?;
    let interfaces: Vec<Vec<u64>> =
        dev.lines().filter_map(|line| line.split_once(':')).map(|(_, counters)| numbers(counters)).collect();
    let column = |at: usize| interfaces.iter().filter_map(|counters| counters.get(at)).sum();
    Ok(Traffic { received: column(0), sent: column(8) })
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn read(path: &str) -> Result<String> {
    read_to_string(path).map_err(|error| Error::msg(format!("this example needs Linux: {path}: {error}")))
}
