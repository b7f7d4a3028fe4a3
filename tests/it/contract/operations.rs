//! The example operations of `tests/protocol/operations`, which are what front ends need: the schema accepts each one.
//!
//! `scripts/check-protocols` executes them, and `scripts/check-contract` compiles them with front-end tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use async_graphql::{
    Request,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
    },
};
use tessera::graphql;

use crate::support::blocking::block_on;

/// A document with one definition.
struct Example {
    name: String,
    text: String,
    document: ExecutableDocument,
}

/// The folders of documents that plain clients send. The folder `relay` has the dialect of Relay's compiler.
const APPS: [&str; 4] = ["scanner", "shared", "storefront", "vendor"];

/// An operation that asks nothing. It makes a document of fragments complete, and is executed in place of the others.
const PROBE: &str = "query Probe { __typename }";

#[test]
fn the_schema_accepts_every_example() {
    let examples = examples();
    let mut refused = Vec::new();
    for example in examples.iter().filter(|example| !operations(&example.document).is_empty()) {
        refused.extend(problem(&request(&examples, example)).map(|why| (&example.name, why)));
    }
    assert!(refused.is_empty(), "run scripts/check-contract, and correct the examples: {refused:#?}");
}

#[test]
fn the_schema_refuses_a_planted_field() {
    let found = problem("query ViewerQuery { viewer { planted } }");
    assert!(found.is_some_and(|why| why.contains("planted")));
}

/// Returns why the schema refuses the document, if it does. Executes none of its operations.
fn problem(document: &str) -> Option<String> {
    let request = Request::new(format!("{PROBE}\n{document}")).operation_name("Probe");
    let response = block_on(async || graphql::bare().execute(request).await);
    response.errors.first().map(|error| error.message.clone())
}

/// Returns the operation with the fragments that it uses.
fn request(examples: &[Example], operation: &Example) -> String {
    let fragments: BTreeMap<&str, &Example> = examples
        .iter()
        .flat_map(|example| example.document.fragments.keys().map(move |name| (name.as_str(), example)))
        .collect();
    let mut used = BTreeSet::new();
    let mut texts = vec![operation.text.as_str()];
    let mut open = vec![operation];
    while let Some(example) = open.pop() {
        for spread in spreads(&example.document) {
            if used.insert(spread.clone()) {
                let fragment =
                    fragments.get(spread.as_str()).unwrap_or_else(|| panic!("no fragment {spread}"));
                texts.push(&fragment.text);
                open.push(fragment);
            }
        }
    }
    texts.join("\n")
}

/// Returns the names of the fragments that a document spreads.
fn spreads(document: &ExecutableDocument) -> Vec<String> {
    fn collect(set: &SelectionSet, into: &mut Vec<String>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => collect(&field.node.selection_set.node, into),
                Selection::InlineFragment(fragment) => collect(&fragment.node.selection_set.node, into),
                Selection::FragmentSpread(spread) => into.push(spread.node.fragment_name.node.to_string()),
            }
        }
    }
    let mut names = Vec::new();
    for set in operations(document) {
        collect(set, &mut names);
    }
    for fragment in document.fragments.values() {
        collect(&fragment.node.selection_set.node, &mut names);
    }
    names
}

/// Returns the selections of the operations other than the probe.
fn operations(document: &ExecutableDocument) -> Vec<&SelectionSet> {
    match &document.operations {
        DocumentOperations::Single(operation) => vec![&operation.node.selection_set.node],
        DocumentOperations::Multiple(all) => all
            .iter()
            .filter(|(name, _)| name.as_str() != "Probe")
            .map(|(_, operation)| &operation.node.selection_set.node)
            .collect(),
    }
}

/// Returns all examples.
fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/operations");
    let mut examples = Vec::new();
    for app in APPS {
        let files = fs::read_dir(folder.join(app)).expect("a folder of examples");
        for path in files.map(|file| file.expect("a file").path()) {
            let text = fs::read_to_string(&path).expect("a text");
            let name = format!("{app}/{}", path.file_stem().expect("a name").display());
            let document =
                parse_query(format!("{PROBE}\n{text}")).unwrap_or_else(|error| panic!("{name}: {error}"));
            examples.push(Example { name, text, document });
        }
    }
    assert!(examples.len() >= 50, "there are {} examples", examples.len());
    examples
}
