//! What the arguments of `#[consumer]` mean.

use proc_macro2::Span;
use syn::{Ident, LitStr, Type};

use crate::arguments::{Value, distinct};
use crate::consumer::model::{Consumer, Handles};
use crate::consumer::parse::{Arguments, List};
use crate::diagnostics::Diagnostics;
use crate::runtime_path::Runtime;
use crate::suggest::did_you_mean;

/// What gives way when an event comes for a full mailbox, and the variant of `MailboxPolicy`.
const POLICIES: [(&str, &str, &str); 3] = [
    ("drop_newest", "DropNewest", "the new event is dropped, as in Channels"),
    ("drop_oldest", "DropOldest", "the event that has waited longest is dropped"),
    ("disconnect", "Disconnect", "the connection is closed with 1013"),
];

/// What the arguments mean.
pub(super) struct Meant {
    pub(super) runtime: Runtime,
    pub(super) tag: LitStr,
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    /// Where that stands, if it does.
    pub(super) policy: Option<LitStr>,
}

pub(super) fn check_arguments(arguments: Arguments, diagnostics: &mut Diagnostics) -> Meant {
    let Arguments { crate_path, tag, groups, sends, mailbox } = arguments;
    if let Some(tag) = tag.as_ref().filter(|tag| tag.value().is_empty()) {
        diagnostics.error(tag, "`tag` names the field of a command that holds its name; it cannot be empty");
    }
    let groups = groups.and_then(|List { name, types }| {
        let before = diagnostics.count();
        let groups = distinct(types, &name, diagnostics);
        // One that is wrong lists none, so that the joining is not reported as well.
        (diagnostics.count() == before).then_some(groups)
    });
    let sends = sends.map_or_else(Vec::new, |List { name, types }| distinct(types, &name, diagnostics));
    let policy = mailbox.and_then(|(name, value)| check_policy(&value, &name, diagnostics));
    let (mailbox, policy) = policy.map_or((POLICIES[0].1, None), |(variant, policy)| (variant, Some(policy)));
    Meant {
        runtime: Runtime::new(crate_path),
        tag: tag.unwrap_or_else(|| LitStr::new("type", Span::call_site())),
        groups,
        sends,
        mailbox: Ident::new(mailbox, Span::call_site()),
        policy,
    }
}

/// `mailbox = "drop_oldest"`.
fn check_policy(value: &Value, name: &Ident, diagnostics: &mut Diagnostics) -> Option<(&'static str, LitStr)> {
    let explain = |problem: String| {
        let legal: Vec<String> = POLICIES.iter().map(|(name, _, what)| format!("`\"{name}\"`: {what}")).collect();
        format!("{problem}\nwhen an event comes for a full mailbox:\n- {}", legal.join("\n- "))
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

/// Events wait for handlers with `self` alone: what the others render waits for the client, and has the limit of that.
pub(super) fn check_mailbox(policy: &LitStr, consumer: &Consumer, diagnostics: &mut Diagnostics) {
    let waits = !consumer.fallbacks.is_empty() || consumer.handlers.iter().any(|handler| !handler.shared);
    // A handler that is wrong was reported, and might be one.
    if !waits && matches!(consumer.handles, Handles::Listed(_)) {
        diagnostics.error(
            policy,
            format!(
                "no event ever waits for `{}`, which has no `#[handler]` with `&mut self`; take `mailbox` away",
                consumer.name
            ),
        );
    }
}
