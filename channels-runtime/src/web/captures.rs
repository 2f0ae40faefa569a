//! From what a path captures to the arguments of `#[connect]`.

use warp::{Filter, Rejection};

use crate::consumer::Consumer;

/// What a path captures, if these are the arguments of `#[connect]` of `C` behind `cx`: as many, and of the same types.
#[diagnostic::on_unimplemented(
    message = "the route captures `{Self}`, but `#[connect]` of `{C}` takes other arguments",
    label = "this path does not fit `{C}`",
    note = "what the path captures must be, in number and type, the arguments of `#[connect]` behind `cx`, and at most eight"
)]
pub trait Captures<C: Consumer>: Sized {
    /// The same filter, with its captures in one piece.
    #[doc(hidden)]
    fn collect<F>(path: F) -> impl Filter<Extract = (C::Captures,), Error = Rejection> + Clone + Send + Sync + 'static
    where
        F: Filter<Extract = Self, Error = Rejection> + Clone + Send + Sync + 'static;
}

/// The arguments of `#[connect]`, if they are what the path captures.
#[diagnostic::on_unimplemented(
    message = "this route captures `{T}`, but `#[connect]` of its consumer takes `{Self}` behind `cx`",
    label = "captures `{T}`",
    note = "what the path captures must be, in number and type, the arguments of `#[connect]` behind `cx`"
)]
pub trait Takes<T> {
    #[doc(hidden)]
    fn take(captured: T) -> Self;
}

// A projection that does not match is an error of its own, which cannot be given words; a trait that is missing is one
// that can.
#[diagnostic::do_not_recommend]
impl<T> Takes<T> for T {
    fn take(captured: T) -> Self {
        captured
    }
}

macro_rules! captures {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "one letter is a type and its value")]
        impl<Consuming, $($name,)*> Captures<Consuming> for ($($name,)*)
        where
            Consuming: Consumer<Captures: Takes<($($name,)*)>>,
            $($name: Send + 'static,)*
        {
            fn collect<Path>(
                path: Path,
            ) -> impl Filter<Extract = (Consuming::Captures,), Error = Rejection> + Clone + Send + Sync + 'static
            where
                Path: Filter<Extract = Self, Error = Rejection> + Clone + Send + Sync + 'static,
            {
                path.map(|$($name: $name),*| Takes::take(($($name,)*)))
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
