//! Calls of the user's methods, and replacements for methods that a `#[cfg]` removes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Ident};

use crate::consumer::model::{Method, Output};
use crate::tokens::place;

/// Returns the call of a method with `&mut self`.
///
/// The return type keeps the user's span, so that a wrong type is reported there. A future that is not `Send` is
/// reported at the method's name.
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

/// Returns the call of a command's method, which also answers.
///
/// `how` decides by the return type whether the command answers. `asked` is taken from the context before the call borrows it.
pub(super) fn run_command(method: &Method, private: &TokenStream, call: &TokenStream) -> TokenStream {
    let Some(how) = how(method, private) else { return run(method, private, call) };
    let output = output(method);
    let run = if method.is_async {
        let future = inferred(method);
        quote!(how.run::<#output, #future>(asked, #call))
    } else if method.blocking {
        quote!(how.run_blocking::<#output, _>(asked, move || #call))
    } else {
        quote!(how.ran::<#output>(asked, #call))
    };
    quote! {
        {
            let how = #how;
            let asked = how.asked(cx, received.reference);
            #run
        }
    }
}

/// Returns the constant that shows whether a command answers, by its return type. `None` if the type has no name, which no
/// command that answers has.
pub(super) fn how(method: &Method, private: &TokenStream) -> Option<TokenStream> {
    match &method.output {
        Output::Named(output) => Some(quote!(#private::Returns::<#output>::HOW)),
        Output::Inferred(_) => None,
    }
}

/// Returns whether a command answers, as an expression.
pub(super) fn answers(method: &Method, private: &TokenStream) -> TokenStream {
    how(method, private).map_or_else(|| quote!(false), |how| quote!(#how.answers()))
}

/// Returns `cx`. If the method writes another type than `Self` in `Context<..>`, returns a call that checks the type.
pub(super) fn context(method: &Method, private: &TokenStream) -> TokenStream {
    let cx = Ident::new("cx", place(method.ident.span()));
    match &method.context {
        None => quote!(#cx),
        Some(ty) => quote!(#private::own_context::<Self, #ty>(#cx)),
    }
}

/// Returns `_` with the span of the method's name, so that errors about the inferred type are shown there.
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

/// Returns the last expression of a body, with the `#[cfg]`s that may remove it.
pub(super) fn statement(cfgs: &[Attribute], expression: &TokenStream) -> TokenStream {
    conditional(&quote!(#(#cfgs)*), expression)
}

pub(super) fn conditional(cfg: &TokenStream, expression: &TokenStream) -> TokenStream {
    if cfg.is_empty() { expression.clone() } else { quote!(#cfg { #expression }) }
}

/// Returns the `#[cfg]` of the replacement for these methods, which applies if all of them are removed. `None` if one
/// always exists.
pub(super) fn otherwise<'a>(methods: impl Iterator<Item = &'a Method>) -> Option<TokenStream> {
    let mut conditions = Vec::new();
    for method in methods {
        if method.cfgs.is_empty() {
            return None;
        }
        conditions.push(condition(method));
    }
    Some(if conditions.is_empty() { TokenStream::new() } else { quote!(#[cfg(not(any(#(#conditions),*)))]) })
}

/// Returns the predicate of all `#[cfg]`s of a method.
pub(super) fn condition(method: &Method) -> TokenStream {
    let predicates = method.cfgs.iter().filter_map(predicate);
    quote!(all(#(#predicates),*))
}

fn predicate(cfg: &Attribute) -> Option<TokenStream> {
    cfg.meta.require_list().ok().map(|list| list.tokens.clone())
}
