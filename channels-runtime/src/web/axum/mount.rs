//! Adds the route of a consumer to a `Router`, and names the consumers if that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use axum::Router;
use axum::routing::MethodRouter;

use crate::support::{lock, panic_message};
use crate::web::axum::path::without_names;

/// The consumers that were added in this process, for the message of an error at startup. A `Router` does not name its handlers.
static MOUNTED: Mutex<Vec<Mounted>> = Mutex::new(Vec::new());

/// The limit of [`MOUNTED`]. Further consumers are not named.
const MOST: usize = 1000;

#[derive(PartialEq, Eq)]
struct Mounted {
    /// The path without the names of its captures.
    path: String,
    consumer: &'static str,
}

/// Adds a route of this consumer.
///
/// # Panics
/// Where `Router::route` panics, with the names of the consumers and axum's reason.
#[track_caller]
pub(super) fn mount<S>(router: Router<S>, path: &str, consumer: &'static str, methods: MethodRouter<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    if cfg!(panic = "abort") {
        return router.route(path, methods);
    }
    match catch_unwind(AssertUnwindSafe(|| router.route(path, methods))) {
        Ok(router) => router,
        Err(panic) => {
            let reason = panic_message(&*panic);
            panic!("the consumer `{consumer}` cannot be added at `{path}`: {reason}{}", others(path))
        }
    }
}

/// Remembers that this consumer has this path.
pub(super) fn remember(path: &str, consumer: &'static str) {
    let new = Mounted { path: without_names(path), consumer };
    let mut mounted = lock(&MOUNTED);
    if mounted.len() < MOST && !mounted.contains(&new) {
        mounted.push(new);
    }
}

/// Returns the end of a message, which names the consumers with this path. They may be in another router of this process.
fn others(path: &str) -> String {
    let path = without_names(path);
    let mounted = lock(&MOUNTED);
    let names: Vec<_> = mounted.iter().filter(|other| other.path == path).map(|other| other.consumer).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; this path was added for `{}`: each consumer needs a path of its own", names.join("`, `")),
    }
}
