//! The log records in the source are those of docs/observability.md.

use std::collections::BTreeSet;
use std::path::Path;

use crate::app::source::{file, root};

/// A log record: its level, its message, and the names of its fields.
type Record = (String, String, BTreeSet<String>);

/// Returns the log records of the source.
fn records_of(source: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for call in source.split("tracing::").skip(1) {
        let Some((level, rest)) = call.split_once("!(") else { continue };
        if !["error", "warn", "info", "debug", "trace"].contains(&level) {
            continue;
        }
        let (fields, rest) = rest.split_once('"').expect("a message");
        let (message, _) = rest.split_once('"').expect("its end");
        let fields =
            fields.split(',').map(|field| field.split('=').next().unwrap().trim().trim_start_matches(['?', '%']));
        let fields = fields.filter(|field| !field.is_empty()).map(str::to_owned).collect();
        records.push((level.to_owned(), message.to_owned(), fields));
    }
    records
}

fn sources(folder: &Path, found: &mut Vec<Record>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.extend(records_of(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn documentation_lists_every_log_record_and_its_fields() {
    let mut logged = Vec::new();
    sources(&root().join("channels-runtime/src"), &mut logged);
    assert!(logged.len() > 30, "only {} records found", logged.len());
    let logged: BTreeSet<Record> = logged.into_iter().collect();
    let page = file("docs/observability.md");
    let levels = ["error", "warn", "info", "debug", "trace"];
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [level, message, fields] = cells[..] else { return None };
        levels.contains(&level).then(|| {
            let fields = fields.split(',').map(|field| field.trim().trim_matches('`').to_owned());
            (level.to_owned(), message.to_owned(), fields.filter(|field| !field.is_empty()).collect::<BTreeSet<_>>())
        })
    });
    let told: BTreeSet<Record> = rows.collect();
    let untold: Vec<_> = logged.difference(&told).collect();
    let never: Vec<_> = told.difference(&logged).collect();
    assert!(untold.is_empty() && never.is_empty(), "not in the documentation: {untold:#?}\nnot logged: {never:#?}");

    let (_, after) = page.split_once("| field |").expect("the table of fields");
    let known: BTreeSet<_> =
        after.lines().skip(2).map_while(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let used: BTreeSet<_> = logged.iter().flat_map(|(_, _, fields)| fields).map(String::as_str).collect();
    assert_eq!(used, known, "each field has a row, and each row is used");
}
