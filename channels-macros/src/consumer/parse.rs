//! The user's `impl` block as tokens and signatures. The bodies are not looked at: they are the compiler's.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, Ident, ImplItem, Item, LitStr, Path, Signature, Token, Type, Visibility, token};

use crate::arguments::{self, Argument, Value};
use crate::diagnostics::Diagnostics;
use crate::source::{Runtime, text};
use crate::suggest::did_you_mean;

const ARGUMENTS: [(&str, &str); 5] = [
    ("tag", "tag = \"command\""),
    ("groups", "groups(Room, ..)"),
    ("sends", "sends(ChatLine, ..)"),
    ("mailbox", "mailbox = \"drop_oldest\""),
    ("crate", "crate = path"),
];

/// What gives way when an event comes for a full mailbox, and the variant of `MailboxPolicy`.
const POLICIES: [(&str, &str, &str); 3] = [
    ("drop_newest", "DropNewest", "the new event is dropped, as in Channels"),
    ("drop_oldest", "DropOldest", "the event that has waited longest is dropped"),
    ("disconnect", "Disconnect", "the connection is closed with 1013"),
];

/// What stands in `#[consumer(..)]`.
pub(super) struct Arguments {
    pub(super) runtime: Runtime,
    pub(super) tag: LitStr,
    /// `None` if there is no such argument.
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    /// Where that stands, if it does.
    pub(super) policy: Option<LitStr>,
}

pub(super) fn arguments(arguments: TokenStream, diagnostics: &mut Diagnostics) -> Arguments {
    let (mut path, mut tag, mut groups, mut sends, mut mailbox) = (None, None, None, Vec::new(), None);
    let mut seen: Vec<String> = Vec::new();
    for piece in arguments::pieces(arguments, diagnostics) {
        let Ok(Argument { name, value }) = syn::parse2::<Argument>(piece.clone()) else {
            let legal: Vec<String> = ARGUMENTS.iter().map(|(_, shape)| format!("`{shape}`")).collect();
            diagnostics.error(
                &piece,
                format!("`{}` is no argument of `#[consumer]`\nthe arguments are {}", text(&piece), legal.join(", ")),
            );
            continue;
        };
        let word = name.to_string();
        if seen.contains(&word) {
            diagnostics.error(&name, format!("`{word}` stands twice in `#[consumer(..)]`"));
            continue;
        }
        match word.as_str() {
            "crate" => path = arguments::crate_path(&value, &name, diagnostics),
            "tag" => {
                tag = arguments::string(&value, &name, diagnostics);
                if let Some(tag) = tag.as_ref().filter(|tag| tag.value().is_empty()) {
                    diagnostics
                        .error(tag, "`tag` names the field of a command that holds its name; it cannot be empty");
                }
            }
            "groups" => {
                let before = diagnostics.count();
                let listed = arguments::types(&value, &name, "Room, Lobby", diagnostics);
                let listed = arguments::distinct(listed, &name, diagnostics);
                // One that is wrong lists none, so that the joining is not reported as well.
                groups = (diagnostics.count() == before).then_some(listed);
            }
            "sends" => {
                let listed = arguments::types(&value, &name, "ChatLine, Joined", diagnostics);
                sends = arguments::distinct(listed, &name, diagnostics);
            }
            "mailbox" => mailbox = policy(&value, &name, diagnostics),
            _ => {
                arguments::unknown("#[consumer]", &name, &ARGUMENTS, diagnostics);
                continue;
            }
        }
        seen.push(word);
    }
    let tag = tag.unwrap_or_else(|| LitStr::new("type", Span::call_site()));
    let (mailbox, policy) = mailbox.map_or((POLICIES[0].1, None), |(variant, policy)| (variant, Some(policy)));
    let mailbox = Ident::new(mailbox, Span::call_site());
    Arguments { runtime: Runtime::new(path), tag, groups, sends, mailbox, policy }
}

