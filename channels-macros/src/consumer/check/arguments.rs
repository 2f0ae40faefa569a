//! The checks of the arguments of `#[consumer]`.

use proc_macro2::Span;
use syn::{Ident, LitStr, Type};

use crate::arguments::{Value, distinct};
use crate::consumer::model::{AnswerFields, Consumer, Handles};
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
    pub(super) answer_fields: AnswerFields,
    pub(super) groups: Option<Vec<Type>>,
    pub(super) sends: Vec<Type>,
    /// Whether the list of messages contains `_`.
    pub(super) others: bool,
    /// A variant of `MailboxPolicy`.
    pub(super) mailbox: Ident,
    pub(super) uncompressed: bool,
    /// The argument `mailbox`, if it exists.
    pub(super) policy: Option<LitStr>,
}

pub(super) fn check_arguments(arguments: Arguments, diagnostics: &mut Diagnostics) -> CheckedArguments {
    let Arguments { crate_path, tag, reference, ok, error, groups, sends, mailbox, uncompressed } = arguments;
    let (tag, answer_fields) = check_fields([tag, reference, ok, error], diagnostics);
    let groups = groups.and_then(|List { name, types }| {
        let before = diagnostics.count();
        let groups = distinct(types, &name, diagnostics);
        // A wrong list counts as missing, so that `group_add` causes no further error.
        (diagnostics.count() == before).then_some(groups)
    });
    let sends = sends.map_or_else(Vec::new, |List { name, types }| distinct(types, &name, diagnostics));
    let (others, sends): (Vec<_>, Vec<_>) = sends.into_iter().partition(|ty| matches!(ty, Type::Infer(_)));
    let policy = mailbox.and_then(|(name, value)| check_policy(&value, &name, diagnostics));
    let (mailbox, policy) = policy.map_or((POLICIES[0].1, None), |(variant, policy)| (variant, Some(policy)));
    CheckedArguments {
        runtime: Runtime::new(crate_path),
        tag,
        answer_fields,
        groups,
        sends,
        others: !others.is_empty(),
        mailbox: Ident::new(mailbox, Span::call_site()),
        uncompressed,
        policy,
    }
}

/// Checks the tag and the names of the fields of an answer. Returns them with defaults.
///
/// A command has the tag and the reference, and an answer the reference and one of the other two. A client tells them apart by their
/// names.
fn check_fields(
    [tag, reference, ok, error]: [Option<LitStr>; 4],
    diagnostics: &mut Diagnostics,
) -> (LitStr, AnswerFields) {
    let given = [("tag", &tag), ("ref", &reference), ("ok", &ok), ("error", &error)];
    for (argument, name) in given {
        if let Some(name) = name.as_ref().filter(|name| name.value().is_empty()) {
            diagnostics.error(name, format!("{}; it cannot be empty", meaning(argument)));
        }
    }
    let value = |at: usize| given[at].1.as_ref().map_or_else(|| DEFAULTS[at].to_owned(), LitStr::value);
    for (first, second) in [(TAG, REF), (REF, OK), (REF, ERROR), (OK, ERROR)] {
        let name = value(first);
        // At least one of two equal names was given, because the defaults differ.
        if name == value(second)
            && let Some(at) = given[second].1.as_ref().or(given[first].1.as_ref())
        {
            let (this, other) = if given[second].1.is_some() { (second, first) } else { (first, second) };
            let (this, other) = (given[this].0, given[other].0);
            diagnostics.error(
                at,
                format!(
                    "`{this}` and `{other}` cannot both be the field {name:?}\n{}\n{}",
                    meaning(this),
                    meaning(other)
                ),
            );
        }
    }
    let or = |given: Option<LitStr>, at: usize| given.unwrap_or_else(|| LitStr::new(DEFAULTS[at], Span::call_site()));
    let fields = AnswerFields { reference: or(reference, REF), ok: or(ok, OK), error: or(error, ERROR) };
    (or(tag, TAG), fields)
}

const TAG: usize = 0;
const REF: usize = 1;
const OK: usize = 2;
const ERROR: usize = 3;

/// The fields of commands and answers, unless the user names them.
const DEFAULTS: [&str; 4] = ["type", "ref", "ok", "error"];

/// Returns what an argument names, as a sentence.
fn meaning(argument: &str) -> &'static str {
    match argument {
        "tag" => "`tag` names the field of a command that holds its name",
        "ref" => "`ref` names the field of a command that its answer repeats",
        "ok" => "`ok` names the field of an answer that holds the reply",
        _ => "`error` names the field of an answer that holds the refusal",
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
