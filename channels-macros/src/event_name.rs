//! Names of events and commands on the wire: legal names, and the enum variant of each name.

use proc_macro2::TokenStream;

use syn::Ident;
use syn::ext::IdentExt;
use syn::parse::Parser;

use crate::tokens::text;

/// The protocol's own events, as the methods that Django Channels calls for them, and the attribute for each here.
const RESERVED: [(&str, Option<&str>); 7] = [
    ("websocket_connect", Some("connect")),
    ("websocket_receive", Some("receive")),
    ("websocket_disconnect", Some("disconnect")),
    ("http_request", None),
    ("http_disconnect", None),
    ("lifespan_startup", None),
    ("lifespan_shutdown", None),
];

/// Checks the name of an event: every name that Django Channels can handle is legal.
///
/// Django Channels replaces `.` with `_` to get the name of a method, and rejects a method that starts with `_`. So a
/// name is an identifier of Python with any number of `.`, and starts with a letter.
///
/// # Errors
///
/// The message for the user.
pub(crate) fn check_event(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name of an event cannot be empty; write it like `\"chat.message\"`".into());
    }
    let method = method(name);
    if let Some(wrong) = name.chars().find(|letter| *letter != '.' && !is_identifier(&format!("a{letter}"))) {
        return Err(format!(
            "event name {name:?} contains {}; a name is made of letters, digits, `_` and `.`{}",
            character(wrong),
            instead(name)
        ));
    }
    let problem = match name.chars().next() {
        Some('_') => Some("starts with `_`, which Channels keeps for private methods"),
        Some('.') => Some("starts with `.`"),
        _ if !is_identifier(&method) => Some("starts with a digit, but it names a method in Python"),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(format!("event name {name:?} {problem}{}", instead(name)));
    }
    match RESERVED.iter().find(|(reserved, _)| *reserved == method) {
        Some((_, Some(attribute))) => {
            Err(format!("event name {name:?} is reserved: it belongs to the protocol; use `#[{attribute}]`"))
        }
        Some((_, None)) => Err(format!("event name {name:?} is reserved: it belongs to the protocol")),
        None => Ok(()),
    }
}

/// Returns the method that Django Channels calls for an event.
pub(crate) fn method(name: &str) -> String {
    name.replace('.', "_")
}

/// Returns whether a word is an identifier, keywords included.
fn is_identifier(word: &str) -> bool {
    // The parser skips spaces and comments, and accepts `r#word`.
    Ident::parse_any.parse_str(word).is_ok_and(|parsed| parsed == word && !word.contains('#'))
}

/// Checks the name of a client's command.
///
/// # Errors
///
/// The message for the user.
pub(crate) fn check_command(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(
            "the name of a command cannot be empty; write it like `\"send\"`, or `#[receive]` alone for every \
                    frame"
                .into(),
        );
    }
    if let Some(wrong) = name.chars().find(|letter| !may_be_in_command(*letter)) {
        return Err(format!(
            "command name {name:?} contains {}; a name is made of `A-Z`, `a-z`, `0-9`, `_`, `-`, `.`, `:` and `/`{}",
            character(wrong),
            near_command(name)
        ));
    }
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return Err(format!("command name {name:?} does not start with a letter{}", near_command(name)));
    }
    Ok(())
}

/// Returns the enum variant for a name: `ChatMessage` for `chat.message`.
pub(crate) fn variant(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let variant: String = words.map(capitalised).collect();
    // `Self` is the only keyword that such a name can become.
    if variant == "Self" { "Self_".into() } else { variant }
}

/// Returns the enum variant for a name whose [`variant`] is taken: `Chat_message` for `chat_message`, `SendMessage_` for
/// `sendMessage`.
pub(crate) fn exact_variant(name: &str) -> String {
    let variant = capitalised(&name.replace(|letter: char| !letter.is_alphanumeric(), "_"));
    if variant.contains('_') { variant } else { variant + "_" }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn character(wrong: char) -> String {
    match wrong {
        ' ' => "a space".into(),
        wrong if wrong.is_control() => format!("{wrong:?}"),
        wrong => format!("`{wrong}`"),
    }
}

/// Returns `; did you mean ".."?` with a legal name that is similar to an illegal one.
fn instead(name: &str) -> String {
    legal(name).map_or_else(String::new, |legal| format!("; did you mean {legal:?}?"))
}

fn may_be_in_command(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '/')
}

/// Returns `; did you mean "say_hi"?` for `say hi`.
fn near_command(name: &str) -> String {
    let near = name.trim().replace(' ', "_");
    let near = near.trim_start_matches(|first: char| !first.is_ascii_alphabetic());
    let is_legal = !near.is_empty() && near.chars().all(may_be_in_command);
    if is_legal { format!("; did you mean {near:?}?") } else { String::new() }
}

/// Returns a probable event name for a type: `chat.join` for `ChatJoin`.
pub(crate) fn of_type(name: &str) -> String {
    legal(name).filter(|legal| legal.contains('.')).unwrap_or_else(|| "chat.message".to_owned())
}

