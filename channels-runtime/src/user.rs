//! The user of a connection. The application defines its type.

use std::any::{Any, TypeId, type_name};
use std::sync::{Arc, LazyLock, Mutex};

use crate::support::lock;

/// A shared user of any type.
pub(crate) type SomeUser = Arc<dyn AnyUser + Send + Sync>;

/// A user of any type, with the name of the type.
pub trait AnyUser: Any + Send + Sync {
    fn type_name(&self) -> &'static str;
}

impl<U: Any + Send + Sync> AnyUser for U {
    fn type_name(&self) -> &'static str {
        type_name::<U>()
    }
}

struct NoAuthenticator;

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
