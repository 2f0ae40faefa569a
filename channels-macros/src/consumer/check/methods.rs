//! The checks of the methods of a consumer, by role.

use syn::ext::IdentExt;
use syn::{Ident, LitStr, Pat, PatType, ReturnType, Signature, Type};

use super::duplicates::{Named, Names};
use super::known_types::{
    answer, bare_command, has_no_fields, in_json, is_mutable_reference, is_shared_reference, result_of_one, stripped,
};
use super::position::{check_position, split_position};
use super::role::Role;
use super::signature::{
    Wanted, by_reference, by_value, called, check_acting, check_alone, check_context, check_qualifiers, check_shared,
    connecting, context_at, owned_text, payload_text, sharing, typed, written,
};
use crate::consumer::model::{
    Answer, Command, Connect, Consumer, Disconnect, Gap, GapKind, Handled, Handler, Handles, Method, RAW, Raw,
};
use crate::consumer::parse;
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::tokens::{place, text};
use crate::types::{borrows, is_unnameable, last_word};

/// A method with a helper attribute.
#[derive(Clone, Copy)]
pub(super) struct Marked<'a> {
    pub(super) method: &'a parse::Method,
    pub(super) blocking: bool,
}

impl Marked<'_> {
    fn called(self) -> Method {
        called(self.method, self.blocking)
    }
}

pub(super) struct Checker<'a> {
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) names: Names,
    pub(super) consumer: Consumer,
}

