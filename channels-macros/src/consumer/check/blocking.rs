//! `blocking`, the last argument of a helper attribute: the method may block its thread.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Ident, LitStr, Meta, Signature};

use super::signature::payload_text;
use crate::arguments::{self, Value};
use crate::diagnostics::Diagnostics;
use crate::suggest::did_you_mean;
use crate::tokens::text;

const WORD: &str = "blocking";

/// Returns the arguments of a helper attribute without `blocking`, and the word `blocking`, if it is there.
pub(super) fn read(attribute: &Attribute, helper: &str, diagnostics: &mut Diagnostics) -> (Value, Option<Ident>) {
    let list = match &attribute.meta {
        Meta::Path(_) => return (Value::None, None),
        Meta::NameValue(pair) => return (Value::Equals(pair.value.to_token_stream()), None),
        Meta::List(list) => &list.tokens,
    };
    let mut pieces = arguments::pieces(list.clone(), diagnostics).into_iter();
    let Some(first) = pieces.next() else { return (Value::List(list.clone()), None) };
    let word = |piece: &TokenStream| syn::parse2::<Ident>(piece.clone()).ok().filter(|word| word == WORD);
    let mut blocking = word(&first);
    let alone = blocking.is_some();
    for piece in pieces {
        let found = word(&piece);
        if alone {
            // The next argument is probably the name.
            let name = text(&piece);
            diagnostics.error(&piece, format!("the name comes first: `#[{helper}({name}, {WORD})]`"));
        } else if let Ok(second) = syn::parse2::<LitStr>(piece.clone()) {
            let what = if helper == "receive" { "command" } else { "event" };
            diagnostics.error(
                second,
                format!("a method is for one {what}: write another method with `#[{helper}({})]`", text(&piece)),
            );
        } else if found.is_none() || blocking.is_some() {
            let (written, first) = (text(&piece), text(&first));
            let meant = did_you_mean(&written, [WORD]);
            diagnostics.error(
                &piece,
                format!("`{written}` is not allowed here{meant}\nwrite `#[{helper}({first})]`, or `#[{helper}({first}, {WORD})]`"),
            );
        }
        blocking = blocking.or(found);
    }
    (if alone { Value::None } else { Value::List(first) }, blocking)
}

/// Returns whether the method can be `blocking`. If not, reports the reason.
pub(super) fn check(blocking: &Ident, helper: &str, signature: &Signature, diagnostics: &mut Diagnostics) -> bool {
    let method = &signature.ident;
    if signature.asyncness.is_some() {
        diagnostics.error(
            blocking,
            format!(
                "`{method}` is `async`, so it awaits and does not block\nwrite `fn {method}(..)` if it blocks, and call \
                 async code with `cx.block_on(async |cx| ..)`; otherwise remove `{WORD}`"
            ),
        );
        return false;
    }
    if helper == "handler" && signature.receiver().is_none() {
        let payload = payload_text(signature, "ChatMessage");
        diagnostics.error(
            blocking,
            format!(
                "handler `{method}` has no `self`, so it runs in the sender's task, once for all connections, and must not \
                 block\nwrite `fn {method}(&mut self, cx: &mut Context<Self>, event: &{payload}) -> Result<()>`, or remove \
                 `{WORD}`"
            ),
        );
        return false;
    }
    true
}
