//! Calls of the user's methods, and what stands in for a method that a `#[cfg]` takes away.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Ident};

use crate::consumer::model::{Method, Output};
use crate::tokens::place;

/// A method with `&mut self`, called.
///
/// What it returns is named where the user named it, so that a wrong type is reported there; that its future is not
/// `Send` is reported at its name.
pub(super) fn run(method: &Method, private: &TokenStream, call: &TokenStream) -> TokenStream {
    let output = output(method);
    if method.is_async {
        let future = inferred(method);
        quote!(#private::run::<#output, #future>(#call))
    } else if method.blocking {
        quote!(#private::run_blocking::<#output, _>(move || #call))
    } else {
        quote!(#private::ran::<#output>(#call))
    }
}

/// `cx`, or, where the method names the consumer in its type otherwise, what asks whether it is this one.
pub(super) fn context(method: &Method, private: &TokenStream) -> TokenStream {
    let cx = Ident::new("cx", place(method.ident.span()));
    match &method.context {
        None => quote!(#cx),
        Some(ty) => quote!(#private::own_context::<Self, #ty>(#cx)),
    }
}

/// `_`, at the name of the method: what is asked of the inferred type is answered there.
pub(super) fn inferred(method: &Method) -> TokenStream {
    quote_spanned!(place(method.ident.span())=> _)
}

pub(super) fn output(method: &Method) -> TokenStream {
    match &method.output {
        Output::Named(output) => quote!(#output),
        Output::Inferred(span) => quote_spanned!(place(*span)=> _),
    }
}

pub(super) fn placed(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(place(ident.span()));
    ident
}

/// The last expression of a body, which may be cut away.
pub(super) fn statement(cfgs: &[Attribute], expression: &TokenStream) -> TokenStream {
    conditional(&quote!(#(#cfgs)*), expression)
}

pub(super) fn conditional(cfg: &TokenStream, expression: &TokenStream) -> TokenStream {
    if cfg.is_empty() { expression.clone() } else { quote!(#cfg { #expression }) }
}

/// The `#[cfg]` of what stands in for these methods where none of them is there: `None` if one always is.
pub(super) fn otherwise<'a>(methods: impl Iterator<Item = &'a Method>) -> Option<TokenStream> {
    let mut conditions = Vec::new();
    for method in methods {
        if method.cfgs.is_empty() {
            return None;
        }
        let predicates = method.cfgs.iter().filter_map(predicate);
        conditions.push(quote!(all(#(#predicates),*)));
    }
    Some(if conditions.is_empty() { TokenStream::new() } else { quote!(#[cfg(not(any(#(#conditions),*)))]) })
}

fn predicate(cfg: &Attribute) -> Option<TokenStream> {
    cfg.meta.require_list().ok().map(|list| list.tokens.clone())
}
