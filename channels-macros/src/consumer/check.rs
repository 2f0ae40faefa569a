//! What a consumer may look like. Every mistake is reported, whatever is right goes into the model.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, Ident, ImplItem, LitStr, Meta, PatType, PathArguments, Receiver,
    ReceiverKind, ReturnType, Safety, Signature, Token, Type,
};

use super::blocking;
use super::model::{Command, Connect, Consumer, Disconnect, Gap, GapKind, Handler, Handles, Method, Output, Raw};
use super::parse::{self, Arguments, Block, Member};
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::source::{borrows, cfgs, is_unnameable, last_word, place, text};
use crate::suggest::near;

/// The attributes that `#[consumer]` understands on a method, and takes away.
const HELPERS: [&str; 6] = ["connect", "receive", "handler", "disconnect", "layer_lost", "layer_restored"];

const HELPERS_IN_WORDS: &str = "`#[connect]`, `#[receive(\"name\")]`, `#[handler(\"event.name\")]`, `#[disconnect]`, \
                                `#[layer_lost]` and `#[layer_restored]`";

/// The variant of what has no name.
pub(super) const RAW: &str = "Raw";

/// What a method is for.
enum Role {
    Connect,
    /// `None` for every frame.
    Receive(Option<LitStr>),
    /// `#[receive(_)]`: for the frames that are no command.
    Refuse,
    /// `None` if the name could not be read, which was reported.
    Handler(Option<LitStr>),
    /// `#[handler(_)]`: for the events that no other handler is for.
    Fallback,
    Disconnect,
    Gap(GapKind),
    /// Something of these, and wrong.
    Unknown,
}

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
    for (at, role) in methods {
        let Member::Method(method) = &block.members[at] else { continue };
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

/// Takes the helper attributes away. The first of them is the role.
fn take_role(method: &mut parse::Method, diagnostics: &mut Diagnostics) -> Option<Role> {
    let parse::Method { attributes, signature, blocking, .. } = method;
    let method = &signature.ident;
    let mut role: Option<(Role, String)> = None;
    attributes.retain_mut(|attribute| {
        let Some((helper, exact)) = helper(attribute) else { return true };
        if attribute.path().get_ident().is_none() {
            diagnostics.error(
                attribute.path(),
                format!("`#[consumer]` knows this attribute by its bare name: `#[{helper}]`, without a path"),
            );
        } else if !exact {
            let word = text(attribute.path());
            diagnostics.error(
                attribute.path(),
                format!("there is no attribute `{word}` here; did you mean `{helper}`?\nthe attributes are {HELPERS_IN_WORDS}"),
            );
        }
        let word = blocking::take(attribute, helper, diagnostics);
        *blocking |= word.is_some_and(|word| blocking::check(&word, helper, signature, diagnostics));
        let parsed = parse_role(helper, attribute, diagnostics);
        if let Some((_, first)) = &role {
            diagnostics.error(
                attribute.path(),
                if first == helper {
                    format!("method `{method}` has two `#[{helper}]`; write one method for each")
                } else {
                    format!("method `{method}` cannot be `#[{first}]` and `#[{helper}]`; write one method for each")
                },
            );
        } else {
            role = Some((parsed, helper.to_owned()));
        }
        false
    });
    role.map(|(role, _)| role)
}

fn take_from_other(item: &mut ImplItem, diagnostics: &mut Diagnostics) {
    let attributes = match item {
        ImplItem::Const(item) => &mut item.attrs,
        ImplItem::Type(item) => &mut item.attrs,
        ImplItem::Macro(item) => &mut item.attrs,
        _ => return,
    };
    attributes.retain(|attribute| match helper(attribute) {
        Some((helper, true)) => {
            diagnostics.error(attribute.path(), format!("`#[{helper}]` stands above a method"));
            false
        }
        _ => true,
    });
}

/// The helper attribute that this is, or that it was meant to be.
fn helper(attribute: &Attribute) -> Option<(&'static str, bool)> {
    let word = attribute.path().segments.last()?.ident.to_string();
    if let Some(helper) = HELPERS.iter().find(|helper| **helper == word) {
        return Some((helper, true));
    }
    attribute.path().get_ident()?;
    // `#[event(..)]` exists, but it makes events, and of structs.
    if word == "event" {
        return Some(("handler", false));
    }
    near(&word, HELPERS).map(|helper| (helper, false))
}

fn parse_role(helper: &str, attribute: &Attribute, diagnostics: &mut Diagnostics) -> Role {
    match helper {
        "connect" | "disconnect" | "layer_lost" | "layer_restored" => {
            if !matches!(attribute.meta, Meta::Path(_)) {
                diagnostics.error(&attribute.meta, format!("`#[{helper}]` takes no arguments"));
            }
            match helper {
                "connect" => Role::Connect,
                "disconnect" => Role::Disconnect,
                "layer_lost" => Role::Gap(GapKind::Lost),
                _ => Role::Gap(GapKind::Restored),
            }
        }
        "receive" => match &attribute.meta {
            Meta::Path(_) => Role::Receive(None),
            _ if is_underscore(attribute) => Role::Refuse,
            _ if check_meant_underscore(helper, attribute, diagnostics) => Role::Unknown,
            _ => match read_name(attribute) {
                Ok(name) => Role::Receive(Some(name)),
                Err(meant) => {
                    let meant = meant.unwrap_or_else(|| "send".into());
                    diagnostics.error(
                        &attribute.meta,
                        format!(
                            "the name of a command stands in quotes: `#[receive(\"{meant}\")]`; every frame is \
                             received with `#[receive]`"
                        ),
                    );
                    Role::Unknown
                }
            },
        },
        _ if is_underscore(attribute) => Role::Fallback,
        _ if check_meant_underscore(helper, attribute, diagnostics) => Role::Unknown,
        _ => match read_name(attribute) {
            Ok(name) => Role::Handler(Some(name)),
            Err(meant) => {
                let meant = meant.unwrap_or_else(|| "chat.message".into());
                let sentence = match attribute.meta {
                    Meta::Path(_) => "a handler names its event",
                    Meta::List(_) | Meta::NameValue(_) => "the name of an event stands in quotes",
                };
                diagnostics.error(&attribute.meta, format!("{sentence}: `#[handler(\"{meant}\")]`"));
                Role::Handler(None)
            }
        },
    }
}

/// `(_)`: whatever no other method is for.
fn is_underscore(attribute: &Attribute) -> bool {
    attribute.parse_args::<Token![_]>().is_ok()
}

/// What others write for `(_)`.
fn check_meant_underscore(helper: &str, attribute: &Attribute, diagnostics: &mut Diagnostics) -> bool {
    const MEANT: [&str; 8] = ["\"_\"", "*", "\"*\"", "..", "else", "default", "other", "fallback"];
    let Meta::List(list) = &attribute.meta else { return false };
    let meant = MEANT.contains(&text(&list.tokens).as_str());
    if meant {
        let rest =
            if helper == "handler" { "events that no other handler is for" } else { "frames that are no command" };
        diagnostics
            .error(&list.tokens, format!("the method for all {rest} is marked with a bare `_`: `#[{helper}(_)]`"));
    }
    meant
}

/// `("name")`; otherwise the name that was probably meant.
fn read_name(attribute: &Attribute) -> Result<LitStr, Option<String>> {
    attribute.parse_args::<LitStr>().map_err(|_| match &attribute.meta {
        Meta::List(list) => event_name::unquoted(&list.tokens),
        Meta::NameValue(pair) => syn::parse2::<LitStr>(pair.value.to_token_stream()).ok().map(|name| name.value()),
        Meta::Path(_) => None,
    })
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
            && last_word(payload).as_deref() == Some("Json")
        {
            let inner = text(payload);
            let inner = inner.split_once('<').map_or("Say", |(_, inner)| inner.trim_end_matches('>'));
            self.diagnostics
                .error(payload, format!("a command is read from JSON as it is: `{inner}`, not `{}`", text(payload)));
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

/// A second method was reported by [`Names`], and its variant would be there twice.
fn is_second_of(others: &[Raw], method: &Method) -> bool {
    method.cfgs.is_empty() && others.iter().any(|other| other.method.cfgs.is_empty())
}

/// What a method with `&mut self` takes.
struct Wanted<'a> {
    /// `handler ``chat_join```.
    subject: &'a str,
    /// `the event`.
    last: &'a str,
    /// The whole of it, to be copied.
    signature: String,
}

/// `(&mut self, cx, last)`: the type of the last one, wherever it stands.
fn check_acting<'a>(signature: &'a Signature, wanted: &Wanted<'_>, diagnostics: &mut Diagnostics) -> Option<&'a Type> {
    let Wanted { subject, last, signature: write } = wanted;
    check_receiver(signature, subject, write, diagnostics);
    let typed = typed(signature);
    let at = typed.iter().position(|argument| context(&argument.ty).is_some());
    match (typed.as_slice(), at) {
        ([], _) => {
            diagnostics.error(&signature.ident, format!("{subject} lacks the context and {last}\nwrite `{write}`"));
        }
        ([_], Some(_)) => {
            diagnostics.error(&signature.ident, format!("{subject} lacks {last} behind the context\nwrite `{write}`"));
        }
        ([only], None) => {
            diagnostics.error(only, format!("{subject} lacks the context before {last}\nwrite `{write}`"));
        }
        ([first, _], Some(0)) => check_context(&first.ty, subject, diagnostics),
        ([_, second], Some(_)) => {
            diagnostics.error(second, format!("the context of {subject} comes before {last}\nwrite `{write}`"));
        }
        // An alias of the context's type cannot be told from another `&mut`.
        ([first, second], None) if is_mutable_reference(&first.ty) => return Some(&second.ty),
        ([first, second], None) => {
            diagnostics.error(
                first,
                format!("the first argument of {subject} is the context, `cx: &mut Context<Self>`\nwrite `{write}`"),
            );
            return Some(&second.ty);
        }
        ([_, _, extra, ..], _) => {
            let many = if typed.len() == 3 { "an argument" } else { "arguments" };
            diagnostics.error(extra, format!("{subject} has {many} too many: {last} is the last\nwrite `{write}`"));
        }
    }
    typed.iter().map(|argument| &*argument.ty).find(|ty| context(ty).is_none())
}

/// `(&mut self, cx)`.
fn check_alone(subject: &str, signature: &Signature, diagnostics: &mut Diagnostics) {
    let (asyncness, ident) = (asyncness(signature), &signature.ident);
    let write = format!("{asyncness}fn {ident}(&mut self, cx: &mut Context<Self>) -> Result<()>");
    check_receiver(signature, subject, &write, diagnostics);
    match typed(signature).as_slice() {
        [] => diagnostics.error(ident, format!("{subject} lacks the context\nwrite `{write}`")),
        [cx] if context(&cx.ty).is_some() => check_context(&cx.ty, subject, diagnostics),
        // An alias of the context's type cannot be told from another `&mut`.
        [cx] if is_mutable_reference(&cx.ty) => {}
        [other] => diagnostics.error(
            other,
            format!("the argument of {subject} is the context, `cx: &mut Context<Self>`\nwrite `{write}`"),
        ),
        [_, extra, ..] => diagnostics.error(
            extra,
            format!("{subject} takes the context and nothing else: what was missed is not known\nwrite `{write}`"),
        ),
    }
}

fn check_receiver(signature: &Signature, subject: &str, write: &str, diagnostics: &mut Diagnostics) {
    match signature.receiver() {
        None => diagnostics.error(&signature.ident, format!("{subject} lacks `&mut self`\nwrite `{write}`")),
        Some(Receiver { kind: ReceiverKind::Reference(_, _, Some(_)), .. }) => {}
        Some(receiver) => {
            diagnostics.error(
                receiver,
                format!("{subject} takes `&mut self`, and this is `{}`\nwrite `{write}`", text(receiver)),
            );
        }
    }
}

/// A handler without `self`: `(event: &ChatMessage) -> Json<ChatLine>`.
fn check_shared(subject: &str, signature: &Signature, diagnostics: &mut Diagnostics) -> Option<Type> {
    let ident = &signature.ident;
    let payload = payload_text(signature, "ChatMessage");
    let asyncness = asyncness(signature);
    let acting =
        format!("write `{asyncness}fn {ident}(&mut self, cx: &mut Context<Self>, event: &{payload}) -> Result<()>`");
    let output = match &signature.output {
        ReturnType::Type(_, output) => text(output),
        ReturnType::Default => "Json<..>".into(),
    };
    let sharing = format!("`{asyncness}fn {ident}(event: &{payload}) -> {output}`");
    let typed = typed(signature);
    let before = diagnostics.count();
    if let Some(cx) = typed.iter().find(|argument| context(&argument.ty).is_some()) {
        diagnostics.error(
            cx,
            format!("{subject} has no `self`, so it runs once for all connections and has no context of one\n{acting}"),
        );
    } else {
        match typed.as_slice() {
            [] => diagnostics.error(ident, format!("{subject} lacks its event\nwrite {sharing}")),
            [_] => {}
            [_, extra, ..] => diagnostics.error(
                extra,
                format!("{subject} has no `self`, so it takes its event and nothing else\nwrite {sharing}"),
            ),
        }
    }
    match &signature.output {
        ReturnType::Type(_, output) if borrows(output) => diagnostics.error(
            output,
            format!("{subject} has no `self`: what it returns outlives the event, so it owns it: `String`, not `&str`"),
        ),
        ReturnType::Type(..) => {}
        // Where the context is asked for, the mistake is the lack of `self`, and was reported.
        ReturnType::Default if diagnostics.count() == before => diagnostics.error(
            ident,
            format!(
                "{subject} has no `self` and returns nothing, so it does nothing\nto send something to every client, \
                 write {sharing}\nto act for each connection, {acting}"
            ),
        ),
        ReturnType::Default => {}
    }
    let payload = typed.iter().map(|argument| &*argument.ty).find(|ty| context(ty).is_none())?;
    by_reference(payload, subject, diagnostics)
}

/// Why a method could not be called with what is there.
fn check_qualifiers(subject: &str, signature: &Signature, one_type: &str, diagnostics: &mut Diagnostics) {
    if let Some(constness) = &signature.constness {
        diagnostics.error(constness, format!("{subject} cannot be `const`: it runs for a connection"));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        diagnostics.error(unsafety, format!("{subject} cannot be `unsafe`: nobody could promise what it asks for"));
    }
    if let Some(abi) = &signature.abi {
        diagnostics.error(abi, format!("{subject} cannot be `extern`: it is called from Rust"));
    }
    for parameter in &signature.generics.params {
        match parameter {
            // A method may name the lifetime that it would have anyway.
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(_) | GenericParam::Const(_) => {
                diagnostics.error(parameter, format!("{subject} cannot be generic: {one_type}"));
            }
        }
    }
    for argument in typed(signature) {
        if is_unnameable(&argument.ty) {
            diagnostics
                .error(&argument.ty, format!("{subject} cannot be generic: {one_type}, and not an `impl Trait`"));
        }
    }
}

/// `&mut Context<Self>`, to the letter.
fn check_context(ty: &Type, subject: &str, diagnostics: &mut Diagnostics) {
    let is_right = matches!(ty, Type::Reference(reference)
        if reference.mutability.is_some()
            && matches!(&*reference.elem, Type::Path(path)
                if path.path.segments.last().is_some_and(|last| !last.arguments.is_none())));
    if !is_right {
        diagnostics.error(ty, format!("the context of {subject} is `cx: &mut Context<Self>`, not `{}`", text(ty)));
    }
}

/// `Context<Self>`, behind a reference or not.
fn context(ty: &Type) -> Option<&Type> {
    let inner = stripped(ty);
    (last_word(inner).as_deref() == Some("Context")).then_some(inner)
}

/// `Chat` of `Context<Chat>`; nothing of `Context<Self>`.
fn named_in_context(context: &Type) -> Option<&Type> {
    let Type::Path(path) = context else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) if text(ty) != "Self" => Some(ty),
        _ => None,
    }
}

