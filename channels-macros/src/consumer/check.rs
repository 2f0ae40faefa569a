//! What a consumer may look like. Every mistake is reported, whatever is right goes into the model.

use syn::{Ident, LitStr, ReturnType, Signature, Type, parse_quote};

use super::model::{Command, Connect, Consumer, Disconnect, Gap, GapKind, Handler, Handles, Method, Raw};
use super::names::{Named, Names};
use super::parse::{self, Arguments, Block, Member};
use super::role::{HELPERS_IN_WORDS, Role, take_from_other, take_role};
use super::signature::{
    Wanted, asyncness, by_reference, by_value, called, check_acting, check_alone, check_context, check_qualifiers,
    check_shared, complete_context, context, is_mutable_reference, owned_text, payload_text, stripped, typed,
};
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::source::{borrows, cfgs, is_unnameable, last_word, place, text};

/// Types that no JSON object can be read as, so that a command of theirs would be refused whatever a client says.
const WITHOUT_FIELDS: [&str; 18] = [
    "String", "Vec", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

/// Reads the block, takes the helper attributes out of it, and says what is wrong.
///
/// `None` if it cannot be the block of a consumer.
pub(super) fn check(arguments: Arguments, block: &mut Block, diagnostics: &mut Diagnostics) -> Option<Consumer> {
    let mut methods = Vec::new();
    for (at, member) in block.members.iter_mut().enumerate() {
        match member {
            Member::Method(method) => {
                if let Some(role) = take_role(method, diagnostics) {
                    methods.push((at, role));
                }
            }
            Member::Other(item) => take_from_other(item, diagnostics),
        }
    }
    let name = check_head(block, methods.is_empty(), diagnostics)?;
    let mut checker = Checker {
        diagnostics,
        names: Names::default(),
        consumer: Consumer {
            runtime: arguments.runtime,
            self_ty: block.self_ty.clone(),
            generics: block.generics.clone(),
            cfgs: cfgs(&block.attributes),
            name,
            tag: arguments.tag,
            groups: arguments.groups,
            sends: arguments.sends,
            mailbox: arguments.mailbox,
            handlers: Vec::new(),
            fallbacks: Vec::new(),
            handles: Handles::Listed(Vec::new()),
            commands: Vec::new(),
            raw: Vec::new(),
            refusals: Vec::new(),
            connects: Vec::new(),
            disconnects: Vec::new(),
            gaps: Vec::new(),
            broken_connect: None,
        },
    };
    let marked: Vec<usize> = methods.iter().map(|(at, _)| *at).collect();
    for (at, role) in methods {
        let Member::Method(method) = &block.members[at] else { continue };
        if is_repeated(block, at) {
            match role {
                Role::Handler(_) => checker.consumer.handles = Handles::Anything,
                Role::Connect => checker.consumer.broken_connect = Some(Vec::new()),
                _ => {}
            }
            continue;
        }
        match role {
            Role::Connect => checker.connect(method),
            Role::Receive(None) => checker.raw(method),
            Role::Receive(Some(name)) => checker.command(method, name),
            Role::Refuse => checker.refusal(method),
            Role::Handler(name) => checker.handler(method, name),
            Role::Fallback => checker.fallback(method),
            Role::Disconnect => checker.disconnect(method),
            Role::Gap(kind) => checker.gap(method, kind),
            Role::Unknown => {}
        }
    }
    let Checker { mut consumer, names, diagnostics } = checker;
    names.check(diagnostics);
    if let Some(policy) = &arguments.policy {
        check_mailbox(policy, &consumer, diagnostics);
    }
    for at in marked {
        if let Member::Method(method) = &mut block.members[at] {
            complete_context(&mut method.signature);
            // The signature is ours, so that clippy's advice to change it would be wrong. What stands below has the last word.
            method.attributes.insert(
                0,
                parse_quote!(#[allow(
                    clippy::missing_const_for_fn,
                    clippy::needless_pass_by_ref_mut,
                    clippy::needless_pass_by_value,
                    clippy::trivially_copy_pass_by_ref,
                    clippy::unused_self
                )]),
            );
        }
    }
    if !consumer.generics.params.is_empty() {
        // Reported above. The methods would need the generics in every place that stands for them.
        consumer.handlers.clear();
        consumer.fallbacks.clear();
        consumer.commands.clear();
        consumer.raw.clear();
        consumer.refusals.clear();
        consumer.groups = None;
        consumer.disconnects.clear();
        consumer.gaps.clear();
        consumer.broken_connect = Some(consumer.connects.drain(..).flat_map(|connect| connect.captures).collect());
        consumer.handles = Handles::Anything;
    }
    Some(consumer)
}

