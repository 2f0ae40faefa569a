//! The names of a Python module: each has one meaning.

use indexmap::IndexMap;

use super::source::is_keyword;

/// The names that the module imports, defines for itself, or takes from Python.
const TAKEN: [&str; 24] = [
    "Any",
    "ClassVar",
    "Literal",
    "NotRequired",
    "Protocol",
    "RuntimeError",
    "TypeAlias",
    "TypedDict",
    "Union",
    "ValueError",
    "annotations",
    "async_to_sync",
    "bool",
    "dataclass",
    "dict",
    "enumerate",
    "float",
    "int",
    "len",
    "list",
    "object",
    "re",
    "str",
    "tuple",
];

/// The things that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Event,
    /// The form of an event that Rust reads, if it differs.
    EventInput,
    Group,
    Handlers,
    Type,
    /// A class for an object without a name.
    Part,
}

impl Owner {
    fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::EventInput => "form for sending of an event",
            Self::Group => "group",
            Self::Handlers => "list of a group's handlers",
            Self::Type => "type of a field",
            Self::Part => "part of a type",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Type => "give the type of a field another name with `#[schemars(rename = \"..\")]`",
            Self::Event | Self::EventInput | Self::Group | Self::Handlers | Self::Part => "rename the struct",
        }
    }
}

/// The names that have been given.
#[derive(Debug, Default)]
pub(super) struct Names {
    owners: IndexMap<String, Owner>,
}

impl Names {
    /// Reserves a name for its owner.
    ///
    /// # Errors
    /// The name has another meaning. The sentence says which.
    pub(super) fn claim(&mut self, name: &str, owner: Owner) -> Result<(), String> {
        if is_taken(name) {
            return Err(format!(
                "the {} `{name}` cannot have this name in Python, where `{name}` has a meaning already: {}",
                owner.as_str(),
                owner.mend()
            ));
        }
        match self.owners.get(name) {
            Some(other) => Err(format!(
                "the {} `{name}` and the {} `{name}` would have one name in Python: {}",
                other.as_str(),
                owner.as_str(),
                owner.mend()
            )),
            None => {
                self.owners.insert(name.to_owned(), owner);
                Ok(())
            }
        }
    }

    pub(super) fn is_claimed(&self, name: &str) -> bool {
        self.owners.contains_key(name)
    }

    /// Reserves a name for a part of a type: the wanted name, or the wanted name with a number. Returns it.
    pub(super) fn claim_part(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number: u32| format!("{wanted}{number}"));
        let is_free = |name: &String| !is_taken(name) && !self.owners.contains_key(name);
        let name =
            [wanted.to_owned()].into_iter().chain(numbered).find(is_free).expect("there are more numbers than names");
        self.owners.insert(name.clone(), Owner::Part);
        name
    }
}

fn is_taken(name: &str) -> bool {
    is_keyword(name) || TAKEN.contains(&name) || name.starts_with('_')
}

/// Returns the words of a text as one capitalised word: `chat.message` is `ChatMessage`.
pub(super) fn capitalised(text: &str) -> String {
    let mut capitalised = String::new();
    for word in text.split(|next: char| !next.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        capitalised.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        let rest = letters.as_str();
        let is_shouted = !rest.chars().any(|next| next.is_ascii_lowercase());
        capitalised.push_str(&if is_shouted { rest.to_ascii_lowercase() } else { rest.to_owned() });
    }
    capitalised
}