fn is_mutable_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some())
}

fn stripped(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => stripped(&reference.elem),
        Type::Group(group) => stripped(&group.elem),
        Type::Paren(paren) => stripped(&paren.elem),
        ty => ty,
    }
}

/// The event of a handler, which every member of a group shares.
fn by_reference(ty: &Type, subject: &str, diagnostics: &mut Diagnostics) -> Option<Type> {
    let payload = stripped(ty);
    let name = text(payload);
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() && std::ptr::eq(&*reference.elem, payload) => {}
        Type::Reference(reference) if reference.mutability.is_some() => diagnostics.error(
            ty,
            format!("{subject} cannot change its event, which all members of the group share: `event: &{name}`"),
        ),
        _ => diagnostics.error(
            ty,
            format!(
                "{subject} takes its event by reference, because all members of the group share it: `event: &{name}`"
            ),
        ),
    }
    owned(payload, diagnostics)
}

/// What a client said, which is this connection's alone.
fn by_value(ty: &Type, noun: &str, diagnostics: &mut Diagnostics) -> Option<Type> {
    let payload = stripped(ty);
    if let Type::Reference(_) = ty {
        diagnostics.error(ty, format!("{noun} is taken by value: `{}`, not `{}`", owned_text(payload), text(ty)));
        return None;
    }
    owned(payload, diagnostics)
}

