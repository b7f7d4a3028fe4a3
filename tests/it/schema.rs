//! The schema is a reviewed artefact: committed, compared, described.

use std::{fs, path::Path};

use async_graphql::{EmptyMutation, Object, Schema};
use tessera::graphql;

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let sdl = format!("{}\n", graphql::sdl().trim_end());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &sdl).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == sdl,
        "schema.graphql is not what is served: run `UPDATE_SCHEMA=1 cargo test schema`, and read the difference"
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    let missing = undescribed(&introspect(&graphql::sdl()));
    assert!(missing.is_empty(), "without a description for the API's user: {missing:#?}");
}

#[test]
fn the_check_for_descriptions_can_fail() {
    struct Query;
    #[Object]
    impl Query {
        async fn naked(&self) -> i32 {
            1
        }
    }
    let sdl = Schema::build(Query, EmptyMutation, async_graphql::EmptySubscription).finish().sdl();
    assert_eq!(undescribed(&introspect(&sdl)), ["Query.naked"]);
}

/// A type's name, its members, and whether each of them and the type itself is described.
type Described = (String, Vec<(String, bool)>, bool);

/// The names in the schema that have no description.
fn undescribed(types: &[Described]) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, members, described) in types {
        let root = matches!(name.as_str(), "Query" | "Mutation" | "Subscription");
        // The library makes the connections' own types and gives those no description; their fields have some.
        let connection = name.ends_with("Connection");
        if !described && !root && !connection {
            missing.push(name.clone());
        }
        missing.extend(
            members.iter().filter(|(_, described)| !described).map(|(member, _)| format!("{name}.{member}")),
        );
    }
    missing
}

/// The types of the schema.
fn introspect(sdl: &str) -> Vec<Described> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
    let document = async_graphql::parser::parse_schema(sdl).expect("good SDL");
    let mut types = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let mut members = Vec::new();
        match definition.kind {
            TypeKind::Object(object) => members.extend(fields(&object.fields)),
            TypeKind::Interface(interface) => members.extend(fields(&interface.fields)),
            TypeKind::Enum(enumeration) => members.extend(
                enumeration
                    .values
                    .iter()
                    .map(|v| (v.node.value.node.to_string(), v.node.description.is_some())),
            ),
            TypeKind::InputObject(input) => members.extend(
                input
                    .fields
                    .iter()
                    .map(|field| (field.node.name.node.to_string(), field.node.description.is_some())),
            ),
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
        types.push((definition.name.node.to_string(), members, definition.description.is_some()));
    }
    types
}

fn fields(
    fields: &[async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>],
) -> Vec<(String, bool)> {
    let mut members = Vec::new();
    for field in fields {
        let field = &field.node;
        members.push((field.name.node.to_string(), field.description.is_some()));
        for argument in &field.arguments {
            let argument = &argument.node;
            members.push((
                format!("{}({})", field.name.node, argument.name.node),
                argument.description.is_some(),
            ));
        }
    }
    members
}

/// Codes of refusals in the schema are enums, never free text: every error type has one of its own.
#[test]
fn every_error_type_has_a_code_of_its_own() {
    let sdl = graphql::sdl();
    let value: Vec<&str> = sdl
        .lines()
        .filter_map(|line| {
            line.strip_prefix("type ")?.split_once(" implements UserError").map(|(name, _)| name)
        })
        .collect();
    assert!(value.len() >= 8, "{value:?}");
    for name in value {
        assert!(sdl.contains(&format!("enum {name}Code ")), "{name} has its own codes");
    }
}