/// `mailbox = "drop_oldest"`.
fn policy(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<(&'static str, LitStr)> {
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

/// `impl ChatConsumer { .. }`.
pub(super) struct Block {
    pub(super) attributes: Vec<Attribute>,
    /// Wrong in Rust itself, which says so.
    pub(super) visibility: Visibility,
    pub(super) unsafety: Option<Token![unsafe]>,
    pub(super) impl_token: Token![impl],
    pub(super) generics: Generics,
    /// `Trait for`, which is wrong here.
    pub(super) of: Option<(Path, Token![for])>,
    pub(super) self_ty: Type,
    pub(super) brace: token::Brace,
    pub(super) inner: Vec<Attribute>,
    pub(super) members: Vec<Member>,
}

/// What stands in the block.
pub(super) enum Member {
    Method(Box<Method>),
    Other(Box<ImplItem>),
    /// What is not finished, or is no Rust.
    Unread(TokenStream),
}

/// A function with its body unread.
pub(super) struct Method {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) default: Option<Token![default]>,
    pub(super) signature: Signature,
    pub(super) body: TokenTree,
    /// Whether its attribute says so, which is known when that is taken away.
    pub(super) blocking: bool,
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let unsafety = input.parse()?;
        let impl_token = input.parse()?;
        let mut generics: Generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let first: Type = input.parse()?;
        let (of, self_ty) = match input.parse::<Option<Token![for]>>()? {
            None => (None, first),
            Some(for_token) => match first {
                Type::Path(path) if path.qself.is_none() => (Some((path.path, for_token)), input.parse()?),
                other => return Err(syn::Error::new_spanned(other, "expected a trait")),
            },
        };
        generics.where_clause = input.parse()?;
        let content;
        let brace = syn::braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let mut members = Vec::new();
        while !content.is_empty() {
            let ahead = content.fork();
            match ahead.parse() {
                Ok(member) => {
                    content.advance_to(&ahead);
                    members.push(member);
                }
                Err(_) => members.push(Member::Unread(content.call(unread)?)),
            }
        }
        Ok(Self { attributes, visibility, unsafety, impl_token, generics, of, self_ty, brace, inner, members })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        let attributes = ahead.call(Attribute::parse_outer)?;
        let visibility = ahead.parse()?;
        let default = ahead.parse()?;
        if !is_function(&ahead) {
            return input.parse().map(|item| Self::Other(Box::new(item)));
        }
        input.advance_to(&ahead);
        let signature = input.parse()?;
        let body = input.parse()?;
        Ok(Self::Method(Box::new(Method { attributes, visibility, default, signature, body, blocking: false })))
    }
}

/// Everything up to a body or a `;`, with which the next member begins.
fn unread(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let is_end = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        tokens.extend([token]);
        if is_end {
            break;
        }
    }
    Ok(tokens)
}

fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let qualifiers = (
        ahead.parse::<Option<Token![const]>>(),
        ahead.parse::<Option<Token![async]>>(),
        ahead.parse::<Option<Token![unsafe]>>(),
    );
    matches!(qualifiers, (Ok(_), Ok(_), Ok(_))) && (ahead.peek(Token![fn]) || ahead.peek(Token![extern]))
}

/// What is wrong with an item that is no `impl` block.
pub(super) fn explain(error: syn::Error, item: &TokenStream) -> syn::Error {
    const WANTED: &str = "`#[consumer]` stands above an `impl` block";
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(item)) => syn::Error::new_spanned(
            &item.ident,
            format!("{WANTED}, not above the struct: `#[consumer] impl {} {{ .. }}`", item.ident),
        ),
        Ok(Item::Enum(item)) => syn::Error::new_spanned(
            &item.ident,
            format!("{WANTED}, not above the enum: `#[consumer] impl {} {{ .. }}`", item.ident),
        ),
        Ok(Item::Impl(_)) | Err(_) => error,
        Ok(Item::Trait(item)) => syn::Error::new_spanned(item.ident, format!("{WANTED}, not above a trait")),
        Ok(Item::Fn(item)) => syn::Error::new_spanned(item.sig.ident, format!("{WANTED}, not above a function")),
        Ok(Item::Mod(item)) => syn::Error::new_spanned(item.ident, format!("{WANTED}, not above a module")),
        Ok(other) => syn::Error::new_spanned(other, WANTED),
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attribute in &self.attributes {
            attribute.to_tokens(tokens);
        }
        self.visibility.to_tokens(tokens);
        self.unsafety.to_tokens(tokens);
        self.impl_token.to_tokens(tokens);
        self.generics.to_tokens(tokens);
        if let Some((path, for_token)) = &self.of {
            path.to_tokens(tokens);
            for_token.to_tokens(tokens);
        }
        self.self_ty.to_tokens(tokens);
        self.generics.where_clause.to_tokens(tokens);
        self.brace.surround(tokens, |tokens| {
            for attribute in &self.inner {
                attribute.to_tokens(tokens);
            }
            for member in &self.members {
                member.to_tokens(tokens);
            }
        });
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Other(item) => item.to_tokens(tokens),
            Self::Unread(_) => {}
            Self::Method(method) => {
                let Method { attributes, visibility, default, signature, body, .. } = &**method;
                for attribute in attributes {
                    attribute.to_tokens(tokens);
                }
                visibility.to_tokens(tokens);
                default.to_tokens(tokens);
                signature.to_tokens(tokens);
                body.to_tokens(tokens);
            }
        }
    }
}