fn owned_text(borrowed: &Type) -> String {
    match text(borrowed).as_str() {
        "str" => "String".to_owned(),
        "[u8]" => "Vec<u8>".to_owned(),
        other => other.to_owned(),
    }
}

fn owned(payload: &Type, diagnostics: &mut Diagnostics) -> Option<Type> {
    if borrows(payload) {
        let sentence = format!("`{}` owns what it holds, so it has no lifetime: `String`, not `&str`", text(payload));
        diagnostics.error(payload, sentence);
        return None;
    }
    // An `impl Trait` was reported with the other generics.
    (!is_unnameable(payload)).then(|| payload.clone())
}

fn typed(signature: &Signature) -> Vec<&PatType> {
    let typed = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

fn asyncness(signature: &Signature) -> &'static str {
    if signature.asyncness.is_some() { "async " } else { "" }
}

/// The type that the user probably means by the last argument, for a signature to be copied.
pub(super) fn payload_text(signature: &Signature, otherwise: &str) -> String {
    let typed = typed(signature);
    // Behind the context, or before it by mistake; what comes third is too many.
    let places = if signature.receiver().is_none() { 1 } else { 2 };
    let mut candidates = typed.iter().map(|argument| &*argument.ty).filter(|ty| context(ty).is_none());
    let payload = if typed.len() > places { candidates.next() } else { candidates.next_back() };
    payload.map_or_else(|| otherwise.to_owned(), |ty| text(stripped(ty)))
}

