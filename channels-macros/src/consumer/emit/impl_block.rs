//! The user's block with the changes that `check` decided. Method bodies are unchanged.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, PathArguments, ReturnType, Signature, Type, parse_quote, token};

use crate::consumer::method_attribute;
use crate::consumer::model::Change;
use crate::consumer::parse::{Block, Member, Method};

/// Input: `impl ChatConsumer { #[connect] async fn connect(..) .. }`.
///
/// Output: the block without helper attributes and invalid members. The compiler reported those before it called the
/// macro, and would report them again.
pub(crate) fn emit(block: &Block, changes: &[Change]) -> TokenStream {
    let Block { attributes, visibility, unsafety, impl_token, generics, of, self_ty, brace, inner, members } = block;
    let of = of.as_ref().map(|(path, for_token)| quote!(#path #for_token));
    let where_clause = &generics.where_clause;
    let mut tokens = quote!(#(#attributes)* #visibility #unsafety #impl_token #generics #of #self_ty #where_clause);
    brace.surround(&mut tokens, |tokens| {
        tokens.extend(inner.iter().map(ToTokens::to_token_stream));
        tokens.extend(members.iter().zip(changes).map(|(member, change)| emit_member(member, change)));
    });
    tokens
}

fn emit_member(member: &Member, change: &Change) -> TokenStream {
    match member {
        Member::Method(method) => emit_method(method, change),
        Member::Other(attributes, item) => {
            let attributes = kept(attributes, change);
            quote!(#(#attributes)* #item)
        }
        Member::Unread(_) => TokenStream::new(),
    }
}

fn kept<'a>(attributes: &'a [Attribute], change: &Change) -> impl Iterator<Item = &'a Attribute> {
    attributes.iter().enumerate().filter(|(at, _)| !change.helpers.contains(at)).map(|(_, attribute)| attribute)
}

fn emit_method(method: &Method, change: &Change) -> TokenStream {
    let Method { attributes, visibility, default, signature, body } = method;
    let attributes = kept(attributes, change);
    let mut signature = signature.clone();
    // The macro prescribes the signature, so that clippy's advice to change it would be wrong. The user's own lint
    // levels follow and take precedence.
    let prescribed = change.is_prescribed.then(|| {
        if let Some(at) = change.lacks_consumer {
            complete_context(&mut signature, at);
        }
        quote! {
            #[allow(
                clippy::missing_const_for_fn,
                clippy::needless_pass_by_ref_mut,
                clippy::needless_pass_by_value,
                clippy::trivially_copy_pass_by_ref,
                clippy::unused_self
            )]
        }
    });
    // With a receiver the compiler can check the rest of the body. Nothing calls the method.
    let receiver = change.lacks_self.map(|place| {
        let receiver = token::SelfValue(place);
        signature.inputs.insert(0, parse_quote!(mut #receiver));
        quote!(#[allow(unused_mut)])
    });
    // The mistake was reported. With this type the compiler reports only the other mistakes of the body.
    if let (Some(accepted), ReturnType::Type(_, ty)) = (&change.lacks_reject, &mut signature.output) {
        (**ty).clone_from(accepted);
    }
    let body = match body {
        TokenTree::Group(body) if change.lacks_await => awaited(body),
        body => body.clone(),
    };
    quote!(#prescribed #receiver #(#attributes)* #visibility #default #signature #body)
}

/// Adds the missing `.await` of the last expression, which was reported, so that the compiler does not report its type.
fn awaited(body: &Group) -> TokenTree {
    let stream = body.stream();
    let mut awaited = Group::new(body.delimiter(), quote!(#stream.await));
    awaited.set_span(body.span());
    TokenTree::Group(awaited)
}

/// Adds the missing `<Self>` of a `Context`, which was reported, so that the compiler does not report it again.
fn complete_context(signature: &mut Signature, at: usize) {
    let mut typed = signature.inputs.iter_mut().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    if let Some(argument) = typed.nth(at)
        && let Type::Reference(reference) = &mut *argument.ty
        && let Type::Path(path) = &mut *reference.elem
        && let Some(last) = path.path.segments.last_mut()
    {
        last.arguments = PathArguments::AngleBracketed(parse_quote!(<Self>));
    }
}

/// Input: an item that is not a block.
///
/// Output: the item without its helper attributes, so that the user gets one error instead of one for each method.
pub(crate) fn emit_unread(item: TokenStream) -> TokenStream {
    let inner = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut inner = Group::new(Delimiter::Brace, method_attribute::split(group.stream()).1);
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        token => token,
    };
    item.into_iter().map(inner).collect()
}
