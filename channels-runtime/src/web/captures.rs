//! From what a path captures to the arguments of `#[connect]`.

use warp::{Filter, Rejection};

/// The path of a route: a warp filter, as `warp::path!("ws" / "chat" / u64)` makes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the path of a route",
    label = "write it like `warp::path!(\"ws\" / \"chat\" / u64)`",
    note = "a path is a warp filter: the fixed parts stand in quotes, and what is captured is named by its type"
)]
pub trait RoutePath {
    /// What the path captures. It is not asked of what is no path.
    type Captured;

    /// Itself.
    #[doc(hidden)]
    type Itself: Filter<Extract = Self::Captured, Error = Rejection> + Clone + Send + Sync + 'static;

    /// Itself, as the filter that it is.
    #[doc(hidden)]
    fn itself(self) -> Self::Itself;
}

// With `F::Extract` in the place of `T` the compiler would ask even what is no path for it, and say that it is no filter.
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

/// What a path captures, if these are the arguments of `#[connect]` behind `cx`: as many as `T` has, and of the same types.
#[diagnostic::on_unimplemented(
    message = "this route captures `{Self}`, but `#[connect]` of its consumer takes `{T}` behind `cx`",
    label = "captures `{Self}`",
    note = "what the path captures must be, in number and type, the arguments of `#[connect]` behind `cx`, and at most eight"
)]
// `T` is what a consumer takes, and not the consumer: of a type that is none, it is then asked once.
pub trait Captures<T>: Sized {
    /// The same filter, with its captures in one piece.
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
