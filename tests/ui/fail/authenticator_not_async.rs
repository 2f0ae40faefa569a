//! An authenticator is async.

use channels_runtime::prelude::*;

struct User;

fn main() {
    _ = Channels::builder().authenticator(|_scope| Some(User));
    _ = Channels::builder().authenticator(|_scope| Ok(Some(User)));
    _ = Channels::builder().authenticator(|_scope| async move { Some(User) });
}
