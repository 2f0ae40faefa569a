//! The TypeScript client, as two compilers judge it, and as Node runs it against a server.

use std::fs;
use std::process::Command;

use crate::files::{Folder, generated, node_module, package};

/// The compilers: the one that is written in JavaScript, and its successor.
const COMPILERS: [&str; 2] = ["typescript", "typescript-7"];

/// Runs a compiler in a folder, as strictly as it can be. Returns its errors.
fn compile(compiler: &str, folder: &Folder, more: &[&str], files: &[&str]) -> String {
    let output = Command::new("node")
        .arg(node_module(compiler).join("bin/tsc"))
        .args(["--target", "ES2022", "--module", "ES2022", "--lib", "ES2022,DOM,DOM.Iterable"])
        .args(["--strict", "--exactOptionalPropertyTypes", "--erasableSyntaxOnly", "--noUncheckedIndexedAccess"])
        .args(["--verbatimModuleSyntax", "--noPropertyAccessFromIndexSignature", "--moduleResolution", "bundler"])
        .args(more)
        .args(files)
        .current_dir(folder.path())
        .output()
        .expect("node runs: `scripts/test` installs it");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn compilers_accept_right_page_and_refuse_each_mistake() {
    let folder = generated();
    for name in ["right.ts", "wrong.ts"] {
        folder.write(name, &fs::read_to_string(package().join("contract/programs").join(name)).unwrap());
    }
    for compiler in COMPILERS {
        let files = ["auction.ts", "chat.ts", "kinds.ts", "right.ts", "wrong.ts"];
        assert_eq!(compile(compiler, &folder, &["--noEmit"], &files), "", "{compiler}");
    }
}

#[test]
fn each_line_of_the_wrong_page_is_a_mistake() {
    let folder = generated();
    let text = fs::read_to_string(package().join("contract/programs/wrong.ts")).unwrap();
    let expected = text.matches("// @ts-expect-error").count();
    folder.write("wrong.ts", &text.replace("// @ts-expect-error", "//"));
    for compiler in COMPILERS {
        let errors = compile(compiler, &folder, &["--noEmit"], &["wrong.ts"]);
        let errors: Vec<&str> = errors.lines().filter(|line| line.contains("): error TS")).collect();
        assert_eq!(errors.len(), expected, "{compiler}: {errors:#?}");
    }
}

#[test]
fn javascript_is_what_the_compiler_makes_of_the_typescript() {
    let folder = Folder::new();
    let sources = package().join("../channels-contract/src/client");
    folder.write("client.ts", &fs::read_to_string(sources.join("client.ts")).unwrap());
    folder.write("contract.d.ts", "declare const CONTRACT: string;\n");
    let files = ["client.ts", "contract.d.ts"];
    assert_eq!(compile("typescript", &folder, &["--declaration", "--outDir", "made"], &files), "");
    for name in ["client.js", "client.d.ts"] {
        let made = fs::read_to_string(folder.path().join("made").join(name)).unwrap();
        assert_eq!(fs::read_to_string(sources.join(name)).unwrap(), made, "{name}: run `scripts/contract-client`");
    }
}

#[test]
fn declarations_beside_the_javascript_are_as_strict() {
    let folder = generated();
    fs::remove_file(folder.path().join("auction.ts")).unwrap();
    folder.write(
        "page.ts",
        "import { auctionConsumer } from \"./auction.js\";\n\
         auctionConsumer({ lot: 1 }, { lost: ({ at }) => at }).send(\"bid\", { price: 1 });\n\
         // @ts-expect-error missed events without a handler\n\
         auctionConsumer({ lot: 1 });\n",
    );
    for compiler in COMPILERS {
        assert_eq!(compile(compiler, &folder, &["--noEmit"], &["page.ts"]), "", "{compiler}");
    }
}

#[test]
fn plain_script_of_a_page_is_checked_against_the_declarations() {
    let site = package().join("../examples/multichat/site");
    let script = fs::read_to_string(site.join("chat.js")).unwrap();
    let folder = Folder::new();
    folder.write("channels.d.ts", &fs::read_to_string(site.join("channels.d.ts")).unwrap());
    let check = |compiler, script: &str| {
        folder.write("chat.js", script);
        let output = Command::new("node")
            .arg(node_module(compiler).join("bin/tsc"))
            .args(["--target", "ES2022", "--module", "ES2022", "--lib", "ES2022,DOM,DOM.Iterable", "--noEmit"])
            .args(["--moduleResolution", "bundler", "--allowJs", "--checkJs", "--strict", "false", "chat.js"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for compiler in COMPILERS {
        assert_eq!(check(compiler, &script), "", "{compiler}");
        for (right, wrong) in
            [("({ msg_type, room", "({ msg_tpye, room"), ("keep(\"join\"", "keep(\"jion\""), ("{ room: id, ", "{ ")]
        {
            let errors = check(compiler, &script.replacen(right, wrong, 1));
            assert!(errors.contains("chat.js("), "{compiler}: {wrong}: {errors}");
        }
    }
}

#[test]
fn client_is_small() {
    let folder = generated();
    let output = Command::new(node_module("esbuild").join("bin/esbuild"))
        .args(["--minify", "chat.ts", "--outfile=chat.min.js", "--log-level=warning"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let minified = fs::read(folder.path().join("chat.min.js")).unwrap();
    let mut deflated = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflated, &minified).unwrap();
    let bytes = deflated.finish().unwrap().len();
    assert!(bytes <= 3 * 1024, "{bytes} bytes");
}
