//! The links, anchors and benchmark figures in the Markdown files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns every page: at the top, and in the guide, the benchmark and the crates.
fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "benches", "channels-macros", "channels-runtime"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let mut pages: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    // A symbolic link to the README at the top; its links are relative to the original.
    pages.retain(|path| !path.is_symlink());
    pages.sort();
    pages
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Returns the lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Returns the anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Returns the targets of `[text](target)` and `src="target"`.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // Text in backquotes is code.
        let plain: String = line.split('`').step_by(2).collect();
        for (open, close) in [("](", ')'), ("src=\"", '"')] {
            for rest in plain.split(open).skip(1) {
                found.extend(rest.split_once(close).map(|(target, _)| target.to_owned()));
            }
        }
    }
    found
}

#[test]
fn documentation_links_resolve() {
    let pages = pages();
    let mut dead = Vec::new();
    let mut followed = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for target in targets(&text) {
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (file, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let is_there = path.exists()
                && (fragment.is_empty() || anchors(&fs::read_to_string(&path).unwrap()).contains(fragment));
            if !is_there {
                dead.push(format!("{}: {target}", shown(page)));
            }
        }
    }
    assert!(dead.is_empty(), "these links do not resolve:\n{}", dead.join("\n"));
    assert!(
        followed > 100 && pages.len() > 15,
        "only {followed} links on {} pages; does the parser find them?",
        pages.len()
    );
}

#[test]
fn documentation_links_and_anchors_are_parsed() {
    let page = "# A `b`: c\n[x](y.md#z) `[no](code)` <img src=\"p.png\"> [q](#a-b-c)\n```md\n[no](code)\n# no\n```\n";
    assert_eq!(targets(page), ["y.md#z", "#a-b-c", "p.png"]);
    assert_eq!(anchors(page), BTreeSet::from(["a-b-c".to_owned()]));
}

#[test]
fn guide_lists_every_page_and_tests_its_code() {
    let guide = fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let tested = fs::read_to_string(root().join("docs/doctests.rs")).unwrap();
    for page in pages().iter().filter(|page| page.parent() == Some(&root().join("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        if name == "guide.md" {
            continue;
        }
        assert!(targets(&guide).iter().any(|target| target == name), "docs/guide.md does not list {name}");
        let text = fs::read_to_string(page).unwrap();
        for block in text.split("```rust").skip(1) {
            let (kind, code) = block.split_once('\n').unwrap();
            let code = code.split("```").next().unwrap();
            // Only code of other libraries may be ignored.
            assert!(
                !kind.contains("ignore") || name == "migration.md",
                "docs/{name}: this code is not compiled:\n{code}"
            );
            // Otherwise rustdoc does not run the tests in the block.
            let is_test = code.contains("#[test]") || code.contains("#[tokio::test");
            assert!(!is_test || kind == ",test_harness", "docs/{name}: the tests in this block are not run:\n{code}");
        }
        assert!(
            !text.contains("```rust") || tested.contains(&format!("include_str!(\"{name}\")")),
            "docs/doctests.rs leaves {name} out"
        );
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Returns the figures of the results by scenario, contestant and column.
fn results() -> BTreeMap<(String, String, String), String> {
    let text = fs::read_to_string(root().join("benches/RESULTS.md")).unwrap();
    let mut results = BTreeMap::new();
    let (mut scenario, mut header) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            scenario = heading.split('`').nth(1).map(|name| format!("`{name}`")).unwrap_or_default();
        }
        if !line.starts_with('|') {
            header.clear();
        } else if header.is_empty() {
            header = cells(line).into_iter().map(str::to_owned).collect();
        } else if let [contestant, figures @ ..] = &cells(line)[..] {
            for (column, figure) in header[1..].iter().zip(figures) {
                results.insert((scenario.clone(), (*contestant).to_owned(), column.clone()), (*figure).to_owned());
            }
        }
    }
    results
}

#[test]
fn guide_figures_match_benchmark_results() {
    let results = results();
    for (page, at_least) in [("docs/performance.md", 20), ("docs/deployment.md", 5)] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let mut compared = 0;
        let mut wrong = Vec::new();
        let mut in_table = false;
        for line in text.lines() {
            if line == "| scenario | contestant | what | measured |" {
                in_table = true;
                continue;
            }
            in_table &= line.starts_with('|');
            if !in_table || line.starts_with("| ---") {
                continue;
            }
            let [scenario, contestant, what, measured] = cells(line)[..] else { panic!("{page}: {line}") };
            compared += 1;
            let key = (scenario.to_owned(), contestant.to_owned(), what.to_owned());
            match results.get(&key) {
                Some(figure) if figure == measured => {}
                other => wrong.push(format!("{line}\n  benches/RESULTS.md says: {other:?}")),
            }
        }
        assert!(wrong.is_empty(), "{page}:\n{}", wrong.join("\n"));
        assert!(compared >= at_least, "{page}: only {compared} figures; does the parser find the table?");
    }
}

