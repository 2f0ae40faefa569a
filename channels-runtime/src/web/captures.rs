//! The captures of a path as the arguments of `#[connect]`.

use warp::{Filter, Rejection};

/// The path of a route: a warp filter, as `warp::path!("ws" / "chat" / u64)` makes it.
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

macro_rules! captures {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "one letter is a type and its value")]
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
                path.map(|$($name: $name),*| ($($name,)*))
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
