//! The block that a consumer has already: two of them would be one error for each item that is made of both.

use std::fs;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::Type;

use crate::source::text;

/// Whether a `#[consumer]` block of the same type stands before this one, in the same scope of the same file.
///
/// A macro sees nothing but its own tokens, so this reads the file. What it cannot find there (a block in another file, one made
/// by a macro) the compiler reports, as definitions of one name.
pub(super) fn exists(self_ty: &Type, item: &TokenStream) -> bool {
    // An editor's file is not what is on the disk; it has no such path.
    let Some(source) = Span::call_site().local_file().and_then(|file| fs::read_to_string(file).ok()) else {
        return false;
    };
    stands_before(&source, self_ty, item)
}

fn stands_before(source: &str, self_ty: &Type, item: &TokenStream) -> bool {
    // Almost always the answer, and found without reading all tokens of the file.
    let self_ty = text(self_ty);
    if source.matches(&format!("impl {self_ty}")).count() < 2 {
        return false;
    }
    let Some(body) = item.clone().into_iter().last() else { return false };
    source.parse().is_ok_and(|tokens| is_second_in(tokens, &self_ty, &text(body)))
}

/// Whether this body is there, behind that of another block of the type.
fn is_second_in(scope: TokenStream, self_ty: &str, body: &str) -> bool {
    let mut tokens = scope.into_iter().peekable();
    let (mut is_consumer, mut is_conditional, mut others) = (false, false, false);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.next_if(|next| is(next, Delimiter::Bracket)) {
                    is_consumer |= names(&attribute, "consumer");
                    is_conditional |= names(&attribute, "cfg");
                }
            }
            TokenTree::Ident(word) if word == "impl" && is_consumer => {
                let mut head = TokenStream::new();
                while let Some(token) = tokens.next_if(|next| !is(next, Delimiter::Brace)) {
                    head.extend([token]);
                }
                // Blocks under `#[cfg]` may exclude each other.
                if text(head) == self_ty && !is_conditional {
                    let Some(block) = tokens.next() else { return false };
                    if others && text(&block) == body {
                        return true;
                    }
                    others = true;
                    (is_consumer, is_conditional) = (false, false);
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if is_second_in(group.stream(), self_ty, body) {
                    return true;
                }
                (is_consumer, is_conditional) = (false, false);
            }
            TokenTree::Punct(end) if end.as_char() == ';' => (is_consumer, is_conditional) = (false, false),
            _ => {}
        }
    }
    false
}

fn is(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// `#[consumer(..)]`, `#[channels_runtime::consumer]`.
fn names(attribute: &Group, wanted: &str) -> bool {
    let path = attribute.stream().into_iter().take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.filter_map(|token| if let TokenTree::Ident(word) = token { Some(word) } else { None })
        .last()
        .is_some_and(|last| last == wanted)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn is_second(source: &str, item: &str) -> bool {
        stands_before(source, &parse_quote!(Chat), &item.parse().unwrap())
    }

    #[test]
    fn a_second_block_in_the_same_scope_is_seen() {
        let (first, second) = ("impl Chat { fn a() {} }", "impl Chat { /* b */ fn b() {} }");
        let both =
            format!("use x::*;\n#[consumer]\n{first}\nstruct B;\n#[x::consumer(tag = \"a\")]\n#[allow(a)]\n{second}");
        assert!(!is_second(&both, first));
        assert!(is_second(&both, second));
        assert!(is_second(&format!("mod chat {{ {both} }}"), second));
        assert!(is_second(&format!("fn main() {{ {both} }}"), second));
    }

    #[test]
    fn what_is_no_second_block_is_none() {
        let (first, second) = ("impl Chat { fn a() {} }", "impl Chat { fn b() {} }");
        for source in [
            format!("mod a {{ #[consumer] {first} }} mod b {{ #[consumer] {second} }}"),
            format!("#[cfg(unix)] #[consumer] {first} #[consumer] {second}"),
            format!("#[consumer] {first} #[consumer] #[cfg(unix)] {second}"),
            format!("/* #[consumer] {first} */ #[consumer] {second}"),
            format!("/// #[consumer] {first}\n#[consumer] {second}"),
            format!("#[consumer] impl Other {{}} #[consumer] {second}"),
            format!("#[consumer] impl A {{}} {first} #[consumer] {second}"),
            format!("const A: &str = r#\"#[consumer] {first}\"#; #[consumer] {second}"),
            format!("#[consumer] {first} #[consumer] {second} }}"),
        ] {
            assert!(!is_second(&source, second), "{source}");
        }
    }
}
