//! The arguments of `#[consumer]`.

use quote::quote;

use crate::consumer::expand;
use crate::diagnostics::tests::errors;

#[test]
fn wrong_arguments_give_one_error_each() {
    let cases = [
        (
            quote!(tags = "command"),
            "`#[consumer]` has no argument `tags`; did you mean `tag`?\nthe arguments are `tag = \"command\"`, `ref = \"request\"`, `ok = \"result\"`, `error = \"problem\"`, `groups(Room, ..)`, `sends(ChatLine, ..)`, `mailbox = \"drop_oldest\"`, `uncompressed`, `crate = path`",
        ),
        (quote!(grops = [Room]), "`#[consumer]` has no argument `grops`; did you mean `groups`?\nthe arguments are"),
        (quote!("command"), "`\"command\"` is not an argument of `#[consumer]`"),
        (quote!(tag = command), "`tag` takes a string: `tag = \"command\"`"),
        (quote!(tag = ""), "it cannot be empty"),
        (quote!(ok = ""), "`ok` names the field of an answer that holds the reply; it cannot be empty"),
        (
            quote!(ref = "type"),
            "`ref` and `tag` cannot both be the field \"type\"\n`ref` names the field of a command that its answer repeats\n\
             `tag` names the field of a command that holds its name",
        ),
        (quote!(tag = "ref"), "`tag` and `ref` cannot both be the field \"ref\""),
        (quote!(ok = "ref"), "`ok` and `ref` cannot both be the field \"ref\""),
        (quote!(ref = "error"), "`ref` and `error` cannot both be the field \"error\""),
        (quote!(ok = "result", error = "result"), "`error` and `ok` cannot both be the field \"result\""),
        (quote!(ref = id), "`ref` takes a string: `ref = \"command\"`"),
        (quote!(tag = "a", tag = "b"), "`tag` is given twice"),
        (
            quote!(mailbox = "drop_oldst"),
            "there is no policy \"drop_oldst\" for a mailbox; did you mean `drop_oldest`?",
        ),
        (quote!(mailbox = "block"), "- `\"disconnect\"`: the connection is closed with 1013"),
        (
            quote!(mailbox = "drop_newest"),
            "no event ever waits for `Chat`, which has no `#[handler]` with `&mut self`; remove `mailbox`",
        ),
        (quote!(mailbox = drop_oldest), "`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`"),
        (quote!(mailbox), "`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`"),
        (quote!(uncompressed = true), "`uncompressed` takes no value: `#[consumer(uncompressed)]`"),
        (quote!(uncompressed, uncompressed), "`uncompressed` is given twice"),
        (quote!(sends), "`sends` lists types in parentheses"),
        (quote!(sends(A, A)), "`sends` lists `A` twice"),
        (quote!(groups = [Room]), "`groups` lists types in parentheses: `groups(Room)`"),
        (quote!(groups = Room), "`groups` lists types in parentheses: `groups(Room, Lobby)`"),
        (quote!(groups(A, A)), "`groups` lists `A` twice"),
        (quote!(crate), "`crate` is the path of `channels_runtime`"),
    ];
    for (arguments, sentence) in cases {
        let block = quote!(impl Chat { #[connect] fn connect(cx: &mut Context<Self>) -> Self {} });
        let errors = errors(expand(arguments.clone(), &block));
        assert_eq!(errors.len(), 1, "{arguments}: {errors:?}");
        assert!(errors[0].contains(sentence), "{arguments}: {errors:?}");
    }
}

#[test]
fn mailbox_policy_needs_handler_with_self() {
    let connect = quote!(
        #[connect]
        fn connect(cx: &mut Context<Self>) -> Self {}
    );
    let wrong = [
        quote!(
            #[handler("a.b")]
            fn a(event: &A) -> String {}
        ),
        quote!(
            #[receive]
            fn a(&mut self, cx: &mut Context<Self>, frame: Frame) {}
        ),
    ];
    let right = [
        quote!(
            #[handler("a.b")]
            fn a(&mut self, cx: &mut Context<Self>, event: &A) {}
        ),
        quote!(
            #[handler(_)]
            fn a(&mut self, cx: &mut Context<Self>, event: &Envelope) {}
        ),
    ];
    for policy in ["drop_newest", "drop_oldest", "disconnect"] {
        for (methods, errs) in [(&wrong, 1), (&right, 0)] {
            for method in methods {
                let found = errors(expand(quote!(mailbox = #policy), &quote!(impl Chat { #connect #method })));
                assert_eq!(found.len(), errs, "{method}: {found:?}");
            }
        }
    }
    // If the event of a wrong handler is unknown, only the handler is reported.
    let broken = quote!(impl Chat { #connect #[handler("a.b")] fn a(&mut self, cx: &mut Context<Self>) {} });
    let found = errors(expand(quote!(mailbox = "disconnect"), &broken));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].contains("mailbox"), "{found:?}");
}