/// Events wait for handlers with `self` alone: what the others render waits for the client, and has the limit of that.
fn check_mailbox(policy: &LitStr, consumer: &Consumer, diagnostics: &mut Diagnostics) {
    let waits = !consumer.fallbacks.is_empty() || consumer.handlers.iter().any(|handler| !handler.shared);
    // A handler that is wrong was reported, and might be one.
    if !waits && matches!(consumer.handles, Handles::Listed(_)) {
        diagnostics.error(
            policy,
            format!(
                "no event ever waits for `{}`, which has no `#[handler]` with `&mut self`; take `mailbox` away",
                consumer.name
            ),
        );
    }
}

fn check_head(block: &Block, empty: bool, diagnostics: &mut Diagnostics) -> Option<Ident> {
    if let Some((of, _)) = &block.of {
        diagnostics.error(
            of,
            format!(
                "`#[consumer]` stands above the methods of the type itself, not above those of a trait: `impl {} {{ .. }}`",
                text(&block.self_ty)
            ),
        );
        return None;
    }
    let Type::Path(path) = &block.self_ty else {
        diagnostics.error(&block.self_ty, "a consumer is a struct or an enum of your own: `impl ChatConsumer { .. }`");
        return None;
    };
    let name = &path.path.segments.last()?.ident;
    if !block.generics.params.is_empty() {
        diagnostics.error(
            &block.generics.params,
            format!("consumer `{name}` cannot be generic: a route serves one type, and its events are one enum"),
        );
    }
    if empty {
        diagnostics.error(
            &block.self_ty,
            format!("consumer `{name}` has no method for anything that can happen: mark them with {HELPERS_IN_WORDS}"),
        );
    }
    Some(name.clone())
}

struct Checker<'a> {
    diagnostics: &'a mut Diagnostics,
    names: Names,
    consumer: Consumer,
}