fn called(method: &parse::Method) -> Method {
    let signature = &method.signature;
    let context = typed(signature).iter().find_map(|argument| context(&argument.ty)).and_then(named_in_context);
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
        blocking: method.blocking,
        context: context.cloned(),
        output,
        line: u32::try_from(signature.ident.span().start().line).unwrap_or(u32::MAX),
    }
}

/// Everything that can be there only once.
#[derive(Default)]
struct Names {
    events: Vec<Named>,
    commands: Vec<Named>,
    raw: Vec<Named>,
    fallbacks: Vec<Named>,
    refusals: Vec<Named>,
    connects: Vec<Named>,
    disconnects: Vec<Named>,
    lost: Vec<Named>,
    restored: Vec<Named>,
}

/// A name, or a helper attribute, with its place.
struct Named {
    name: String,
    method: Ident,
    at: Span,
    /// Two methods under `#[cfg]` may exclude each other, so they are not compared.
    conditional: bool,
}

impl Named {
    fn new(name: &LitStr, method: &parse::Method) -> Self {
        Self {
            name: name.value(),
            method: method.signature.ident.clone(),
            at: name.span(),
            conditional: !cfgs(&method.attributes).is_empty(),
        }
    }

    fn of_method(method: &parse::Method) -> Self {
        let ident = &method.signature.ident;
        Self {
            name: String::new(),
            method: ident.clone(),
            at: ident.span(),
            conditional: !cfgs(&method.attributes).is_empty(),
        }
    }
}

