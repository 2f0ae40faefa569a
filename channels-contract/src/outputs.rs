//! The files of a contract: written when asked, and compared otherwise.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fmt, fs, io, process};

use crate::contract::Contract;
use crate::lock::Lock;
use crate::{asyncapi, changes, python, typescript};

/// The environment variable that writes the files.
const SWITCH: &str = "CHANNELS_CONTRACT";

/// The files of a contract, from [`Contract::lock`] and similar methods. Call [`Self::assert_kept`] or [`Self::write`].
#[derive(Debug)]
#[must_use = "nothing is checked before `assert_kept()`"]
pub struct Outputs {
    contract: Contract,
    files: Vec<(PathBuf, Kind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lock,
    /// A lock file of an older release, which is only compared.
    OlderLock,
    TypeScript,
    JavaScript,
    Python,
    AsyncApi,
}

impl Contract {
    /// Returns the contract with another folder for the paths of its files. Default: the folder of the package with `contract!`.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }
}

macro_rules! outputs {
    ($($(#[$doc:meta])* $name:ident $kind:ident;)*) => {
        impl Contract {
            $($(#[$doc])*
            pub fn $name(self, path: impl AsRef<Path>) -> Outputs {
                Outputs { contract: self, files: Vec::new() }.$name(path)
            })*
        }

        impl Outputs {
            $($(#[$doc])*
            pub fn $name(mut self, path: impl AsRef<Path>) -> Self {
                self.files.push((path.as_ref().to_owned(), Kind::$kind));
                self
            })*
        }
    };
}

outputs! {
    /// Adds the lock file: the contract in short lines. A change that breaks a deployed client fails [`Outputs::assert_kept`].
    lock Lock;
    /// Adds a lock file of an older release, such as that of a mobile app in the field. It is compared, and never written.
    older_lock OlderLock;
    /// Adds a TypeScript client: one module without dependencies.
    typescript TypeScript;
    /// Adds a JavaScript client for pages without a build, and a `.d.ts` file next to it.
    javascript JavaScript;
    /// Adds Python types: events, groups, and the handlers of a group.
    python Python;
    /// Adds an AsyncAPI 3.0 document in JSON.
    asyncapi AsyncApi;
}

/// The reason why the files of a contract are not written. It says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractError(String);

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ContractError {}

/// What [`Outputs::assert_kept`] may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Compare,
    Write,
    /// Write even if the lock file breaks.
    Break,
}

impl Outputs {
    /// Checks that the files are those of the contract, and that no change breaks a deployed client.
    ///
    /// With `CHANNELS_CONTRACT=write` in the environment, writes the files that differ, unless a change breaks a client. With
    /// `CHANNELS_CONTRACT=break`, also writes a change that breaks clients of the lock file. A change that breaks
    /// [`Self::older_lock`] is never written.
    ///
    /// # Panics
    /// If the contract has a mistake, a file differs (without the variable), a change breaks a client, a file cannot be read or
    /// written, or the variable has another value. The message says what to do.
    #[track_caller]
    pub fn assert_kept(self) {
        let mode = match env::var(SWITCH).as_deref() {
            Err(env::VarError::NotPresent) => Mode::Compare,
            Ok("write") => Mode::Write,
            Ok("break") => Mode::Break,
            other => {
                let other = other.unwrap_or("not text");
                panic!("`{SWITCH}` is `{other}`: set it to `write` or `break`, or remove it")
            }
        };
        if let Err(report) = self.keep(mode) {
            panic!("{report}");
        }
    }

    /// Writes the files that differ, for a program that generates them. A test uses [`Self::assert_kept`].
    ///
    /// # Errors
    /// If the contract has a mistake, a file cannot be read, or a change breaks a deployed client. Then no file is written. If a file
    /// cannot be written, the files before it are.
    pub fn write(self) -> Result<(), ContractError> {
        self.keep(Mode::Write).map_err(ContractError)
    }

    fn keep(&self, mode: Mode) -> Result<(), String> {
        let Self { contract, files } = self;
        if !contract.problems.is_empty() {
            return Err(numbered(&format!("the contract `{}` cannot be written", contract.name), &contract.problems));
        }
        let mut texts: Vec<(PathBuf, String)> = Vec::new();
        let mut reports = Vec::new();
        let mut is_stale = false;
        for (path, kind) in files {
            let at = contract.folder.join(path);
            let shown = path.display();
            match kind {
                Kind::Lock => {
                    let lock = Lock::of(contract);
                    match Lock::load(&at, path)? {
                        Some(old) => {
                            let report = broken(&old, &lock, &shown.to_string(), mode).err();
                            is_stale |= report.is_some();
                            reports.extend(report);
                        }
                        None if mode == Mode::Compare => {
                            reports.push(format!("there is no `{shown}` yet: {}", command("write")));
                        }
                        None => {}
                    }
                    texts.push((at, lock.to_string()));
                }
                Kind::OlderLock => match Lock::load(&at, path)? {
                    Some(old) => {
                        let changes = changes::between(&old, &Lock::of(contract));
                        let breaks: Vec<String> =
                            changes.into_iter().filter(|change| change.breaks).map(|change| change.text).collect();
                        if !breaks.is_empty() {
                            reports.push(numbered(&format!("clients of `{shown}` would break"), &breaks));
                        }
                    }
                    None => reports
                        .push(format!("there is no `{shown}`: it is a copy of the lock file of an older release")),
                },
                Kind::TypeScript => texts.push((at, typescript::typescript(contract)?)),
                Kind::JavaScript => {
                    texts.push((at.with_extension("d.ts"), typescript::declarations(contract)?));
                    texts.push((at, typescript::javascript(contract)?));
                }
                Kind::Python => texts.push((at, python::python(contract)?)),
                Kind::AsyncApi => texts.push((at, asyncapi::asyncapi(contract)?)),
            }
        }
        if mode != Mode::Compare && reports.is_empty() {
            for (path, text) in &texts {
                write(path, text).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
            }
            return Ok(());
        }
        // The other files follow the lock file.
        let compared = if is_stale { &[] } else { &texts[..] };
        for (path, text) in compared {
            let shown = path.strip_prefix(&contract.folder).unwrap_or(path).display().to_string();
            // The report of the lock file says more than its first line.
            if !reports.iter().any(|report| report.contains(&format!("`{shown}`"))) {
                reports.extend(differs(path, &shown, text)?);
            }
        }
        if reports.is_empty() { Ok(()) } else { Err(reports.join("\n\n")) }
    }
}

/// Returns the report of the changes since the lock file, if it must change.
fn broken(old: &Lock, new: &Lock, shown: &str, mode: Mode) -> Result<(), String> {
    let changes = changes::between(old, new);
    let breaks: Vec<String> = changes.iter().filter(|change| change.breaks).map(|change| change.text.clone()).collect();
    match mode {
        Mode::Break => Ok(()),
        _ if !breaks.is_empty() => {
            let head = format!("the contract in `{shown}` is broken");
            Err(format!("{}\nno old client or process is left? {}", numbered(&head, &breaks), command("break")))
        }
        Mode::Write => Ok(()),
        Mode::Compare if old == new => Ok(()),
        Mode::Compare => {
            let notes: Vec<String> = changes.into_iter().map(|change| change.text).collect();
            let notes = if notes.is_empty() { String::new() } else { format!("{}; ", notes.join("; ")) };
            Err(format!("`{shown}` is out of date ({notes}nothing breaks): {}", command("write")))
        }
    }
}

/// Returns the command that writes the files.
fn command(word: &str) -> String {
    format!("{SWITCH}={word} cargo test contract")
}

/// Returns several sentences below one.
pub(crate) fn numbered(head: &str, sentences: &[String]) -> String {
    let lines = sentences.iter().enumerate().map(|(at, sentence)| format!("\n{}. {sentence}", at + 1));
    format!("{head}:{}", lines.collect::<String>())
}

/// Returns the report of a file that is not as generated, with its first line that differs.
fn differs(path: &Path, shown: &str, text: &str) -> Result<Option<String>, String> {
    let found = match fs::read_to_string(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("there is no `{shown}` yet: {}", command("write"))));
        }
        Err(error) => return Err(format!("cannot read `{shown}`: {error}")),
    };
    // git may have changed the line ends.
    let found = found.replace("\r\n", "\n");
    if found == text {
        return Ok(None);
    }
    let (mut lines, mut wanted) = (found.lines(), text.lines());
    let mut at = 0;
    let (line, wanted) = loop {
        at += 1;
        match (lines.next(), wanted.next()) {
            (Some(line), Some(wanted)) if line == wanted => {}
            (None, None) => return Ok(Some(format!("`{shown}` differs in its last line end: {}", command("write")))),
            (line, wanted) => break (line.unwrap_or("(the end)"), wanted.unwrap_or("(the end)")),
        }
    };
    Ok(Some(format!(
        "`{shown}` is not the file of this contract. It was edited by hand, or the contract has changed. Line {at} is\n    {line}\nand \
         the contract says\n    {wanted}\nto write it: {}",
        command("write")
    )))
}

/// Writes a file through a temporary one, so that a test run that is killed leaves no half of it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    if fs::read_to_string(path).is_ok_and(|found| found.replace("\r\n", "\n") == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A link to a file stays a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Tests run at the same time, in this process and in others, and may write the same file.
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}-{}.new", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(new);
    }
    written
}