/// Returns a legal event name that is similar to another word: `chat.message` for `ChatMessage`.
pub(crate) fn legal(name: &str) -> Option<String> {
    let mut legal = String::new();
    for letter in name.chars() {
        match letter {
            'A'..='Z' => {
                if legal.ends_with(|last: char| last.is_ascii_lowercase()) {
                    legal.push('.');
                }
                legal.push(letter.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' | '_' => legal.push(letter),
            '-' => legal.push('_'),
            ' ' | '.' | ':' | '/' => {
                if !legal.ends_with('.') {
                    legal.push('.');
                }
            }
            _ => return None,
        }
    }
    let legal = legal.trim_start_matches(|first: char| !first.is_ascii_lowercase()).trim_end_matches('.');
    check_event(legal).is_ok().then(|| legal.to_owned())
}

/// Tokens in the place of a name in quotes.
pub(crate) enum Unquoted {
    /// The name itself: `chat.message`.
    Meant(String),
    /// A path or a macro: `MESSAGE`, `ChatMessage`, `concat!(..)`.
    Elsewhere(String),
    Unknown,
}

/// Classifies the tokens in the place of a name in quotes.
pub(crate) fn unquoted(tokens: &TokenStream) -> Unquoted {
    let name = text(tokens);
    let meant = name.replace(' ', "");
    // A constant or a type is not the name itself.
    if check_event(&meant).is_ok() && !meant.contains(|letter: char| letter.is_ascii_uppercase()) {
        return Unquoted::Meant(meant);
    }
    let is_macro = syn::parse2::<syn::Macro>(tokens.clone()).is_ok();
    if is_macro || syn::parse2::<syn::Path>(tokens.clone()).is_ok() {
        Unquoted::Elsewhere(name)
    } else {
        Unquoted::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_event_legal_name_passes() {
        for name in ["chat.message", "a", "chat_message", "chat.force_disconnect", "v2.chat.join", "chat._x", "raw"] {
            assert_eq!(check_event(name), Ok(()), "{name}");
        }
        for name in
            ["sendMessage", "ChatMessage", "SEND", "websocket_message", "http.done", "chat.", "chat..join", "chät"]
        {
            assert_eq!(check_event(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn check_event_illegal_name_gets_reason_and_suggestion() {
        for (name, sentence) in [
            ("", "the name of an event cannot be empty; write it like `\"chat.message\"`"),
            ("_chat", "starts with `_`, which Channels keeps for private methods; did you mean \"chat\"?"),
            (".chat", "starts with `.`; did you mean \"chat\"?"),
            ("2chat", "starts with a digit, but it names a method in Python; did you mean \"chat\"?"),
            (
                "chat message",
                "contains a space; a name is made of letters, digits, `_` and `.`; did you mean \"chat.message\"?",
            ),
            (
                "chat-message",
                "contains `-`; a name is made of letters, digits, `_` and `.`; did you mean \"chat_message\"?",
            ),
            ("chat€", "contains `€`; a name is made of letters, digits, `_` and `.`"),
            ("chat/**/", "contains `/`; a name is made of letters, digits, `_` and `.`"),
            ("r#chat", "contains `#`; a name is made of letters, digits, `_` and `.`"),
            ("chat\n", "contains '\\n'; a name is made of letters, digits, `_` and `.`"),
            ("websocket.receive", "is reserved: it belongs to the protocol; use `#[receive]`"),
            ("websocket_receive", "is reserved: it belongs to the protocol; use `#[receive]`"),
            ("http.request", "is reserved: it belongs to the protocol"),
            ("lifespan.startup", "is reserved: it belongs to the protocol"),
        ] {
            let error = check_event(name).unwrap_err();
            assert!(error.ends_with(sentence), "{name:?}: {error}");
        }
    }

    #[test]
    fn variant_names_with_other_separators_are_equal() {
        assert_eq!(variant("chat.message"), "ChatMessage");
        assert_eq!(variant("chat_message"), "ChatMessage");
        assert_eq!(variant("sendMessage"), "SendMessage");
        assert_eq!(variant("user:typing-now"), "UserTypingNow");
        assert_eq!(variant("self"), "Self_");
        assert_eq!(variant("chät.ä"), "ChätÄ");
    }

    #[test]
    fn exact_variant_differs_from_every_variant() {
        assert_eq!(exact_variant("send.message"), "Send_message");
        assert_eq!(exact_variant("sendMessage"), "SendMessage_");
        assert_eq!(exact_variant("raw"), "Raw_");
    }

    #[test]
    fn check_command_javascript_names_pass() {
        for name in ["send", "SEND_MESSAGE", "sendMessage", "user:typing", "chat/join", "set-name"] {
            assert_eq!(check_command(name), Ok(()), "{name}");
        }
        for (name, sentence) in [
            ("", "the name of a command cannot be empty"),
            ("say hi", "command name \"say hi\" contains a space"),
            ("9", "command name \"9\" does not start with a letter"),
            ("grüße", "command name \"grüße\" contains `ü`"),
        ] {
            let error = check_command(name).unwrap_err();
            assert!(error.starts_with(sentence), "{name:?}: {error}");
        }
    }
}
