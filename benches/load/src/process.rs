//! CPU time and resident memory of process trees, from the kernel.

use std::collections::HashMap;
use std::fs;

/// Ticks per second in `/proc/PID/stat`. The kernel's ABI fixes this number for user space.
const TICKS: f64 = 100.0;

/// The CPU time of a process tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// User and system time together, in seconds, from the scheduler's nanoseconds if available.
    pub total: f64,
    /// User time in seconds, with a precision of 10 ms.
    pub user: f64,
}

impl std::ops::Sub for Cpu {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { total: self.total - earlier.total, user: self.user - earlier.user }
    }
}

/// Returns the fields of `/proc/PID/stat` after the command's name, which can itself contain blanks and brackets.
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(text[text.rfind(')')? + 1..].split_whitespace().map(str::to_owned).collect())
}

fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Some(parent) = stat(process).and_then(|fields| fields.get(1)?.parse().ok()) else {
            continue;
        };
        children.entry(parent).or_default().push(process);
    }
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.get(process).into_iter().flatten());
        next += 1;
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the run time, in nanoseconds, of the living threads of a process.
fn schedstat(process: u32) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
        // A thread can end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
            continue;
        };
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}

/// Returns the CPU time so far of the trees below `roots`, including the roots.
#[must_use]
pub fn cpu(roots: &[u32]) -> Cpu {
    let mut sum = Cpu::default();
    for process in tree(roots) {
        let Some(fields) = stat(process) else {
            continue;
        };
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        // utime and stime of the process with its ended threads, then those of its reaped children.
        let ended = (ticks(13) + ticks(14)) / TICKS;
        let coarse = (ticks(11) + ticks(12)) / TICKS;
        let fine = schedstat(process).map_or(coarse, |nanos| nanos as f64 / 1e9);
        // The nanoseconds exclude threads that have ended. If those matter, the ticks are more accurate.
        sum.total += ended + if coarse - fine > 0.03 { coarse } else { fine };
        sum.user += (ticks(11) + ticks(13)) / TICKS;
    }
    sum
}

/// Returns the resident memory, in bytes, of the trees below `roots`.
#[must_use]
pub fn rss(roots: &[u32]) -> u64 {
    let resident = |process: u32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    tree(roots).into_iter().filter_map(resident).sum::<u64>() * 1024
}

/// Returns the seconds that all CPUs together have spent in processes (user, nice, system) since boot.
#[must_use]
pub fn machine_busy() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    first.split_whitespace().skip(1).take(3).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn cpu_time_includes_this_process_and_a_child() {
        let this = std::process::id();
        let before = cpu(&[this]);
        let start = Instant::now();
        let mut spun = 0_u64;
        while start.elapsed() < Duration::from_millis(200) {
            spun = spun.wrapping_mul(31).wrapping_add(1);
        }
        let own = (cpu(&[this]) - before).total;
        // On a busy machine the process can get less than all of the CPU time, never more.
        assert!(own > 0.02 && own < 1.0, "{own} ({spun})");

        let script = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; sleep 5";
        let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().expect("sh");
        std::thread::sleep(Duration::from_millis(400));
        let of_child = cpu(&[child.id()]).total;
        assert!(of_child > 0.0 && cpu(&[this]).total >= before.total + own);
        assert!(rss(&[child.id()]) > 100_000);
        child.kill().expect("it still sleeps");
        child.wait().expect("it was started");
    }
}
