//! From what a path captures to the arguments of `#[connect]`.

use warp::{Filter, Rejection};

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