impl Checker<'_> {
    fn handler(&mut self, method: &parse::Method, name: Option<LitStr>) {
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
        check_qualifiers(&subject, signature, "an event is one type", self.diagnostics);
        let shared = signature.receiver().is_none();
        let payload = if shared {
            check_shared(&subject, signature, self.diagnostics)
        } else {
            let payload = payload_text(signature, "ChatMessage");
            let wanted = Wanted {
                subject: &subject,
                last: "the event",
                signature: format!(
                    "{}fn {}(&mut self, cx: &mut Context<Self>, event: &{payload}) -> Result<()>",
                    asyncness(signature),
                    signature.ident
                ),
            };
            check_acting(signature, &wanted, self.diagnostics)
                .and_then(|ty| by_reference(ty, &subject, self.diagnostics))
        };
        if let Some(payload) = &payload
            && last_word(payload).as_deref() == Some("Json")
        {
            let inner = text(payload);
            let inner = inner.split_once('<').map_or("ChatMessage", |(_, inner)| inner.trim_end_matches('>'));
            self.diagnostics
                .error(payload, format!("an event is taken as it is: `&{inner}`, not `&{}`", text(payload)));
        }
        right &= self.diagnostics.count() == before;
        let Some(payload) = payload else {
            self.consumer.handles = Handles::Anything;
            return;
        };
        let method = called(method);
        if let Handles::Listed(listed) = &mut self.consumer.handles
            && !listed.iter().any(|(cfgs, ty)| text(ty) == text(&payload) && cfgs.is_empty())
        {
            listed.push((method.cfgs.clone(), payload.clone()));
        }
        if let Some(event) = name.filter(|_| right)
            && !self.is_second(&event, &method)
        {
            let variant = Ident::new(&event_name::variant(&event.value()), place(event.span()));
            self.consumer.handlers.push(Handler { method, event, variant, payload, shared });
        }
    }

    /// A second handler for an event is reported by `Names`, and its variant would be there twice.
    fn is_second(&self, event: &LitStr, method: &Method) -> bool {
        let variant = event_name::variant(&event.value());
        method.cfgs.is_empty()
            && self.consumer.handlers.iter().any(|other| other.method.cfgs.is_empty() && other.variant == variant)
    }

    fn command(&mut self, method: &parse::Method, name: LitStr) {
        let signature = &method.signature;
        let before = self.diagnostics.count();
        match event_name::check_command(&name.value()) {
            Ok(()) => self.names.commands.push(Named::new(&name, method)),
            Err(sentence) => self.diagnostics.error(&name, sentence),
        }
        let subject = format!("`#[receive]` method `{}`", signature.ident);
        check_qualifiers(&subject, signature, "a command is one type", self.diagnostics);
        let payload = payload_text(signature, "SendCommand");
        let wanted = Wanted {
            subject: &subject,
            last: "the command",
            signature: format!(
                "{}fn {}(&mut self, cx: &mut Context<Self>, command: {payload}) -> Result<()>",
                asyncness(signature),
                signature.ident
            ),
        };
        let payload = check_acting(signature, &wanted, self.diagnostics)
            .and_then(|ty| by_value(ty, "a command", self.diagnostics));
        if let Some(payload) = &payload
            && let Some(word) = last_word(payload)
        {
            let whole = text(payload);
            if word == "Json" {
                let inner = whole.split_once('<').map_or("Say", |(_, inner)| inner.trim_end_matches('>'));
                self.diagnostics
                    .error(payload, format!("a command is read from JSON as it is: `{inner}`, not `{whole}`"));
            } else if WITHOUT_FIELDS.contains(&word.as_str()) {
                self.diagnostics.error(
                    payload,
                    format!(
                        "a command is an object with fields, and `{whole}` has none: take a struct that derives \
                         `Deserialize`; what a client says as it came is for `#[receive]` without a name"
                    ),
                );
            }
        }
        let method = called(method);
        let variant = event_name::variant(&name.value());
        let is_second = method.cfgs.is_empty()
            && self.consumer.commands.iter().any(|other| other.method.cfgs.is_empty() && other.variant == variant);
        if let Some(payload) = payload
            && self.diagnostics.count() == before
            && !is_second
        {
            let variant = Ident::new(&variant, place(name.span()));
            self.consumer.commands.push(Command { method, name, variant, payload });
        }
    }

    fn raw(&mut self, method: &parse::Method) {
        let signature = &method.signature;
        let before = self.diagnostics.count();
        self.names.raw.push(Named::of_method(method));
        let subject = format!("`#[receive]` method `{}`", signature.ident);
        check_qualifiers(&subject, signature, "a frame is one type", self.diagnostics);
        let payload = payload_text(signature, "Frame");
        let wanted = Wanted {
            subject: &subject,
            last: "the frame",
            signature: format!(
                "{}fn {}(&mut self, cx: &mut Context<Self>, frame: {payload}) -> Result<()>",
                asyncness(signature),
                signature.ident
            ),
        };
        let payload =
            check_acting(signature, &wanted, self.diagnostics).and_then(|ty| by_value(ty, "a frame", self.diagnostics));
        let method = called(method);
        let is_second = is_second_of(&self.consumer.raw, &method);
        if let Some(payload) = payload
            && self.diagnostics.count() == before
            && !is_second
        {
            self.consumer.raw.push(Raw { method, payload });
        }
    }

    fn fallback(&mut self, method: &parse::Method) {
        self.names.fallbacks.push(Named::of_method(method));
        let signature = &method.signature;
        let wanted = Wanted {
            subject: "`#[handler(_)]`",
            last: "the envelope",
            signature: format!(
                "{}fn {}(&mut self, cx: &mut Context<Self>, event: &Envelope) -> Result<()>",
                asyncness(signature),
                signature.ident
            ),
        };
        let one_type = "an event without a handler is an `Envelope`";
        let taken = self.unnamed(signature, &wanted, one_type, |ty, at| by_reference(ty, wanted.subject, at));
        let method = called(method);
        let is_second = is_second_of(&self.consumer.fallbacks, &method);
        if let Some(payload) = taken
            && !is_second
        {
            self.consumer.fallbacks.push(Raw { method, payload });
        }
    }

    fn refusal(&mut self, method: &parse::Method) {
        self.names.refusals.push(Named::of_method(method));
        let signature = &method.signature;
        let wanted = Wanted {
            subject: "`#[receive(_)]`",
            last: "the error",
            signature: format!(
                "{}fn {}(&mut self, cx: &mut Context<Self>, error: CommandError) -> Result<()>",
                asyncness(signature),
                signature.ident
            ),
        };
        let one_type = "why a frame is refused is a `CommandError`";
        let taken = self.unnamed(signature, &wanted, one_type, |ty, at| by_value(ty, wanted.last, at));
        let method = called(method);
        let is_second = is_second_of(&self.consumer.refusals, &method);
        if let Some(payload) = taken
            && !is_second
        {
            self.consumer.refusals.push(Raw { method, payload });
        }
    }

    /// What a method for everything that has no name takes, if all of it is right.
    fn unnamed(
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

    fn connect(&mut self, method: &parse::Method) {
        let signature = &method.signature;
        let before = self.diagnostics.count();
        self.names.connects.push(Named::of_method(method));
        check_qualifiers("`#[connect]`", signature, "a path captures one type", self.diagnostics);
        let typed = typed(signature);
        let captured: Vec<String> = typed
            .iter()
            .filter(|argument| context(&argument.ty).is_none())
            .map(|argument| format!(", {}", text(argument)))
            .collect();
        let wanted = format!(
            "write `{}fn {}(cx: &mut Context<Self>{}) -> Result<Self, Reject>`",
            asyncness(signature),
            signature.ident,
            captured.concat()
        );
        if let Some(receiver) = signature.receiver() {
            self.diagnostics.error(receiver, format!("`#[connect]` has no `self`: it makes the consumer\n{wanted}"));
        }
        match typed.iter().position(|argument| context(&argument.ty).is_some()) {
            Some(0) => check_context(&typed[0].ty, "`#[connect]`", self.diagnostics),
            Some(at) => self.diagnostics.error(
                typed[at],
                format!("the context of `#[connect]` comes first, before what the path captures\n{wanted}"),
            ),
            // An alias of the context's type cannot be told from another `&mut`.
            None if typed.first().is_some_and(|first| is_mutable_reference(&first.ty)) => {}
            None => self.diagnostics.error(
                &signature.ident,
                format!("`#[connect]` lacks the context: `cx: &mut Context<Self>` comes first\n{wanted}"),
            ),
        }
        let is_alias = typed.iter().all(|argument| context(&argument.ty).is_none())
            && typed.first().is_some_and(|first| is_mutable_reference(&first.ty));
        let mut captures = Vec::new();
        for argument in typed.iter().skip(usize::from(is_alias)).filter(|argument| context(&argument.ty).is_none()) {
            if borrows(&argument.ty) {
                self.diagnostics.error(
                    &argument.ty,
                    format!(
                        "`#[connect]` takes what the path captures by value: `{}`, not `{}`",
                        owned_text(stripped(&argument.ty)),
                        text(&argument.ty)
                    ),
                );
            } else if !is_unnameable(&argument.ty) {
                captures.push((*argument.ty).clone());
            }
        }
        if matches!(signature.output, ReturnType::Default) {
            self.diagnostics
                .error(&signature.ident, format!("`#[connect]` returns the consumer, or says why not\n{wanted}"));
        }
        let method = called(method);
        let is_second =
            method.cfgs.is_empty() && self.consumer.connects.iter().any(|other| other.method.cfgs.is_empty());
        if self.diagnostics.count() != before {
            self.consumer.broken_connect.get_or_insert(captures);
        } else if !is_second {
            self.consumer.connects.push(Connect { method, captures });
        }
    }

    fn disconnect(&mut self, method: &parse::Method) {
        let signature = &method.signature;
        let before = self.diagnostics.count();
        self.names.disconnects.push(Named::of_method(method));
        check_qualifiers("`#[disconnect]`", signature, "its arguments are known", self.diagnostics);
        let wanted = Wanted {
            subject: "`#[disconnect]`",
            last: "the close code",
            signature: format!(
                "{}fn {}(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()>",
                asyncness(signature),
                signature.ident
            ),
        };
        let code = check_acting(signature, &wanted, self.diagnostics)
            .and_then(|ty| by_value(ty, "the close code", self.diagnostics));
        if let Some(code) = &code
            && matches!(last_word(code).as_deref(), Some("u16" | "u32" | "i32" | "u64" | "i64" | "usize" | "Option"))
        {
            self.diagnostics.error(
                code,
                format!(
                    "why the connection ended is a `CloseCode`, whose number is `code.as_u16()`\nwrite `{}`",
                    wanted.signature
                ),
            );
        }
        let method = called(method);
        let is_second =
            method.cfgs.is_empty() && self.consumer.disconnects.iter().any(|other| other.method.cfgs.is_empty());
        if self.diagnostics.count() == before && !is_second {
            self.consumer.disconnects.push(Disconnect { method });
        }
    }

    fn gap(&mut self, method: &parse::Method, kind: GapKind) {
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
        let method = called(method);
        let is_same = |other: &Gap| other.kind == kind && other.method.cfgs.is_empty();
        let is_second = method.cfgs.is_empty() && self.consumer.gaps.iter().any(is_same);
        if self.diagnostics.count() == before && !is_second {
            self.consumer.gaps.push(Gap { method, kind });
        }
    }
}

/// Whether a method above has the same name. That is the compiler's to report; a call of this one would be a call of that one.
fn is_repeated(block: &Block, at: usize) -> bool {
    let Member::Method(method) = &block.members[at] else { return false };
    let is_same = |other: &Member| {
        matches!(other, Member::Method(other)
            if other.signature.ident == method.signature.ident && cfgs(&other.attributes).is_empty())
    };
    cfgs(&method.attributes).is_empty() && block.members[..at].iter().any(is_same)
}

/// A second method was reported by [`Names`], and its variant would be there twice.
fn is_second_of(others: &[Raw], method: &Method) -> bool {
    method.cfgs.is_empty() && others.iter().any(|other| other.method.cfgs.is_empty())
}
