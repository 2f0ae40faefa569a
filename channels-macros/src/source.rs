//! The user's tokens: as words in a sentence, as paths, and as places.

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Ident, Path, Type};

/// Tokens as a person would write them: `Vec<u8>` and not `Vec < u8 >`.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write_text(tokens.to_token_stream(), &mut text);
    text
}

fn write_text(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_text(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' => text.push_str(", "),
                ';' => text.push_str("; "),
                ':' if punct.spacing() == Spacing::Alone && !text.ends_with(':') => text.push_str(": "),
                '+' => text.push_str(" + "),
                '=' if punct.spacing() == Spacing::Alone => text.push_str(" = "),
                other => text.push(other),
            },
            word => {
                if text.ends_with(|end: char| end.is_alphanumeric() || matches!(end, '_' | '"' | '>' | ']')) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

/// The name of a function: the token after `fn`. Returns all tokens if there is no `fn`.
pub(crate) fn function_name(item: &TokenStream) -> TokenStream {
    let after =
        item.clone().into_iter().skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "fn")).nth(1);
    after.map_or_else(|| item.clone(), TokenTree::into_token_stream)
}

/// The user's place for a token that the user did not write.
///
/// With the user's own span the compiler would offer to edit code that is not there.
pub(crate) fn place(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// Where the runtime is: `::channels_runtime`, or what `crate = path` says.
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    pub(crate) fn new(path: Option<Path>) -> Self {
        Self(path)
    }

    /// What expansions call.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.0 {
            None => quote!(::channels_runtime::__private),
            Some(path) => quote!(#path::__private),
        }
    }

    /// The same, in the user's place: what is wrong with a call is shown under all of its tokens.
    pub(crate) fn private_at(&self, place: Span) -> TokenStream {
        placed(self.private(), place)
    }
}

/// All of the tokens in one place.
pub(crate) fn placed(tokens: TokenStream, place: Span) -> TokenStream {
    let placed = |mut token: TokenTree| {
        token.set_span(place);
        token
    };
    tokens.into_iter().map(placed).collect()
}

/// The attributes that decide whether an item exists.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// The type itself, where a macro of the user's put it into a group that cannot be seen.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

/// The type behind a path: `ChatMessage` of `crate::events::ChatMessage`.
pub(crate) fn last_word(ty: &Type) -> Option<String> {
    match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// A lifetime that ends, or an elided one: what a type that is written elsewhere again cannot hold.
pub(crate) fn borrows(ty: &Type) -> bool {
    scan(ty.to_token_stream(), &mut |token, next| match token {
        TokenTree::Punct(punct) if punct.as_char() == '\'' => {
            !matches!(next, Some(TokenTree::Ident(name)) if name == "static")
        }
        TokenTree::Punct(punct) if punct.as_char() == '&' => {
            !matches!(next, Some(TokenTree::Punct(next)) if next.as_char() == '\'')
        }
        _ => false,
    })
}

/// A `&`, or a lifetime that ends: what cannot be read from a message.
pub(crate) fn refers(ty: &Type) -> bool {
    let is_reference = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '&');
    borrows(ty) || scan(ty.to_token_stream(), &mut |token, _| is_reference(token))
}

/// A type that has no name: `impl Trait`.
pub(crate) fn is_unnameable(ty: &Type) -> bool {
    mentions(ty, "impl")
}

/// Whether the word is part of a type.
pub(crate) fn mentions<T: ?Sized>(ty: &Type, name: &T) -> bool
where
    Ident: PartialEq<T>,
{
    scan(ty.to_token_stream(), &mut |token, _| matches!(token, TokenTree::Ident(word) if word == name))
}

/// Whether one of the tokens, seen with the one behind it, is what is looked for.
pub(crate) fn scan(tokens: TokenStream, found: &mut impl FnMut(&TokenTree, Option<&TokenTree>) -> bool) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| {
        found(token, tokens.get(at + 1)) || matches!(token, TokenTree::Group(group) if scan(group.stream(), found))
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn types_read_as_they_are_written() {
        let ty: Type = parse_quote!(&mut std::collections::HashMap<String, Vec<(u8, [u8; 4])>>);
        assert_eq!(text(ty), "&mut std::collections::HashMap<String, Vec<(u8, [u8; 4])>>");
    }

    #[test]
    fn borrowed_types_are_seen() {
        let borrowed: [Type; 3] = [parse_quote!(&str), parse_quote!(Json<Line<'_>>), parse_quote!((u8, &'a str))];
        let owned: [Type; 3] = [parse_quote!(&'static str), parse_quote!(Json<Line>), parse_quote!(Cow<'static, str>)];
        assert!(borrowed.iter().all(borrows));
        assert!(!owned.iter().any(borrows));
        let refers: Vec<bool> = owned.iter().map(refers).collect();
        assert_eq!(refers, [true, false, false]);
    }
}
