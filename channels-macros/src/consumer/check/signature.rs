//! The checks of a method's signature: its arguments, their order and its return type.

use quote::quote;
use syn::spanned::Spanned;
use syn::{FnArg, GenericParam, PatType, Receiver, ReceiverKind, ReturnType, Safety, Signature, Type};

use super::calls_of_context::sends_to_client;
use super::known_types::{
    awaited, context, has_arguments, has_no_fields, is_mutable_reference, is_unsized, named_in_context, stripped,
    unwrapped,
};
use super::position::split_position;
use crate::consumer::model::{Method, Output};
use crate::consumer::parse;
use crate::diagnostics::Diagnostics;
use crate::tokens::{cfgs, text};
use crate::types::{borrows, is_unnameable, mentions, ungrouped};

/// The signature that a method with `&mut self` must have, as words for messages.
pub(super) struct Wanted<'a> {
    /// The method: ``handler `chat_join` ``.
    pub(super) subject: &'a str,
    /// The last argument in words: `the event`.
    pub(super) last: &'a str,
    /// Whether the last argument is a struct, so that a user may have listed its fields instead.
    pub(super) has_fields: bool,
    /// The last argument in Rust: `event: &ChatJoin`.
    pub(super) argument: String,
}

/// Returns the whole signature for the user to copy. `argument` follows the context: `, event: &ChatJoin`.
pub(super) fn written(signature: &Signature, argument: &str) -> String {
    let (asyncness, ident) = (asyncness(signature), &signature.ident);
    format!("write `{asyncness}fn {ident}(&mut self, cx: &mut Context<Self>{argument}) -> Result<()>`")
}

/// Returns the whole signature of a handler without `self` for the user to copy. `argument` is the event:
/// `event: &ChatMessage`.
pub(super) fn sharing(signature: &Signature, argument: &str) -> String {
    let (asyncness, ident) = (asyncness(signature), &signature.ident);
    let output = match &signature.output {
        ReturnType::Type(_, output) => text(output),
        ReturnType::Default => "Json<..>".into(),
    };
    format!("write `{asyncness}fn {ident}({argument}) -> {output}`")
}

/// Returns the whole signature of `#[connect]` for the user to copy. `captured` follows the context: `, room: u64`.
pub(super) fn connecting(signature: &Signature, captured: &str) -> String {
    let (asyncness, ident) = (asyncness(signature), &signature.ident);
    format!("write `{asyncness}fn {ident}(cx: &mut Context<Self>{captured}) -> Result<Self, Reject>`")
}

/// Checks `(&mut self, cx, last)`. Returns the type of the last argument, also if the order is wrong.
pub(super) fn check_acting<'a>(
    signature: &'a Signature,
    wanted: &Wanted<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Type> {
    let Wanted { subject, last, has_fields, argument } = wanted;
    let write = written(signature, &format!(", {argument}"));
    let has_receiver = check_receiver(signature, subject, &write, diagnostics);
    let typed = typed(signature);
    let at = context_at(&typed);
    match (typed.as_slice(), at) {
        // The missing receiver was reported with the whole signature.
        _ if !has_receiver && at.is_none() => {}
        _ if *has_fields && check_fields(signature, subject, last, &write, diagnostics) => return None,
        ([], _) => {
            diagnostics.error(&signature.ident, format!("{subject} needs the context and {last}\n{write}"));
        }
        ([_], Some(_)) => {
            diagnostics.error(&signature.ident, format!("{subject} needs {last} after the context\n{write}"));
        }
        ([only], None) => {
            diagnostics.error(only, format!("{subject} needs the context before {last}\n{write}"));
        }
        ([first, _], Some(0)) => check_context(&first.ty, subject, diagnostics),
        ([_, second], Some(_)) => {
            diagnostics.error(second, format!("the context of {subject} comes before {last}\n{write}"));
        }
        // Any other `&mut` may be an alias of the context.
        ([first, second], None) if is_mutable_reference(&first.ty) => return Some(&second.ty),
        ([first, second], None) => {
            diagnostics.error(
                first,
                format!("the first argument of {subject} is the context, `cx: &mut Context<Self>`\n{write}"),
            );
            return Some(&second.ty);
        }
        ([_, _, extra, ..], _) => {
            let many = if typed.len() == 3 { "an argument" } else { "arguments" };
            diagnostics.error(extra, format!("{subject} has {many} too many: {last} comes last\n{write}"));
        }
    }
    first_without(&typed, at)
}

