//! Types that the macro recognises by name: by the last word of their path.
//!
//! A macro sees tokens, not types. A type of the user's that shares a name with a known type is treated as that type,
//! and an alias of a known type is not recognised. These are the cases:
//!
//! - `Context`: the first argument with this name is the context; every other argument is identified by its position. A
//!   first argument `&mut Alias` may be the context too, and the compiler checks that. A handler without `self` whose
//!   only argument is `&page::Context` takes an event. An alias that hides the `&mut` is reported as a wrong context.
//! - Types without fields ([`WITHOUT_FIELDS`], and `Option` as a close code): a command, a close code or a consumer of
//!   the user's that is called `Frame` or `Bytes`, for example, is rejected with an error. The remedy is another name
//!   or an alias. An alias of a type without fields compiles here, and `check_command` of the runtime rejects it.
//! - Wrappers ([`WRAPPERS`]): an event `Json<T>` of the user's is rejected with an error; the remedy is an alias. An
//!   alias of a wrapper around an event is not an event, which the compiler reports.
//! - Futures ([`awaited`]): a type of the user's that is called `BoxFuture`, and that a method returns without `async`,
//!   is rejected with an error. An alias of a future is not a valid return type, which the compiler reports.
//! - `Result` as the return type of a command, and `Json` in it: an answer `Json<Reply>` is rejected with an error; the remedy is an
//!   alias. Whether a command answers does not depend on names: the runtime asks the types.
//! - `Result` with one argument and without a path, as the return type of `#[connect]`: it is the `Result` of the prelude,
//!   whose error is not a `Reject`. An alias of the user's with this name is rejected with an error; the remedy is another
//!   name.
//! - `Position`: the position of an event, in a handler that also takes an event. Of two arguments with this name, the last
//!   one is the position. An event that is called `Position` is still an event, and an alias of `Position` is an argument too
//!   many.
//!
//! Any other `Result`, an alias of the consumer, `Json` in a return type, `Reject`, `CloseCode`, `CommandError`, `HistoryLost` and
//! `Envelope` are not recognised by name. The generated code passes these types to functions of the runtime, and the compiler
//! checks them.

use syn::{GenericArgument, PathArguments, Type, TypeParamBound};

use crate::consumer::model::Answer;
use crate::tokens::text;
use crate::types::{last_word, ungrouped};

/// Types of single values. They can be fields of an event or a command, but not an event or a command.
const WITHOUT_FIELDS: [&str; 21] = [
    "String", "str", "Vec", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
    "u32", "u64", "u128", "usize", "Frame", "Bytes",
];

/// Wrappers that a user may put around an event.
const WRAPPERS: [&str; 5] = ["Json", "Option", "Arc", "Rc", "Box"];

/// Returns whether a type is a single value, or several values without names.
pub(super) fn has_no_fields(ty: &Type) -> bool {
    match stripped(ty) {
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) => true,
        ty => match unwrapped(ty) {
            Some(inner) => has_no_fields(inner),
            None => last_word(ty).is_some_and(|word| WITHOUT_FIELDS.contains(&word.as_str())),
        },
    }
}

/// Returns the type in a wrapper: `ChatMessage` for `Option<ChatMessage>`.
pub(super) fn unwrapped(ty: &Type) -> Option<&Type> {
    let wrapper = last_word(ty)?;
    argument(ty).filter(|_| WRAPPERS.contains(&wrapper.as_str()))
}

/// Returns the type in a wrapper that a command cannot have: `Say` for `Json<Say>` and for `Option<Say>`.
pub(super) fn bare_command(ty: &Type) -> Option<&Type> {
    argument(ty).filter(|_| matches!(last_word(ty).as_deref(), Some("Json" | "Option")))
}

/// Returns `Self` for `Result<Self>`, without a path and a type of the error.
pub(super) fn result_of_one(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let is_one = path.path.segments.len() == 1 && arguments(ty).count() == 1;
    argument(ty).filter(|_| is_one && last_word(ty).as_deref() == Some("Result"))
}

