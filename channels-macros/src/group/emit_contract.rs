//! What `#[group]` writes down for a contract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{ItemStruct, Type};

use super::check::field;
use super::emit::rest;
use super::model::{Group, Part};
use crate::contract::type_facts;
use crate::tokens::docs;

/// Input: `#[group("chat_{room}", events(ChatMessage))] struct Room { room: String }`.
///
/// Output: `impl DescribedGroup for Room`. An event that a contract cannot describe is reported by the contract that lists the group.
pub(super) fn described(group: &Group, item: &ItemStruct, events: &[&Type], private: &TokenStream) -> TokenStream {
    let Group { pattern, parts, .. } = group;
    if !item.generics.params.is_empty() {
        return TokenStream::new();
    }
    let fields = parts.iter().filter_map(|part| match part {
        Part::Literal(_) => None,
        Part::Field(name) => {
            let facts = type_facts(&field(item, name)?.ty, private);
            Some(quote!(#private::facts::PartFacts { field: #name, ty: #facts }))
        }
    });
    let (ident, rest) = (&item.ident, rest(parts, item));
    let (name, documentation) = (ident.unraw().to_string(), docs(&item.attrs));
    quote! {
        #private::if_contract! {
            const _: () = {
                #[allow(unused_imports)]
                use #private::{NotDescribed as _, NotDescribedEvent as _};

                #[automatically_derived]
                impl #private::DescribedGroup for #ident {
                    const FACTS: #private::facts::GroupFacts = #private::facts::GroupFacts {
                        name: #name,
                        pattern: #pattern,
                        docs: #documentation,
                        fields: &[#(#fields),*],
                        rest: #rest,
                        events: &[#(#private::FactsOf::<#events>::FACTS),*],
                    };
                }
            };
        }
    }
}