/// Reports arguments that are the fields of the last argument: `room: u64, text: String`. Returns whether they are.
fn check_fields(signature: &Signature, subject: &str, last: &str, write: &str, diagnostics: &mut Diagnostics) -> bool {
    let typed = typed(signature);
    let fields: Vec<_> = typed.into_iter().filter(|argument| context(&argument.ty).is_none()).collect();
    let [first, .., end] = fields.as_slice() else { return false };
    let is_whole = |ty: &Type| matches!(ungrouped(ty), Type::Reference(_)) && !has_no_fields(ty);
    if !has_no_fields(&first.ty) || fields.iter().any(|field| is_whole(&field.ty)) {
        return false;
    }
    let name = |field: &&PatType| format!("`{}`", text(&field.pat).trim_start_matches('_'));
    let named = fields.iter().map(name).collect::<Vec<_>>().join(", ");
    diagnostics.error(
        quote!(#first #end),
        format!("{subject} takes {last} in one piece, a struct with the fields {named}\n{write}"),
    );
    true
}

/// Checks `(&mut self, cx)`.
pub(super) fn check_alone(subject: &str, signature: &Signature, diagnostics: &mut Diagnostics) {
    let ident = &signature.ident;
    let write = written(signature, "");
    check_receiver(signature, subject, &write, diagnostics);
    match typed(signature).as_slice() {
        [] => diagnostics.error(ident, format!("{subject} needs the context\n{write}")),
        [cx] if context(&cx.ty).is_some() => check_context(&cx.ty, subject, diagnostics),
        // Any other `&mut` may be an alias of the context.
        [cx] if is_mutable_reference(&cx.ty) => {}
        [other] => diagnostics
            .error(other, format!("the argument of {subject} is the context, `cx: &mut Context<Self>`\n{write}")),
        [_, extra, ..] => diagnostics
            .error(extra, format!("{subject} takes only the context: the missed events are not known\n{write}")),
    }
}

/// Checks that the receiver is `&mut self`. Returns whether there is any receiver.
fn check_receiver(signature: &Signature, subject: &str, write: &str, diagnostics: &mut Diagnostics) -> bool {
    let receiver = signature.receiver();
    match receiver {
        None => diagnostics.error(&signature.ident, format!("{subject} needs `&mut self`\n{write}")),
        Some(Receiver { kind: ReceiverKind::Reference(_, _, Some(_)), .. }) => {}
        Some(receiver) => {
            diagnostics.error(receiver, format!("{subject} takes `&mut self`, not `{}`\n{write}", text(receiver)));
        }
    }
    receiver.is_some()
}

/// Checks a handler without `self`: `(event: &ChatMessage) -> Json<ChatLine>`. Returns the type of the event. `argument` is the
/// event in Rust, with the position if the handler takes it: `event: &ChatMessage`.
pub(super) fn check_shared(
    subject: &str,
    signature: &Signature,
    argument: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Type> {
    let ident = &signature.ident;
    let acting = written(signature, &format!(", {argument}"));
    let sharing = sharing(signature, argument);
    let typed = typed(signature);
    let before = diagnostics.count();
    let at = context_at(&typed).filter(|_| !is_event_called_context(signature));
    if let Some(cx) = at.map(|at| typed[at]) {
        diagnostics.error(
            cx,
            format!("{subject} has no `self`, so it runs once for all connections and has no context\n{acting}"),
        );
    } else {
        match typed.as_slice() {
            [] => diagnostics.error(ident, format!("{subject} needs its event\n{sharing}")),
            [_] => {}
            _ if check_fields(signature, subject, "the event", &sharing, diagnostics) => return None,
            [_, extra, ..] => {
                diagnostics.error(extra, format!("{subject} has no `self`, so it takes only its event\n{sharing}"))
            }
        }
    }
    match &signature.output {
        ReturnType::Type(_, output) if borrows(output) => diagnostics.error(
            output,
            format!("{subject} has no `self`, so its return value outlives the event and must be owned: `String`, not `&str`"),
        ),
        ReturnType::Type(..) => {}
        // A handler that takes the context was reported for its missing `self`.
        ReturnType::Default if diagnostics.count() == before => diagnostics.error(
            ident,
            format!(
                "{subject} has no `self` and returns nothing, so it does nothing\nto send something to every client, \
                 {sharing}\nto act for each connection, {acting}"
            ),
        ),
        ReturnType::Default => {}
    }
    let payload = first_without(&typed, at)?;
    by_reference(payload, subject, diagnostics)
}

/// Reports qualifiers, generics and return types with which the method cannot be called.
pub(super) fn check_qualifiers(subject: &str, signature: &Signature, one_type: &str, diagnostics: &mut Diagnostics) {
    if let Some(constness) = &signature.constness {
        diagnostics.error(constness, format!("{subject} cannot be `const`: it runs for a connection"));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        diagnostics.error(
            unsafety,
            format!("{subject} cannot be `unsafe`: generated code calls it and cannot keep its conditions"),
        );
    }
    if let (None, ReturnType::Type(_, output)) = (&signature.asyncness, &signature.output)
        && let Some(awaited) = awaited(output)
    {
        diagnostics.error(
            output,
            format!("{subject} returns a future: write `async fn {}(..) -> {}`", signature.ident, text(awaited)),
        );
    }
    if let Some(abi) = &signature.abi {
        diagnostics.error(abi, format!("{subject} cannot be `extern`: it is called from Rust"));
    }
    for parameter in &signature.generics.params {
        match parameter {
            // A method may name the lifetime that it has anyway.
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(_) | GenericParam::Const(_) => {
                diagnostics.error(parameter, format!("{subject} cannot be generic: {one_type}"));
            }
        }
    }
    for argument in typed(signature) {
        if is_unnameable(&argument.ty) {
            diagnostics.error(&argument.ty, format!("{subject} cannot be generic: {one_type}, not an `impl Trait`"));
        }
    }
}

/// Returns the index of the context: the first argument with a type called `Context`.
pub(super) fn context_at(typed: &[&PatType]) -> Option<usize> {
    let at = typed.iter().position(|argument| context(&argument.ty).is_some())?;
    // The first argument may be an alias of the context, and the other one a type of the user's with that name.
    let is_alias = at > 0 && is_mutable_reference(&typed[0].ty) && !is_mutable_reference(&typed[at].ty);
    (!is_alias).then_some(at)
}

/// Returns whether the only argument is an event called `Context`: `fn shown(event: &page::Context) -> String`.
pub(super) fn is_event_called_context(signature: &Signature) -> bool {
    signature.receiver().is_none()
        && matches!(typed(signature).as_slice(), [only]
            if !is_mutable_reference(&only.ty) && context(&only.ty).is_some_and(|context| !has_arguments(context)))
}

/// Returns the type of the first argument that is not the context.
fn first_without<'a>(typed: &[&'a PatType], context: Option<usize>) -> Option<&'a Type> {
    typed.iter().enumerate().find(|(at, _)| Some(*at) != context).map(|(_, argument)| &*argument.ty)
}

