//! The checks of the arguments of `#[consumer]`.

use proc_macro2::Span;
use syn::{Ident, LitStr, Type};

use crate::arguments::{Value, distinct};
use crate::consumer::model::{Consumer, Handles};
use crate::consumer::parse::{Arguments, List};
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::did_you_mean;

/// The policies for a full mailbox: the name, the variant of `MailboxPolicy`, and the effect.
const POLICIES: [(&str, &str, &str); 3] = [
    ("drop_newest", "DropNewest", "the new event is dropped, as in Channels"),
    ("drop_oldest", "DropOldest", "the oldest event is dropped"),
    ("disconnect", "Disconnect", "the connection is closed with 1013"),
];

/// The checked arguments, with defaults.
pub(super) struct CheckedArguments {
    pub(super) runtime: Runtime,
    pub(super) tag: LitStr,
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    /// The argument `mailbox`, if it exists.
    pub(super) policy: Option<LitStr>,
}

pub(super) fn check_arguments(arguments: Arguments, diagnostics: &mut Diagnostics) -> CheckedArguments {
    let Arguments { crate_path, tag, groups, sends, mailbox } = arguments;
    if let Some(tag) = tag.as_ref().filter(|tag| tag.value().is_empty()) {
        diagnostics.error(tag, "`tag` names the field of a command that holds its name; it cannot be empty");
    }
    let groups = groups.and_then(|List { name, types }| {
        let before = diagnostics.count();
        let groups = distinct(types, &name, diagnostics);
        // A wrong list counts as missing, so that `group_add` causes no further error.
        (diagnostics.count() == before).then_some(groups)
    });
    let sends = sends.map_or_else(Vec::new, |List { name, types }| distinct(types, &name, diagnostics));
    let policy = mailbox.and_then(|(name, value)| check_policy(&value, &name, diagnostics));
    let (mailbox, policy) = policy.map_or((POLICIES[0].1, None), |(variant, policy)| (variant, Some(policy)));
    CheckedArguments {
        runtime: Runtime::new(crate_path),
        tag: tag.unwrap_or_else(|| LitStr::new("type", Span::call_site())),
        groups,
        sends,
        mailbox: Ident::new(mailbox, Span::call_site()),
        policy,
    }
}

/// Checks the value of `mailbox = "drop_oldest"`.
fn check_policy(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<(&'static str, LitStr)> {
    let explain = |problem: String| {
        let legal: Vec<String> = POLICIES.iter().map(|(name, _, what)| format!("`\"{name}\"`: {what}")).collect();
        format!("{problem}\nwhen an event arrives and the mailbox is full:\n- {}", legal.join("\n- "))
    };
    let shape = || explain("`mailbox` takes a policy in quotes: `mailbox = \"drop_oldest\"`".into());
    let Value::Equals(value) = value else {
        diagnostics.error(name, shape());
        return None;
    };
    let Ok(wanted) = syn::parse2::<LitStr>(value.clone()) else {
        diagnostics.error(value, shape());
        return None;
    };
    let known = POLICIES.iter().find(|(name, ..)| *name == wanted.value());
    if known.is_none() {
        let meant = did_you_mean(&wanted.value(), POLICIES.iter().map(|(name, ..)| *name));
        diagnostics.error(&wanted, explain(format!("there is no policy {:?} for a mailbox{meant}", wanted.value())));
    }
    known.map(|(_, variant, _)| (*variant, wanted))
}

/// Reports a mailbox policy without effect. Only events for handlers with `self` wait in the mailbox; frames of other
/// handlers count against the outbound queue.
pub(super) fn check_mailbox(policy: &LitStr, consumer: &Consumer, diagnostics: &mut Diagnostics) {
    let waits = !consumer.fallbacks.is_empty() || consumer.handlers.iter().any(|handler| !handler.shared);
    // A wrong handler was reported, and may be one with `self`.
    if !waits && matches!(consumer.handles, Handles::Listed(_)) {
        diagnostics.error(
            policy,
            format!(
                "no event ever waits for `{}`, which has no `#[handler]` with `&mut self`; remove `mailbox`",
                consumer.name
            ),
        );
    }
}
