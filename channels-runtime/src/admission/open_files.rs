//! The limit of open files, and the numbers of sockets that it allows.

/// Open files reserved for everything but clients: Redis, logs, listeners, libraries.
const RESERVED: usize = 64;

/// The highest soft limit that is set. Some containers have a hard limit of a billion, and a program that inherits such a limit may
/// close that many files one by one.
const HIGHEST: u64 = 1 << 20;

/// The parts of the limit of open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileShares {
    /// Connections of consumers.
    pub(super) connections: usize,
    /// Sockets that have not sent a whole request.
    pub(super) waiting: usize,
}

impl FileShares {
    /// Divides this many files. `waiting` is the setting `max_waiting_sockets`. It is reduced to a quarter of the files, so that
    /// connections get some of the files even if there are few.
    pub(super) fn of(files: usize, waiting: usize) -> Self {
        let waiting = waiting.min(files / 4).max(1);
        let reserved = RESERVED.min(files / 4);
        Self { connections: files.saturating_sub(waiting.saturating_add(reserved)).max(1), waiting }
    }
}

/// Returns the soft limit of open files. `usize::MAX`: no limit, or an operating system without one.
pub(super) fn soft_limit() -> usize {
    #[cfg(unix)]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        limit.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
    }
    #[cfg(not(unix))]
    {
        usize::MAX
    }
}

/// Raises the soft limit of open files to the hard one, for the whole process and the programs that it starts later. Logs the
/// change.
pub(super) fn raise_soft_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let Some(before) = current else { return };
        let after = maximum.map_or(HIGHEST, |maximum| maximum.min(HIGHEST));
        if after <= before {
            return;
        }
        match setrlimit(Resource::Nofile, Rlimit { current: Some(after), maximum }) {
            Ok(()) => tracing::info!(before, after, "the limit of open files was raised"),
            Err(error) => {
                tracing::warn!(before, after, %error, "the limit of open files could not be raised");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_shared_by_waiting_sockets_and_connections() {
        let shares = |files, waiting| {
            let FileShares { connections, waiting } = FileShares::of(files, waiting);
            (connections, waiting)
        };
        assert_eq!(shares(65_536, 512), (64_960, 512));
        assert_eq!(shares(1024, 512), (704, 256));
        assert_eq!(shares(256, 512), (128, 64));
        assert_eq!(shares(256, 8), (184, 8));
        assert_eq!(shares(usize::MAX, 512), (usize::MAX - 576, 512));
        assert_eq!(shares(usize::MAX, usize::MAX), (usize::MAX - usize::MAX / 4 - 64, usize::MAX / 4));
        for files in 0..300 {
            let (connections, waiting) = shares(files, 512);
            assert!(connections > 0 && waiting > 0 && connections + waiting <= files.max(2), "{files}");
        }
    }
}
