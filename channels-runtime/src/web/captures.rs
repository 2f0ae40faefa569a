//! The captures of a path as the arguments of `#[connect]`.

use std::any::Any;
use std::future::ready;
use std::str::Split;

use percent_encoding::percent_decode_str;
use warp::path::FullPath;
use warp::{Filter, Rejection};

/// The path of a route: a warp filter, as `warp::path!("ws" / "chat" / u64)` makes it.
///
/// A captured `String` is decoded: `/ws/chat/a%2Fb` is captured as `a/b`. A path whose segment is not UTF-8 does not match. Other
/// types are parsed from the segment as it was sent, percent-encoded. To parse decoded text, capture a `String`, and parse it in
/// `#[connect]`. [`Scope::path`](crate::Scope::path) returns the whole path, percent-encoded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the path of a route",
    label = "write it like `warp::path!(\"ws\" / \"chat\" / u64)`",
    note = "a path is a warp filter: fixed parts are in quotes, and a captured part is its type"
)]
pub trait RoutePath {
    /// The captures of the path. The compiler does not ask for the captures of a type that is not a path.
    type Captured;

    #[doc(hidden)]
    type Itself: Filter<Extract = Self::Captured, Error = Rejection> + Clone + Send + Sync + 'static;

    #[doc(hidden)]
    fn itself(self) -> Self::Itself;
}

// With `F::Extract` in place of `T`, the compiler would report that a type that is not a path is not a filter.
#[diagnostic::do_not_recommend]
impl<T, F> RoutePath for F
where
    F: Filter<Extract = T, Error = Rejection> + Clone + Send + Sync + 'static,
{
    type Captured = T;
    type Itself = F;

    fn itself(self) -> F {
        self
    }
}

/// The captures of a path, if they are the arguments `T` of `#[connect]` after `cx`: the same number and the same types.
#[diagnostic::on_unimplemented(
    message = "this route captures `{Self}`, but `#[connect]` of its consumer takes `{T}` after `cx`",
    label = "captures `{Self}`",
    note = "the captures of the path must be the arguments of `#[connect]` after `cx`, in number and type, and at most eight"
)]
// `T` is the tuple of arguments, and not the consumer, so that the compiler reports a type that is not a consumer only once.
pub trait Captures<T>: Sized {
    /// Returns the same filter, with its captures as one tuple.
    #[doc(hidden)]
    fn collect<F>(path: F) -> impl Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static
    where
        F: Filter<Extract = Self, Error = Rejection> + Clone + Send + Sync + 'static;
}

/// Decodes a capture if it is the text of one of these segments, and removes the segments up to this one. Rejects text that is not
/// UTF-8.
///
/// A string can also come from another filter, such as one for a header. It is not decoded.
fn decoded<T: 'static>(mut capture: T, segments: &mut Split<'_, char>) -> Result<T, Rejection> {
    let Some(text) = (&mut capture as &mut dyn Any).downcast_mut::<String>() else { return Ok(capture) };
    let mut rest = segments.clone();
    if rest.any(|segment| segment == text) {
        *segments = rest;
        if text.contains('%') {
            *text = percent_decode_str(text).decode_utf8().map_err(|_| warp::reject::not_found())?.into_owned();
        }
    }
    Ok(capture)
}

macro_rules! captures {
    ($($name:ident)*) => {
        #[allow(non_snake_case, unused_mut, unused_variables, reason = "one letter is a type and its value; a path may have no captures")]
        #[diagnostic::do_not_recommend]
        impl<$($name,)*> Captures<($($name,)*)> for ($($name,)*)
        where
            $($name: Send + 'static,)*
        {
            fn collect<Path>(
                path: Path,
            ) -> impl Filter<Extract = (($($name,)*),), Error = Rejection> + Clone + Send + Sync + 'static
            where
                Path: Filter<Extract = Self, Error = Rejection> + Clone + Send + Sync + 'static,
            {
                path.and(warp::path::full()).and_then(|$($name: $name,)* path: FullPath| {
                    let mut segments = path.as_str().split('/');
                    let mut captures = || Ok::<_, Rejection>(($(decoded($name, &mut segments)?,)*));
                    ready(captures())
                })
            }
        }
    };
}

captures!();
captures!(A);
captures!(A B);
captures!(A B C);
captures!(A B C D);
captures!(A B C D E);
captures!(A B C D E F);
captures!(A B C D E F G);
captures!(A B C D E F G H);
