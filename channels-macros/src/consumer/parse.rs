//! The user's `impl` block as tokens and signatures. The bodies are not looked at: they are the compiler's.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, Ident, ImplItem, Item, LitStr, Path, Signature, Token, Type, Visibility, token};

use crate::arguments::{self, Argument, Value};
use crate::diagnostics::Diagnostics;
use crate::source::text;

const ARGUMENTS: [(&str, &str); 5] = [
    ("tag", "tag = \"command\""),
    ("groups", "groups(Room, ..)"),
    ("sends", "sends(ChatLine, ..)"),
    ("mailbox", "mailbox = \"drop_oldest\""),
    ("crate", "crate = path"),
];

/// What stands in `#[consumer(..)]`: each argument at most once, and `None` if it is missing or cannot be read.
pub(super) struct Arguments {
    pub(super) crate_path: Option<Path>,
    pub(super) tag: Option<LitStr>,
    pub(super) groups: Option<List>,
    pub(super) sends: Option<List>,
    pub(super) mailbox: Option<(Ident, Value)>,
}

/// `groups(Room, Lobby)`.
pub(super) struct List {
    pub(super) name: Ident,
    pub(super) types: Vec<Type>,
}

pub(super) fn arguments(arguments: TokenStream, diagnostics: &mut Diagnostics) -> Arguments {
    let (mut crate_path, mut tag, mut groups, mut sends, mut mailbox) = (None, None, None, None, None);
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
            "crate" => crate_path = arguments::crate_path(&value, &name, diagnostics),
            "tag" => tag = arguments::string(&value, &name, diagnostics),
            "groups" => {
                let before = diagnostics.count();
                let types = arguments::types(&value, &name, "Room, Lobby", diagnostics);
                // One that is wrong lists none, so that the joining is not reported as well.
                groups = (diagnostics.count() == before).then_some(List { name, types });
            }
            "sends" => {
                let types = arguments::types(&value, &name, "ChatLine, Joined", diagnostics);
                sends = Some(List { name, types });
            }
            "mailbox" => mailbox = Some((name, value)),
            _ => {
                arguments::unknown("#[consumer]", &name, &ARGUMENTS, diagnostics);
                continue;
            }
        }
        seen.push(word);
    }
    Arguments { crate_path, tag, groups, sends, mailbox }
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
    /// A constant, a type or a macro, and the attributes above it.
    Other(Vec<Attribute>, Box<ImplItem>),
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
            let mut item: ImplItem = input.parse()?;
            let attributes = match &mut item {
                ImplItem::Const(item) => std::mem::take(&mut item.attrs),
                ImplItem::Type(item) => std::mem::take(&mut item.attrs),
                ImplItem::Macro(item) => std::mem::take(&mut item.attrs),
                _ => Vec::new(),
            };
            return Ok(Self::Other(attributes, Box::new(item)));
        }
        input.advance_to(&ahead);
        let signature = input.parse()?;
        let body = input.parse()?;
        Ok(Self::Method(Box::new(Method { attributes, visibility, default, signature, body })))
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