/// Checks that the type of the context is `&mut Context<Self>`.
pub(super) fn check_context(ty: &Type, subject: &str, diagnostics: &mut Diagnostics) {
    let is_right = matches!(ungrouped(ty), Type::Reference(reference)
        if reference.mutability.is_some()
            && reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
            && matches!(ungrouped(&reference.elem), Type::Path(path)
                if path.path.segments.last().is_some_and(|last| !last.arguments.is_none())));
    if !is_right {
        diagnostics.error(ty, format!("the context of {subject} is `cx: &mut Context<Self>`, not `{}`", text(ty)));
    }
}

/// Checks an event, which is taken by reference because all members of a group share it. Returns its type without the
/// `&`.
pub(super) fn by_reference(ty: &Type, subject: &str, diagnostics: &mut Diagnostics) -> Option<Type> {
    let payload = stripped(ty);
    if let Some(inner) = unwrapped(payload) {
        let inner = stripped(inner);
        let sentence = format!("an event is taken without a wrapper: `&{}`, not `{}`", text(inner), text(ty));
        diagnostics.error(ty, sentence);
        return (!borrows(inner) && !has_no_fields(inner)).then(|| inner.clone());
    }
    let name = text(payload);
    let problem = match ungrouped(ty) {
        _ if is_unsized(payload) => {
            let sentence = format!(
                "`{name}` is not an event: an event is a struct of your own, with `#[event(\"its.name\")]` above it"
            );
            diagnostics.error(payload, sentence);
            return None;
        }
        Type::Reference(reference) if reference.mutability.is_some() => {
            Some("cannot change its event, which all members of the group share")
        }
        Type::Reference(reference)
            if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") =>
        {
            Some("borrows its event only while it runs")
        }
        Type::Reference(reference) if !matches!(ungrouped(&reference.elem), Type::Reference(_)) => None,
        _ => Some("takes its event by reference, because all members of the group share it"),
    };
    if let Some(problem) = problem {
        diagnostics.error(ty, format!("{subject} {problem}: `event: &{name}`"));
    }
    owned(payload, diagnostics)
}

