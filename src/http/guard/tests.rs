//! Tests of the guard: what it admits and refuses, and that no input makes it panic.

use super::*;
use async_graphql::parser::parse_query;
use proptest::prelude::*;
use std::fmt::Write;

/// The introspection query of `GraphiQL` 5 (`graphql` 16.15, with all options).
const INTROSPECTION: &str = include_str!("introspection.graphql");

fn code(text: &str) -> Option<&'static str> {
    admit(text, None, Introspection::Allowed, &Costs::default()).err().map(|refusal| refusal.code.as_str())
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{{a(x:{}1{})}}", open.repeat(levels), close.repeat(levels))
}

/// Returns a document with `levels` fragments. Each uses the next one `width` times.
fn bomb(levels: usize, width: usize) -> String {
    let mut text = String::from("query{a{...F0}}");
    for level in 0..levels {
        let spread = format!("...F{}", level + 1).repeat(width);
        write!(text, "fragment F{level} on Query{{{spread}}}").unwrap();
    }
    write!(text, "fragment F{levels} on Query{{a}}").unwrap();
    text
}

fn fields_deep(levels: usize) -> String {
    format!("{}{}", "{a".repeat(levels), "}".repeat(levels))
}

#[test]
fn ordinary_documents_pass() {
    let cases = [
        "{a}",
        "query Q($x:[Int!]!=[1,2],$y:String=\"{[(\"){a(x:$x,y:$y){b ...F ... on T{c}}} fragment F on T{d @include(if:true)}",
        "mutation{a b c}",
        "subscription{a{b}}",
        "subscription{...F} fragment F on S{a}",
        "# {{{{ \n {a(x:\"\"\"block \\\"\"\" [[[ \"quoted\" \"\"\")}",
        "{...Missing}",
        INTROSPECTION,
    ];
    for text in cases {
        assert_eq!(code(text), None, "{text}");
    }
}

#[test]
fn a_literal_that_would_overflow_the_parsers_stack_is_refused() {
    for levels in [MAX_NESTING, 2_000] {
        assert_eq!(code(&nested("[", "]", levels)), Some("DOCUMENT_TOO_DEEP"), "{levels} lists");
        assert_eq!(code(&nested("{a:", "}", levels)), Some("DOCUMENT_TOO_DEEP"), "{levels} objects");
    }
    assert_eq!(code(&format!("{{a(x:{}", "[".repeat(4_000))), Some("DOCUMENT_TOO_DEEP"));
    assert_eq!(code(&nested("[", "]", MAX_NESTING - 2)), None);
}

/// The parser reads an opening `"""` without an end as an empty string and a quote. Brackets could hide behind it.
#[test]
fn brackets_cannot_hide_in_a_string_that_does_not_end() {
    let hidden = "[".repeat(4_000);
    for quote in ["\"\"\"", "\"\"\" \"", "\"", "\"\n", "\"\"\"\"", "\"\\"] {
        let text = format!("{{a(x:[{quote}{hidden}");
        assert!(scan(&text).is_err(), "{quote}");
    }
    assert_eq!(code("{a(x:\"\"\"never ends)}"), Some("GRAPHQL_PARSE_FAILED"));
}

#[test]
fn sizes_are_limited() {
    let tokens = |n: usize| format!("{{{}}}", "a ".repeat(n - 2));
    assert_eq!(scan(&tokens(MAX_TOKENS)), Ok(()));
    assert_eq!(code(&tokens(MAX_TOKENS + 1)), Some("TOO_MANY_TOKENS"));
    assert_eq!(code(&format!("{{a}}{}", " ".repeat(MAX_BYTES))), Some("DOCUMENT_TOO_LARGE"));
}

#[test]
fn a_fragment_bomb_is_weighed_without_being_expanded() {
    for text in [bomb(22, 2), bomb(31, 2), bomb(12, 4), bomb(5, 50), bomb(40, 9)] {
        let started = std::time::Instant::now();
        assert!(matches!(code(&text), Some("DOCUMENT_TOO_COMPLEX" | "DOCUMENT_TOO_DEEP")));
        assert!(started.elapsed().as_millis() < 50);
    }
    assert_eq!(code(&bomb(9, 2)), None);
}

#[test]
fn a_chain_of_fragments_does_not_overflow_our_own_stack() {
    // Fifty fragments with twenty nested inline fragments each: a thousand levels with few brackets.
    let mut text = String::from("{...F0}");
    for n in 0..49 {
        let (open, close) = ("...{".repeat(20), "}".repeat(20));
        write!(text, "fragment F{n} on Q{{{open}...F{}{close}}}", n + 1).unwrap();
    }
    text.push_str("fragment F49 on Q{a}");
    assert_eq!(code(&text), Some("DOCUMENT_TOO_DEEP"));
}

