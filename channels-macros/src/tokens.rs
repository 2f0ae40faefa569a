//! The user's tokens: as text for messages, and with spans for errors.

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, LitStr, Meta};

/// Returns tokens as a person writes them: `Vec<u8>`, not `Vec < u8 >`.
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

/// Returns the name of a function: the token after `fn`. Returns all tokens if there is no `fn`.
pub(crate) fn function_name(item: &TokenStream) -> TokenStream {
    let after =
        item.clone().into_iter().skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "fn")).nth(1);
    after.map_or_else(|| item.clone(), TokenTree::into_token_stream)
}

/// Returns a span at the user's code for a generated token.
///
/// With the user's own span the compiler would offer to edit code that does not exist.
pub(crate) fn place(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// Returns the tokens with one span.
pub(crate) fn placed(tokens: TokenStream, place: Span) -> TokenStream {
    let placed = |mut token: TokenTree| {
        token.set_span(place);
        token
    };
    tokens.into_iter().map(placed).collect()
}

/// Returns the `#[cfg]` attributes.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// Returns the documentation, one line for each `///`.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else { return None };
        syn::parse2::<LitStr>(pair.value.to_token_stream()).ok().map(|line| line.value())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns whether `found` accepts one of the tokens. `found` receives each token and the next one.
pub(crate) fn scan(tokens: TokenStream, found: &mut impl FnMut(&TokenTree, Option<&TokenTree>) -> bool) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| {
        found(token, tokens.get(at + 1)) || matches!(token, TokenTree::Group(group) if scan(group.stream(), found))
    })
}

#[cfg(test)]
mod tests {
    use syn::{Type, parse_quote};

    use super::*;

    #[test]
    fn text_of_type_reads_as_written() {
        let ty: Type = parse_quote!(&mut std::collections::HashMap<String, Vec<(u8, [u8; 4])>>);
        assert_eq!(text(ty), "&mut std::collections::HashMap<String, Vec<(u8, [u8; 4])>>");
    }
}
