//! Documents that request everything: generated from the schema, so that a new field is requested without a change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use tessera::graphql;

/// Levels of objects that are read with their fields, from the node down. The objects below them are only resolved.
pub(crate) const LEVELS: usize = 2;

/// Fields that are not requested, and why.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("*", "qrSvg", "a picture, which is drawn and not read"),
    ("*", "qrPng", "a picture, which is drawn and not read"),
    ("*", "barcodeSvg", "a picture, which is drawn and not read"),
    ("*", "barcodePng", "a picture, which is drawn and not read"),
    ("SeatMap", "plan", "a document of megabytes, for one seat map at a time"),
];

/// A generated document.
pub(crate) struct Document {
    /// For messages.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The path to the nodes in the data.
    pub(crate) path: String,
}

/// The schema's objects, unions and interfaces.
pub(crate) struct Schema {
    fields: BTreeMap<String, Vec<FieldDefinition>>,
    /// The objects of each union and interface.
    pub(crate) members: BTreeMap<String, Vec<String>>,
}

impl Schema {
    /// Reads the schema of this server.
    pub(crate) fn read() -> Self {
        let (mut fields, mut members) = (BTreeMap::new(), BTreeMap::<_, Vec<String>>::new());
        for definition in parse_schema(graphql::sdl()).expect("good SDL").definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    for interface in &object.implements {
                        members.entry(interface.node.to_string()).or_default().push(name.clone());
                    }
                    fields.insert(name, object.fields.into_iter().map(|field| field.node).collect());
                }
                TypeKind::Union(union) => {
                    let of = union.members.iter().map(|member| member.node.to_string()).collect();
                    members.insert(name, of);
                }
                TypeKind::Interface(_) | TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
            }
        }
        Self { fields, members }
    }

    /// Returns a selection of all fields of the type that need no arguments, with this many levels of objects.
    pub(crate) fn selection(&self, of: &str, levels: usize) -> String {
        let mut selected = vec!["__typename".to_owned()];
        if let Some(members) = self.members.get(of).filter(|_| levels > 0) {
            let each = members.iter().map(|member| self.selection(member, levels).replacen('{', "", 1));
            selected.extend(
                members.iter().zip(each).map(|(member, fields)| format!("... on {member} {{{fields}")),
            );
        }
        for field in self.fields.get(of).into_iter().flatten() {
            let (name, ty) = (field.name.node.as_str(), base(&field.ty.node));
            let is_left_out =
                LEFT_OUT.iter().any(|(on, left_out, _)| (*on == "*" || *on == of) && *left_out == name);
            // Each connection of a node is a list with a statement of its own.
            if is_left_out
                || ty.ends_with("Connection")
                || field
                    .arguments
                    .iter()
                    .any(|one| is_required(&one.node.ty.node, one.node.default_value.is_some()))
            {
                continue;
            }
            let is_composite = self.fields.contains_key(&ty) || self.members.contains_key(&ty);
            match levels.checked_sub(1) {
                Some(levels) if is_composite => {
                    selected.push(format!("{name} {}", self.selection(&ty, levels)));
                }
                Some(_) => selected.push(name.to_owned()),
                None => {}
            }
        }
        format!("{{ {} }}", selected.join(" "))
    }

    /// Returns a document for each connection that is reached from the root by objects, with the path to its nodes.
    /// `ids` has the arguments of root fields.
    pub(crate) fn connections(&self, ids: &BTreeMap<&str, &str>) -> Vec<Document> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut queue = VecDeque::from([("Query".to_owned(), Vec::new(), Vec::new())]);
        while let Some((of, calls, path)) = queue.pop_front() {
            if !seen.insert(of.clone()) {
                continue;
            }
            for field in &self.fields[&of] {
                let (name, ty) = (field.name.node.as_str(), base(&field.ty.node));
                let Some(arguments) = arguments(field, ids) else { continue };
                let path = [path.as_slice(), &[name.to_owned()]].concat();
                if ty.ends_with("Connection") {
                    let nodes = self.fields[&ty].iter().find(|field| field.name.node == "nodes");
                    let node = base(&nodes.expect("a connection has nodes").ty.node);
                    let arguments = format!(
                        "first: $first{}",
                        arguments.iter().fold(String::new(), |all, one| format!("{all}, {one}"))
                    );
                    let nodes = self.selection(&node, LEVELS);
                    let open = calls
                        .iter()
                        .fold(String::new(), |all: String, call: &String| format!("{all}{call} {{ "));
                    let document = format!(
                        "query($first: Int!) {{ {open}{name}({arguments}) {{ nodes {nodes} }} {}}}",
                        "} ".repeat(calls.len())
                    );
                    let path = format!("{}.nodes", path.join("."));
                    found.push(Document { name: path.clone(), text: document, path });
                } else if self.fields.contains_key(&ty) && !is_list(&field.ty.node) {
                    let arguments = if arguments.is_empty() {
                        String::new()
                    } else {
                        format!("({})", arguments.join(", "))
                    };
                    let calls = [calls.as_slice(), &[format!("{name}{arguments}")]].concat();
                    queue.push_back((ty, calls, path));
                }
            }
        }
        found
    }
}

/// Returns the arguments of a call, or `None` if a required one is unknown.
fn arguments(field: &FieldDefinition, ids: &BTreeMap<&str, &str>) -> Option<Vec<String>> {
    let mut given = Vec::new();
    for argument in &field.arguments {
        let name = argument.node.name.node.as_str();
        match ids.get(format!("{}.{name}", field.name.node).as_str()) {
            Some(id) => given.push(format!("{name}: \"{id}\"")),
            None if is_required(&argument.node.ty.node, argument.node.default_value.is_some()) => {
                return None;
            }
            None => {}
        }
    }
    Some(given)
}

fn is_required(ty: &Type, has_default: bool) -> bool {
    !ty.nullable && !has_default
}

fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(of) => base(of),
    }
}
