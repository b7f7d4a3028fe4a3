//! House test of circles: files that import each other in a loop.
//!
//! An import is a reference to an item, and it points to the file that defines the item: re-exports are followed. Code
//! of unit tests, and the API's folder, are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::support::source::{Reference, files, references, tokens};

/// The largest circle that is tolerated, in files.
const MOST: usize = 5;

/// The file of the application's handle. Every slice imports it, so it is in no circle.
const APP: &str = "src/app.rs";

/// The path of a module from the crate's root.
type Module<'a> = Vec<&'a str>;

/// Which file imports which.
type Imports<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The modules of some files, and what they re-export.
struct Crate<'a> {
    modules: BTreeMap<Module<'a>, &'a str>,
    exports: BTreeMap<Module<'a>, Module<'a>>,
}

impl<'a> Crate<'a> {
    fn of(texts: &'a [(String, String)]) -> Self {
        let modules = texts.iter().map(|(file, _)| (module(file), file.as_str())).collect();
        let mut house = Self { modules, exports: BTreeMap::new() };
        for (file, text) in texts {
            for reference in references(&tokens(text)).iter().filter(|reference| reference.is_export) {
                let Some(path) = house.absolute(&module(file), reference, &BTreeMap::new()) else { continue };
                let Some(name) = path.last() else { continue };
                let mut public = module(file);
                public.push(name);
                if public != path {
                    house.exports.insert(public, path);
                }
            }
        }
        house
    }

    /// Returns the path from the root, or `None` if it leads to another crate. `imported` are the names of modules that
    /// the file imports.
    fn absolute(
        &self,
        own: &Module<'a>,
        reference: &Reference<'a>,
        imported: &BTreeMap<&'a str, Module<'a>>,
    ) -> Option<Module<'a>> {
        let path = reference.segments.as_slice();
        let mut start = own.clone();
        start.extend(&reference.inline);
        let skipped = match *path.first()? {
            "crate" | "tessera" => {
                start.clear();
                1
            }
            "self" => 1,
            "super" => {
                let up = path.iter().take_while(|segment| **segment == "super").count();
                start.truncate(start.len().saturating_sub(up));
                up
            }
            name => {
                if let Some(target) = imported.get(name) {
                    start.clone_from(target);
                } else {
                    start.push(name);
                    self.modules.contains_key(&start).then_some(())?;
                }
                1
            }
        };
        start.extend(&path[skipped..]);
        Some(start)
    }

    /// Returns the file that defines the item.
    fn definition(&self, path: &[&'a str]) -> Option<&'a str> {
        let mut path = path.to_vec();
        // A chain of re-exports is short. The limit ends one that leads back to itself.
        for _ in 0..8 {
            let exported = (1..=path.len()).find(|end| {
                !self.modules.contains_key(&path[..*end]) && self.exports.contains_key(&path[..*end])
            });
            let Some(end) = exported else { break };
            let mut target = self.exports[&path[..end]].clone();
            target.extend(&path[end..]);
            path = target;
        }
        (0..=path.len()).rev().find_map(|end| self.modules.get(&path[..end])).copied()
    }

    fn imports_of(&self, file: &'a str, text: &'a str) -> BTreeSet<&'a str> {
        let own = module(file);
        let references = references(&tokens(text));
        let product = || {
            let of_product = |reference: &&Reference<'a>| !reference.inline.contains(&"tests");
            references.iter().filter(of_product).filter(|reference| !reference.is_export)
        };
        let mut imported = BTreeMap::new();
        for reference in product() {
            if let Some(path) = self.absolute(&own, reference, &BTreeMap::new())
                && self.modules.contains_key(&path)
                && let Some(name) = path.last()
            {
                imported.insert(*name, path.clone());
            }
        }
        product()
            .filter_map(|reference| self.absolute(&own, reference, &imported))
            // A module that is only imported is not used yet.
            .filter(|path| !self.modules.contains_key(path))
            .filter_map(|path| self.definition(&path))
            .filter(|target| *target != file)
            .collect()
    }
}

fn module(file: &str) -> Module<'_> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main")).collect()
}

/// Returns the files that a file imports, directly or through others.
fn reached<'a>(imports: &Imports<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = imports.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(imports.get(file).into_iter().flatten());
        }
    }
    found
}

/// Returns the circles of the files, the largest first. The files are sorted.
fn circles(texts: &[(String, String)]) -> Vec<Vec<String>> {
    let house = Crate::of(texts);
    let imports: Imports<'_> =
        texts.iter().map(|(file, text)| (file.as_str(), house.imports_of(file, text))).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (*file, reached(&imports, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let circle = others.iter().filter(|other| reached[**other].contains(file));
            circles.insert(circle.map(|file| (*file).to_owned()).collect::<Vec<_>>());
        }
    }
    let mut circles: Vec<_> = circles.into_iter().collect();
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

/// Returns the sources outside of the API, without the files of unit tests.
fn sources() -> Vec<(String, String)> {
    let is_product = |file: &String| {
        !file.starts_with("src/graphql/")
            && file != "src/main.rs"
            && !file.split('/').any(|name| matches!(name, "tests" | "tests.rs"))
    };
    let files = files(Path::new("src")).into_iter().map(|file| file.display().to_string());
    files
        .filter(is_product)
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source can be read");
            (file, text)
        })
        .collect()
}

