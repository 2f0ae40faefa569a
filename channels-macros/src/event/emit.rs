//! The code that `#[event]` generates.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, GenericParam, Generics, Ident, Item, ItemStruct, Path, Token, parse_quote};

use super::emit_contract::{described, without_schemars};
use super::field_bounds;
use super::model::{Event, SERDE};
use super::owned::owned;
use super::serde_attributes::for_each_serde;
use crate::tokens::{place, text};
use crate::types::refers;

/// Input: `#[event("chat.message")] struct ChatMessage { message: String }`.
///
/// Output: the struct with the missing derives, and `impl Event for ChatMessage { const TYPE = "chat.message" }`; with
/// `volatile` also `const VOLATILE`, with `uncompressed` also `const UNCOMPRESSED`, with `coalesce` also `fn key`.
pub(super) fn emit(event: &Event, mut item: Item) -> TokenStream {
    let Event { name, runtime, volatile, uncompressed, derived_above, .. } = event;
    if let Item::Struct(item) = &mut item {
        leave_out_second_names(&event.second_names, item);
        own_fields(item);
    }
    let described = match &item {
        Item::Struct(item) => described(event, item),
        _ => TokenStream::new(),
    };
    if let Item::Struct(item) = &mut item {
        without_schemars(item);
    }
    let private = runtime.private();
    let retention = format_ident!("{}", if *volatile { "Volatile" } else { "Kept" });
    let volatile = volatile.then(|| {
        quote!(
            const VOLATILE: bool = true;
        )
    });
    let uncompressed = uncompressed.then(|| {
        quote!(
            const UNCOMPRESSED: bool = true;
        )
    });
    let mut no_fields = Fields::Unit;
    let (attributes, ident, generics, fields) = match &mut item {
        Item::Struct(item) => (&mut item.attrs, &item.ident, &item.generics, &mut item.fields),
        // An enum was reported. It gets the trait so that its uses cause no further errors.
        Item::Enum(item) => (&mut item.attrs, &item.ident, &item.generics, &mut no_fields),
        other => return other.to_token_stream(),
    };
    let key = event.key.as_ref().and_then(|key| fields.iter().find(|field| field.ident.as_ref() == Some(key)));
    let key = key.map(|Field { ident, ty, .. }| {
        quote! {
            fn key(&self) -> ::core::option::Option<#private::NonZeroU64> {
                #private::key::<#ty>(Self::TYPE, &self.#ident)
            }
        }
    });
    let missing: Vec<TokenStream> = SERDE
        .into_iter()
        .filter(|derive| !derives(attributes, derive) && !derived_above.iter().any(|above| above == derive))
        .map(|derive| {
            // With this span, an error about a field is shown at the struct instead of the whole attribute.
            let derive = Ident::new(derive, place(ident.span()));
            let private = runtime.private_at(derive.span());
            quote_spanned!(derive.span()=> #private::serde::#derive)
        })
        .collect();
    if !missing.is_empty() {
        let mut has_crate = false;
        for_each_serde(attributes, &mut |key, _| has_crate |= key == "crate");
        let mut added: Vec<Attribute> = vec![parse_quote!(#[derive(#(#missing),*)])];
        if !has_crate {
            let path = text(quote!(#private::serde));
            added.push(parse_quote!(#[serde(crate = #path)]));
        }
        added.append(attributes);
        *attributes = added;
    }
    let mut asked_for = ident.clone();
    if missing.len() == 2
        && generics.params.is_empty()
        && let Some(place) = field_bounds::defer_serde_bounds(runtime, ident, fields)
    {
        asked_for.set_span(place);
    }
    let asked = field_bounds::parameter_bounds(runtime, generics, attributes, fields);
    let mut generics = generics.clone();
    if !generics.params.is_empty() {
        generics.make_where_clause().predicates.extend(asked);
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let implementation = quote! {
        #[automatically_derived]
        impl #impl_generics #private::Event for #asked_for #type_generics #where_clause {
            type Itself = Self;
            type Retention = #private::#retention;
            const TYPE: &'static str = #name;
            const DEFINED: &'static str = ::core::concat!(
                ::core::module_path!(), "::", ::core::stringify!(#ident),
                " (", ::core::file!(), ":", ::core::line!(), ")",
            );
            #volatile
            #uncompressed
            #key
        }
    };
    quote!(#item #implementation #described)
}

/// Returns whether a trait is derived, by the last word of its path.
///
/// A derive of another crate with the same name, such as rkyv's `Serialize`, counts too. Then the compiler reports that
/// the event lacks serde's implementation, and the user derives it.
fn derives(attributes: &[Attribute], wanted: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        attribute
            .parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
            .is_ok_and(|paths| paths.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == wanted)))
    })
}

fn leave_out_second_names(second_names: &[usize], item: &mut ItemStruct) {
    let mut at = 0..;
    item.attrs.retain(|_| at.next().is_none_or(|at| !second_names.contains(&at)));
}

/// Replaces references in a struct, and removes its lifetimes. They were reported, and the compiler would report each use.
fn own_fields(item: &mut ItemStruct) {
    let has_lifetimes = item.generics.lifetimes().next().is_some();
    for field in item.fields.iter_mut().filter(|field| has_lifetimes || refers(&field.ty)) {
        if let Ok(owned) = syn::parse2(without_lifetimes(owned(field.ty.to_token_stream()))) {
            field.ty = owned;
        }
    }
    if has_lifetimes {
        let parameters = std::mem::take(&mut item.generics.params).into_iter();
        item.generics.params = parameters.filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_))).collect();
        if item.generics.params.is_empty() {
            item.generics = Generics::default();
        }
    }
}

/// Returns the tokens with `'static` for each lifetime.
fn without_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut is_lifetime = false;
    let tokens = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(name) if is_lifetime => {
            is_lifetime = false;
            Ident::new("static", name.span()).into()
        }
        TokenTree::Group(group) => Group::new(group.delimiter(), without_lifetimes(group.stream())).into(),
        token => {
            is_lifetime = matches!(&token, TokenTree::Punct(tick) if tick.as_char() == '\'');
            token
        }
    });
    tokens.collect()
}
