//! The examples in an editor: rust-analyzer expands the macros and finds no error in their output.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Without expanded macros there would be no error either. So this file has an error that only `#[consumer]` can report.
const MISTAKE: &str = r#"
use channels_runtime::prelude::*;

#[derive(Default)]
struct Mistaken;

#[consumer]
impl Mistaken {
    #[receve]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn main() {}
"#;

/// Writes a package that contains only the examples: rust-analyzer would check every file of the whole workspace, for
/// minutes.
fn examples_alone() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust-analyzer");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let table = |name: &str| {
        let (_, behind) = manifest.split_once(&format!("\n[{name}]\n")).expect("the manifest has this table");
        format!("[{name}]\n{}\n", behind.split_once("\n[").map_or(behind, |(table, _)| table))
    };
    let absolute = format!("path = \"{}/", root.display());
    let mut alone = "[workspace]\nresolver = \"3\"\n\n".to_owned();
    alone += &table("workspace.package");
    alone += &table("workspace.dependencies").replace("path = \"", &absolute);
    alone += "[package]\nname = \"examples\"\nedition.workspace = true\nautobins = false\n\n";
    alone += &table("dev-dependencies").replace("[dev-dependencies]", "[dependencies]");
    let mut examples: Vec<PathBuf> =
        fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path().join("main.rs")).collect();
    examples.sort();
    assert!(examples.len() >= 4, "unexpected examples: {examples:?}");
    for main in examples {
        let name = main.parent().and_then(Path::file_name).unwrap().display();
        alone += &format!("\n[[bin]]\nname = \"{name}\"\npath = \"{}\"\n", main.display());
    }
    alone += "\n[[bin]]\nname = \"mistake\"\npath = \"mistake.rs\"\n";
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mistake.rs"), MISTAKE).unwrap();
    fs::write(folder.join("Cargo.toml"), alone).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

#[test]
fn rust_analyzer_reports_no_error_in_examples() {
    let is_there = Command::new("rust-analyzer").arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        // Written directly, because the test harness captures the output of a passing test.
        let skipped = "SKIPPED: rust-analyzer is not installed (`rustup component add rust-analyzer`)";
        writeln!(stderr(), "{skipped}: the examples were not checked").unwrap();
        return;
    }
    let examples = examples_alone();
    // Reuses what cargo has built.
    let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(beside, PathBuf::from);
    let mut analyzer = Command::new("rust-analyzer");
    analyzer.arg("diagnostics").arg(&examples).current_dir(&examples).env("CARGO_TARGET_DIR", target);
    let output = analyzer.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // rust-analyzer shows its progress in one line, which it rewrites.
    let lines: Vec<&str> = said.split(['\n', '\r', '\u{8}']).map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(lines.contains(&"diagnostic scan complete"), "rust-analyzer did not finish:\n{said}");
    let (of_the_mistake, others): (Vec<&str>, Vec<&str>) =
        lines.iter().filter(|line| line.contains(": Error ")).partition(|line| line.contains("mistake.rs: "));
    assert!(others.is_empty(), "{}", others.join("\n"));
    let mistake = "there is no attribute `receve` here; did you mean `receive`?";
    assert!(of_the_mistake.iter().any(|error| error.contains(mistake)), "the macros were not expanded:\n{said}");
}
