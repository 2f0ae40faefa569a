//! The layers of `channels-runtime/src`, and the names that each layer may use.
//!
//! - Every top-level module is a layer in [`LAYERS`], from the ground up. `lib.rs` declares them in the same order.
//! - A layer names only itself and the layers in its list. A list contains only earlier layers, so layers form no circle.
//! - The files of a layer form no circle. They name each other by full path, not through their `mod.rs`.
//! - A `mod.rs` contains only docs, `mod` and `use`.
//! - A transport crate is named in one folder only ([`CRATES`]).
//!
//! The sources are read as tokens, so comments and strings do not count. Test code (`#[cfg(test)]`) may name anything.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A layer, and the layers that it may name.
const LAYERS: &[(&str, &str)] = &[
    ("support", ""),
    ("name", ""),
    ("error", "support name"),
    ("user", "support"),
    ("scope", "user"),
    ("event", "name"),
    ("websocket", "support error"),
    ("codec", "support error event websocket"),
    ("backend", "support error"),
    ("auth", "support name error user scope event backend"),
    ("admission", "support error"),
    ("layer", "support name error event websocket codec"),
    ("connection", "support name scope event websocket auth backend layer"),
    ("consumer", "support name error user scope event websocket codec auth backend layer connection"),
    ("contract", "event websocket consumer"),
    ("session", "support name error scope event websocket codec layer connection consumer"),
    (
        "server",
        "support name error user scope event websocket codec backend auth admission layer connection consumer session",
    ),
    (
        "app",
        "support name error user scope event websocket codec backend auth admission layer connection consumer session server",
    ),
    ("worker", "support name error user scope event websocket codec layer connection consumer session server app"),
    (
        "web",
        "support name error user scope event websocket codec auth admission layer connection consumer session server app",
    ),
    // Faces: they may name every layer above.
    ("info", EVERYTHING),
    ("history", EVERYTHING),
    ("stats", EVERYTHING),
    ("testing", EVERYTHING),
    (
        "__private",
        "support name error user scope event websocket codec auth admission layer connection consumer contract session server app \
         worker web testing",
    ),
    ("fuzzing", EVERYTHING),
];

/// The list of a face: every layer that is not a face itself.
const EVERYTHING: &str = "support name error user scope event websocket codec backend auth admission layer connection consumer contract \
                          session server app worker web";

/// The crates that only some layers may name. `testing` drives the HTTP server of `web` from within the process.
const CRATES: &[(&str, &[&str])] = &[
    ("warp", &["web", "testing"]),
    ("axum", &["web"]),
    ("hyper", &["web", "testing"]),
    ("hyper_rustls", &["backend"]),
    ("hyper_util", &["backend", "web", "testing"]),
    ("deadpool_redis", &["layer/redis"]),
    ("fernet", &["layer/redis"]),
    ("jsonwebtoken", &["auth"]),
    ("rustls", &["backend", "layer/redis", "web"]),
];

/// The files that may lie flat in `src`.
const MOST_FLAT_FILES: usize = 9;

/// One source file, as its module path: `["layer", "table"]` for `layer/table.rs`, `["layer"]` for `layer/mod.rs`.
type Module = Vec<String>;

/// A path in a file: where it stands, and its segments after `crate`.
#[derive(Debug)]
struct Named {
    line: usize,
    path: Vec<String>,
}

struct Source {
    /// Relative to `src`.
    file: PathBuf,
    module: Module,
    is_face: bool,
    names: Vec<Named>,
    /// The paths that begin with one of [`CRATES`].
    crates: Vec<Named>,
    /// What a face holds besides docs, `mod` and `use`: line and first word.
    definitions: Vec<(usize, String)>,
    /// The modules that it declares outside of tests, in order.
    declares: Vec<String>,
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = manifest.ancestors().map(|folder| folder.join("channels-runtime/src"));
    here.into_iter().find(|sources| sources.is_dir()).expect("channels-runtime/src is beside or above this package")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(file: &Path) -> Module {
    let mut module: Module =
        file.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    if module.first().is_some_and(|first| first == "private") {
        module[0] = "__private".into();
    }
    module
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_all);

/// Reads the sources, without the files that only tests declare.
fn read_all() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    files.sort();
    let mut sources: Vec<Source> = files.iter().map(|file| read(file, file.strip_prefix(&root).unwrap())).collect();
    let declared: BTreeSet<Module> = sources
        .iter()
        .flat_map(|source| {
            let parent = if source.module == ["lib"] { Vec::new() } else { source.module.clone() };
            source.declares.iter().map(move |child| [parent.clone(), vec![child.clone()]].concat())
        })
        .collect();
    // `lib.rs` is the module without a name, and nobody declares it.
    sources.retain(|source| source.module == ["lib"] || declared.contains(&source.module));
    sources
}

