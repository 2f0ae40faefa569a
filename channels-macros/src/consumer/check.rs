//! What a consumer may look like. Every mistake is reported, whatever is right goes into the model.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{Ident, LitStr, PatType, ReturnType, Signature, Type};

use super::helper::HELPERS_IN_WORDS;
use super::model::{
    Change, Checked, Command, Connect, Consumer, Disconnect, Gap, GapKind, Handler, Handles, Method, Raw,
};
use super::names::{Named, Names};
use super::parse::{self, Arguments, Block, List, Member};
use super::role::{Role, Said, check_other, check_unread, read_role};
use super::signature::{
    Wanted, bare_command, by_reference, by_value, called, check_acting, check_alone, check_context, check_qualifiers,
    check_shared, connecting, context, has_no_fields, is_mutable_reference, owned_text, payload_text, stripped, typed,
    written,
};
use super::surroundings;
use crate::arguments::{Value, distinct};
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::source::{Runtime, borrows, cfgs, is_unnameable, last_word, place, scan, text};
use crate::suggest::did_you_mean;

/// Reads what each member of the block is for, and says what is wrong. `item` is the whole block.
pub(super) fn check(arguments: Arguments, block: &Block, item: &TokenStream, diagnostics: &mut Diagnostics) -> Checked {
    let arguments = check_arguments(arguments, diagnostics);
    let (mut methods, mut helpers_unread, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (at, member) in block.members.iter().enumerate() {
        let mut change = Change::default();
        match member {
            Member::Method(method) => {
                let (said, helpers) = read_role(method, diagnostics);
                change.helpers = helpers;
                methods.extend(said.map(|said| (at, &**method, said)));
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
            event: format_ident!("{name}Event", span = place(name.span())),
            command: format_ident!("{name}Command", span = place(name.span())),
            name,
            tag: arguments.tag,
            groups: arguments.groups,
            sends: arguments.sends,
            mailbox: arguments.mailbox,
            handlers: Vec::new(),
            fallbacks: Vec::new(),
            handles: if helpers_unread.contains(&"handler") { Handles::Anything } else { Handles::Listed(Vec::new()) },
            commands: Vec::new(),
            raw: Vec::new(),
            refusals: Vec::new(),
            connects: Vec::new(),
            disconnects: Vec::new(),
            gaps: Vec::new(),
            broken_connect: helpers_unread.contains(&"connect").then(Vec::new),
        },
    };
    for (at, method, Said { role, guessed, blocking, .. }) in methods {
        let marked = Marked { method, blocking };
        let used = if guessed { None } else { self_without_self(method) };
        changes[at].is_prescribed = true;
        changes[at].lacks_self = used.as_ref().map(Ident::span);
        if is_repeated(block, at) {
            checker.miss(&role);
        } else if guessed {
            let said = (std::mem::take(checker.diagnostics), std::mem::take(&mut checker.names));
            checker.method(marked, role);
            (*checker.diagnostics, checker.names) = said;
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
    let is_possible = surroundings::check(&mut consumer, item, diagnostics);
    Checked { consumer: is_possible.then_some(consumer), changes }
}

/// What the arguments mean.
struct Meant {
    runtime: Runtime,
    tag: LitStr,
    groups: Option<Vec<Type>>,
    sends: Vec<Type>,
    /// A variant of `MailboxPolicy`.
    mailbox: Ident,
    /// Where that stands, if it does.
    policy: Option<LitStr>,
}

fn check_arguments(arguments: Arguments, diagnostics: &mut Diagnostics) -> Meant {
    let Arguments { crate_path, tag, groups, sends, mailbox } = arguments;
    if let Some(tag) = tag.as_ref().filter(|tag| tag.value().is_empty()) {
        diagnostics.error(tag, "`tag` names the field of a command that holds its name; it cannot be empty");
    }
    let groups = groups.and_then(|List { name, types }| {
        let before = diagnostics.count();
        let groups = distinct(types, &name, diagnostics);
        // One that is wrong lists none, so that the joining is not reported as well.
        (diagnostics.count() == before).then_some(groups)
    });
    let sends = sends.map_or_else(Vec::new, |List { name, types }| distinct(types, &name, diagnostics));
    let policy = mailbox.and_then(|(name, value)| check_policy(&value, &name, diagnostics));
    let (mailbox, policy) = policy.map_or((POLICIES[0].1, None), |(variant, policy)| (variant, Some(policy)));
    Meant {
        runtime: Runtime::new(crate_path),
        tag: tag.unwrap_or_else(|| LitStr::new("type", Span::call_site())),
        groups,
        sends,
        mailbox: Ident::new(mailbox, Span::call_site()),
        policy,
    }
}

/// What gives way when an event comes for a full mailbox, and the variant of `MailboxPolicy`.
const POLICIES: [(&str, &str, &str); 3] = [
    ("drop_newest", "DropNewest", "the new event is dropped, as in Channels"),
    ("drop_oldest", "DropOldest", "the event that has waited longest is dropped"),
    ("disconnect", "Disconnect", "the connection is closed with 1013"),
];

/// `mailbox = "drop_oldest"`.
fn check_policy(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<(&'static str, LitStr)> {
    let explain = |problem: String| {
        let legal: Vec<String> = POLICIES.iter().map(|(name, _, what)| format!("`\"{name}\"`: {what}")).collect();
        format!("{problem}\nwhen an event comes for a full mailbox:\n- {}", legal.join("\n- "))
    };
    let shape = || explain("`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`".into());
    let Value::Equals(value) = value else {
        diagnostics.error(name, shape());
        return None;
    };
    let Ok(wanted) = syn::parse2::<LitStr>(value.clone()) else {
        diagnostics.error(value, shape());
        return None;
    };
    let known = POLICIES.iter().find(|(name, ..)| *name == wanted.value());
    if known.is_none() {
        let meant = did_you_mean(&wanted.value(), POLICIES.iter().map(|(name, ..)| *name));
        diagnostics.error(&wanted, explain(format!("there is no policy {:?} for a mailbox{meant}", wanted.value())));
    }
    known.map(|(_, variant, _)| (*variant, wanted))
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
    const OWN: &str = "a consumer is a struct or an enum of your own: `impl ChatConsumer { .. }`";
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

/// A method with a helper attribute.
#[derive(Clone, Copy)]
struct Marked<'a> {
    method: &'a parse::Method,
    blocking: bool,
}

impl Marked<'_> {
    fn called(self) -> Method {
        called(self.method, self.blocking)
    }
}

struct Checker<'a> {
    diagnostics: &'a mut Diagnostics,
    names: Names,
    consumer: Consumer,
}

impl Checker<'_> {
    fn method(&mut self, method: Marked<'_>, role: Role) {
        match role {
            Role::Connect => self.connect(method),
            Role::Receive(None) => self.raw(method),
            Role::Receive(Some(name)) => self.command(method, name),
            Role::Refuse => self.refusal(method),
            Role::Handler(name) => self.handler(method, name),
            Role::Fallback => self.fallback(method),
            Role::Disconnect => self.disconnect(method),
            Role::Gap(kind) => self.gap(method, kind),
            Role::Unknown => {}
        }
    }

    /// Leaves a method out without a word, and takes for granted what it might have been.
    fn miss(&mut self, role: &Role) {
        match role {
            Role::Handler(_) => self.consumer.handles = Handles::Anything,
            Role::Connect => self.consumer.broken_connect = Some(Vec::new()),
            _ => {}
        }
    }

    /// The body uses a `self` that `#[connect]`, or a handler, does not take.
    fn lacks_self(&mut self, role: &Role, used: &Ident, signature: &Signature) {
        self.miss(role);
        let ident = &signature.ident;
        let sentence = if let Role::Connect = role {
            self.consumer.broken_connect = Some(check_connect(signature, &mut Diagnostics::default()));
            "`#[connect]` makes the consumer, so there is no `self` yet".to_owned()
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
        check_qualifiers(&subject, signature, "an event is one type", self.diagnostics);
        let shared = signature.receiver().is_none();
        let meant = payload_text(signature, &name.as_ref().map_or_else(|| "ChatMessage".into(), type_name));
        let payload = if shared {
            check_shared(&subject, signature, &meant, self.diagnostics)
        } else {
            let argument = format!("event: &{meant}");
            let wanted = Wanted { subject: &subject, last: "the event", has_fields: true, argument };
            check_acting(signature, &wanted, self.diagnostics)
                .and_then(|ty| by_reference(ty, &subject, self.diagnostics))
        };
        right &= self.diagnostics.count() == before;
        let Some(payload) = payload else {
            self.consumer.handles = Handles::Anything;
            return;
        };
        let method = marked.called();
        if let Handles::Listed(listed) = &mut self.consumer.handles
            && !listed.iter().any(|(cfgs, ty)| text(ty) == text(&payload) && cfgs.is_empty())
        {
            listed.push((method.cfgs.clone(), payload.clone()));
        }
        if let Some(event) = name.filter(|_| right) {
            let variant = Ident::new(&event_name::variant(&event.value()), place(event.span()));
            let same = self.consumer.handlers.iter().filter(|other| other.variant == variant);
            if !is_second(&method, same.map(|other| &other.method)) {
                self.consumer.handlers.push(Handler { method, event, variant, payload, shared });
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
        if let Some(payload) = payload
            && self.diagnostics.count() == before
        {
            let method = marked.called();
            let variant = Ident::new(&event_name::variant(&name.value()), place(name.span()));
            let same = self.consumer.commands.iter().filter(|other| other.variant == variant);
            if !is_second(&method, same.map(|other| &other.method)) {
                self.consumer.commands.push(Command { method, name, variant, payload });
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
        let one_type = "why a frame is refused is a `CommandError`";
        let taken = self.acting(&method.signature, &wanted, one_type, |ty, at| by_value(ty, wanted.last, at));
        push_raw(&mut self.consumer.refusals, marked, taken);
    }

    fn disconnect(&mut self, marked: Marked<'_>) {
        let Marked { method, .. } = marked;
        self.names.disconnects.push(Named::of_method(method));
        let argument = "code: CloseCode".to_owned();
        let wanted = Wanted { subject: "`#[disconnect]`", last: "the close code", has_fields: false, argument };
        let taken = self.acting(&method.signature, &wanted, "its arguments are known", |ty, diagnostics| {
            let code = by_value(ty, "the close code", diagnostics)?;
            if has_no_fields(&code) || last_word(&code).as_deref() == Some("Option") {
                diagnostics.error(
                    &code,
                    "why the connection ended is a `CloseCode`, whose number is `code.as_u16()`: `code: CloseCode`",
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

    /// What a method with `&mut self` takes behind the context, if all of it is right.
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
        let method = marked.called();
        if self.diagnostics.count() != before {
            self.consumer.broken_connect.get_or_insert(captures);
        } else if !is_second(&method, self.consumer.connects.iter().map(|other| &other.method)) {
            self.consumer.connects.push(Connect { method, captures });
        }
    }
}

/// `(cx, room: u64)`: the types of what the path captures.
fn check_connect(signature: &Signature, diagnostics: &mut Diagnostics) -> Vec<Type> {
    let typed = typed(signature);
    let is_context = |argument: &&&PatType| context(&argument.ty).is_some();
    let captured = typed.iter().filter(|argument| !is_context(argument));
    let captured: String = captured.map(|argument| format!(", {}", text(argument))).collect();
    let wanted = connecting(signature, &captured);
    if let Some(receiver) = signature.receiver() {
        diagnostics.error(receiver, format!("`#[connect]` has no `self`: it makes the consumer\n{wanted}"));
    }
    let at = typed.iter().position(|argument| is_context(&argument));
    // An alias of the context's type cannot be told from another `&mut`.
    let is_alias = at.is_none() && typed.first().is_some_and(|first| is_mutable_reference(&first.ty));
    match at {
        Some(0) => check_context(&typed[0].ty, "`#[connect]`", diagnostics),
        Some(at) => diagnostics.error(
            typed[at],
            format!("the context of `#[connect]` comes first, before what the path captures\n{wanted}"),
        ),
        None if is_alias => {}
        None => diagnostics.error(
            &signature.ident,
            format!("`#[connect]` lacks the context: `cx: &mut Context<Self>` comes first\n{wanted}"),
        ),
    }
    let mut captures = Vec::new();
    for argument in typed.iter().skip(usize::from(is_alias)).filter(|argument| !is_context(argument)) {
        if borrows(&argument.ty) {
            let (owned, borrowed) = (owned_text(stripped(&argument.ty)), text(&argument.ty));
            diagnostics.error(
                &argument.ty,
                format!("`#[connect]` takes what the path captures by value: `{owned}`, not `{borrowed}`"),
            );
        } else if !is_unnameable(&argument.ty) {
            captures.push((*argument.ty).clone());
        }
    }
    if matches!(signature.output, ReturnType::Default) {
        diagnostics.error(&signature.ident, format!("`#[connect]` returns the consumer, or says why not\n{wanted}"));
    }
    captures
}

/// Whether a client's JSON can be read as it: an object with fields.
fn check_command(payload: &Type, diagnostics: &mut Diagnostics) {
    let whole = text(payload);
    if let Some(inner) = bare_command(payload) {
        diagnostics.error(payload, format!("a command is taken as it is: `{}`, not `{whole}`", text(inner)));
    } else if has_no_fields(payload) {
        diagnostics.error(
            payload,
            format!(
                "a command is an object with fields, and `{whole}` has none: take a struct that derives \
                 `Deserialize`; what a client says as it came is for `#[receive]` without a name"
            ),
        );
    }
}

/// What a type for this name would be called: `ChatMessage` for `chat.message`.
fn type_name(name: &LitStr) -> String {
    event_name::variant(&name.value())
}

fn push_raw(methods: &mut Vec<Raw>, marked: Marked<'_>, payload: Option<Type>) {
    let method = marked.called();
    if let Some(payload) = payload
        && !is_second(&method, methods.iter().map(|other| &other.method))
    {
        methods.push(Raw { method, payload });
    }
}

/// The first `self` in a method that takes none.
fn self_without_self(method: &parse::Method) -> Option<Ident> {
    // What has a `self` of its own, or means a module by it.
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

/// Whether a method above has the same name. That is the compiler's to report; a call of this one would be a call of that one.
fn is_repeated(block: &Block, at: usize) -> bool {
    let Member::Method(method) = &block.members[at] else { return false };
    let is_same = |other: &Member| {
        matches!(other, Member::Method(other)
            if other.signature.ident == method.signature.ident && cfgs(&other.attributes).is_empty())
    };
    cfgs(&method.attributes).is_empty() && block.members[..at].iter().any(is_same)
}

/// Whether one of these is there in any case, too. That was reported by [`Names`], and what is made of both would be there twice.
fn is_second<'a>(method: &Method, mut others: impl Iterator<Item = &'a Method>) -> bool {
    method.cfgs.is_empty() && others.any(|other| other.cfgs.is_empty())
}
