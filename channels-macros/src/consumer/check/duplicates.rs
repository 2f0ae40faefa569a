//! Checks for duplicates in a block: names of events and commands, and helper attributes.

use proc_macro2::Span;
use syn::{Ident, LitStr};

use crate::consumer::model::GapKind;
use crate::consumer::parse;
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::tokens::cfgs;

/// Everything in a block that must be unique.
#[derive(Default)]
pub(super) struct Names {
    pub(super) events: Vec<Named>,
    pub(super) commands: Vec<Named>,
    pub(super) raw: Vec<Named>,
    pub(super) fallbacks: Vec<Named>,
    pub(super) refusals: Vec<Named>,
    pub(super) connects: Vec<Named>,
    pub(super) disconnects: Vec<Named>,
    pub(super) lost: Vec<Named>,
    pub(super) restored: Vec<Named>,
    pub(super) losses: Vec<Named>,
}

/// The name or the helper attribute of a method, with its span.
pub(super) struct Named {
    name: String,
    method: Ident,
    at: Span,
    /// Whether the method has a `#[cfg]`. Such methods may exclude each other and are not compared.
    conditional: bool,
}

impl Named {
    pub(super) fn new(name: &LitStr, method: &parse::Method) -> Self {
        Self {
            name: name.value(),
            method: method.signature.ident.clone(),
            at: name.span(),
            conditional: !cfgs(&method.attributes).is_empty(),
        }
    }

    pub(super) fn of_method(method: &parse::Method) -> Self {
        let ident = &method.signature.ident;
        Self {
            name: String::new(),
            method: ident.clone(),
            at: ident.span(),
            conditional: !cfgs(&method.attributes).is_empty(),
        }
    }
}

impl Names {
    /// Reports all duplicates.
    pub(super) fn check(&self, diagnostics: &mut Diagnostics) {
        check_table(&self.events, "event", "handled", "handler for", diagnostics);
        check_table(&self.commands, "command", "received", "method for", diagnostics);
        for (helper, methods) in [
            ("connect", &self.connects),
            ("disconnect", &self.disconnects),
            ("receive", &self.raw),
            (GapKind::Lost.helper(), &self.lost),
            (GapKind::Restored.helper(), &self.restored),
            ("history_lost", &self.losses),
            ("receive(_)", &self.refusals),
            ("handler(_)", &self.fallbacks),
        ] {
            check_once(helper, methods, diagnostics);
        }
    }
}

fn check_table(names: &[Named], noun: &str, handled: &str, first_is: &str, diagnostics: &mut Diagnostics) {
    for (at, second) in names.iter().enumerate() {
        let variant = event_name::exact_variant(&second.name);
        let same = |first: &&Named| event_name::exact_variant(&first.name) == variant;
        let Some(first) = names[..at].iter().find(same).filter(|first| !first.conditional && !second.conditional)
        else {
            continue;
        };
        if first.name == second.name {
            diagnostics.error_at(
                second.at,
                format!(
                    "{noun} {:?} is {handled} twice, by `{}` and by `{}`",
                    second.name, first.method, second.method
                ),
            );
            diagnostics.error_at(first.at, format!("the first {first_is} {:?} is here", first.name));
        } else {
            diagnostics.error_at(
                second.at,
                format!(
                    "{noun} names {:?} and {:?} are too alike: they differ only in their separators or in the case of \
                     their first letter",
                    first.name, second.name
                ),
            );
            diagnostics.error_at(first.at, format!("the {first_is} {:?} is here", first.name));
        }
    }
}

fn check_once(helper: &str, methods: &[Named], diagnostics: &mut Diagnostics) {
    let mut certain = methods.iter().filter(|method| !method.conditional);
    let Some(first) = certain.next() else { return };
    let mut others = certain.peekable();
    if others.peek().is_none() {
        return;
    }
    for other in others {
        diagnostics.error_at(other.at, format!("a consumer has one `#[{helper}]`, but `{}` is another", other.method));
    }
    diagnostics.error_at(first.at, format!("the first `#[{helper}]` is here"));
}