fn read(path: &Path, file: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("a source file");
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut module = module_of(file);
    let is_face = file.ends_with("mod.rs");
    let mut source = Source {
        file: file.to_owned(),
        module: module.clone(),
        is_face,
        names: Vec::new(),
        crates: Vec::new(),
        definitions: Vec::new(),
        declares: Vec::new(),
    };
    if module == ["lib"] {
        module.clear();
        source.declares = declared_in(tokens);
        source.module = vec!["lib".into()];
        // `lib.rs` is the face of the crate.
        return Source { declares: source.declares, ..source };
    }
    if is_face {
        source.definitions = definitions_in(tokens.clone());
    }
    source.declares = declared_in(tokens.clone());
    walk(tokens, &module, &mut source);
    source
}

/// The items of a file, without those under `#[cfg(test)]` (or a `cfg` that needs `test`). An item ends with `;`, or with a
/// group in braces that nothing follows on.
fn items_outside_of_tests(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut items = Vec::new();
    let mut item: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && !item.iter().any(|token| is_word(token, "use"))
            }
            _ => false,
        };
        item.push(token);
        if ends {
            let item = std::mem::take(&mut item);
            if !is_test_only(&item) {
                items.push(item);
            }
        }
    }
    items
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether an attribute before the item is `#[cfg(test)]` or `#[cfg(all(.., test, ..))]`.
fn is_test_only(item: &[TokenTree]) -> bool {
    item.windows(2).any(|pair| match pair {
        [TokenTree::Punct(hash), TokenTree::Group(attribute)] if hash.as_char() == '#' => {
            needs_test(attribute.stream())
        }
        _ => false,
    })
}

fn needs_test(attribute: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = attribute.into_iter().collect();
    let Some(TokenTree::Group(condition)) = tokens.get(1).filter(|_| is_word(&tokens[0], "cfg")) else { return false };
    let condition: Vec<TokenTree> = condition.stream().into_iter().collect();
    match &condition[..] {
        [one] => is_word(one, "test"),
        [all, TokenTree::Group(list)] if is_word(all, "all") => {
            list.stream().into_iter().any(|token| is_word(&token, "test"))
        }
        _ => false,
    }
}

fn declared_in(tokens: TokenStream) -> Vec<String> {
    let items = items_outside_of_tests(tokens);
    let declared = items.iter().filter_map(|item| {
        let at = item.iter().position(|token| is_word(token, "mod"))?;
        let is_outline = matches!(item.last(), Some(TokenTree::Punct(end)) if end.as_char() == ';');
        match item.get(at + 1) {
            Some(TokenTree::Ident(name)) if is_outline => Some(name.to_string()),
            _ => None,
        }
    });
    declared.collect()
}

/// What a face defines: each item that is neither `mod name;` nor a `use`.
fn definitions_in(tokens: TokenStream) -> Vec<(usize, String)> {
    let mut definitions = Vec::new();
    for item in items_outside_of_tests(tokens) {
        let mut words = item.iter().enumerate().filter(|(at, token)| {
            let after_hash =
                *at > 0 && matches!(&item[at - 1], TokenTree::Punct(hash) if matches!(hash.as_char(), '#' | '!'));
            matches!(token, TokenTree::Ident(_)) && !after_hash
        });
        let first = words.find(|(_, token)| !is_word(token, "pub"));
        let Some((_, first)) = first else { continue };
        let is_outline = matches!(item.last(), Some(TokenTree::Punct(end)) if end.as_char() == ';');
        if !(is_word(first, "use") || (is_word(first, "mod") && is_outline)) {
            definitions.push((first.span().start().line, first.to_string()));
        }
    }
    definitions
}

