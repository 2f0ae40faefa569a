//! A buffer of the thread's own, for what is put together and then copied to where it stays.

use std::cell::Cell;

/// The largest buffer that a thread keeps.
const KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends an empty buffer. Taken out of its place meanwhile, because user code (a `Serialize`) may run and come back here.
pub(crate) fn with_buffer<R>(use_it: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let made = use_it(&mut buffer);
    if buffer.capacity() <= KEPT {
        BUFFER.set(buffer);
    }
    made
}
