//! The changes between two contracts, and who is hurt by them.

use indexmap::IndexMap;

use crate::contract::Answer;
use crate::fit::{Misfit, Reason, misfits};
use crate::lock::{Lock, LockedRoute};
use crate::shape::Shape;
use crate::test::Test;
use crate::types::Types;

/// A change since the lock file was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Whether it breaks a client, or a process, that still runs the old version.
    pub(crate) breaks: bool,
    /// A sentence without a full stop. For a break, it says who is hurt and how to mend it.
    pub(crate) text: String,
}

/// Returns all changes, the breaks first.
pub(crate) fn between(old: &Lock, new: &Lock) -> Vec<Change> {
    let mut comparison = Comparison { old, new, changes: Vec::new() };
    comparison.routes();
    comparison.groups();
    comparison.events();
    let mut changes = comparison.changes;
    changes.sort_by_key(|change| !change.breaks);
    changes.dedup();
    changes
}

struct Comparison<'a> {
    old: &'a Lock,
    new: &'a Lock,
    changes: Vec<Change>,
}

/// Who sends the value, and who reads it.
#[derive(Clone, Copy)]
enum Way {
    /// An old client sends, and the new server reads.
    Command,
    /// The new server sends, and an old client reads.
    Message,
    /// An old process sends, and a new one reads.
    OldEvent,
    /// A new process sends, and an old one reads.
    NewEvent,
}