/// Returns the types of an answer, if the spelling of a command's return type shows them: `Taken` and `Outbid` for
/// `Result<Taken, Outbid>`, and for `Result<Result<Taken, Outbid>>`.
pub(super) fn answer(output: &Type) -> Option<Answer> {
    let (reply, refusal) = result(output)?;
    if let Some((reply, refusal)) = result(reply) {
        return Some(Answer { reply: reply.clone(), refusal: refusal.cloned() });
    }
    let is_unit = matches!(ungrouped(reply), Type::Tuple(tuple) if tuple.elems.is_empty());
    (!is_unit).then(|| Answer { reply: reply.clone(), refusal: refusal.cloned() })
}

/// Returns the two types of a `Result`. The second is missing in an alias of one type.
fn result(ty: &Type) -> Option<(&Type, Option<&Type>)> {
    let is_result = last_word(ty).as_deref() == Some("Result");
    let mut types = arguments(ty).filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    let ok = types.next().filter(|_| is_result)?;
    Some((ok, types.next()))
}

/// Returns `Reply` for `Json<Reply>`.
pub(super) fn in_json(ty: &Type) -> Option<&Type> {
    argument(ty).filter(|_| last_word(ty).as_deref() == Some("Json"))
}

/// Returns `Context<Self>` for `&mut Context<Self>`; `None` for a type with another name.
pub(super) fn context(ty: &Type) -> Option<&Type> {
    let inner = stripped(ty);
    (last_word(inner).as_deref() == Some("Context")).then_some(inner)
}

/// Returns whether a type has generic arguments.
pub(super) fn has_arguments(ty: &Type) -> bool {
    arguments(ty).next().is_some()
}

/// Returns `Chat` for `Context<Chat>`, and `None` for `Context<Self>`.
pub(super) fn named_in_context(context: &Type) -> Option<&Type> {
    argument(context).filter(|ty| text(ty) != "Self")
}

/// Returns the output of a future: `Result<()>` for `impl Future<Output = Result<()>>`, for `BoxFuture<'_, Result<()>>`
/// and for `Pin<Box<dyn Future<..>>>`.
pub(super) fn awaited(ty: &Type) -> Option<Type> {
    let bounds = match ungrouped(ty) {
        Type::ImplTrait(ty) => &ty.bounds,
        Type::TraitObject(ty) => &ty.bounds,
        ty => {
            let argument = arguments(ty).find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })?;
            return match last_word(ty)?.as_str() {
                "Pin" | "Box" => awaited(argument),
                "BoxFuture" | "LocalBoxFuture" => Some(argument.clone()),
                _ => None,
            };
        }
    };
    bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let future = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &future.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) => Some(output.ty.clone()),
            _ => None,
        })
    })
}

/// Returns the first generic argument, if it is a type.
fn argument(ty: &Type) -> Option<&Type> {
    match arguments(ty).next()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Returns the generic arguments of a type.
fn arguments(ty: &Type) -> impl Iterator<Item = &GenericArgument> {
    let last = match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let arguments = last.and_then(|last| match &last.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    arguments.into_iter().flatten()
}

/// Returns whether a type is unsized.
pub(super) fn is_unsized(ty: &Type) -> bool {
    match ty {
        Type::Slice(_) | Type::TraitObject(_) => true,
        Type::Path(path) => path.path.is_ident("str"),
        _ => false,
    }
}

pub(super) fn is_mutable_reference(ty: &Type) -> bool {
    matches!(ungrouped(ty), Type::Reference(reference) if reference.mutability.is_some())
}

/// Returns whether a type is `&T`, without `mut`.
pub(super) fn is_shared_reference(ty: &Type) -> bool {
    matches!(ungrouped(ty), Type::Reference(reference)
        if reference.mutability.is_none() && !matches!(ungrouped(&reference.elem), Type::Reference(_)))
}

/// Returns whether a type is the position of an event, by value, by reference or in a wrapper.
pub(super) fn is_position(ty: &Type) -> bool {
    let ty = stripped(ty);
    last_word(stripped(unwrapped(ty).unwrap_or(ty))).as_deref() == Some("Position")
}

pub(super) fn stripped(ty: &Type) -> &Type {
    match ungrouped(ty) {
        Type::Reference(reference) => stripped(&reference.elem),
        ty => ty,
    }
}