/// Checks a command or a frame, which is taken by value because it belongs to this connection.
pub(super) fn by_value(ty: &Type, noun: &str, diagnostics: &mut Diagnostics) -> Option<Type> {
    let payload = stripped(ty);
    if let Type::Reference(_) = ungrouped(ty) {
        diagnostics.error(ty, format!("{noun} is taken by value: `{}`, not `{}`", owned_text(payload), text(ty)));
        return None;
    }
    owned(payload, diagnostics)
}

/// Returns the owned type for a message: `String` for `str`.
pub(super) fn owned_text(borrowed: &Type) -> String {
    match text(borrowed).as_str() {
        "str" => "String".to_owned(),
        "[u8]" => "Vec<u8>".to_owned(),
        other => other.to_owned(),
    }
}

fn owned(payload: &Type, diagnostics: &mut Diagnostics) -> Option<Type> {
    if mentions(payload, "Self") {
        diagnostics.error(payload, "`Self` is the consumer: name the type that it receives");
        return None;
    }
    if borrows(payload) {
        let sentence =
            format!("`{}` must own its data, so it cannot have a lifetime: `String`, not `&str`", text(payload));
        diagnostics.error(payload, sentence);
        return None;
    }
    // An `impl Trait` was reported with the other generics, and the compiler reports a `_`.
    (!is_unnameable(payload) && !mentions(payload, "_")).then(|| payload.clone())
}

/// Returns the arguments without the receiver.
pub(super) fn typed(signature: &Signature) -> Vec<&PatType> {
    let typed = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

fn asyncness(signature: &Signature) -> &'static str {
    if signature.asyncness.is_some() { "async " } else { "" }
}

/// Returns the type that the user probably means as the last argument, for a signature to copy.
pub(super) fn payload_text(signature: &Signature, otherwise: &str) -> String {
    let (signature, _) = split_position(signature);
    let typed = typed(&signature);
    let mut candidates: Vec<&Type> =
        typed.iter().map(|argument| &*argument.ty).filter(|ty| context(ty).is_none()).collect();
    // It is after the context, or before it by mistake. A third argument is one too many.
    let places = if signature.receiver().is_none() { 1 } else { 2 };
    if typed.len() <= places {
        candidates.reverse();
    }
    let payload = match candidates.as_slice() {
        [only] => Some(*only),
        many => many.iter().copied().find(|ty| !has_no_fields(ty)),
    };
    payload.map_or_else(|| otherwise.to_owned(), |ty| text(stripped(unwrapped(ty).unwrap_or(ty))))
}

/// Returns the facts that `emit` needs to call a method.
pub(super) fn called(method: &parse::Method, blocking: bool) -> Method {
    let signature = &method.signature;
    let context = typed(signature).first().and_then(|argument| context(&argument.ty)).and_then(named_in_context);
    let carried = ["doc", "allow", "warn", "deny", "forbid"];
    let output = match &signature.output {
        ReturnType::Default => Output::Named(Box::new(syn::parse_quote!(()))),
        ReturnType::Type(_, ty) if borrows(ty) || is_unnameable(ty) => Output::Inferred(ty.span()),
        ReturnType::Type(_, ty) => Output::Named(ty.clone()),
    };
    Method {
        ident: signature.ident.clone(),
        cfgs: cfgs(&method.attributes),
        carried: method
            .attributes
            .iter()
            .filter(|attribute| carried.iter().any(|carried| attribute.path().is_ident(carried)))
            .cloned()
            .collect(),
        is_async: signature.asyncness.is_some(),
        blocking,
        context: context.cloned(),
        output,
        sends_to_client: sends_to_client(method),
        line: u32::try_from(signature.ident.span().start().line).unwrap_or(u32::MAX),
    }
}