impl Comparison<'_> {
    fn breaks(&mut self, text: String) {
        self.changes.push(Change { breaks: true, text });
    }

    fn notes(&mut self, text: String) {
        self.changes.push(Change { breaks: false, text });
    }

    fn routes(&mut self) {
        let (old, new) = (self.old, self.new);
        for (address, before) in &old.routes {
            let Some(after) = new.routes.get(address) else {
                let moved = new.routes.iter().find(|(_, route)| route.consumer == before.consumer);
                self.breaks(match moved {
                    Some((to, _)) => format!(
                        "the address `{address}` has become `{to}`, and old clients connect to the old one: serve both"
                    ),
                    None => format!(
                        "the address `{address}` is gone, and old clients connect to it: keep `{}` there",
                        before.consumer
                    ),
                });
                continue;
            };
            self.route(address, before, after);
        }
        for address in new.routes.keys().filter(|address| !old.routes.contains_key(*address)) {
            self.notes(format!("new address `{address}`"));
        }
    }

    fn route(&mut self, address: &str, before: &LockedRoute, after: &LockedRoute) {
        if before.tag != after.tag && !before.commands.is_empty() {
            self.breaks(format!(
                "the tag of commands at `{address}` was `{}` and is `{}`, so no command of an old client is understood: write \
                 `#[consumer(tag = \"{}\")]`",
                before.tag, after.tag, before.tag
            ));
        }
        if let (Some(was), Some(is)) = (&before.answers, &after.answers)
            && was != is
        {
            self.breaks(format!(
                "the fields of answers at `{address}` were `{}` and are `{}`, so old clients do not find their answers: keep the \
                 old names",
                was.join("`, `"),
                is.join("`, `")
            ));
        }
        for (name, command) in &before.commands {
            match after.commands.get(name) {
                None => self.breaks(format!(
                    "the command `{name}` is gone, and old clients send it: keep its `#[receive(\"{name}\")]`"
                )),
                Some(new) => {
                    let subject = format!("the command `{name}`");
                    self.fit(Way::Command, &subject, &new.fields, &command.fields);
                    self.answers(name, command.answer.as_ref(), new.answer.as_ref());
                }
            }
        }
        for name in after.commands.keys().filter(|name| !before.commands.contains_key(*name)) {
            self.notes(format!("new command `{name}`"));
        }
        self.messages(before, after);
    }

    fn answers(&mut self, name: &str, before: Option<&Answer>, after: Option<&Answer>) {
        match (before, after) {
            (None, None) => {}
            (None, Some(_)) => self.notes(format!("the command `{name}` is now answered")),
            (Some(_), None) => self.breaks(format!(
                "the command `{name}` is no longer answered, and old clients wait for its answer: return a reply from its method"
            )),
            (Some(before), Some(after)) => {
                self.fit(Way::Message, &format!("the answer to `{name}`"), &before.ok, &after.ok);
                let subject = format!("the refusal of `{name}`");
                match (&before.error, &after.error) {
                    (Some(before), Some(after)) => self.fit(Way::Message, &subject, before, after),
                    (None, Some(_)) => self.breaks(format!(
                        "the command `{name}` can now be refused, which old clients do not expect: add a command of another name"
                    )),
                    (Some(_), None) => self.notes(format!("the command `{name}` is no longer refused")),
                    (None, None) => {}
                }
            }
        }
    }

    fn messages(&mut self, before: &LockedRoute, after: &LockedRoute) {
        let (old, new) = (self.old, self.new);
        let mut types = Types::default();
        types.by_name.extend(new.types.iter().map(|(name, shape)| (name.clone(), shape.clone().into())));
        for name in before.messages.keys().filter(|name| !after.messages.contains_key(*name)) {
            self.notes(format!("the message `{name}` is gone"));
        }
        for name in after.messages.keys() {
            let Some(shape) = new.types.get(name) else { continue };
            if before.messages.contains_key(name)
                && let Some(before) = old.types.get(name)
            {
                self.fit(Way::Message, &format!("the message `{name}`"), before, shape);
            } else {
                self.notes(format!("new message `{name}`"));
            }
            let taken = before.messages.iter().find(|(other, tests)| {
                let passes = |test: &Test| {
                    types.resolve(shape).members().iter().any(|form| test.may_pass(types.resolve(form), &types))
                };
                *other != name && tests.iter().any(passes)
            });
            if let Some((other, tests)) = taken {
                let tests: Vec<String> = tests.iter().map(Test::to_string).collect();
                self.breaks(format!(
                    "old clients take the message `{name}` for `{other}`, because it `{}`: rename that field of `{name}`, or give it a \
                     tag",
                    tests.join("`, or `")
                ));
            }
        }
    }

    fn groups(&mut self) {
        let (old, new) = (self.old, self.new);
        for (pattern, events) in &old.groups {
            let Some(now) = new.groups.get(pattern) else {
                self.breaks(format!(
                    "the group `{pattern}` is gone, and other processes (old ones, or Django) may be in it or send to it: keep its \
                     name"
                ));
                continue;
            };
            for event in events.iter().filter(|event| !now.contains(event)) {
                self.breaks(format!(
                    "the group `{pattern}` no longer carries `{event}`, which other processes (old ones, or Django) may send: keep \
                     it in `events(..)`"
                ));
            }
            for event in now.iter().filter(|event| !events.contains(event)) {
                let method = event.replace('.', "_");
                self.notes(format!(
                    "the group `{pattern}` now carries `{event}`: a Python consumer in it needs a method `{method}`"
                ));
            }
        }
        for pattern in new.groups.keys().filter(|pattern| !old.groups.contains_key(*pattern)) {
            self.notes(format!("new group `{pattern}`"));
        }
    }

    fn events(&mut self) {
        let (old, new) = (self.old, self.new);
        for (name, written) in &old.events {
            let subject = format!("the event `{name}`");
            let Some(now_written) = new.events.get(name) else {
                let listed = old.groups.values().any(|events| events.contains(name));
                if !listed {
                    self.breaks(format!(
                        "{subject} is gone, and other processes (old ones, or Django) may send it: keep it"
                    ));
                }
                continue;
            };
            let (read, now_read) = (old.reads.get(name).unwrap_or(written), new.reads.get(name).unwrap_or(now_written));
            self.fit(Way::OldEvent, &subject, now_read, written);
            self.fit(Way::NewEvent, &subject, read, now_written);
            // A Python process may send whatever the old version accepts.
            if read != written {
                self.fit(Way::OldEvent, &subject, now_read, read);
            }
        }
        for name in new.events.keys().filter(|name| !old.events.contains_key(*name)) {
            self.notes(format!("new event `{name}`"));
        }
    }

    /// Reports what the writer may send and the reader does not accept.
    fn fit(&mut self, way: Way, subject: &str, reader: &Shape, writer: &Shape) {
        let (old, new): (&IndexMap<_, _>, &IndexMap<_, _>) = (&self.old.types, &self.new.types);
        let (read, written) = match way {
            Way::Command | Way::OldEvent => (new, old),
            Way::Message | Way::NewEvent => (old, new),
        };
        for misfit in misfits((reader, read), (writer, written)) {
            let is_new_value = matches!(misfit.reason, Reason::NewValue(_));
            let text = way.sentence(subject, misfit);
            match way {
                Way::Message if is_new_value => self.notes(text),
                _ => self.breaks(text),
            }
        }
    }
}