impl Checker<'_> {
    pub(super) fn method(&mut self, method: Marked<'_>, role: Role) {
        match role {
            Role::Connect => self.connect(method),
            Role::Receive(None) => self.raw(method),
            Role::Receive(Some(name)) => self.command(method, name),
            Role::Refuse => self.refusal(method),
            Role::Handler(name) => self.handler(method, name),
            Role::Fallback => self.fallback(method),
            Role::Disconnect => self.disconnect(method),
            Role::Gap(kind) => self.gap(method, kind),
            Role::Loss => self.loss(method),
            Role::Unknown => {}
        }
    }

    /// Leaves a method out without an error. The absence of the method must not cause further errors.
    pub(super) fn leave_out(&mut self, role: &Role) {
        match role {
            Role::Handler(_) => self.consumer.handles = Handles::Anything,
            Role::Connect => self.consumer.broken_connect = Some(Vec::new()),
            Role::Loss => self.consumer.broken_loss = true,
            _ => {}
        }
    }

    /// Reports a `self` in the body of a `#[connect]` or a handler without a receiver.
    pub(super) fn lacks_self(&mut self, role: &Role, used: &Ident, signature: &Signature) {
        self.leave_out(role);
        let ident = &signature.ident;
        let sentence = if let Role::Connect = role {
            self.consumer.broken_connect = Some(check_connect(signature, &mut Diagnostics::default()));
            "`#[connect]` creates the consumer, so there is no `self` yet".to_owned()
        } else {
            let event = payload_text(signature, "ChatMessage");
            let write = written(signature, &format!(", event: &{event}"));
            format!(
                "handler `{ident}` has no `self`: it runs once for all connections\nto act for each connection, {write}"
            )
        };
        self.diagnostics.error(used, sentence);
    }

    fn handler(&mut self, marked: Marked<'_>, name: Option<LitStr>) {
        let Marked { method, .. } = marked;
        let signature = &method.signature;
        let mut right = name.is_some();
        if let Some(name) = &name {
            match event_name::check_event(&name.value()) {
                Ok(()) => self.names.events.push(Named::new(name, method)),
                Err(sentence) => {
                    self.diagnostics.error(name, sentence);
                    right = false;
                }
            }
        }
        let before = self.diagnostics.count();
        let subject = format!("handler `{}`", signature.ident);
        let (signature, with_position) = split_position(signature);
        let signature = &signature;
        check_qualifiers(&subject, signature, "an event is one type", self.diagnostics);
        let shared = signature.receiver().is_none();
        let meant = payload_text(signature, &name.as_ref().map_or_else(|| "ChatMessage".into(), type_name));
        let argument = format!("event: &{meant}{}", if with_position.is_some() { ", at: &Position" } else { "" });
        let payload = if shared {
            check_shared(&subject, signature, &argument, self.diagnostics)
        } else {
            let wanted = Wanted { subject: &subject, last: "the event", has_fields: true, argument: argument.clone() };
            check_acting(signature, &wanted, self.diagnostics)
                .and_then(|ty| by_reference(ty, &subject, self.diagnostics))
        };
        if let Some(position) = &with_position {
            let write =
                if shared { sharing(signature, &argument) } else { written(signature, &format!(", {argument}")) };
            // Another mistake was probably reported with the right order.
            let order = (self.diagnostics.count() == before).then_some(write);
            check_position(position, &subject, order, self.diagnostics);
        }
        right &= self.diagnostics.count() == before;
        let with_position = with_position.is_some();
        let Some(payload) = payload else {
            self.consumer.handles = Handles::Anything;
            return;
        };
        let method = marked.called();
        if let Handles::Listed(listed) = &mut self.consumer.handles
            && !listed.iter().any(|other| text(&other.payload) == text(&payload) && other.cfgs.is_empty())
        {
            listed.push(Handled { cfgs: method.cfgs.clone(), payload: payload.clone(), with_position });
        }
        if let Some(event) = name.filter(|_| right) {
            let others = self.consumer.handlers.iter().map(|other| (other.event.value(), &other.variant));
            let variant = variant(&event, others);
            let same = self.consumer.handlers.iter().filter(|other| other.variant == variant);
            if !is_second(&method, same.map(|other| &other.method)) {
                self.consumer.handlers.push(Handler { method, event, variant, payload, shared, with_position });
            }
        }
    }

    fn command(&mut self, marked: Marked<'_>, name: LitStr) {
        let Marked { method, .. } = marked;
        let signature = &method.signature;
        let before = self.diagnostics.count();
        match event_name::check_command(&name.value()) {
            Ok(()) => self.names.commands.push(Named::new(&name, method)),
            Err(sentence) => self.diagnostics.error(&name, sentence),
        }
        let subject = format!("`#[receive]` method `{}`", signature.ident);
        let argument = format!("command: {}", payload_text(signature, &type_name(&name)));
        let wanted = Wanted { subject: &subject, last: "the command", has_fields: true, argument };
        let payload = self.acting(signature, &wanted, "a command is one type", |ty, diagnostics| {
            let payload = by_value(ty, "a command", diagnostics)?;
            check_command(&payload, diagnostics);
            Some(payload)
        });
        let answer = check_answer(signature, self.diagnostics);
        if let Some(payload) = payload
            && self.diagnostics.count() == before
        {
            let method = marked.called();
            let others = self.consumer.commands.iter().map(|other| (other.name.value(), &other.variant));
            let variant = variant(&name, others);
            let same = self.consumer.commands.iter().filter(|other| other.variant == variant);
            if !is_second(&method, same.map(|other| &other.method)) {
                self.consumer.commands.push(Command { method, name, variant, payload, answer });
            }
        }
    }

    fn raw(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        let signature = &method.signature;
        self.names.raw.push(Named::of_method(method));
        let subject = format!("`#[receive]` method `{}`", signature.ident);
        let argument = format!("frame: {}", payload_text(signature, "Frame"));
        let wanted = Wanted { subject: &subject, last: "the frame", has_fields: false, argument };
        let taken = self.acting(signature, &wanted, "a frame is one type", |ty, at| by_value(ty, "a frame", at));
        push_raw(&mut self.consumer.raw, marked, taken);
    }

    fn fallback(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        self.names.fallbacks.push(Named::of_method(method));
        let argument = "event: &Envelope".to_owned();
        if let (_, Some(position)) = split_position(&method.signature) {
            self.diagnostics.error(
                position.argument,
                "`#[handler(_)]` takes no position: `event.position()` returns the one of its envelope",
            );
            return;
        }
        let wanted = Wanted { subject: "`#[handler(_)]`", last: "the envelope", has_fields: false, argument };
        let one_type = "an event without a handler is an `Envelope`";
        let taken = self.acting(&method.signature, &wanted, one_type, |ty, at| by_reference(ty, wanted.subject, at));
        push_raw(&mut self.consumer.fallbacks, marked, taken);
    }

    fn refusal(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        self.names.refusals.push(Named::of_method(method));
        let argument = "error: CommandError".to_owned();
        let wanted = Wanted { subject: "`#[receive(_)]`", last: "the error", has_fields: false, argument };
        let one_type = "its error is a `CommandError`";
        let taken = self.acting(&method.signature, &wanted, one_type, |ty, at| by_value(ty, wanted.last, at));
        push_raw(&mut self.consumer.refusals, marked, taken);
    }

    fn disconnect(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        self.names.disconnects.push(Named::of_method(method));
        let argument = "code: CloseCode".to_owned();
        let wanted = Wanted { subject: "`#[disconnect]`", last: "the close code", has_fields: false, argument };
        let taken = self.acting(&method.signature, &wanted, "its argument is a `CloseCode`", |ty, diagnostics| {
            let code = by_value(ty, "the close code", diagnostics)?;
            if has_no_fields(&code) || last_word(&code).as_deref() == Some("Option") {
                diagnostics.error(
                    &code,
                    "`#[disconnect]` takes a `CloseCode`, whose number is `code.as_u16()`: `code: CloseCode`",
                );
            }
            Some(code)
        });
        let method = marked.called();
        if taken.is_some() && !is_second(&method, self.consumer.disconnects.iter().map(|other| &other.method)) {
            self.consumer.disconnects.push(Disconnect { method });
        }
    }

    fn gap(&mut self, marked: Marked<'_>, kind: GapKind) {
        let Marked { method, .. } = marked;
        let signature = &method.signature;
        let before = self.diagnostics.count();
        let named = Named::of_method(method);
        match kind {
            GapKind::Lost => self.names.lost.push(named),
            GapKind::Restored => self.names.restored.push(named),
        }
        let subject = format!("`#[{}]`", kind.helper());
        check_qualifiers(&subject, signature, "it has no argument of its own", self.diagnostics);
        check_alone(&subject, signature, self.diagnostics);
        let method = marked.called();
        let same = self.consumer.gaps.iter().filter(|other| other.kind == kind);
        if self.diagnostics.count() == before && !is_second(&method, same.map(|other| &other.method)) {
            self.consumer.gaps.push(Gap { method, kind });
        }
    }

    fn loss(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        self.names.losses.push(Named::of_method(method));
        let argument = "lost: &HistoryLost".to_owned();
        let wanted = Wanted { subject: "`#[history_lost]`", last: "the notice", has_fields: false, argument };
        let one_type = "its argument is a `HistoryLost`";
        let taken = self.acting(&method.signature, &wanted, one_type, |ty, diagnostics| {
            let notice = stripped(ty);
            if !is_shared_reference(ty) {
                let sentence =
                    format!("`#[history_lost]` takes the notice by reference: `&{}`, not `{}`", text(notice), text(ty));
                diagnostics.error(ty, sentence);
            }
            Some(notice.clone())
        });
        self.consumer.broken_loss |= taken.is_none();
        push_raw(&mut self.consumer.losses, marked, taken);
    }

    /// Checks a method with `&mut self`. Returns the type of the argument after the context, if the whole signature is
    /// right.
    fn acting(
        &mut self,
        signature: &Signature,
        wanted: &Wanted<'_>,
        one_type: &str,
        taken: impl Fn(&Type, &mut Diagnostics) -> Option<Type>,
    ) -> Option<Type> {
        let before = self.diagnostics.count();
        check_qualifiers(wanted.subject, signature, one_type, self.diagnostics);
        let payload = check_acting(signature, wanted, self.diagnostics).and_then(|ty| taken(ty, self.diagnostics));
        payload.filter(|_| self.diagnostics.count() == before)
    }

    fn connect(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        let before = self.diagnostics.count();
        self.names.connects.push(Named::of_method(method));
        check_qualifiers("`#[connect]`", &method.signature, "a path captures one type", self.diagnostics);
        let captures = check_connect(&method.signature, self.diagnostics);
        let names = capture_names(&method.signature);
        let method = marked.called();
        if self.diagnostics.count() != before {
            self.consumer.broken_connect.get_or_insert(captures);
        } else if !is_second(&method, self.consumer.connects.iter().map(|other| &other.method)) {
            self.consumer.connects.push(Connect { method, captures, names });
        }
    }
}