#[test]
fn circles_outside_the_api_are_small() {
    let sources = sources();
    assert!(sources.iter().any(|(file, _)| file == APP), "the scan found the sources");
    let large: Vec<_> = circles(&sources).into_iter().filter(|circle| circle.len() > MOST).collect();
    assert!(large.is_empty(), "circles of more than {MOST} files: {large:#?}");
}

#[test]
fn app_is_in_no_circle() {
    let circles = circles(&sources());
    let of_app = circles.iter().find(|circle| circle.iter().any(|file| file == APP));
    assert_eq!(of_app, None, "App imports these files, and they import App");
}

#[test]
fn part_that_imports_app_closes_a_circle() {
    let mut sources = sources();
    let mut parts = Vec::new();
    for (file, text) in sources.iter_mut().filter(|(file, _)| file.ends_with("/parts.rs")) {
        text.push_str("use crate::app::App;");
        parts.push(file.clone());
    }
    assert!(parts.len() >= 5, "the parts of the slices: {parts:?}");
    let circles = circles(&sources);
    let of_app = circles.iter().find(|circle| circle.iter().any(|file| file == APP)).expect("a circle");
    for part in &parts {
        assert!(of_app.contains(part), "{part}");
    }
}

/// Sources with a circle, and its files.
#[expect(clippy::type_complexity, reason = "a table of sources and files")]
const PLANTED: &[(&[(&str, &str)], &[&str])] = &[
    (
        &[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "fn f() -> crate::a::A {}")],
        &["src/a.rs", "src/b.rs"],
    ),
    (
        &[
            ("src/a.rs", "use crate::{b::{B, C}, d};"),
            ("src/b.rs", "use super::c::C;"),
            ("src/c.rs", "use crate::a::*;"),
        ],
        &["src/a.rs", "src/b.rs", "src/c.rs"],
    ),
    // A re-export points to the file that defines the item.
    (
        &[
            ("src/a.rs", "use crate::b::C;"),
            ("src/b/mod.rs", "mod c; pub use self::c::C;"),
            ("src/b/c.rs", "use crate::a::A;"),
        ],
        &["src/a.rs", "src/b/c.rs"],
    ),
    (
        &[
            ("src/a.rs", "use crate::b::C;"),
            ("src/b/mod.rs", "mod c; pub(crate) use c::{C, D};"),
            ("src/b/c.rs", "pub(super) use super::d::C; use crate::e::E;"),
            ("src/b/d.rs", "use crate::a::A;"),
            ("src/e.rs", ""),
        ],
        &["src/a.rs", "src/b/d.rs"],
    ),
    // A module is imported, and its item is used.
    (
        &[("src/a.rs", "use crate::b; fn f() { b::f() }"), ("src/b.rs", "use crate::a; fn f() { a::f() }")],
        &["src/a.rs", "src/b.rs"],
    ),
    // A parent uses its child, and the child its parent.
    (
        &[("src/a/mod.rs", "mod b; fn f() { b::f() }"), ("src/a/b.rs", "use super::f;")],
        &["src/a/b.rs", "src/a/mod.rs"],
    ),
    // A slice's part imports a file that imports App.
    (
        &[
            ("src/app.rs", "use crate::venue::parts::Parts;"),
            ("src/venue/mod.rs", "pub mod parts; pub struct Map; use crate::app::App;"),
            ("src/venue/parts.rs", "use super::Map;"),
        ],
        &["src/app.rs", "src/venue/mod.rs", "src/venue/parts.rs"],
    ),
];

/// Sources without a circle.
const INNOCENT: &[&[(&str, &str)]] = &[
    &[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "")],
    &[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "// crate::a::A\nconst A: &str = \"crate::a::A\";")],
    &[("src/a.rs", "use crate::b::B;"), ("src/b.rs", "mod tests { use crate::a::A; use super::*; }")],
    // A parent that only re-exports its child does not use it.
    &[("src/a/mod.rs", "mod b; pub use self::b::B; pub struct A;"), ("src/a/b.rs", "use super::A;")],
    &[("src/a.rs", "use crate::b;"), ("src/b.rs", "use crate::a::A;")],
    &[("src/a.rs", "use self::A; use other::b::B;"), ("src/b.rs", "use crate::a::A;")],
];

fn owned(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn every_planted_circle_is_found() {
    for (texts, expected) in PLANTED {
        assert_eq!(circles(&owned(texts)), [*expected], "{texts:?}");
    }
}

#[test]
fn one_way_imports_are_no_circle() {
    for texts in INNOCENT {
        assert_eq!(circles(&owned(texts)), Vec::<Vec<String>>::new(), "{texts:?}");
    }
}
