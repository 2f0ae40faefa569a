//! Latencies in buckets of 1.6 %: adding is cheap, and the precision is sufficient for a ranking.

/// Buckets per doubling of the duration.
const STEPS: u64 = 64;

/// Counts of durations in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; bucket(u64::MAX) + 1], total: 0, max: 0 }
    }
}

fn bucket(nanos: u64) -> usize {
    let index = if nanos < STEPS {
        nanos
    } else {
        let exponent = u64::from(nanos.ilog2());
        let shift = exponent - u64::from(STEPS.ilog2());
        (shift + 1) * STEPS + (nanos >> shift) - STEPS
    };
    usize::try_from(index).expect("a few thousand buckets")
}

/// Returns the middle of a bucket.
fn middle(bucket: usize) -> f64 {
    let (octave, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if octave == 0 {
        return step as f64;
    }
    let width = (1_u128 << (octave - 1)) as f64;
    (STEPS + step) as f64 * width + width / 2.0
}

impl Histogram {
    /// Adds one duration.
    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// Removes all durations.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max = 0;
    }

    /// Returns a quantile in milliseconds. For a `share` of 0.99 it is the 99th percentile. `None` if there are no durations.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let rank = (share * self.total as f64).ceil().max(1.0);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if self.total > 0 && seen as f64 >= rank {
                return Some(middle(index).min(self.max as f64) / 1e6);
            }
        }
        None
    }

    /// Returns the longest duration in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (self.total > 0).then_some(self.max as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut histogram = Histogram::default();
        for nanos in 1..=100_000_u64 {
            histogram.add(nanos * 1_000);
        }
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let seen = histogram.quantile_ms(share).expect("not empty");
            assert!((seen / expected - 1.0).abs() < 0.016, "{share}: {seen}");
        }
        assert_eq!(histogram.max_ms(), Some(100.0));
    }

    #[test]
    fn every_duration_is_within_its_bucket() {
        for nanos in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]) {
            let centre = middle(bucket(nanos));
            assert!((centre - nanos as f64).abs() <= nanos as f64 / 64.0 + 1.0, "{nanos}: {centre}");
        }
    }

    #[test]
    fn empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
        assert_eq!(Histogram::default().max_ms(), None);
    }
}
