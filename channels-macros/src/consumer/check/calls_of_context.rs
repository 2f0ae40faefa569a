//! Calls of `cx` in the body of a method, as far as the tokens show them.
//!
//! The compiler also reports most mistakes with them, but without the remedy. A call through another name than
//! `cx`, or in a macro of the user's with a syntax of its own, is not found.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;

use crate::consumer::parse::Method;
use crate::diagnostics::Diagnostics;

/// The methods of `Context` that have no effect before their `.await`.
const ASYNC: [&str; 11] = [
    "group_add",
    "group_add_since",
    "group_discard",
    "group_send",
    "group_send_others",
    "send_event",
    "send",
    "send_json",
    "send_text",
    "send_binary",
    "send_frame",
];

/// The methods of `Context` that send to the client. Only the first one has a type.
const TO_CLIENT: [&str; 5] = ["send", "send_json", "send_text", "send_binary", "send_frame"];

/// A call `cx.send_text(..)`.
struct Call<'a> {
    method: &'a Ident,
    arguments: &'a Group,
    /// The tokens after the call.
    rest: &'a [TokenTree],
}

/// Returns whether the method sends to its client.
pub(super) fn sends_to_client(method: &Method) -> bool {
    first_call(&method.body, &TO_CLIENT).is_some()
}

/// Returns the first call that sends a message without a type, and the name of the method: `send_json`, `connect`.
pub(super) fn untyped_call(method: &Method) -> Option<(String, String)> {
    let call = first_call(&method.body, &TO_CLIENT[1..])?;
    Some((call, method.signature.ident.unraw().to_string()))
}

/// Returns the first call of `cx` with one of the names.
fn first_call(body: &TokenTree, names: &[&str]) -> Option<String> {
    fn first(tokens: TokenStream, names: &[&str]) -> Option<String> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let called = calls(&tokens).find(|call| names.iter().any(|name| call.method == name));
        let called = called.map(|call| call.method.to_string());
        called.or_else(|| groups(&tokens).find_map(|group| first(group, names)))
    }
    groups(std::slice::from_ref(body)).find_map(|group| first(group, names))
}

/// Reports calls that can have no effect. Returns whether an `.await` is missing after the last expression of the method.
pub(super) fn check(method: &Method, blocking: bool, diagnostics: &mut Diagnostics) -> bool {
    let TokenTree::Group(body) = &method.body else { return false };
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    check_tasks(&tokens, diagnostics);
    if method.signature.asyncness.is_some() {
        return check_last(&tokens, diagnostics);
    }
    check_unawaited(&tokens, &method.signature.ident, blocking, diagnostics);
    false
}

/// Reports a `cx` in a task, which runs concurrently with the handlers.
fn check_tasks(tokens: &[TokenTree], diagnostics: &mut Diagnostics) {
    for call in calls(tokens).filter(|call| call.method == "spawn") {
        if let Some(inner) = first_context(call.arguments.stream()) {
            diagnostics.error(
                inner,
                "a task has no `cx`, because it runs concurrently with the handlers: send its result to this consumer as an \
                 event, whose handler has a `cx`\nbefore `cx.spawn`, write `let (layer, me) = (cx.channel_layer(), \
                 cx.channel_name());`, and in the task `Ok(layer.send(&me, &Done { .. }).await?)`",
            );
        }
    }
    for group in groups(tokens) {
        check_tasks(&group.into_iter().collect::<Vec<_>>(), diagnostics);
    }
}

fn first_context(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "cx" => Some(word),
        TokenTree::Group(group) => first_context(group.stream()),
        _ => None,
    })
}

/// Reports a call at the end of an async method without `.await`.
fn check_last(tokens: &[TokenTree], diagnostics: &mut Diagnostics) -> bool {
    let statement = tokens.rsplit(|token| is_punct(token, ';')).next().unwrap_or_default();
    let call =
        calls(statement).next().filter(|call| call.rest.is_empty() && ASYNC.iter().any(|name| call.method == name));
    // Only a statement that is the call itself; any other may use the future.
    let Some(call) = call.filter(|_| statement.len() == 4) else { return false };
    let method = call.method;
    diagnostics.error(method, format!("`cx.{method}(..)` has no effect before it is awaited: write `.await` after it"));
    true
}