/// Collects the paths that begin with `crate` or `super`, made absolute, and those that begin with one of [`CRATES`].
fn walk(tokens: TokenStream, module: &[String], source: &mut Source) {
    for item in items_and_rest(tokens) {
        if is_test_only(&item) {
            continue;
        }
        // An inline module: `super` in it is this one.
        let inline = item.iter().position(|token| is_word(token, "mod")).filter(|at| {
            matches!(item.get(at + 1), Some(TokenTree::Ident(_)))
                && matches!(item.get(at + 2), Some(TokenTree::Group(_)))
        });
        let mut inner = module.to_vec();
        if let Some(at) = inline {
            inner.push(item[at + 1].to_string());
        }
        let mut at = 0;
        while at < item.len() {
            match &item[at] {
                TokenTree::Ident(first) if *first == "crate" || *first == "super" => {
                    // `$crate` in a macro is `crate`, too; `pub(crate)` is not a path.
                    at = path_at(&item, at, &inner, &mut source.names);
                }
                TokenTree::Ident(first) => {
                    let begins = at < 2 || !is_double_colon(&item, at - 2);
                    if begins && is_double_colon(&item, at + 1) && CRATES.iter().any(|(name, _)| first == name) {
                        source.crates.push(Named { line: first.span().start().line, path: vec![first.to_string()] });
                    }
                    at += 1;
                }
                TokenTree::Group(group) => {
                    walk(group.stream(), &inner, source);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

/// As [`items_outside_of_tests`], with what is left when no item ends.
fn items_and_rest(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut items = Vec::new();
    let mut item: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let ends = match &token {
            TokenTree::Punct(punct) => matches!(punct.as_char(), ';' | ','),
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && !item.iter().any(|token| is_word(token, "use"))
            }
            _ => false,
        };
        item.push(token);
        if ends {
            items.push(std::mem::take(&mut item));
        }
    }
    items.push(item);
    items
}

fn is_double_colon(item: &[TokenTree], at: usize) -> bool {
    matches!(item.get(at..at + 2), Some([TokenTree::Punct(a), TokenTree::Punct(b)]) if a.as_char() == ':' && b.as_char() == ':')
}

/// Reads the path that begins at `at`, and returns where it ends.
fn path_at(item: &[TokenTree], mut at: usize, module: &[String], names: &mut Vec<Named>) -> usize {
    let line = item[at].span().start().line;
    let mut path: Vec<String> = if is_word(&item[at], "crate") { Vec::new() } else { parent(module) };
    at += 1;
    let mut is_path = false;
    while is_double_colon(item, at) {
        is_path = true;
        match item.get(at + 2) {
            Some(TokenTree::Ident(segment)) if *segment == "super" => path = parent(&path),
            Some(TokenTree::Ident(segment)) => path.push(segment.to_string()),
            Some(TokenTree::Group(group)) => {
                let mut tree = group.stream().into_iter().collect::<Vec<_>>();
                tree.push(TokenTree::Punct(proc_macro2::Punct::new(',', proc_macro2::Spacing::Alone)));
                open_group(&tree, &path, line, names);
                return at + 3;
            }
            _ => {}
        }
        at += 3;
    }
    if is_path {
        names.push(Named { line, path });
    }
    at
}

/// Opens the group of a `use`: `crate::{a::B, c::{D, E}}`.
fn open_group(tree: &[TokenTree], prefix: &[String], line: usize, names: &mut Vec<Named>) {
    let mut path = prefix.to_vec();
    let mut line = line;
    for token in tree {
        match token {
            TokenTree::Ident(segment) => {
                line = segment.span().start().line;
                path.push(segment.to_string());
            }
            TokenTree::Group(group) => {
                let mut inner = group.stream().into_iter().collect::<Vec<_>>();
                inner.push(TokenTree::Punct(proc_macro2::Punct::new(',', proc_macro2::Spacing::Alone)));
                open_group(&inner, &path, line, names);
                path = prefix.to_vec();
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' && path.len() > prefix.len() => {
                names.push(Named { line, path: std::mem::replace(&mut path, prefix.to_vec()) });
            }
            _ => {}
        }
    }
}

fn parent(module: &[String]) -> Module {
    module[..module.len().saturating_sub(1)].to_vec()
}

struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}\n", self.0.join("\n"))
    }
}

