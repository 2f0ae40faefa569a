//! The last argument of a handler: the position of its event, `at: &Position`.

use syn::{FnArg, PatType, Signature};

use super::known_types::{context, is_mutable_reference, is_position, is_shared_reference};
use super::signature::typed;
use crate::diagnostics::Diagnostics;
use crate::tokens::text;

/// The argument that takes the position.
pub(super) struct Position {
    pub(super) argument: PatType,
    is_last: bool,
}

/// Returns the signature of a handler without its position, and the position.
///
/// An only argument `&Position` is an event with this name.
pub(super) fn split_position(signature: &Signature) -> (Signature, Option<Position>) {
    let typed = typed(signature);
    let has_context = signature.receiver().is_some();
    // Neither the context nor an alias of it.
    let is_event = |(at, argument): &(usize, &&PatType)| {
        context(&argument.ty).is_none() && !(has_context && *at == 0 && is_mutable_reference(&argument.ty))
    };
    let events = typed.iter().enumerate().filter(is_event).count();
    let found = typed.iter().rposition(|argument| is_position(&argument.ty)).filter(|_| events > 1);
    let Some(at) = found else { return (signature.clone(), None) };
    let position = Position { argument: typed[at].clone(), is_last: at + 1 == typed.len() };
    let before = signature.inputs.iter().take_while(|argument| matches!(argument, FnArg::Receiver(_))).count();
    let mut rest = signature.clone();
    rest.inputs = rest
        .inputs
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index != before + at)
        .map(|(_, argument)| argument)
        .collect();
    (rest, Some(position))
}

/// Reports a position that is not the last argument, with the whole signature `order`, or that is not taken by reference.
pub(super) fn check_position(position: &Position, subject: &str, order: Option<String>, diagnostics: &mut Diagnostics) {
    let Position { argument, is_last } = position;
    if !is_last {
        if let Some(write) = order {
            diagnostics.error(argument, format!("the position in {subject} comes last, after the event\n{write}"));
        }
    } else if !is_shared_reference(&argument.ty) {
        let sentence = format!("{subject} takes the position by reference: `&Position`, not `{}`", text(&argument.ty));
        diagnostics.error(&argument.ty, sentence);
    }
}