/// Returns the names of the captures, as far as they are words: `room` for `(cx, room: u64)`.
fn capture_names(signature: &Signature) -> Vec<String> {
    let names = typed(signature).into_iter().skip(1).filter_map(|argument| match &*argument.pat {
        Pat::Ident(pattern) => Some(pattern.ident.unraw().to_string()),
        _ => None,
    });
    names.collect()
}

/// Checks the signature of `#[connect]`. Returns the types of the captures: `u64` for `(cx, room: u64)`.
fn check_connect(signature: &Signature, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let typed = typed(signature);
    let at = context_at(&typed);
    let is_captured = |(place, _): &(usize, &&PatType)| Some(*place) != at;
    let captured = typed.iter().enumerate().filter(is_captured);
    let captured: String = captured.map(|(_, argument)| format!(", {}", text(argument))).collect();
    let wanted = connecting(signature, &captured);
    if let Some(receiver) = signature.receiver() {
        diagnostics.error(receiver, format!("`#[connect]` has no `self`: it creates the consumer\n{wanted}"));
    }
    // Any other `&mut` may be an alias of the context.
    let is_alias = at.is_none() && typed.first().is_some_and(|first| is_mutable_reference(&first.ty));
    match at {
        Some(0) => check_context(&typed[0].ty, "`#[connect]`", diagnostics),
        Some(at) => diagnostics.error(
            typed[at],
            format!("the context of `#[connect]` comes first, before the captures of the path\n{wanted}"),
        ),
        None if is_alias => {}
        None => diagnostics.error(
            &signature.ident,
            format!("`#[connect]` needs the context: `cx: &mut Context<Self>` comes first\n{wanted}"),
        ),
    }
    let mut captures = Vec::new();
    for (_, argument) in typed.iter().enumerate().skip(usize::from(is_alias)).filter(is_captured) {
        if borrows(&argument.ty) {
            let (owned, borrowed) = (owned_text(stripped(&argument.ty)), text(&argument.ty));
            diagnostics.error(
                &argument.ty,
                format!("`#[connect]` takes the captures of the path by value: `{owned}`, not `{borrowed}`"),
            );
        } else if !is_unnameable(&argument.ty) {
            captures.push((*argument.ty).clone());
        }
    }
    match &signature.output {
        ReturnType::Default => diagnostics
            .error(&signature.ident, format!("`#[connect]` must return `Self` or `Result<Self, Reject>`\n{wanted}")),
        ReturnType::Type(_, ty) if result_of_one(ty).is_some() => diagnostics.error(
            ty,
            format!(
                "`#[connect]` must return `Result<Self, Reject>`: the error of `{}` is an `Error`, which cannot reject a client\n\
                 `?` converts any `std::error::Error` into a `Reject` with status 500",
                text(ty)
            ),
        ),
        ReturnType::Type(..) => {}
    }
    captures
}