#[test]
fn cycles_are_refused_used_or_not() {
    let cases = [
        "{...A} fragment A on Q{...A}",
        "{...A} fragment A on Q{b{...B}} fragment B on Q{... on Q{...A}}",
        "{a} fragment A on Q{...B} fragment B on Q{...A}",
    ];
    for text in cases {
        assert_eq!(code(text), Some("GRAPHQL_VALIDATION_FAILED"), "{text}");
    }
}

#[test]
fn depth_counts_through_fragments_whatever_their_names() {
    assert_eq!(code(&fields_deep(15)), None);
    assert_eq!(code(&fields_deep(16)), Some("DOCUMENT_TOO_DEEP"));
    for name in ["F", "__schema", "__type"] {
        let inner = fields_deep(15);
        let text = format!("{{a{{...{name}}}}} fragment {name} on Q{inner}");
        assert_eq!(code(&text), Some("DOCUMENT_TOO_DEEP"), "{name}");
    }
}

#[test]
fn aliases_and_directives_count_through_fragments() {
    let aliases = |n: usize| (0..n).fold(String::new(), |text, n| format!("{text} a{n}:__typename"));
    assert_eq!(code(&format!("{{{}}}", aliases(30))), None);
    assert_eq!(code(&format!("{{{}}}", aliases(31))), Some("TOO_MANY_ALIASES"));
    assert_eq!(code(&format!("{{...F ...F}} fragment F on Q{{{}}}", aliases(16))), Some("TOO_MANY_ALIASES"));

    let directives = "@a ".repeat(51);
    let cases = [
        format!("query {directives}{{a}}"),
        format!("query($x:Int {directives}){{a}}"),
        format!("{{a {directives}}}"),
        format!("{{...F {directives}}} fragment F on Q{{a}}"),
        format!("{{...F}} fragment F on Q {directives}{{a}}"),
        format!("{{... {directives}{{a}}}}"),
        format!("{{{}}}", "a @b @c ".repeat(26)),
    ];
    for text in cases {
        assert_eq!(code(&text), Some("TOO_MANY_DIRECTIVES"), "{text}");
    }
}