fn expect_none(problems: Vec<String>) {
    let problems = Problems(problems);
    assert!(problems.0.is_empty(), "{problems}");
}

fn layer_names() -> Vec<&'static str> {
    LAYERS.iter().map(|(layer, _)| *layer).collect()
}

#[test]
fn layers_name_only_lower_layers() {
    let mut problems = Vec::new();
    for source in SOURCES.iter().filter(|source| source.module != ["lib"]) {
        let own = source.module[0].as_str();
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else {
            problems.push(format!(
                "{}: `{own}` is not a layer; add it to the table at its position",
                source.file.display()
            ));
            continue;
        };
        for named in &source.names {
            let Some(layer) = named.path.first() else { continue };
            // An exported macro lies at the root of the crate, and belongs to no layer: `crate::__if_contract`.
            if layer.starts_with("__") && !LAYERS.iter().any(|(known, _)| known == layer) {
                continue;
            }
            if layer != own && !allowed.split_whitespace().any(|name| name == layer) {
                problems.push(format!(
                    "{}:{} names crate::{layer}; {own} may name {}",
                    source.file.display(),
                    named.line,
                    if allowed.is_empty() {
                        "nothing".to_owned()
                    } else {
                        allowed.split_whitespace().collect::<Vec<_>>().join(", ")
                    }
                ));
            }
        }
    }
    expect_none(problems);
}

#[test]
fn layers_are_listed_from_the_ground_up() {
    let names = layer_names();
    let mut problems = Vec::new();
    for (at, (layer, allowed)) in LAYERS.iter().enumerate() {
        for named in allowed.split_whitespace() {
            if !names[..at].contains(&named) {
                problems.push(format!("the table lets {layer} name {named}, which is not an earlier layer"));
            }
        }
    }
    let lib = SOURCES.iter().find(|source| source.module == ["lib"]).expect("lib.rs");
    if lib.declares != names {
        problems.push(format!("lib.rs declares {:?}; the order of the layers is {names:?}", lib.declares));
    }
    expect_none(problems);
}

#[test]
fn files_of_a_layer_form_no_circle() {
    let sources = &*SOURCES;
    let modules: BTreeMap<&Module, &Source> = sources.iter().map(|source| (&source.module, source)).collect();
    let mut problems = Vec::new();
    let mut arrows: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_face && source.module != ["lib"]) {
        for named in &source.names {
            // The longest part of the path that is a module.
            let target =
                (1..=named.path.len()).rev().find_map(|length| modules.get_key_value(&named.path[..length].to_vec()));
            let Some((target, to)) = target.map(|(module, source)| (*module, *source)) else { continue };
            if target[0] != source.module[0] || *target == source.module {
                continue;
            }
            if to.is_face {
                if source.module.starts_with(target) {
                    problems.push(format!(
                        "{}:{} names {} through {}; name the file that defines it",
                        source.file.display(),
                        named.line,
                        named.path.join("::"),
                        to.file.display()
                    ));
                    continue;
                }
                // A path through the face of a sibling folder counts as a path to every file in that folder.
                let inside = sources.iter().filter(|other| !other.is_face && other.module.starts_with(target));
                let item = named.path.get(target.len());
                let item_files = inside.filter(|_| item.is_some()).map(|other| &other.module);
                arrows.entry(&source.module).or_default().extend(item_files);
                continue;
            }
            arrows.entry(&source.module).or_default().insert(target);
        }
    }
    for circle in circles(&arrows) {
        let files: Vec<String> = circle.iter().map(|module| module.join("/") + ".rs").collect();
        problems.push(format!("a circle: {}", files.join(" -> ")));
    }
    expect_none(problems);
}