/// The first line of every generated file, without the sign of its comment.
pub(crate) fn heading(contract: &Contract) -> String {
    let (name, version) = (&contract.name, env!("CARGO_PKG_VERSION"));
    format!("Generated from the contract `{name}` by channels-runtime {version}. Do not edit: {}", command("write"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{CommandFacts, ConsumerFacts};
    use crate::fixtures::{CHAT, MESSAGE, ROOM, Say, facts};

    /// A folder that is removed with this value.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("channels-outputs-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Returns all files of a contract whose consumer has these commands.
    fn outputs(folder: &Folder, commands: &'static [CommandFacts]) -> Outputs {
        let routes = [("/chat/stream/", ConsumerFacts { commands, ..CHAT })];
        let contract = Contract::new("multichat", &folder.0.display().to_string(), &routes, &[ROOM], &[MESSAGE]);
        let outputs = contract.lock("channels.lock").typescript("web/channels.ts").javascript("web/channels.js");
        outputs.python("site/multichat_events.py").asyncapi("web/asyncapi.json")
    }

    const COMMANDS: &[CommandFacts] = CHAT.commands;

    #[test]
    fn missing_files_are_named_and_then_written() {
        let folder = Folder::new();
        let report = outputs(&folder, COMMANDS).keep(Mode::Compare).unwrap_err();
        for name in ["channels.lock", "web/channels.ts", "web/channels.js", "web/channels.d.ts", "web/asyncapi.json"] {
            let sentence = format!("there is no `{name}` yet: CHANNELS_CONTRACT=write cargo test contract");
            assert!(report.contains(&sentence), "{report}");
        }
        outputs(&folder, COMMANDS).keep(Mode::Write).unwrap();
        outputs(&folder, COMMANDS).keep(Mode::Compare).unwrap();
        // The line ends of git on Windows.
        fs::write(folder.0.join("channels.lock"), folder.read("channels.lock").replace('\n', "\r\n")).unwrap();
        outputs(&folder, COMMANDS).keep(Mode::Compare).unwrap();
    }

    #[test]
    fn a_file_that_was_edited_shows_its_first_line_that_differs() {
        let folder = Folder::new();
        outputs(&folder, COMMANDS).keep(Mode::Write).unwrap();
        let text = folder.read("web/channels.ts");
        fs::write(folder.0.join("web/channels.ts"), text.replacen("title: string", "title: number", 1)).unwrap();
        let report = outputs(&folder, COMMANDS).keep(Mode::Compare).unwrap_err();
        assert!(
            report.starts_with("`web/channels.ts` is not the file of this contract. It was edited by hand"),
            "{report}"
        );
        assert!(report.contains("    export interface Joined { join: RoomId; title: number }\n"), "{report}");
        assert!(report.contains("    export interface Joined { join: RoomId; title: string }\n"), "{report}");
        assert_eq!(report.matches("web/").count(), 1, "{report}");
    }

    #[test]
    fn a_change_that_breaks_nothing_is_written_when_asked() {
        const MORE: &[CommandFacts] = &[
            COMMANDS[0],
            COMMANDS[1],
            COMMANDS[2],
            COMMANDS[3],
            CommandFacts { name: "mute", docs: "", payload: facts::<Say>("Say"), answers: false, answer: None },
        ];
        let folder = Folder::new();
        outputs(&folder, COMMANDS).keep(Mode::Write).unwrap();
        let report = outputs(&folder, MORE).keep(Mode::Compare).unwrap_err();
        let sentence = "`channels.lock` is out of date (new command `mute`; nothing breaks): CHANNELS_CONTRACT=write cargo test contract";
        assert!(report.starts_with(sentence), "{report}");
        outputs(&folder, MORE).keep(Mode::Write).unwrap();
        outputs(&folder, MORE).keep(Mode::Compare).unwrap();
    }

    #[test]
    fn a_break_is_not_written_unless_it_is_named() {
        const FEWER: &[CommandFacts] = &[COMMANDS[0], COMMANDS[1], COMMANDS[2]];
        let folder = Folder::new();
        outputs(&folder, COMMANDS).keep(Mode::Write).unwrap();
        let before = folder.read("channels.lock");
        for mode in [Mode::Compare, Mode::Write] {
            let report = outputs(&folder, FEWER).keep(mode).unwrap_err();
            assert!(
                report.starts_with(
                    "the contract in `channels.lock` is broken:\n1. the command `who` is gone, and old clients send it: keep its \
                     `#[receive(\"who\")]`\nno old client or process is left? CHANNELS_CONTRACT=break cargo test contract"
                ),
                "{report}"
            );
            assert_eq!(folder.read("channels.lock"), before);
        }
        fs::copy(folder.0.join("channels.lock"), folder.0.join("old.lock")).unwrap();
        outputs(&folder, FEWER).keep(Mode::Break).unwrap();
        outputs(&folder, FEWER).keep(Mode::Compare).unwrap();
        let report = outputs(&folder, FEWER).older_lock("old.lock").keep(Mode::Compare).unwrap_err();
        assert!(report.starts_with("clients of `old.lock` would break:\n1. the command `who` is gone"), "{report}");
    }

    /// Two files have the stem `channels`, and one is written by several tests.
    #[test]
    fn files_that_are_written_at_the_same_time_are_not_mixed_up() {
        let folder = Folder::new();
        let path = |name: &str| folder.0.join(name);
        // Long, so that the writes overlap.
        let texts = ["channels.ts", "channels.lock", "channels.lock", "channels.lock", "channels.lock"];
        let texts = texts.map(|name| (name, name.repeat(100_000)));
        for _ in 0..20 {
            texts.iter().for_each(|(name, _)| drop(fs::remove_file(path(name))));
            std::thread::scope(|scope| {
                for (name, text) in &texts {
                    let path = path(name);
                    scope.spawn(move || write(&path, text).unwrap());
                }
            });
            for (name, text) in &texts {
                assert!(folder.read(name) == *text, "{name}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_stays_a_link() {
        let folder = Folder::new();
        fs::write(folder.0.join("shared.ts"), "old").unwrap();
        std::os::unix::fs::symlink("shared.ts", folder.0.join("channels.ts")).unwrap();
        write(&folder.0.join("channels.ts"), "new").unwrap();
        assert!(folder.0.join("channels.ts").is_symlink());
        assert_eq!(folder.read("shared.ts"), "new");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_broken_lock_file_is_not_overwritten() {
        let folder = Folder::new();
        for (text, sentence) in [
            ("{}\n", "`channels.lock` is not a lock file of a contract: it has no `channels`. Restore it from git"),
            ("{\n<<<<<<< HEAD\n", "`channels.lock` has a conflict of a merge: take one side"),
            (
                r#"{"channels": 1, "contract": "c", "types": {}, "contract": "d"}"#,
                "`channels.lock` is not a lock file of a contract: the key `contract` is there twice",
            ),
        ] {
            fs::write(folder.0.join("channels.lock"), text).unwrap();
            for mode in [Mode::Compare, Mode::Write, Mode::Break] {
                let report = outputs(&folder, COMMANDS).keep(mode).unwrap_err();
                assert!(report.starts_with(sentence), "{report}");
            }
            assert_eq!(folder.read("channels.lock"), text);
        }
    }
}