#[test]
fn root_fields_are_counted_after_expansion() {
    let refused = Some("GRAPHQL_VALIDATION_FAILED");
    let cases = [
        ("subscription{a b}", refused),
        ("subscription{a:t b:t}", refused),
        ("subscription{...F} fragment F on S{a b}", refused),
        ("subscription{...F ...F} fragment F on S{a}", refused),
        ("subscription{__typename}", refused),
        ("subscription{...Missing}", refused),
        ("mutation{a b c d e f g h i j}", None),
        ("mutation{a b c d e f g h i j k}", Some("DOCUMENT_TOO_COMPLEX")),
        ("mutation{...F ...F} fragment F on M{a b c d e f}", Some("DOCUMENT_TOO_COMPLEX")),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn introspection_can_be_switched_off_and_is_never_multiplied() {
    let off = |text: &str| {
        admit(text, None, Introspection::Refused, &Costs::default())
            .err()
            .map(|refusal| refusal.code.as_str())
    };
    for text in [
        INTROSPECTION,
        "{__schema{a}}",
        "{x:__type(name:\"A\"){a}}",
        "{...F} fragment F on Q{__schema{a}}",
        "{a} fragment __schema on Q{__schema{a}}",
        "mutation{__schema{a}}",
    ] {
        assert_eq!(off(text), Some("INTROSPECTION_DISABLED"), "{text}");
    }
    assert_eq!(off("{__typename ...__type} fragment __type on Q{a}"), None);

    let lists = "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}";
    assert_eq!(code(lists), Some("DOCUMENT_TOO_DEEP"));
    assert_eq!(
        code(
            "{__schema{...F}} fragment F on S{types{fields{type{...G}}}} fragment G on T{possibleTypes{interfaces{name}}}"
        ),
        Some("DOCUMENT_TOO_DEEP")
    );
    assert_eq!(code("{fields{fields{fields{fields{a}}}}}"), None, "a business field may have that name");
}

#[test]
fn the_operation_must_be_clear() {
    let two = "query A{a} mutation B{b}";
    let chosen = |text, name| {
        admit(text, name, Introspection::Refused, &Costs::default())
            .map(|admitted| admitted.kind)
            .map_err(|r| r.code.as_str())
    };
    assert_eq!(chosen(two, Some("A")), Ok(OperationType::Query));
    assert_eq!(chosen(two, Some("B")), Ok(OperationType::Mutation));
    assert_eq!(chosen(two, None), Err("OPERATION_NAME_REQUIRED"));
    assert_eq!(chosen(two, Some("C")), Err("OPERATION_UNKNOWN"));
    assert_eq!(chosen("{a}", Some("A")), Err("OPERATION_UNKNOWN"));
    assert_eq!(chosen("query A{a} query A{b}", Some("A")), Err("GRAPHQL_PARSE_FAILED"));
    assert_eq!(chosen("query A{a} {b}", Some("A")), Err("GRAPHQL_PARSE_FAILED"));
}

#[test]
fn directives_must_be_known_and_in_their_place() {
    for text in [
        "{a @aa}",
        "query @aa {a}",
        "query @skip(if:true) {a}",
        "{a @skip(if:false) @skip(if:false)}",
        "query($x:Int @aa){a(x:$x)}",
        "query($x:Int @include(if:true)){a(x:$x)}",
        "{...F @aa} fragment F on Q{a}",
        "{...F} fragment F on Q @aa{a}",
        "{... @aa{a}}",
        "{a{b{... on T{c @aa}}}}",
    ] {
        assert_eq!(code(text), Some("GRAPHQL_VALIDATION_FAILED"), "{text}");
    }
    assert_eq!(code("{a @skip(if:false) ...F @include(if:true)} fragment F on Q{a}"), None);
}

#[test]
fn arguments_and_input_fields_are_given_once() {
    for text in [
        "{a(x:1,x:2)}",
        "{a(x:1 y:2 x:1)@include(if:true)}",
        "{a @include(if:true,if:false)}",
        "{a(x:{b:1,b:2})}",
        "{a(x:{b:{c:1} b:{c:1}})}",
        "{a(x:[{b:1},{c:[{d:1 d:2}]}])}",
        "query($x:I={b:1,b:2}){a(x:$x)}",
        "{a(x:{b:$x,c:E,b:null})}",
    ] {
        assert_eq!(code(text), Some("GRAPHQL_VALIDATION_FAILED"), "{text}");
    }
    for text in [
        "{a(x:{b:1},y:{b:1})}",
        "{a(x:[{b:1},{b:1}])}",
        "{a(x:{b:{b:{b:1}}})}",
        "{b:a b:a c{b:a}}",
        "query($x:I={b:1},$y:I={b:1}){a(x:$x,y:$y){b:c b:c}}",
        "{a(x:{b:\"b:1,b:2\",c:b,d:b})}",
    ] {
        assert_eq!(code(text), None, "{text}");
    }
}

#[test]
fn a_syntax_error_is_one_short_line() {
    for text in ["", "{", "{a(}", "query", "{a}}", "{a(x:\"\\q\")}", "fragment F on Q{a}", "ä"] {
        let refusal = admit(text, None, Introspection::Refused, &Costs::default()).unwrap_err();
        assert_eq!(refusal.code.as_str(), "GRAPHQL_PARSE_FAILED", "{text}");
        assert!(!refusal.message.contains('\n') && refusal.message.len() < 220, "{}", refusal.message);
    }
    let refusal = admit("{a(}", None, Introspection::Refused, &Costs::default()).unwrap_err();
    assert_eq!(refusal.message, "Syntax error at 1:4: expected name");
}

/// Texts that start, end or escape a string or comment.
fn quotes() -> impl Strategy<Value = String> {
    const PIECES: [&str; 11] = ["\"", "\"\"", "\"\"\"", "\\", "\\\"", "\\\"\"\"", "\n", "#", " ", "a", ","];
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn it_never_falters(text in ".{0,400}", name in proptest::option::of("[a-z]{0,3}")) {
        let _ = admit(&text, name.as_deref(), Introspection::Allowed, &Costs::default());
    }

    /// Texts of the grammar's tokens reach more code than random characters.
    #[test]
    fn it_never_falters_on_pieces_of_grammar(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", "(", ")", "\"", "\"\"\"", "\\", "\n", "#", "a", "a:", "x:", "$x", "1", "-1.5e3", "...", "... on T",
        "fragment F on Q", "...F", "...G", "fragment G on Q", "@d", "query", "mutation Q", "subscription", "!", "=", "\u{feff}", "ü",
    ]), 0..200)) {
        let _ = admit(&pieces.concat(), None, Introspection::Allowed, &Costs::default());
        let _ = admit(&pieces.join(" "), None, Introspection::Allowed, &Costs::default());
    }

    /// The scan and the parser agree on what is a string: brackets in it need no partner.
    #[test]
    fn no_string_hides_brackets_from_the_scan(before in quotes(), after in quotes()) {
        let text = |open: usize, close: usize| {
            format!("{{a(x:[{before}{}1{}{after}])}}", "[".repeat(open), "]".repeat(close))
        };
        if scan(&text(MAX_NESTING, 0)).is_ok() {
            prop_assert_eq!(parse_query(text(9, 9)).is_ok(), parse_query(text(9, 8)).is_ok());
        }
    }

    /// The weight equals that of the real expansion.
    #[test]
    fn small_bombs_are_weighed_exactly(levels in 0_usize..6, width in 1_usize..5) {
        let expanded = 1 + (0..levels).fold(2_usize, |inner, _| 1 + width * inner);
        let refused = code(&bomb(levels, width)).is_some();
        prop_assert_eq!(refused, expanded > MAX_SELECTIONS as usize);
    }
}