impl Way {
    fn sentence(self, subject: &str, Misfit { path, reason }: Misfit) -> String {
        let place = if path.is_empty() { subject.to_owned() } else { format!("the field `{path}` of {subject}") };
        match (self, reason) {
            (Self::Command, Reason::Unknown(shape)) => format!(
                "{subject} needs a new field `{path}: {shape}`, which old clients do not send: give it `#[serde(default)]`"
            ),
            (Self::Command, Reason::Optional) => {
                format!("{place} is now required, and old clients may leave it out: give it `#[serde(default)]`")
            }
            (Self::Command, Reason::Denied) => format!(
                "{place} is refused, and old clients send it: keep the field, or remove `#[serde(deny_unknown_fields)]`"
            ),
            (Self::Command, Reason::Differs { reader, writer }) => format!(
                "{place} takes `{reader}`, and old clients send `{writer}`: accept that too, or add a command of another name"
            ),
            (Self::Command, Reason::NewValue(value)) => {
                format!("{place} no longer takes `{value}`, and old clients send it: accept it")
            }
            (Self::Message, Reason::Unknown(_)) => {
                format!("{place} is gone, and old clients read it: keep sending it")
            }
            (Self::Message, Reason::Optional) => {
                format!("{place} can now be missing, and old clients read it: send it always")
            }
            // A client in another language ignores further fields. Its type was read from this same contract.
            (Self::Message, Reason::Denied) => {
                format!("{place} is new, and old clients refuse it: send it in another message")
            }
            (Self::Message, Reason::Differs { reader, writer }) => format!(
                "{place} can now be `{writer}`, and old clients expect `{reader}`: send the new value in a field of another name"
            ),
            (Self::Message, Reason::NewValue(value)) => format!("{place} has the new value `{value}`"),
            (Self::OldEvent, Reason::Unknown(shape)) => format!(
                "{subject} needs a new field `{path}: {shape}`, which other processes (old ones, or Django) do not send: give it \
                 `#[serde(default)]`"
            ),
            (Self::OldEvent, Reason::Optional) => format!(
                "{place} is now required, and other processes (old ones, or Django) may leave it out: give it `#[serde(default)]`"
            ),
            (Self::OldEvent, Reason::Denied) => format!(
                "{place} is refused, and other processes (old ones, or Django) send it: remove `#[serde(deny_unknown_fields)]`"
            ),
            (Self::OldEvent, Reason::Differs { reader, writer }) => format!(
                "{place} takes `{reader}`, and other processes (old ones, or Django) send `{writer}`: accept that too, or add an event \
                 of another name"
            ),
            (Self::OldEvent, Reason::NewValue(value)) => format!(
                "{place} no longer takes `{value}`, and other processes (old ones, or Django) send it: accept it"
            ),
            (Self::NewEvent, Reason::Unknown(_)) => {
                format!("{place} is gone, and processes that still run the old version need it: keep sending it")
            }
            (Self::NewEvent, Reason::Optional) => format!(
                "{place} can now be missing, and processes that still run the old version need it: send it always"
            ),
            (Self::NewEvent, Reason::Denied) => format!(
                "{place} is new, and processes that still run the old version refuse it: add an event of another name"
            ),
            (Self::NewEvent, Reason::Differs { reader, writer }) => format!(
                "{place} can now be `{writer}`, and processes that still run the old version expect `{reader}`: send the new value in a \
                 field of another name"
            ),
            (Self::NewEvent, Reason::NewValue(value)) => format!(
                "{place} has the new value `{value}`, and processes that still run the old version do not know it: add an event of \
                 another name"
            ),
        }
    }
}
