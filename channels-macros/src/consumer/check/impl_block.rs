//! The checks of the block as a whole.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Ident, ReturnType, Signature, Type, parse_quote};

use super::arguments::{check_arguments, check_mailbox};
use super::calls_of_context;
use super::duplicates::Names;
use super::known_types::{context, has_arguments, has_no_fields, result_of_one};
use super::methods::{Checker, Marked};
use super::role::{ReadRole, Role, check_other, check_unread, read_role};
use super::second_block;
use super::signature::{context_at, is_event_called_context, typed};
use crate::consumer::method_attribute::HELPERS_IN_WORDS;
use crate::consumer::model::{Change, Checked, Consumer, Handles};
use crate::consumer::parse::{Arguments, Block, Member, Method};
use crate::diagnostics::Diagnostics;
use crate::tokens::{cfgs, docs, place, scan, text};

/// Checks the block and each of its members. `item` is the whole block.
pub(crate) fn check(arguments: Arguments, block: &Block, item: &TokenStream, diagnostics: &mut Diagnostics) -> Checked {
    let arguments = check_arguments(arguments, diagnostics);
    let (mut methods, mut helpers_unread, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (at, member) in block.members.iter().enumerate() {
        let mut change = Change::default();
        match member {
            Member::Method(method) => {
                let (role, helpers) = read_role(method, diagnostics);
                change.helpers = helpers;
                methods.extend(role.map(|role| (at, &**method, role)));
            }
            Member::Other(attributes, _) => change.helpers = check_other(attributes, diagnostics),
            Member::Unread(tokens) => helpers_unread.extend(check_unread(tokens, diagnostics)),
        }
        changes.push(change);
    }
    let Some(name) = check_head(block, methods.is_empty() && helpers_unread.is_empty(), diagnostics) else {
        return Checked { consumer: None, changes };
    };
    let mut checker = Checker {
        diagnostics,
        names: Names::default(),
        consumer: Consumer {
            runtime: arguments.runtime,
            self_ty: block.self_ty.clone(),
            generics: block.generics.clone(),
            cfgs: cfgs(&block.attributes),
            docs: docs(&block.attributes),
            event: Ident::new("__ConsumerEvent", place(name.span())),
            command: Ident::new("__ConsumerCommand", place(name.span())),
            name,
            tag: arguments.tag,
            answer_fields: arguments.answer_fields,
            groups: arguments.groups,
            sends: arguments.sends,
            others: arguments.others,
            untyped: None,
            mailbox: arguments.mailbox,
            uncompressed: arguments.uncompressed,
            handlers: Vec::new(),
            fallbacks: Vec::new(),
            handles: if helpers_unread.contains(&"handler") { Handles::Anything } else { Handles::Listed(Vec::new()) },
            commands: Vec::new(),
            raw: Vec::new(),
            refusals: Vec::new(),
            connects: Vec::new(),
            disconnects: Vec::new(),
            gaps: Vec::new(),
            losses: Vec::new(),
            broken_loss: helpers_unread.contains(&"history_lost"),
            complete: false,
            broken_connect: helpers_unread.contains(&"connect").then(Vec::new),
        },
    };
    for (at, method, ReadRole { role, guessed, blocking, .. }) in methods {
        let marked = Marked { method, blocking };
        let used = if guessed { None } else { self_without_receiver(method) };
        changes[at].is_prescribed = true;
        changes[at].lacks_consumer = context_without_consumer(&role, &method.signature);
        changes[at].lacks_self = used.as_ref().map(Ident::span);
        if let (Role::Connect, ReturnType::Type(_, ty)) = (&role, &method.signature.output)
            && let Some(created) = result_of_one(ty)
        {
            let private = checker.consumer.runtime.private_at(place(ty.span()));
            changes[at].lacks_reject = Some(parse_quote!(::core::result::Result<#created, #private::Reject>));
        }
        checker.consumer.untyped = checker.consumer.untyped.take().or_else(|| calls_of_context::untyped_call(method));
        changes[at].lacks_await = calls_of_context::check(method, blocking, checker.diagnostics);
        if is_repeated(block, at) {
            checker.leave_out(&role);
        } else if guessed {
            let before = (std::mem::take(checker.diagnostics), std::mem::take(&mut checker.names));
            checker.method(marked, role);
            (*checker.diagnostics, checker.names) = before;
        } else if let (Some(used), Role::Connect | Role::Handler(_)) = (&used, &role) {
            checker.lacks_self(&role, used, &method.signature);
        } else {
            checker.method(marked, role);
        }
    }
    let Checker { mut consumer, names, diagnostics } = checker;
    names.check(diagnostics);
    if let Some(policy) = &arguments.policy {
        check_mailbox(policy, &consumer, diagnostics);
    }
    if !consumer.generics.params.is_empty() {
        // A generic consumer was reported. Code for its methods would need the generics everywhere.
        consumer.handlers.clear();
        consumer.fallbacks.clear();
        consumer.commands.clear();
        consumer.raw.clear();
        consumer.refusals.clear();
        consumer.groups = None;
        consumer.disconnects.clear();
        consumer.gaps.clear();
        consumer.broken_loss |= !consumer.losses.is_empty();
        consumer.losses.clear();
        consumer.broken_connect = Some(consumer.connects.drain(..).flat_map(|connect| connect.captures).collect());
        consumer.handles = Handles::Anything;
    }
    consumer.complete = diagnostics.count() == 0;
    let is_first = second_block::check(&consumer.self_ty, item, diagnostics);
    Checked { consumer: is_first.then_some(consumer), changes }
}

/// Checks everything but the members. Returns the name of the consumer.
fn check_head(block: &Block, empty: bool, diagnostics: &mut Diagnostics) -> Option<Ident> {
    const OWN: &str = "a consumer is a struct or an enum of your own: `impl ChatConsumer { .. }`";
    if let Some((of, _)) = &block.of {
        diagnostics.error(
            of,
            format!(
                "`#[consumer]` goes above the `impl` block of the type itself, not above that of a trait: `impl {} {{ .. }}`",
                text(&block.self_ty)
            ),
        );
        return None;
    }
    let Type::Path(path) = &block.self_ty else {
        diagnostics.error(&block.self_ty, OWN);
        return None;
    };
    if has_no_fields(&block.self_ty) {
        diagnostics.error(&block.self_ty, OWN);
        return None;
    }
    let name = &path.path.segments.last()?.ident;
    if !block.generics.params.is_empty() {
        diagnostics.error(
            &block.generics.params,
            format!("consumer `{name}` cannot be generic: a route serves one type, and its events are one enum\nkeep what differs behind a \
                 trait object in a field, such as `repo: Arc<dyn Repo>`"),
        );
    }
    if empty {
        diagnostics.error(
            &block.self_ty,
            format!("consumer `{name}` has no marked method: mark methods with {HELPERS_IN_WORDS}"),
        );
    }
    Some(name.clone())
}

/// Returns the index of an argument `Context` without `<Self>`.
fn context_without_consumer(role: &Role, signature: &Signature) -> Option<usize> {
    if matches!(role, Role::Handler(_)) && is_event_called_context(signature) {
        return None;
    }
    let typed = typed(signature);
    let at = context_at(&typed)?;
    context(&typed[at].ty).filter(|context| !has_arguments(context)).map(|_| at)
}

/// Returns the first `self` in the body of a method without a receiver.
fn self_without_receiver(method: &Method) -> Option<Ident> {
    // Items with a `self` of their own, and paths where `self` is a module.
    const OTHERS: [&str; 6] = ["fn", "impl", "trait", "mod", "use", "macro_rules"];
    if method.signature.receiver().is_some() {
        return None;
    }
    let (mut first, mut others) = (None, false);
    scan(method.body.to_token_stream(), &mut |token, next| {
        let TokenTree::Ident(word) = token else { return false };
        let is_path = matches!(next, Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
        if word == "self" && !is_path {
            first.get_or_insert_with(|| word.clone());
        }
        others |= OTHERS.iter().any(|other| word == other);
        others
    });
    first.filter(|_| !others)
}

/// Returns whether a method above has the same name, which the compiler reports. A call of this method would call that
/// one.
fn is_repeated(block: &Block, at: usize) -> bool {
    let Member::Method(method) = &block.members[at] else { return false };
    let is_same = |other: &Member| {
        matches!(other, Member::Method(other)
            if other.signature.ident == method.signature.ident && cfgs(&other.attributes).is_empty())
    };
    cfgs(&method.attributes).is_empty() && block.members[..at].iter().any(is_same)
}
