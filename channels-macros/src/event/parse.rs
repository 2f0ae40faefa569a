//! The arguments of `#[event]`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::{Ident, Item, LitStr};

use crate::arguments::{self, Argument, Named, Value};
use crate::diagnostics::Diagnostics;
use crate::event_name;
use crate::runtime_path::Runtime;
use crate::tokens::text;

const ARGUMENTS: [(&str, &str); 4] = [
    ("volatile", "volatile"),
    ("coalesce", "coalesce = \"field\""),
    ("uncompressed", "uncompressed"),
    ("crate", "crate = path"),
];

/// The arguments of `#[event(..)]`.
pub(crate) struct Arguments {
    /// `None` if it is missing or cannot be read.
    pub(super) name: Option<LitStr>,
    pub(super) runtime: Runtime,
    pub(super) volatile: bool,
    pub(super) coalesce: Option<LitStr>,
    pub(super) uncompressed: bool,
}

pub(crate) fn parse(arguments: TokenStream, item: &Item, diagnostics: &mut Diagnostics) -> Arguments {
    let meant = match item {
        Item::Struct(item) => event_name::of_type(&item.ident.unraw().to_string()),
        _ => event_name::of_type(""),
    };
    let example = format!("`#[event({meant:?})]`");
    let shape = format!("an event has a name, in quotes: {example}");
    let named = Named { attribute: "event", noun: "an event", shape: &shape, example: &example };
    let mut pieces = arguments::pieces(arguments, diagnostics);
    let name = arguments::name(&mut pieces, &named, &ARGUMENTS, diagnostics);
    let (mut path, mut volatile, mut coalesce, mut uncompressed) = (None, false, None, false);
    let mut seen: Vec<String> = Vec::new();
    for piece in pieces {
        match syn::parse2::<Argument>(piece.clone()) {
            Ok(Argument { name, .. }) if seen.contains(&name.to_string()) => {
                diagnostics.error(&name, format!("`{name}` is given twice in `#[event(..)]`"));
            }
            Ok(Argument { name, value }) if name == "volatile" => {
                if !matches!(value, Value::None) {
                    diagnostics.error(&piece, "`volatile` takes no value: `#[event(\"cursor.move\", volatile)]`");
                }
                volatile = true;
                seen.push(name.to_string());
            }
            Ok(Argument { name, value }) if name == "uncompressed" => {
                if !matches!(value, Value::None) {
                    let sentence = "`uncompressed` takes no value: `#[event(\"invoice.paid\", uncompressed)]`";
                    diagnostics.error(&piece, sentence);
                }
                uncompressed = true;
                seen.push(name.to_string());
            }
            Ok(Argument { name, value }) if name == "coalesce" => {
                coalesce = key_field(&value, &name, diagnostics);
                seen.push(name.to_string());
            }
            Ok(Argument { name, value }) if name == "crate" => {
                path = arguments::crate_path(&value, &name, diagnostics).or(path);
            }
            Ok(Argument { name, .. }) => {
                arguments::unknown("#[event]", &name, &ARGUMENTS, diagnostics);
            }
            Err(_) => {
                diagnostics.error(&piece, format!("`{}` is not an argument of `#[event]`: {shape}", text(&piece)))
            }
        }
    }
    Arguments { name, runtime: Runtime::new(path), volatile, coalesce, uncompressed }
}

/// Parses the value of `coalesce = "user_id"`.
fn key_field(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    const SHAPE: &str = "`coalesce` names one field; of the waiting events with the same value in it, only the newest is \
                         kept: `coalesce = \"user_id\"`";
    let Value::Equals(value) = value else {
        diagnostics.error(name, SHAPE);
        return None;
    };
    let sentence = |_| match syn::parse2::<Ident>(value.clone()) {
        Ok(field) => format!("the field of `coalesce` goes in quotes: `coalesce = \"{field}\"`"),
        Err(_) => SHAPE.to_owned(),
    };
    syn::parse2::<LitStr>(value.clone()).map_err(|error| diagnostics.error(value, sentence(error))).ok()
}
