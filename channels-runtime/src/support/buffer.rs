//! A buffer for each thread, for bytes that are assembled and then copied.

use std::cell::Cell;

/// The largest buffer that a thread keeps.
const LARGEST_KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `assemble` with an empty buffer. The buffer is moved out of the thread-local meanwhile, because user code (a `Serialize`)
/// may call this function again.
pub(crate) fn with_buffer<R>(assemble: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = assemble(&mut buffer);
    if buffer.capacity() <= LARGEST_KEPT {
        BUFFER.set(buffer);
    }
    result
}
