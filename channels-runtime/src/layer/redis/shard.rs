//! The server of a name, by the hash ring of channels_redis, so that all peers select the same server.

/// The bits of the checksum that are the position on the ring.
const RING: u32 = 0xFFF;

/// Returns the index of the server for `name`, below `servers`.
pub(super) fn shard_of(name: &str, servers: usize) -> usize {
    if servers <= 1 {
        return 0;
    }
    let position = crc32fast::hash(name.as_bytes()) & RING;
    // Python divides in floating point and truncates. Integer arithmetic would differ at the boundaries.
    let slice = f64::from(RING + 1) / servers as f64;
    (f64::from(position) / slice) as usize
}

#[cfg(test)]
mod tests {
    use super::shard_of;

    #[test]
    fn shard_matches_channels_redis() {
        for (name, servers, shard) in [
            ("key_one", 1, 0),
            ("key_one", 2, 1),
            ("key_two", 2, 0),
            ("key_one", 10, 6),
            ("key_two", 10, 4),
            ("test-group", 2, 1),
            ("test-group", 3, 2),
            ("test-group", 4, 3),
            ("test-group", 10, 8),
        ] {
            assert_eq!(shard_of(name, servers), shard, "{name} of {servers}");
        }
    }
}
