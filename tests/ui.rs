//! The compiler errors for every mistake that the macros and traits detect, and programs that must compile.

// Not `TestCases::pass`: it would build every case completely, also those that fail.
#[path = "ui/pass/mod.rs"]
mod pass;

#[test]
fn fail() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

/// Every line of a compiler error in the README is in one of the reviewed messages.
#[test]
fn readme_quotes_real_compiler_messages() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let said: Vec<String> = std::fs::read_dir(tests.join("ui/fail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let readme = std::fs::read_to_string(tests.join("../README.md")).unwrap();
    let quotes: Vec<&str> = readme.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let errors: Vec<_> = quotes.iter().filter(|quote| quote.starts_with("error")).collect();
    assert!(errors.len() >= 2, "the README shows compiler errors");
    for quote in errors {
        let is_said = said.iter().any(|said| quote.lines().all(|line| said.lines().any(|known| known == line)));
        assert!(is_said, "no message in tests/ui/fail has all lines of\n{quote}");
    }
}

/// The lines of the README about axum are in a program that compiles.
#[test]
fn readme_axum_lines_compile() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::fs::read_to_string(tests.join("ui/pass/axum_readme.rs")).unwrap();
    let readme = std::fs::read_to_string(tests.join("../README.md")).unwrap();
    let (_, block) = readme.split_once("```rust,ignore\n").expect("the README shows axum");
    let (block, rest) = block.split_once("```").unwrap();
    assert!(
        block.lines().count() >= 5 && !rest.contains("```rust,ignore"),
        "only this block is not a documentation test"
    );
    for line in block.lines() {
        assert!(program.lines().any(|known| known.trim() == line.trim()), "{line}");
    }
}
