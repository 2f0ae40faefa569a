//! The byte buffer of a thread: output is assembled in it, and then copied.

use std::cell::Cell;

/// The largest capacity of a buffer that a thread keeps.
const MAX_KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `assemble` with an empty buffer.
///
/// During the call, the buffer is not in the thread-local, because user code (a `Serialize`) may call this function again.
pub(crate) fn with_buffer<R>(assemble: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = assemble(&mut buffer);
    if buffer.capacity() <= MAX_KEPT {
        BUFFER.set(buffer);
    }
    result
}
