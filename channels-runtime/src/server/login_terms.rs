//! The terms of a connection's login, and the check of a client's login.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::error::Reject;
use crate::scope::Scope;
use crate::server::server::Server;
use crate::user::{Identified, checked_after, no_authenticator};

/// The number of times that an authenticator is asked if the user's connections are closed meanwhile.
const ATTEMPTS: u32 = 3;

/// The terms of a connection's login.
#[derive(Debug, Default)]
pub(crate) struct LoginTerms {
    /// The end of the login.
    pub(super) until: Option<SystemTime>,
    /// The key of the user, and when the login was checked.
    pub(super) key: Option<(Arc<str>, Instant)>,
    /// The time between two checks.
    pub(super) reauth: Option<Duration>,
    pub(super) has_user: bool,
}

impl Server {
    /// Runs the authenticator, and sets the user of the scope.
    pub(crate) async fn authenticate(&self, scope: &mut Scope) -> Result<LoginTerms, Reject> {
        let Some(authenticator) = &self.settings.authenticator else {
            scope.set_user(Some(no_authenticator()));
            return Ok(LoginTerms::default());
        };
        // A login from a backend has a key, and asking twice is expensive.
        #[cfg(feature = "backend")]
        if self.settings.forward_auth.is_some() {
            self.kicks.listen(self.layer()).await?;
        }
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            let identified = authenticator(scope.clone()).await?;
            let Identified { user, until, key, reauth, answered } = identified;
            let checked = answered.unwrap_or(began);
            if let Some(key) = &key {
                self.kicks.listen(self.layer()).await?;
                if let Some(closed) = self.kicks.registry().closed_since(key, checked) {
                    scope.set_user(Some(checked_after(closed)));
                    continue;
                }
            }
            if until.is_some_and(|until| until <= SystemTime::now()) {
                return Err(Reject::unauthorized().reason("the login has ended; log in again"));
            }
            let has_user = user.is_some();
            scope.set_user(user);
            let reauth = reauth.or(self.settings.reauth);
            return Ok(LoginTerms { until, key: key.map(|key| (key, checked)), reauth, has_user });
        }
        Err(Reject::unauthorized().reason("the login has ended; log in again"))
    }
}