impl Names {
    fn check(&self, diagnostics: &mut Diagnostics) {
        check_table(&self.events, "event", "handled", "handler for", diagnostics);
        check_table(&self.commands, "command", "received", "method for", diagnostics);
        check_raw(&self.raw, "the `#[receive]` for every frame", &self.commands, "command", diagnostics);
        check_raw(&self.fallbacks, "the `#[handler(_)]`", &self.events, "event", diagnostics);
        for (helper, methods) in [
            ("connect", &self.connects),
            ("disconnect", &self.disconnects),
            ("receive", &self.raw),
            (GapKind::Lost.helper(), &self.lost),
            (GapKind::Restored.helper(), &self.restored),
            ("receive(_)", &self.refusals),
            ("handler(_)", &self.fallbacks),
        ] {
            check_once(helper, methods, diagnostics);
        }
    }
}

/// A name whose variant is that of what has no name.
fn check_raw(raw: &[Named], what: &str, names: &[Named], noun: &str, diagnostics: &mut Diagnostics) {
    if let Some(raw) = raw.first()
        && let Some(named) = names.iter().find(|named| event_name::variant(&named.name) == RAW)
    {
        diagnostics.error_at(
            named.at,
            format!(
                "{noun} {:?} and {what}, `{}`, both become the variant `{RAW}`; give the {noun} another name",
                named.name, raw.method
            ),
        );
    }
}

