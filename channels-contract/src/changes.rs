//! The changes between two contracts, and who is hurt by them.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::compatibility::{Misfit, Reason, ignored, misfits};
use crate::contract::{Answer, COMMAND_ERROR};
use crate::discriminator::Discriminator;
use crate::lock::{Lock, LockedRoute};
use crate::shape::Shape;
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
    let mut changes: Vec<Change> = Vec::new();
    for change in comparison.changes {
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes.sort_by_key(|change| !change.breaks);
    changes
}

/// Returns the new key for an old one. A renamed field of a pattern or an address changes nothing: `room-{id}` is `room-{room}`.
fn same<'a, T>(pattern: &str, old: &IndexMap<String, T>, new: &'a IndexMap<String, T>) -> Option<&'a str> {
    let mut keys = new.keys().filter(|key| *key == pattern || !old.contains_key(*key));
    let unnamed = unnamed(pattern);
    new.get_key_value(pattern)
        .map(|(key, _)| key)
        .or_else(|| keys.find(|key| self::unnamed(key) == unnamed))
        .map(String::as_str)
}

/// Returns a pattern without the names of its fields.
fn unnamed(pattern: &str) -> String {
    let mut parts = pattern.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}{{{}", part.find('}').map_or(part, |end| &part[end..])))
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
        let mut known = HashSet::new();
        for (address, before) in &old.routes {
            let Some(now) = same(address, &old.routes, &new.routes) else {
                let is_new = |address: &String| !old.routes.contains_key(address);
                let moved =
                    new.routes.iter().find(|(address, route)| is_new(address) && route.consumer == before.consumer);
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
            known.insert(now);
            self.route(address, before, &new.routes[now]);
        }
        for address in new.routes.keys().filter(|address| !known.contains(address.as_str())) {
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
        } else if before.error() != after.error()
            && [before, after].iter().all(|route| route.messages.contains_key(COMMAND_ERROR))
        {
            let (was, is) = (before.error(), after.error());
            self.breaks(format!(
                "the field of a refusal at `{address}` was `{was}` and is `{is}`, so old clients do not know that a command is refused: \
                 write `#[consumer(error = \"{was}\")]`"
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
                    for field in ignored((&new.fields, &self.new.types), (&command.fields, &self.old.types)) {
                        self.notes(format!(
                            "the field `{field}` of {subject} is gone: what old clients send in it is ignored"
                        ));
                    }
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
        let renamed = self.renamed(before, after);
        let was = |name: &String| renamed.iter().find(|(_, new)| **new == name).map(|(old, _)| *old);
        for name in before.messages.keys().filter(|name| !after.messages.contains_key(*name)) {
            match renamed.get(name) {
                Some(new) => self.notes(format!("the message `{name}` is now called `{new}`")),
                None => self.notes(format!("the message `{name}` is gone")),
            }
        }
        for name in after.messages.keys() {
            let Some(shape) = new.types.get(name) else { continue };
            if before.messages.contains_key(name)
                && let Some(before) = old.types.get(name)
            {
                self.fit(Way::Message, &format!("the message `{name}`"), before, shape);
            } else if was(name).is_none() {
                self.notes(format!("new message `{name}`"));
            }
            let taken = before.messages.iter().find(|(other, discriminators)| {
                let passes = |test: &Discriminator| {
                    types.resolve(shape).members().iter().any(|form| test.may_pass(types.resolve(form), &types))
                };
                // Without a discriminator, every message is this one.
                let is_taken = discriminators.is_empty() || discriminators.iter().any(passes);
                *other != name && was(name) != Some(*other) && is_taken
            });
            if let Some((other, [])) = taken.map(|(other, discriminators)| (other, &discriminators[..])) {
                self.breaks(format!(
                    "old clients take the message `{name}` for `{other}`, because they know no other message of this consumer: send it \
                     as a `{other}`, or from a consumer at another address"
                ));
            } else if let Some((other, discriminators)) = taken {
                let discriminators: Vec<String> = discriminators.iter().map(Discriminator::to_string).collect();
                self.breaks(format!(
                    "old clients take the message `{name}` for `{other}`, because it `{}`: rename that field of `{name}`, or give it a \
                     tag",
                    discriminators.join("`, or `")
                ));
            }
        }
    }

    /// Returns the messages whose type has another name and that old clients read as before, by their old names.
    fn renamed<'a>(&self, before: &'a LockedRoute, after: &'a LockedRoute) -> IndexMap<&'a String, &'a String> {
        let (old, new) = (&self.old.types, &self.new.types);
        let mut renamed = IndexMap::new();
        for name in before.messages.keys().filter(|name| !after.messages.contains_key(*name)) {
            let same = after.messages.keys().filter(|other| !before.messages.contains_key(*other)).find(|other| {
                let shapes = old.get(name).zip(new.get(*other));
                let fits = shapes.is_some_and(|(was, is)| misfits((was, old), (is, new)).is_empty());
                fits && !renamed.values().any(|taken| taken == other)
            });
            if let Some(other) = same {
                renamed.insert(name, other);
            }
        }
        renamed
    }

    fn groups(&mut self) {
        let (old, new) = (self.old, self.new);
        let mut known = HashSet::new();
        for (pattern, events) in &old.groups {
            let Some(now) = same(pattern, &old.groups, &new.groups) else {
                self.breaks(format!(
                    "the group `{pattern}` is gone, and other processes (old ones, or Django) may be in it or send to it: keep its \
                     name"
                ));
                continue;
            };
            known.insert(now);
            let now = &new.groups[now];
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
        for pattern in new.groups.keys().filter(|pattern| !known.contains(pattern.as_str())) {
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

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
