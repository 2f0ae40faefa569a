//! The arguments of `#[connect]`: captures of the path, and axum's extractors.

use std::any::type_name;
use std::future::Future;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::error::shown;
use crate::server::Server;

/// The arguments of `#[connect]` after `cx` that an application with the state `S` can supply. Each is a capture of the path or an
/// extractor: [`Argument`].
///
/// `Kinds` has the kind of each argument: [`Captured`] or [`Extracted`]. The compiler infers it.
#[diagnostic::on_unimplemented(
    message = "axum cannot supply `{Self}`, the arguments of `#[connect]` after `cx`",
    note = "each argument is a capture of the path or an extractor; there are at most eight"
)]
pub trait Arguments<S, Kinds>: Sized {
    /// The number of arguments that the path captures.
    #[doc(hidden)]
    const CAPTURES: usize;

    #[doc(hidden)]
    fn extract(
        parts: &mut Parts,
        state: &S,
        captures: Vec<String>,
    ) -> impl Future<Output = Result<Self, NotExtracted>> + Send;
}

/// One argument of `#[connect]`: a capture of the path, or an extractor.
#[diagnostic::on_unimplemented(
    message = "axum cannot supply `{Self}` as an argument of `#[connect]`",
    note = "for a value of the application's state, write `State(name): State<{Self}>`, with `axum::extract::State`",
    note = "the type in `State<..>` is that of the application's state, or implements `FromRef` for it",
    note = "an argument is a capture of the path (a type with `FromStr`, such as `String` or `u64`) or an extractor that does not \
            read the body, because a handshake has none (such as `State<..>`, `Query<..>` or `Extension<..>`)"
)]
pub trait Argument<S, Kind>: Sized {
    #[doc(hidden)]
    const CAPTURES: usize;

    #[doc(hidden)]
    fn extract(
        parts: &mut Parts,
        state: &S,
        captures: &mut std::vec::IntoIter<String>,
    ) -> impl Future<Output = Result<Self, NotExtracted>> + Send;
}

/// The kind of an [`Argument`] that the path captures. As with warp, its type has `FromStr`, and a value that is not of the type
/// gets 404.
#[derive(Debug, Clone, Copy)]
pub struct Captured;

/// The kind of an [`Argument`] that axum extracts from the head of the request.
#[derive(Debug, Clone, Copy)]
pub struct Extracted;

#[diagnostic::do_not_recommend]
impl<S: Sync, T: FromStr + Send> Argument<S, Captured> for T {
    const CAPTURES: usize = 1;

    async fn extract(_: &mut Parts, _: &S, captures: &mut std::vec::IntoIter<String>) -> Result<Self, NotExtracted> {
        captures
            .next()
            .and_then(|captured| captured.parse().ok())
            .ok_or_else(|| NotExtracted::new::<T>(StatusCode::NOT_FOUND))
    }
}

#[diagnostic::do_not_recommend]
impl<S: Send + Sync, T: FromRequestParts<S> + Send> Argument<S, Extracted> for T {
    const CAPTURES: usize = 0;

    async fn extract(parts: &mut Parts, state: &S, _: &mut std::vec::IntoIter<String>) -> Result<Self, NotExtracted> {
        Self::from_request_parts(parts, state).await.map_err(NotExtracted::new::<T>)
    }
}

/// A request without an argument of `#[connect]`.
#[derive(Debug)]
pub struct NotExtracted {
    /// The type of the argument.
    argument: &'static str,
    /// The response of the extractor.
    response: Response,
}

impl NotExtracted {
    fn new<T>(rejection: impl IntoResponse) -> Self {
        Self { argument: type_name::<T>(), response: rejection.into_response() }
    }

    /// Returns the response, and logs it. If it is the application's mistake, it is logged at most as often as a failed `connect`.
    pub(super) fn into_response(self, server: &Server, consumer: &str, path: &str) -> Response {
        let (argument, path, status) = (self.argument, shown(path), self.response.status());
        if !status.is_server_error() {
            let reason = format_args!("an argument of `connect` could not be extracted: `{argument}`");
            tracing::debug!(consumer, path, status = status.as_u16(), reason, "handshake rejected");
        } else if server.failure_logs.allows() {
            let status = status.as_u16();
            tracing::error!(consumer, path, argument, status, "an argument of `connect` could not be extracted");
        }
        self.response
    }
}

macro_rules! arguments {
    ($($name:ident $kind:ident)*) => {
        #[allow(non_snake_case, unused_variables, unused_mut, clippy::unused_async, reason = "one letter is a type and its value, and there may be none")]
        impl<S: Send + Sync, $($name, $kind,)*> Arguments<S, ($($kind,)*)> for ($($name,)*)
        where
            $($name: Argument<S, $kind> + Send,)*
        {
            const CAPTURES: usize = 0 $(+ $name::CAPTURES)*;

            async fn extract(parts: &mut Parts, state: &S, captures: Vec<String>) -> Result<Self, NotExtracted> {
                let mut captures = captures.into_iter();
                Ok(($($name::extract(parts, state, &mut captures).await?,)*))
            }
        }
    };
}

arguments!();
arguments!(A KindOfA);
arguments!(A KindOfA B KindOfB);
arguments!(A KindOfA B KindOfB C KindOfC);
arguments!(A KindOfA B KindOfB C KindOfC D KindOfD);
arguments!(A KindOfA B KindOfB C KindOfC D KindOfD E KindOfE);
arguments!(A KindOfA B KindOfB C KindOfC D KindOfD E KindOfE F KindOfF);
arguments!(A KindOfA B KindOfB C KindOfC D KindOfD E KindOfE F KindOfF G KindOfG);
arguments!(A KindOfA B KindOfB C KindOfC D KindOfD E KindOfE F KindOfF G KindOfG H KindOfH);
