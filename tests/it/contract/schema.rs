//! The schema is a reviewed artefact: it is committed, compared with the served one, and described in plain English.

use std::{fs, path::Path};

use async_graphql::{EmptyMutation, Object, Schema, SimpleObject};
use tessera::graphql;

#[test]
fn committed_schema_equals_served_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let sdl = format!("{}\n", graphql::sdl().trim_end());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &sdl).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == sdl,
        "schema.graphql differs from the served schema: run `UPDATE_SCHEMA=1 cargo test --test it schema` and review the diff"
    );
}

#[test]
fn every_schema_element_has_a_description() {
    let elements = elements(&graphql::sdl());
    let missing = undescribed(&elements);
    assert!(missing.is_empty(), "elements without a description for API users: {missing:#?}");
}

#[test]
fn the_description_check_finds_a_missing_description() {
    struct Query;
    #[Object]
    impl Query {
        async fn naked(&self) -> i32 {
            1
        }
    }
    let sdl = Schema::build(Query, EmptyMutation, async_graphql::EmptySubscription).finish().sdl();
    assert_eq!(undescribed(&elements(&sdl)), ["Query.naked"]);
}

/// Words and phrases that make a description hard to understand, and names that only the implementation knows.
const REJECTED: &[&str] = &[
    "anybody",
    "are to be",
    "became of it",
    "came of it",
    "everybody",
    "for ever",
    "is to be",
    "nobody",
    "of which",
    "of whom",
    "somebody",
    "so many",
    "they who",
    "those who",
    "to whom",
    "told",
    "was to be",
    "whatever",
    "whichever",
    "whoever",
    "whomever",
    "whosoever",
    "::",
    "HashMap",
    "Option<",
    "Vec<",
];

#[test]
fn descriptions_use_plain_english() {
    let faults = rejected_words(&elements(&graphql::sdl()));
    assert!(faults.is_empty(), "descriptions with rejected words: {faults:#?}");
}

#[test]
fn the_word_check_finds_a_planted_word() {
    /// What somebody wants.
    #[derive(SimpleObject)]
    struct Wish {
        /// Of Which
        /// kind it is.
        kind: i32,
        /// The number of bystanders: an unofficial `Option<u32>`.
        count: i32,
        /// The stolen, untold and wholesome things.
        things: i32,
    }
    struct Query;
    #[Object]
    impl Query {
        /// Returns a wish.
        async fn wish(
            &self,
            #[graphql(desc = "Whoever asks.")] name: String,
            #[graphql(desc = "The count.")] count: i32,
        ) -> Wish {
            Wish { kind: 0, count, things: i32::try_from(name.len()).unwrap_or(0) }
        }
    }
    let sdl = Schema::build(Query, EmptyMutation, async_graphql::EmptySubscription).finish().sdl();
    assert_eq!(
        rejected_words(&elements(&sdl)),
        ["Query.wish(name): `whoever`", "Wish: `somebody`", "Wish.kind: `of which`", "Wish.count: `Option<`"]
    );
}

/// An element of the schema, such as `Query`, `Query.event` or `Query.event(id)`, and its description.
struct Element {
    name: String,
    description: Option<String>,
}

/// Returns the names of the elements without a description.
fn undescribed(elements: &[Element]) -> Vec<&str> {
    let missing = elements.iter().filter(|element| element.description.is_none());
    let names = missing.map(|element| element.name.as_str());
    // The library creates the connection types without a description. Their fields have one.
    names
        .filter(|name| {
            !matches!(*name, "Query" | "Mutation" | "Subscription") && !name.ends_with("Connection")
        })
        .collect()
}

/// Returns the elements whose description contains a rejected word, with the word.
fn rejected_words(elements: &[Element]) -> Vec<String> {
    let mut faults = Vec::new();
    for Element { name, description } in elements {
        let Some(description) = description else { continue };
        let text = description.split_whitespace().collect::<Vec<_>>().join(" ");
        let rejected = REJECTED.iter().filter(|word| contains_word(&text, word));
        faults.extend(rejected.map(|word| format!("{name}: `{word}`")));
    }
    faults
}

/// Returns whether the text contains the word, without regard to case. A letter or digit next to it makes it another word.
fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let begins_as_word = word.starts_with(char::is_alphanumeric);
    let ends_as_word = word.ends_with(char::is_alphanumeric);
    text.match_indices(&word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !(begins_as_word && is_part(before) || ends_as_word && is_part(after))
    })
}

