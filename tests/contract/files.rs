//! The generated files, in a temporary folder, and the tools that judge them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use serde_json::Value;

use crate::contracts;

/// A folder that is removed with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("channels-contract-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join(name)).unwrap()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files of all contracts.
pub(crate) fn generated() -> Folder {
    let folder = Folder::new();
    for (name, contract) in contracts::all(&folder.path().display().to_string()) {
        let files = contract.typescript(format!("{name}.ts")).javascript(format!("{name}.js"));
        files.python(format!("{name}_events.py")).asyncapi(format!("{name}.asyncapi.json")).write().unwrap();
    }
    folder
}

/// Returns a program of the Python environment.
pub(crate) fn python(name: &str) -> Command {
    let path = package().join("django/.venv/bin").join(name);
    assert!(path.exists(), "tests/django/.venv has no `{name}`: run `scripts/python-env`");
    Command::new(path)
}

/// Returns a folder of `node_modules`.
pub(crate) fn node_module(name: &str) -> PathBuf {
    let path = package().join("contract/node_modules").join(name);
    assert!(path.exists(), "tests/contract/node_modules has no `{name}`: run `scripts/node-env`");
    path
}

/// Returns the folder of this package.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
