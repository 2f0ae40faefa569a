//! The user of a connection, whose type only the application knows.

use std::any::{Any, TypeId, type_name};
use std::sync::{Arc, LazyLock, Mutex};

use crate::support::lock;

/// A user of any type.
pub(crate) type SomeUser = Arc<dyn AnyUser>;

/// A user that knows the name of its type.
pub trait AnyUser: Any + Send + Sync {
    fn type_name(&self) -> &'static str;
}

impl<U: Any + Send + Sync> AnyUser for U {
    fn type_name(&self) -> &'static str {
        type_name::<U>()
    }
}

/// The user of each connection if the application has no authenticator.
struct NoAuthenticator;

/// Returns the user of each connection if the application has no authenticator. All share one.
pub(crate) fn no_authenticator() -> SomeUser {
    static SHARED: LazyLock<SomeUser> = LazyLock::new(|| Arc::new(NoAuthenticator));
    Arc::clone(&SHARED)
}

/// Returns the user if it is a `U`. Another type is a mistake in the application, in which all clients would seem to be anonymous,
/// so it is logged once for each requested type.
pub(crate) fn user_as<U: Any + Send + Sync>(user: &SomeUser) -> Option<&U> {
    let user: &dyn AnyUser = &**user;
    let found = (user as &dyn Any).downcast_ref();
    if found.is_none() {
        log_wrong_type(user, TypeId::of::<U>(), type_name::<U>());
    }
    found
}

#[cold]
fn log_wrong_type(user: &dyn AnyUser, wanted: TypeId, name: &str) {
    /// Bound: the types in the program's source that it requests as users.
    static LOGGED: Mutex<Vec<TypeId>> = Mutex::new(Vec::new());

    let mut logged = lock(&LOGGED);
    if logged.contains(&wanted) {
        return;
    }
    logged.push(wanted);
    drop(logged);
    if (user as &dyn Any).is::<NoAuthenticator>() {
        tracing::error!(asked = name, "a user is requested, but these `Channels` have no authenticator");
    } else {
        let given = user.type_name();
        tracing::error!(asked = name, given, "the authenticator's user is not of the requested type");
    }
}
