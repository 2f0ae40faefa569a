//! The user of a connection. The application defines its type.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::support::lock;

/// A shared user of any type.
pub(crate) type SomeUser = Arc<dyn AnyUser + Send + Sync>;

/// A user of any type, with the name of the type.
pub(crate) trait AnyUser: Any + Send + Sync {
    fn type_name(&self) -> &'static str;
}

impl<U: Any + Send + Sync> AnyUser for U {
    fn type_name(&self) -> &'static str {
        type_name::<U>()
    }
}

/// The result of an authenticator.
pub struct Identified {
    /// `None`: an anonymous client.
    pub(crate) user: Option<SomeUser>,
    /// The end of the login.
    pub(crate) until: Option<SystemTime>,
    /// The key by which the connections of the user are closed.
    pub(crate) key: Option<Arc<str>>,
    /// The time between two checks of the login.
    pub(crate) reauth: Option<Duration>,
    /// When the source of the login was asked, if that was earlier than now.
    pub(crate) answered: Option<Instant>,
}

impl Identified {
    pub(crate) fn new(user: Option<SomeUser>) -> Self {
        Self { user, until: None, key: None, reauth: None, answered: None }
    }
}

impl fmt::Debug for Identified {
    // The user may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identified").field("until", &self.until).finish_non_exhaustive()
    }
}

struct NoAuthenticator;

/// The placeholder for the user while an authenticator runs whose answer must be newer than this time.
struct CheckedAfter(
    #[cfg_attr(not(feature = "backend"), expect(dead_code, reason = "only a login from a backend has a cache"))]
    Instant,
);

/// Returns the placeholder for a user whose login must be checked after this time.
pub(crate) fn checked_after(time: Instant) -> SomeUser {
    Arc::new(CheckedAfter(time))
}

/// Returns the time after which a login must be checked, if the scope's user is the one of [`checked_after`].
#[cfg(feature = "backend")]
pub(crate) fn required_after(user: Option<&SomeUser>) -> Option<Instant> {
    let user: &dyn AnyUser = &**user?;
    (user as &dyn Any).downcast_ref().map(|CheckedAfter(time)| *time)
}

/// Returns the placeholder for a user in an application without an authenticator. All connections share it.
pub(crate) fn no_authenticator() -> SomeUser {
    static INSTANCE: LazyLock<SomeUser> = LazyLock::new(|| Arc::new(NoAuthenticator));
    Arc::clone(&INSTANCE)
}

/// Returns the user if it is a `U`. Otherwise logs an error, once for each requested type: the application would only see an
/// anonymous client, although it requested the wrong type.
pub(crate) fn user_as<U: Any + Send + Sync>(user: &SomeUser) -> Option<&U> {
    let user: &dyn AnyUser = &**user;
    let found = (user as &dyn Any).downcast_ref();
    if found.is_none() {
        log_mismatch(user, TypeId::of::<U>(), type_name::<U>());
    }
    found
}

/// Returns the shared user if it is a `U`; see [`user_as`].
pub(crate) fn shared_user_as<U: Any + Send + Sync>(user: &SomeUser) -> Option<Arc<U>> {
    user_as::<U>(user)?;
    let user: Arc<dyn Any + Send + Sync> = Arc::<dyn AnyUser + Send + Sync>::clone(user);
    user.downcast().ok()
}

#[cold]
fn log_mismatch(user: &dyn AnyUser, wanted: TypeId, name: &str) {
    /// Bound: the number of types that the application requests as users.
    static LOGGED: Mutex<Vec<TypeId>> = Mutex::new(Vec::new());

    let mut logged = lock(&LOGGED);
    if logged.contains(&wanted) {
        return;
    }
    logged.push(wanted);
    drop(logged);
    if (user as &dyn Any).is::<NoAuthenticator>() {
        tracing::error!(requested = name, "a user was requested, but the application has no authenticator");
    } else {
        let given = user.type_name();
        tracing::error!(requested = name, given, "the authenticator's user is of another type than the requested one");
    }
}
