//! The arguments of `#[consumer]`.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Path, Type};

use crate::arguments::{self, Argument, Value};
use crate::diagnostics::Diagnostics;
use crate::tokens::text;

const ARGUMENTS: [(&str, &str); 9] = [
    ("tag", "tag = \"command\""),
    ("ref", "ref = \"request\""),
    ("ok", "ok = \"result\""),
    ("error", "error = \"problem\""),
    ("groups", "groups(Room, ..)"),
    ("sends", "sends(ChatLine, ..)"),
    ("mailbox", "mailbox = \"drop_oldest\""),
    ("uncompressed", "uncompressed"),
    ("crate", "crate = path"),
];

/// The arguments of `#[consumer(..)]`. `None` if an argument is missing or cannot be parsed.
pub(crate) struct Arguments {
    pub(crate) crate_path: Option<Path>,
    pub(crate) tag: Option<LitStr>,
    /// `ref`.
    pub(crate) reference: Option<LitStr>,
    pub(crate) ok: Option<LitStr>,
    pub(crate) error: Option<LitStr>,
    pub(crate) groups: Option<List>,
    pub(crate) sends: Option<List>,
    pub(crate) mailbox: Option<(Ident, Value)>,
    pub(crate) uncompressed: bool,
}

/// `groups(Room, Lobby)`.
pub(crate) struct List {
    pub(crate) name: Ident,
    pub(crate) types: Vec<Type>,
}

/// Parses the arguments. Reports unknown and repeated ones.
pub(crate) fn parse(arguments: TokenStream, diagnostics: &mut Diagnostics) -> Arguments {
    let (mut crate_path, mut groups, mut sends, mut mailbox) = (None, None, None, None);
    let (mut tag, mut reference, mut ok, mut error) = (None, None, None, None);
    let mut uncompressed = false;
    let mut seen: Vec<String> = Vec::new();
    for piece in arguments::pieces(arguments, diagnostics) {
        let Ok(Argument { name, value }) = syn::parse2::<Argument>(piece.clone()) else {
            let legal: Vec<String> = ARGUMENTS.iter().map(|(_, shape)| format!("`{shape}`")).collect();
            diagnostics.error(
                &piece,
                format!(
                    "`{}` is not an argument of `#[consumer]`\nthe arguments are {}",
                    text(&piece),
                    legal.join(", ")
                ),
            );
            continue;
        };
        let word = name.to_string();
        if seen.contains(&word) {
            diagnostics.error(&name, format!("`{word}` is given twice in `#[consumer(..)]`"));
            continue;
        }
        match word.as_str() {
            "crate" => crate_path = arguments::crate_path(&value, &name, diagnostics),
            "tag" => tag = arguments::string(&value, &name, diagnostics),
            "ref" => reference = arguments::string(&value, &name, diagnostics),
            "ok" => ok = arguments::string(&value, &name, diagnostics),
            "error" => error = arguments::string(&value, &name, diagnostics),
            "groups" => {
                let before = diagnostics.count();
                let types = arguments::types(&value, &name, "Room, Lobby", diagnostics);
                // A wrong list counts as missing, so that `group_add` causes no further error.
                groups = (diagnostics.count() == before).then_some(List { name, types });
            }
            "sends" => {
                let types = arguments::types(&value, &name, "ChatLine, Joined", diagnostics);
                sends = Some(List { name, types });
            }
            "mailbox" => mailbox = Some((name, value)),
            "uncompressed" => {
                if !matches!(value, Value::None) {
                    diagnostics.error(&piece, "`uncompressed` takes no value: `#[consumer(uncompressed)]`");
                }
                uncompressed = true;
            }
            _ => {
                arguments::unknown("#[consumer]", &name, &ARGUMENTS, diagnostics);
                continue;
            }
        }
        seen.push(word);
    }
    Arguments { crate_path, tag, reference, ok, error, groups, sends, mailbox, uncompressed }
}
