//! Properties of a type that its spelling shows.

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::{GenericArgument, Ident, PathArguments, Type};

use crate::tokens::scan;

/// Returns a type without parentheses and without the invisible group of a user's macro.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

/// Returns the last word of a type's path: `ChatMessage` for `crate::events::ChatMessage`.
pub(crate) fn last_word(ty: &Type) -> Option<String> {
    match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// Returns the `T` of an `Option<T>`.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    first_argument(ty, "Option")
}

/// Returns the first argument of a type with this last word: `T` of `Json<T>`.
pub(crate) fn first_argument<'a>(ty: &'a Type, word: &str) -> Option<&'a Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == word)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Returns whether a type has a lifetime other than `'static`, named or elided. Such a type cannot be repeated
/// elsewhere.
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

/// Returns whether a type has a `&` or a lifetime other than `'static`. Such a type cannot be deserialised.
pub(crate) fn refers(ty: &Type) -> bool {
    let is_reference = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '&');
    borrows(ty) || scan(ty.to_token_stream(), &mut |token, _| is_reference(token))
}

/// Returns whether a type has no name: `impl Trait`.
pub(crate) fn is_unnameable(ty: &Type) -> bool {
    mentions(ty, "impl")
}

/// Returns whether a type contains a word.
pub(crate) fn mentions<T: ?Sized>(ty: &Type, name: &T) -> bool
where
    Ident: PartialEq<T>,
{
    scan(ty.to_token_stream(), &mut |token, _| matches!(token, TokenTree::Ident(word) if word == name))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn borrows_and_refers_find_references() {
        let borrowed: [Type; 3] = [parse_quote!(&str), parse_quote!(Json<Line<'_>>), parse_quote!((u8, &'a str))];
        let owned: [Type; 3] = [parse_quote!(&'static str), parse_quote!(Json<Line>), parse_quote!(Cow<'static, str>)];
        assert!(borrowed.iter().all(borrows));
        assert!(!owned.iter().any(borrows));
        let refers: Vec<bool> = owned.iter().map(refers).collect();
        assert_eq!(refers, [true, false, false]);
    }
}