/// One way around for each file that reaches itself, each circle once.
fn circles<'a>(arrows: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> Vec<Vec<&'a Module>> {
    let mut circles: Vec<Vec<&Module>> = Vec::new();
    for start in arrows.keys() {
        let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
        let mut ahead = vec![*start];
        while let Some(at) = ahead.pop() {
            for next in arrows.get(at).into_iter().flatten() {
                if let Entry::Vacant(unseen) = from.entry(next) {
                    unseen.insert(at);
                    ahead.push(next);
                }
            }
        }
        if let Some(mut at) = from.get(start).copied() {
            let mut circle = vec![*start];
            while at != *start {
                circle.push(at);
                at = from[at];
            }
            circle.push(start);
            circle.reverse();
            let members: BTreeSet<_> = circle.iter().collect();
            if !circles.iter().any(|known| known.iter().collect::<BTreeSet<_>>() == members) {
                circles.push(circle);
            }
        }
    }
    circles
}

#[test]
fn transport_crates_stay_in_their_folder() {
    let mut problems = Vec::new();
    for source in SOURCES.iter() {
        for named in &source.crates {
            let name = &named.path[0];
            let folders = CRATES.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, folders)| *folders);
            if !folders.iter().any(|folder| source.file.starts_with(folder)) {
                let (file, line) = (source.file.display(), named.line);
                problems.push(format!("{file}:{line} names {name}; only {} may", folders.join(" and ")));
            }
        }
    }
    expect_none(problems);
}

#[test]
fn faces_define_nothing() {
    let mut problems = Vec::new();
    for source in SOURCES.iter() {
        for (line, word) in &source.definitions {
            problems.push(format!(
                "{}:{line} defines something (`{word}`); a mod.rs holds docs, `mod` and `use`",
                source.file.display()
            ));
        }
    }
    expect_none(problems);
}

#[test]
fn few_files_lie_flat() {
    let flat: Vec<_> = std::fs::read_dir(root())
        .expect("src")
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            path.is_file().then(|| path.file_name().expect("a name").to_string_lossy().into_owned())
        })
        .collect();
    assert!(
        flat.len() <= MOST_FLAT_FILES,
        "{} files lie flat in src, at most {MOST_FLAT_FILES} may: {flat:?}",
        flat.len()
    );
}

/// The guard itself: a wrong `use`, in each form that one can have, is found.
#[test]
fn wrong_paths_are_found() {
    let text = "
        use crate::server::{Server, registry::{ConnectionRegistry as Registry}};
        #[cfg(test)]
        mod tests { use crate::web::Routes; }
        mod inner { fn f() -> super::super::table::Table { $crate::worker::run(warp::path()) } }
    ";
    let mut source = Source {
        file: "layer/handle.rs".into(),
        module: vec!["layer".into(), "handle".into()],
        is_face: false,
        names: Vec::new(),
        crates: Vec::new(),
        definitions: Vec::new(),
        declares: Vec::new(),
    };
    walk(text.parse().unwrap(), &source.module.clone(), &mut source);
    let names: Vec<String> = source.names.iter().map(|named| named.path.join("::")).collect();
    let expected =
        ["server::Server", "server::registry::ConnectionRegistry::as::Registry", "layer::table::Table", "worker::run"];
    assert_eq!(names, expected);
    assert_eq!(source.crates.len(), 1);
}

#[test]
fn circles_are_found() {
    let [a, b, c]: [Module; 3] = ["a", "b", "c"].map(|name| vec![name.to_owned()]);
    let arrows = BTreeMap::from([(&a, BTreeSet::from([&b])), (&b, BTreeSet::from([&c])), (&c, BTreeSet::new())]);
    assert!(circles(&arrows).is_empty());
    let arrows = BTreeMap::from([(&a, BTreeSet::from([&b])), (&b, BTreeSet::from([&a, &c]))]);
    assert_eq!(circles(&arrows), [[&a, &b, &a]]);
}

#[test]
fn definitions_in_a_face_are_found() {
    let face =
        "#![allow(x)] mod a; #[cfg(unix)] pub(crate) use a::{B, C}; #[cfg(test)] mod tests; const D: u8 = 1; fn e() {}";
    let words: Vec<String> = definitions_in(face.parse().unwrap()).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["const", "fn"]);
}
