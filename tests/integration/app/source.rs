//! The files of the workspace.

use std::path::Path;

/// Returns the root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}