/// Reports a command that is not an object with fields.
fn check_command(payload: &Type, diagnostics: &mut Diagnostics) {
    let whole = text(payload);
    if let Some(inner) = bare_command(payload) {
        diagnostics.error(payload, format!("a command is taken without a wrapper: `{}`, not `{whole}`", text(inner)));
    } else if has_no_fields(payload) {
        diagnostics.error(
            payload,
            format!(
                "a command is an object with fields, but `{whole}` has none: take a struct that derives \
                 `Deserialize`, or receive the raw frame with `#[receive]` without a name"
            ),
        );
    }
}

/// Reports an answer that cannot be sent. Returns its types, if the spelling of the return type shows them.
fn check_answer(signature: &Signature, diagnostics: &mut Diagnostics) -> Option<Answer> {
    let ReturnType::Type(_, output) = &signature.output else { return None };
    if borrows(output) {
        diagnostics.error(
            output,
            format!(
                "command `{}` returns before its answer is sent, so the return value must own its data: `String`, not `&str`",
                signature.ident
            ),
        );
    }
    let answer = answer(output)?;
    for sent in [Some(&answer.reply), answer.refusal.as_ref()].into_iter().flatten() {
        if let Some(inner) = in_json(sent) {
            let sentence = format!("an answer is returned without a wrapper: `{}`, not `{}`", text(inner), text(sent));
            diagnostics.error(sent, sentence);
        }
    }
    Some(answer)
}

/// Returns a probable type for a name: `ChatMessage` for `chat.message`.
fn type_name(name: &LitStr) -> String {
    event_name::variant(&name.value())
}

/// Returns the enum variant for a name. `others` are the names before it and their variants.
fn variant<'a>(name: &LitStr, mut others: impl Iterator<Item = (String, &'a Ident)>) -> Ident {
    let written = name.value();
    let variant = event_name::variant(&written);
    let taken = variant == RAW || others.any(|(other, taken)| other != written && *taken == variant);
    let variant = if taken { event_name::exact_variant(&written) } else { variant };
    Ident::new(&variant, place(name.span()))
}

fn push_raw(methods: &mut Vec<Raw>, marked: Marked<'_>, payload: Option<Type>) {
    let method = marked.called();
    if let Some(payload) = payload
        && !is_second(&method, methods.iter().map(|other| &other.method))
    {
        methods.push(Raw { method, payload });
    }
}

/// Returns whether one of the other methods exists unconditionally, like this one. [`Names`] reports both, and the code
/// for both would be generated twice.
fn is_second<'a>(method: &Method, mut others: impl Iterator<Item = &'a Method>) -> bool {
    method.cfgs.is_empty() && others.any(|other| other.cfgs.is_empty())
}