/// Returns the elements of the schema with their descriptions.
fn elements(sdl: &str) -> Vec<Element> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
    let document = async_graphql::parser::parse_schema(sdl).expect("good SDL");
    let mut elements = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let name = definition.name.node.to_string();
        elements
            .push(Element { name: name.clone(), description: definition.description.map(|text| text.node) });
        match definition.kind {
            TypeKind::Object(object) => elements.extend(fields(&name, &object.fields)),
            TypeKind::Interface(interface) => elements.extend(fields(&name, &interface.fields)),
            TypeKind::Enum(enumeration) => {
                elements.extend(enumeration.values.iter().map(|value| Element {
                    name: format!("{name}.{}", value.node.value.node),
                    description: value.node.description.as_ref().map(|text| text.node.clone()),
                }));
            }
            TypeKind::InputObject(input) => elements.extend(input.fields.iter().map(|field| Element {
                name: format!("{name}.{}", field.node.name.node),
                description: field.node.description.as_ref().map(|text| text.node.clone()),
            })),
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
    elements
}

/// Returns the fields of a type and their arguments.
fn fields(
    of: &str,
    fields: &[async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>],
) -> Vec<Element> {
    let mut elements = Vec::new();
    for field in fields {
        let field = &field.node;
        let name = format!("{of}.{}", field.name.node);
        let description = field.description.as_ref().map(|text| text.node.clone());
        elements.push(Element { name: name.clone(), description });
        elements.extend(field.arguments.iter().map(|argument| Element {
            name: format!("{name}({})", argument.node.name.node),
            description: argument.node.description.as_ref().map(|text| text.node.clone()),
        }));
    }
    elements
}

/// The fields with text that people write. Clients must know that it is neither Markdown nor HTML.
const TEXTS: &[&str] = &["name", "title", "description", "terms", "smallPrint", "reason"];

#[test]
fn texts_of_people_are_plain_text() {
    let missing = not_plain(&graphql::sdl());
    assert!(missing.is_empty(), "text fields that do not say `plain text`: {missing:#?}");
}

#[test]
fn the_plain_text_check_finds_a_field_that_says_nothing() {
    struct Query;
    #[Object]
    impl Query {
        /// The title.
        async fn title(&self) -> &str {
            ""
        }

        /// The name as plain text.
        async fn name(&self) -> &str {
            ""
        }
    }
    let sdl = Schema::build(Query, EmptyMutation, async_graphql::EmptySubscription).finish().sdl();
    assert_eq!(not_plain(&sdl), ["Query.title"]);
}

/// Returns the text fields whose description does not say that they are plain text.
fn not_plain(sdl: &str) -> Vec<String> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
    let mut missing = Vec::new();
    for definition in async_graphql::parser::parse_schema(sdl).expect("good SDL").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let fields: Vec<_> = match definition.kind {
            TypeKind::Object(object) => object
                .fields
                .into_iter()
                .map(|field| (field.node.name, field.node.ty, field.node.description))
                .collect(),
            TypeKind::InputObject(input) => input
                .fields
                .into_iter()
                .map(|field| (field.node.name, field.node.ty, field.node.description))
                .collect(),
            TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Enum(_) => continue,
        };
        for (name, ty, description) in fields {
            let is_text = ty.node.to_string().trim_end_matches('!') == "String";
            let is_plain =
                description.is_some_and(|text| text.node.replace('\n', " ").contains("plain text"));
            if TEXTS.contains(&name.node.as_str()) && is_text && !is_plain {
                missing.push(format!("{}.{}", definition.name.node, name.node));
            }
        }
    }
    missing
}

#[test]
fn custom_scalars_name_their_specification() {
    let sdl = graphql::sdl();
    let scalars: Vec<&str> = sdl.lines().filter(|line| line.starts_with("scalar ")).collect();
    assert!(scalars.len() >= 4, "{scalars:?}");
    for scalar in scalars {
        assert!(scalar.contains("@specifiedBy(url: \"https://"), "{scalar}");
    }
}

/// Words for which the API has another one: a zone is a part of a venue, a status depends on the time, and a buyer
/// reserves.
const RETIRED: &[&str] = &["hold", "section", "stage"];

#[test]
fn names_use_the_terms_of_the_glossary() {
    let sdl = graphql::sdl();
    let names = elements(&sdl).into_iter().map(|element| element.name);
    let retired: Vec<String> = names
        .filter(|name| {
            // camelCase into words.
            let mut words = String::new();
            for c in name.chars() {
                if c.is_uppercase() {
                    words.push(' ');
                }
                words.extend(c.to_lowercase());
            }
            words.split(|c: char| !c.is_alphabetic()).any(|word| {
                RETIRED.iter().any(|retired| word == *retired || word.strip_suffix('s') == Some(*retired))
            })
        })
        .collect();
    assert!(retired.is_empty(), "names with a word that has another term: {retired:?}");
}

/// Error codes are enums, never free text.
#[test]
fn every_error_type_has_its_own_code_enum() {
    let sdl = graphql::sdl();
    let types: Vec<&str> = sdl
        .lines()
        .filter_map(|line| {
            line.strip_prefix("type ")?.split_once(" implements UserError").map(|(name, _)| name)
        })
        .collect();
    assert!(types.len() >= 8, "{types:?}");
    for name in types {
        assert!(sdl.contains(&format!("enum {name}Code ")), "{name} has its own codes");
    }
}
