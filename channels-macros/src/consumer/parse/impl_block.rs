//! The user's `impl` block as tokens and signatures. The bodies of methods are not parsed.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ImplItem, Item, Path, Signature, Token, Type, Visibility, token};

/// `impl ChatConsumer { .. }`.
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    /// Not valid here. The compiler reports it.
    pub(crate) visibility: Visibility,
    pub(crate) unsafety: Option<Token![unsafe]>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// `Trait for`, which `check` reports.
    pub(crate) of: Option<(Path, Token![for])>,
    pub(crate) self_ty: Type,
    pub(crate) brace: token::Brace,
    pub(crate) inner: Vec<Attribute>,
    pub(crate) members: Vec<Member>,
}

/// A member of the block.
pub(crate) enum Member {
    Method(Box<Method>),
    /// A constant, a type or a macro, and the attributes above it.
    Other(Vec<Attribute>, Box<ImplItem>),
    /// An unfinished or invalid member.
    Unread(TokenStream),
}

/// A function with an unparsed body.
pub(crate) struct Method {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) default: Option<Token![default]>,
    pub(crate) signature: Signature,
    pub(crate) body: TokenTree,
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

/// Returns all tokens up to and including a body or a `;`. The next member begins after it.
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

/// Returns the error for an item that is not an `impl` block.
pub(crate) fn explain(error: syn::Error, item: &TokenStream) -> syn::Error {
    const WANTED: &str = "`#[consumer]` goes above an `impl` block";
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