/// Runs the Python environment of the tests, which `scripts/python-env` makes, and returns what it prints.
fn python<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut python = Command::new(root().join("tests/django/.venv/bin/python"));
    let ran = python.args(arguments).current_dir(root()).output().expect("`scripts/python-env` installs Python");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    said.into_owned()
}

#[test]
fn kubernetes_manifests_match_their_schemas() {
    let manifests = ["docs/kubernetes/chat.yaml", "docs/kubernetes/autoscaler.yaml"];
    let said = python(["-m", "kubernetes_validate", "--strict"].into_iter().chain(manifests));
    assert_eq!(said.matches(" passed for resource ").count(), 4, "{said}");
}

/// The schemas of Kubernetes do not contain those of KEDA. The schema here has the fields that we use, and the
/// numbers are those of our autoscaler, which the schemas of Kubernetes check.
#[test]
fn keda_manifest_matches_its_schema_and_scales_as_autoscaler() {
    let said = python([
        "-c",
        r#"
import json, jsonschema, yaml
[keda] = yaml.safe_load_all(open("docs/kubernetes/keda.yaml"))
jsonschema.validate(keda, json.load(open("tests/keda.schema.json")))
[ours] = yaml.safe_load_all(open("docs/kubernetes/autoscaler.yaml"))
spec = keda["spec"]
made = {
    "scaleTargetRef": spec["scaleTargetRef"],
    "minReplicas": spec["minReplicaCount"],
    "maxReplicas": spec["maxReplicaCount"],
    "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
    "metrics": ours["spec"]["metrics"],
}
assert made == ours["spec"], made
[metric] = made["metrics"]
assert spec["triggers"][0]["metadata"]["threshold"] == metric["pods"]["target"]["averageValue"]
assert metric["pods"]["metric"]["name"] in spec["triggers"][0]["metadata"]["query"]
print("checked")
"#,
    ]);
    assert_eq!(said.trim(), "checked");
}

#[test]
fn readme_facts_match_measurements() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (facts, _) = readme.split_once("```").unwrap();
    let results = results();
    let ours = "**ours**, `examples/chat`";
    for (scenario, contestant, column) in [
        ("`idle`", ours, "RSS bytes each"),
        ("`idle`", "tuned warp", "RSS bytes each"),
        ("`fan8`", ours, "deliveries/s"),
    ] {
        let figure = &results[&(scenario.to_owned(), contestant.to_owned(), column.to_owned())];
        let figure = figure.split(" [").next().unwrap();
        assert!(facts.contains(figure), "the README does not say {figure}: {scenario}, {contestant}, {column}");
    }

    let reliability = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (_, table) = reliability.split_once("| fault | layer | rounds | owed | delivered | lost |").unwrap();
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells).collect();
    let number = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
    assert!(rows.len() == 24 && rows.iter().all(|row| row[2] == "20" && row[5] == "0"));
    let owed: u64 = rows.iter().map(|row| number(row[3])).sum();
    let said = facts.split("none of ").nth(1).and_then(|rest| rest.split(' ').next()).map(number);
    assert_eq!(said, Some(owed), "the README adds up the messages of all faults");
}

/// Parses the first cell of a row in the README: `*column*: in words (`scenario`)`.
fn asked_for(cell: &str) -> Option<(String, String)> {
    let (column, rest) = cell.strip_prefix('*')?.split_once("*: ")?;
    let (_, scenario) = rest.strip_suffix(')')?.rsplit_once('(')?;
    Some((scenario.to_owned(), column.to_owned()))
}

#[test]
fn readme_figures_match_benchmark_results() {
    let results = results();
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut contestants = Vec::new();
    let mut compared = 0;
    for line in text.lines() {
        let [first, figures @ ..] = &cells(line)[..] else { unreachable!("a line has a first cell") };
        if !line.starts_with('|') {
            contestants.clear();
        } else if contestants.is_empty() {
            contestants = figures.to_vec();
        } else if let Some((scenario, column)) = asked_for(first) {
            assert_eq!(figures.len(), contestants.len(), "{line}");
            for (contestant, figure) in contestants.iter().zip(figures) {
                compared += 1;
                let key = (scenario.clone(), (*contestant).to_owned(), column.clone());
                // The README omits the spread.
                let measured = results.get(&key).map(|measured| measured.split(" [").next().unwrap());
                assert_eq!(measured, Some(*figure), "{contestant}, in {line}");
            }
        }
    }
    assert!(compared >= 25, "only {compared} figures; does the parser find the tables?");

    let results = fs::read_to_string(root().join("benches/RESULTS.md")).unwrap();
    let (goals, _) = results.split_once("## Missed goals").unwrap();
    let verdicts: Vec<_> = goals.lines().filter_map(|line| cells(line).last().copied()).collect();
    let met = verdicts.iter().filter(|verdict| **verdict == "met").count();
    let missed = verdicts.iter().filter(|verdict| verdict.starts_with("**missed")).count();
    let claim = format!("{met} of {} goals were met", met + missed);
    assert!(met > 0 && text.contains(&claim), "the README does not say: {claim}");
}
