//! The position of a category in the tree, stored as a path of slugs.
//!
//! Invariant: pure and synchronous.

use std::collections::HashMap;

use entity::{CategoryId, category::Model};

use crate::spelling;

/// The maximum depth of the tree. Roots are level 1.
pub const DEPTH_MAX: usize = 6;

/// Returns the level of the node with this path. A root has level 1.
pub fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// Returns the path of a node with this slug below the parent's path. Returns `None` if it exceeds [`DEPTH_MAX`].
pub fn path_below(parent: Option<&str>, slug: &str) -> Option<String> {
    let path = format!("{}{slug}/", parent.unwrap_or_default());
    (depth(&path) <= DEPTH_MAX).then_some(path)
}

/// Returns the range of paths in the node's subtree: the first path (included) and the upper bound (excluded).
///
/// A path ends with `/`, and `0` is the character that follows `/`.
pub fn subtree(path: &str) -> (String, String) {
    (path.to_owned(), format!("{}0", path.trim_end_matches('/')))
}

/// Returns the whole tree in display order: each node before its children, and siblings by position and name.
pub fn in_order(rows: Vec<Model>) -> Vec<Model> {
    let mut below: HashMap<Option<CategoryId>, Vec<Model>> = HashMap::new();
    for row in sorted(rows) {
        below.entry(row.parent_id).or_default().push(row);
    }
    // The top of the stack is the next node, so siblings are pushed in reverse order.
    let mut next: Vec<Model> = Vec::new();
    let mut ordered = Vec::new();
    let push = |next: &mut Vec<Model>, mut siblings: Vec<Model>| {
        siblings.reverse();
        next.append(&mut siblings);
    };
    push(&mut next, below.remove(&None).unwrap_or_default());
    while let Some(row) = next.pop() {
        push(&mut next, below.remove(&Some(row.id)).unwrap_or_default());
        ordered.push(row);
    }
    ordered
}

/// Sorts the nodes by position, and nodes of one position by name.
pub fn sorted(mut rows: Vec<Model>) -> Vec<Model> {
    rows.sort_by_cached_key(|row| (row.position, spelling::sort_key(&row.name), row.id));
    rows
}

/// Returns the slugs of the path, from the root to the node.
pub fn slugs(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|slug| !slug.is_empty())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn row(id: u128, parent: Option<u128>, position: i32) -> Model {
        let category = |id| CategoryId(Uuid::from_u128(id));
        Model {
            id: category(id),
            parent_id: parent.map(category),
            slug: format!("node-{id}"),
            name: format!("Node {id}"),
            path: String::new(),
            position,
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_path_is_its_parents_and_the_slug() {
        for (parent, slug, path) in [
            (None, "music", Some("music/")),
            (Some("music/"), "jazz", Some("music/jazz/")),
            (Some("a/b/c/d/e/"), "six", Some("a/b/c/d/e/six/")),
            (Some("a/b/c/d/e/f/"), "seven", None),
        ] {
            assert_eq!(path_below(parent, slug).as_deref(), path);
        }
    }

    #[test]
    fn a_subtree_is_a_range_of_paths() {
        let (from, to) = subtree("music/");
        let inside = |path: &str| *path >= *from && *path < *to;
        for path in ["music/", "music/jazz/", "music/jazz/bebop/", "music/zzz/"] {
            assert!(inside(path), "{path}");
        }
        for path in ["musi/", "music-hall/", "music0/", "musics/", "arts/music/"] {
            assert!(!inside(path), "{path}");
        }
    }

    #[test]
    fn siblings_of_one_position_are_sorted_by_name() {
        let category = |id, name: &str| Model { name: name.to_owned(), ..row(id, None, 0) };
        let names = ["zumba", "Öl", "Oper", "Ärzte", "art 10", "Art 9"];
        let rows = (1..).zip(names).map(|(id, name)| category(id, name)).collect();
        let names: Vec<_> = sorted(rows).into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["Art 9", "art 10", "Ärzte", "Öl", "Oper", "zumba"]);
    }

    #[test]
    fn the_tree_is_shown_from_parents_to_children() {
        let rows = vec![
            row(5, Some(2), 0),
            row(1, None, 1),
            row(2, None, 0),
            row(4, Some(1), 0),
            row(3, Some(2), -1),
            row(6, Some(3), 0),
        ];
        let order: Vec<_> = in_order(rows).into_iter().map(|row| row.id.0.as_u128()).collect();
        assert_eq!(order, [2, 3, 6, 5, 1, 4]);
    }
}
