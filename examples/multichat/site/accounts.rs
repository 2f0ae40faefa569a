//! The users and their sessions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The maximum number of sessions; the oldest is removed first.
const MAX_SESSIONS: usize = 10_000;

/// A user who has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    /// Whether the user may enter rooms for staff.
    pub(crate) is_staff: bool,
}

/// The users with plain-text passwords, because an example has no secrets. Your site uses its database instead.
const USERS: [(User, &str); 4] = [
    (User { name: "ann", is_staff: false }, "ann"),
    (User { name: "bob", is_staff: false }, "bob"),
    (User { name: "cleo", is_staff: false }, "cleo"),
    (User { name: "admin", is_staff: true }, "admin"),
];

/// The sessions by cookie.
#[derive(Default)]
pub(crate) struct Accounts {
    sessions: Mutex<VecDeque<(String, User)>>,
}

impl Accounts {
    /// Begins a session and returns its cookie, if the password is correct.
    pub(crate) fn log_in(&self, name: &str, password: &str) -> Option<String> {
        let (user, _) = USERS.iter().find(|(user, secret)| user.name == name && *secret == password)?;
        // 122 random bits from the system cannot be guessed.
        let session = Uuid::new_v4().simple().to_string();
        let mut sessions = self.lock();
        sessions.push_back((session.clone(), *user));
        if sessions.len() > MAX_SESSIONS {
            sessions.pop_front();
        }
        Some(session)
    }

    pub(crate) fn user_of(&self, session: &str) -> Option<User> {
        self.lock().iter().find(|(known, _)| known == session).map(|(_, user)| *user)
    }

    /// Ends a session. Returns its user, or `None` if there is no such session.
    pub(crate) fn log_out(&self, session: &str) -> Option<User> {
        let mut sessions = self.lock();
        let at = sessions.iter().position(|(known, _)| known == session)?;
        sessions.remove(at).map(|(_, user)| user)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, User)>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