/// Reports a call without `.await` in a method that is not async. Async blocks and closures are skipped.
fn check_unawaited(tokens: &[TokenTree], ident: &Ident, blocking: bool, diagnostics: &mut Diagnostics) {
    for statement in tokens.split(|token| is_punct(token, ';') || is_punct(token, ',')) {
        let at = statement.iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "async"));
        let plain = &statement[..at.unwrap_or(statement.len())];
        for Call { method, rest, .. } in calls(plain).filter(|call| ASYNC.iter().any(|name| call.method == name)) {
            let awaited = matches!(rest, [dot, TokenTree::Ident(word), ..] if is_punct(dot, '.') && word == "await");
            // The compiler reports an `.await` outside of async code.
            if awaited {
                continue;
            }
            let mend = if blocking {
                format!("call it with `cx.block_on(async |cx| cx.{method}(..).await)`")
            } else {
                format!("write `async fn {ident}(..)`, and `.await` after the call")
            };
            diagnostics.error(
                method,
                format!("`cx.{method}(..)` is async and has no effect before it is awaited, but `{ident}` is not async\n{mend}"),
            );
        }
        for group in groups(plain) {
            check_unawaited(&group.into_iter().collect::<Vec<_>>(), ident, blocking, diagnostics);
        }
    }
}

/// Returns the calls `cx.name(..)` directly in these tokens.
fn calls(tokens: &[TokenTree]) -> impl Iterator<Item = Call<'_>> {
    (0..tokens.len()).filter_map(|at| match &tokens[at..] {
        [TokenTree::Ident(cx), dot, TokenTree::Ident(method), TokenTree::Group(arguments), rest @ ..]
            if cx == "cx" && is_punct(dot, '.') && arguments.delimiter() == Delimiter::Parenthesis =>
        {
            Some(Call { method, arguments, rest })
        }
        _ => None,
    })
}

fn groups(tokens: &[TokenTree]) -> impl Iterator<Item = TokenStream> {
    tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    })
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn method(tokens: &TokenStream) -> Method {
        let block: crate::consumer::parse::Block = syn::parse2(quote!(impl Chat { #tokens })).unwrap();
        match block.members.into_iter().next() {
            Some(crate::consumer::parse::Member::Method(method)) => *method,
            _ => panic!("not a method"),
        }
    }

    fn errors(tokens: &TokenStream, blocking: bool) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        check(&method(tokens), blocking, &mut diagnostics);
        crate::diagnostics::tests::errors(quote!(#diagnostics))
    }

    #[test]
    fn call_without_await_is_reported() {
        let last = errors(
            &quote!(
                async fn a(cx: C) {
                    let a = 1;
                    cx.group_send(&a, &b)
                }
            ),
            false,
        );
        assert_eq!(last, ["`cx.group_send(..)` has no effect before it is awaited: write `.await` after it"]);
        let blocking = errors(
            &quote!(
                fn a(cx: C) {
                    if a {
                        cx.send_text("a")?;
                    }
                    Ok(())
                }
            ),
            true,
        );
        assert_eq!(blocking.len(), 1, "{blocking:?}");
        assert!(blocking[0].ends_with("call it with `cx.block_on(async |cx| cx.send_text(..).await)`"), "{blocking:?}");
        let plain = errors(
            &quote!(
                fn a(cx: C) {
                    let _ = cx.group_add(&Room);
                }
            ),
            false,
        );
        assert!(plain[0].ends_with("write `async fn a(..)`, and `.await` after the call"), "{plain:?}");
    }

    #[test]
    fn awaited_call_and_used_future_are_accepted() {
        for right in [
            quote!(
                async fn a(cx: C) {
                    cx.send_text("a").await
                }
            ),
            quote!(
                async fn a(cx: C) {
                    let send = cx.send_text("a");
                    send.await
                }
            ),
            quote!(
                async fn a(cx: C) {
                    timeout(cx.send_text("a")).await
                }
            ),
            quote!(
                async fn a(cx: C) {
                    cx.send_text("a");
                }
            ),
            quote!(
                fn a(cx: C) {
                    cx.block_on(async |cx| cx.send_text("a").await)
                }
            ),
            quote!(
                fn a(cx: C) {
                    cx.block_on(async |cx| {
                        cx.send_text("a").await?;
                        Ok(())
                    })?;
                    Ok(())
                }
            ),
            quote!(
                fn a(cx: C) {
                    other.send_text("a")?;
                    cx.close(code)
                }
            ),
        ] {
            assert_eq!(errors(&right, true), [""; 0], "{right}");
        }
    }

    #[test]
    fn context_in_task_is_reported_once() {
        let errors = errors(
            &quote!(
                async fn a(cx: C) {
                    cx.spawn(async move { cx.send_text("a").await })?;
                    Ok(())
                }
            ),
            false,
        );
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("a task has no `cx`"), "{errors:?}");
    }

    #[test]
    fn send_to_client_is_found_in_any_depth() {
        assert!(sends_to_client(&method(&quote!(
            fn a() {
                if b {
                    cx.block_on(async |cx| cx.send_json(&b).await)
                }
            }
        ))));
        assert!(!sends_to_client(&method(&quote!(
            fn a() {
                sms.send_text("a");
                cx.group_send(&a, &b)
            }
        ))));
    }
}
