//! The function that identifies a client.

use futures_util::future::BoxFuture;

use crate::error::Reject;
use crate::scope::Scope;
use crate::user::Identified;

/// Returns the login of a client. Runs before `#[connect]`.
pub(crate) type Authenticator = dyn Fn(Scope) -> BoxFuture<'static, Result<Identified, Reject>> + Send + Sync;
