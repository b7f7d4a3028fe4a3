//! Every state of every state machine can be reached: the server writes it somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::source::{Token, tokens};

/// States that nothing sets yet, each with the issue that brings it.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("OrderState", "RefundDue", "issue 15: money that arrives after the order has ended"),
    ("SeatStatus", "Blocked", "the tools of vendors, who withhold seats from sale"),
];

/// Folders of `src` that translate or present states, and never change one.
const READERS: &[&str] = &["src/graphql", "src/http", "src/demo"];

/// Files that are compiled for tests only.
const TEST_FILES: &[&str] = &["tests.rs", "model.rs", "examples.rs", "properties.rs"];

#[test]
fn every_state_is_written_somewhere() {
    let mut unwritten: BTreeSet<(String, String)> = BTreeSet::new();
    for file in files("entity/src") {
        let text = fs::read_to_string(file).expect("a source can be read");
        unwritten.extend(states(&tokens(&text)));
    }
    assert!(unwritten.len() > 40, "the scan found the states: {unwritten:?}");
    for file in files("src") {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_reader = READERS.iter().any(|folder| file.starts_with(folder));
        let is_test = TEST_FILES.contains(&name.as_str()) || file.starts_with("src/inventory/tests");
        if is_reader || is_test {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source can be read");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for written in written(&tokens(code)) {
            unwritten.remove(&written);
        }
    }
    let expected: BTreeSet<(String, String)> =
        EXPECTED.iter().map(|(machine, state, _)| ((*machine).to_owned(), (*state).to_owned())).collect();
    assert_eq!(unwritten, expected, "states that nothing sets, and states that are expected to be unset");
}

#[test]
fn scan_tells_writes_from_reads() {
    let writes = [
        "row.state = Set(OrderState::Paid);",
        "Reservation { state: OrderState::Paid, id }",
        "reservation.state = OrderState::Paid;",
        "Step::Sell => Ok(OrderState::Paid),",
        "self.mark(&reservation, OrderState::Paid);",
        "if whole { OrderState::Paid } else { other }",
    ];
    for text in writes {
        assert_eq!(written(&tokens(text)).len(), 1, "{text}");
    }
    let reads = [
        "order.state == OrderState::Paid",
        "order.state != OrderState::Paid",
        "matches!(order.state, OrderState::Paid)",
        "matches!(order.state, OrderState::Paid | OrderState::Stuck)",
        "match state { OrderState::Paid => 1, OrderState::Stuck if late => 2 }",
        "match pair { (OrderState::Paid, _) => 1, (_, OrderState::Stuck) | (_, _) => 2 }",
        "filter(Column::State.eq(OrderState::Paid))",
        "filter(Column::State.is_not_in([OrderState::Paid, OrderState::Stuck]))",
        "// row.state = Set(OrderState::Paid)",
    ];
    for text in reads {
        assert_eq!(written(&tokens(text)), Vec::new(), "{text}");
    }
}

/// Returns the states of the machines that the file declares: each machine's name and the state's name.
fn states(tokens: &[Token<'_>]) -> Vec<(String, String)> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let machine = word(at + 1);
        if word(at) != "enum" || !is_machine(machine) {
            continue;
        }
        let mut inside = at + 3;
        while !matches!(word(inside), "}" | "") {
            if word(inside) == "#" {
                while word(inside) != "]" {
                    inside += 1;
                }
            } else if word(inside) != "," {
                found.push((machine.to_owned(), word(inside).to_owned()));
            }
            inside += 1;
        }
    }
    found
}

/// Returns the states that the code writes.
fn written(tokens: &[Token<'_>]) -> Vec<(String, String)> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    (0..tokens.len())
        .filter(|at| is_machine(word(*at)) && word(at + 1) == "::")
        .filter(|at| word(at + 2).starts_with(char::is_uppercase) && !is_read(tokens, *at))
        .map(|at| (word(at).to_owned(), word(at + 2).to_owned()))
        .collect()
}

fn is_machine(name: &str) -> bool {
    name == "SeatStatus" || (name.ends_with("State") && name != "State")
}

/// Returns whether the state at this token is compared or matched.
fn is_read(tokens: &[Token<'_>], at: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |token| token.1);
    let before = |at: usize, by: usize| word(at.checked_sub(by));
    let is_arm = |at: usize| match word(Some(at)) {
        "|" | "if" => true,
        "=" => matches!(word(Some(at + 1)), ">" | "="),
        _ => false,
    };
    let is_compared = matches!(before(at, 1), "|" | "!=") || (before(at, 1), before(at, 2)) == ("=", "=");
    if is_compared || is_arm(at + 3) {
        return true;
    }
    let Some(mut open) = enclosing(tokens, at) else { return false };
    if before(open, 0) == "[" {
        let Some(outer) = enclosing(tokens, open) else { return false };
        open = outer;
    }
    if before(open, 0) != "(" {
        return false;
    }
    let is_macro = before(open, 1) == "!" && before(open, 2) == "matches";
    let is_filter = matches!(before(open, 1), "eq" | "ne" | "is_in" | "is_not_in");
    is_macro || is_filter || is_arm(closing(tokens, open) + 1)
}

/// Returns the bracket that is open at this token.
fn enclosing(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut depth = 0;
    (0..at).rev().find(|at| match tokens[*at].1 {
        ")" | "]" | "}" => {
            depth += 1;
            false
        }
        "(" | "[" | "{" if depth == 0 => true,
        "(" | "[" | "{" => {
            depth -= 1;
            false
        }
        _ => false,
    })
}

/// Returns the bracket that closes the one at this token.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    let closed = (open..tokens.len()).find(|at| {
        match tokens[*at].1 {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    closed.unwrap_or(tokens.len())
}

/// Returns all `.rs` files below a folder of the workspace.
fn files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => files(path),
            Some(extension) if extension == "rs" => vec![path],
            Some(_) | None => Vec::new(),
        })
        .collect()
}
