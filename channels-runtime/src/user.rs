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

struct NoAuthenticator;

/// The user of everybody where nobody asks who they are; there is one.
pub(crate) fn no_authenticator() -> SomeUser {
    static NOBODY_ASKS: LazyLock<SomeUser> = LazyLock::new(|| Arc::new(NoAuthenticator));
    Arc::clone(&NOBODY_ASKS)
}

/// The user, if it is a `U`. That it is of another type is a mistake of the application's, which would only see that nobody is
/// logged in: it is told once for each type that is asked for.
pub(crate) fn user_as<U: Any + Send + Sync>(user: &SomeUser) -> Option<&U> {
    let user: &dyn AnyUser = &**user;
    let found = (user as &dyn Any).downcast_ref();
    if found.is_none() {
        another_type(user, TypeId::of::<U>(), type_name::<U>());
    }
    found
}

#[cold]
fn another_type(user: &dyn AnyUser, wanted: TypeId, name: &str) {
    /// As many as the application has types that it takes for users.
    static TOLD: Mutex<Vec<TypeId>> = Mutex::new(Vec::new());

    let mut told = lock(&TOLD);
    if told.contains(&wanted) {
        return;
    }
    told.push(wanted);
    drop(told);
    if (user as &dyn Any).is::<NoAuthenticator>() {
        tracing::error!(asked = name, "a user is asked for, and these `Channels` have no authenticator");
    } else {
        let given = user.type_name();
        tracing::error!(asked = name, given, "the authenticator's user is of another type than the one asked for");
    }
}