fn check_table(names: &[Named], noun: &str, handled: &str, first_is: &str, diagnostics: &mut Diagnostics) {
    for (at, second) in names.iter().enumerate() {
        let variant = event_name::variant(&second.name);
        let same = |first: &&Named| event_name::variant(&first.name) == variant;
        let Some(first) = names[..at].iter().find(same).filter(|first| !first.conditional && !second.conditional)
        else {
            continue;
        };
        if first.name == second.name {
            diagnostics.error_at(
                second.at,
                format!(
                    "{noun} {:?} is {handled} twice, by `{}` and by `{}`",
                    second.name, first.method, second.method
                ),
            );
            diagnostics.error_at(first.at, format!("the first {first_is} {:?} is here", first.name));
        } else {
            diagnostics.error_at(
                second.at,
                format!(
                    "{noun} names {:?} and {:?} are too alike: both become the variant `{variant}`",
                    first.name, second.name
                ),
            );
            diagnostics.error_at(first.at, format!("the {first_is} {:?} is here", first.name));
        }
    }
}

fn check_once(helper: &str, methods: &[Named], diagnostics: &mut Diagnostics) {
    let mut certain = methods.iter().filter(|method| !method.conditional);
    let Some(first) = certain.next() else { return };
    let mut others = certain.peekable();
    if others.peek().is_none() {
        return;
    }
    for other in others {
        diagnostics.error_at(
            other.at,
            format!("a consumer has one `#[{helper}]`, and this is another one: `{}`", other.method),
        );
    }
    diagnostics.error_at(first.at, format!("the first `#[{helper}]` is here"));
}
