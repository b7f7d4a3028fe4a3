//! Calls of the API that are generated from the schema: one for each argument that a client writes as a text.
//!
//! Each document sends the variable `$odd` at one place, and valid values at all other places that need one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_graphql::parser::{
    parse_schema,
    types::{
        BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
    },
};

/// Scalars that clients write as a text.
const TEXTS: &[&str] = &["CurrencyCode", "DateTime", "Decimal", "ID", "String"];

/// Variables that a document may need, and their types.
const VARIABLES: &[(&str, &str)] =
    &[("key", "String"), ("email", "String"), ("version", "Long"), ("reservation", "ID")];

/// Optional fields that a call needs nevertheless.
const NEEDED: &[(&str, &str)] = &[
    ("createCoupon", "amount"),
    ("createCoupon", "categoryId"),
    ("createEvents", "startsAt"),
    ("createEvents", "rule"),
    ("order", "id"),
    ("event", "id"),
    ("shop", "id"),
    ("applicableCoupons", "orderId"),
];

/// Inputs that name something which the server generated, so they differ between two servers.
const GENERATED: &[&str] = &["accessToken", "code"];

/// A place of the schema that takes a text.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The root field.
    pub(crate) root: String,
    /// The fields from the root to the argument, and the input fields in it, such as `createVenue.input.name`. Those of
    /// subscriptions begin with `live`.
    pub(crate) name: String,
    /// The name of the argument or input field.
    pub(crate) leaf: String,
    /// The type of the text.
    pub(crate) ty: String,
    /// The document. Its variables are `$odd` and some of `$key`, `$email`, `$version` and `$reservation`.
    pub(crate) document: String,
    /// The object of the payload that has a field of the same name.
    pub(crate) stored: Option<Stored>,
}

/// Where a payload shows what was stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The path to the object in the data, such as `createVenue.venue`.
    pub(crate) object: String,
    /// The object's type.
    pub(crate) ty: String,
    /// The path from the object to the field, such as `contact.name`.
    pub(crate) path: String,
}

impl Stored {
    /// Returns a document that reads the field again.
    pub(crate) fn document(&self) -> String {
        format!("query($id: ID!) {{ node(id: $id) {{ ... on {} {} }} }}", self.ty, selection(&self.path))
    }
}

impl Place {
    /// Returns whether the document is a subscription.
    pub(crate) fn is_live(&self) -> bool {
        self.document.starts_with("subscription")
    }

    /// Returns whether the document needs the variable.
    pub(crate) fn needs(&self, variable: &str) -> bool {
        self.document.contains(&format!("${variable}: "))
    }
}

/// The schema, and valid values by the names of arguments and input fields. A name may begin with that of the field.
pub(crate) struct Catalogue {
    types: BTreeMap<String, TypeDefinition>,
    values: BTreeMap<String, String>,
}

impl Catalogue {
    /// Reads the schema.
    pub(crate) fn new(sdl: &str, values: BTreeMap<String, String>) -> Self {
        let definitions = parse_schema(sdl).expect("good SDL").definitions.into_iter();
        let types = definitions.filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else { return None };
            Some((definition.node.name.node.to_string(), definition.node))
        });
        Self { types: types.collect(), values }
    }

    /// Returns all places: in the arguments of mutations, of subscriptions, of queries, and of the fields that queries
    /// reach without a list.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (root, operation) in [("Mutation", "mutation"), ("Subscription", "subscription")] {
            for field in self.fields(root) {
                places.extend(self.of_field(operation, &[], &field));
            }
        }
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([("Query".to_owned(), Vec::new())]);
        while let Some((ty, calls)) = queue.pop_front() {
            if !seen.insert(ty.clone()) {
                continue;
            }
            for field in self.fields(&ty) {
                places.extend(self.of_field("query", &calls, &field));
                let of = base(&field.ty.node);
                if is_list(&field.ty.node) || !matches!(self.kind(&of), Some(TypeKind::Object(_))) {
                    continue;
                }
                let name = field.name.node.as_str();
                let call = format!("{name}{}", self.arguments(name, &field, None));
                queue.push_back((of, [calls.as_slice(), &[call]].concat()));
            }
        }
        places
    }

    fn kind(&self, name: &str) -> Option<&TypeKind> {
        self.types.get(name).map(|definition| &definition.kind)
    }

    fn fields(&self, ty: &str) -> Vec<FieldDefinition> {
        let Some(TypeKind::Object(object)) = self.kind(ty) else { return Vec::new() };
        object.fields.iter().map(|field| field.node.clone()).collect()
    }

    fn input_fields(&self, ty: &str) -> Vec<InputValueDefinition> {
        let Some(TypeKind::InputObject(input)) = self.kind(ty) else { return Vec::new() };
        input.fields.iter().map(|field| field.node.clone()).collect()
    }

    /// Returns the places in the arguments of a field that `calls` reach.
    fn of_field(&self, operation: &str, calls: &[String], field: &FieldDefinition) -> Vec<Place> {
        let leaves = field.arguments.iter().flat_map(|argument| {
            self.leaves(&argument.node.ty.node, vec![argument.node.name.node.to_string()])
        });
        leaves.map(|leaf| self.place((operation, calls), field, leaf)).collect()
    }

    fn place(&self, root: (&str, &[String]), field: &FieldDefinition, leaf: (Vec<String>, String)) -> Place {
        let ((operation, calls), (path, ty), name) = (root, leaf, field.name.node.as_str());
        let stored = self.stored(name, field, &path[1..], &ty);
        let selected = match &stored {
            Some(stored) => {
                let object = stored.object.rsplit('.').next().expect("a field");
                format!("{{ {object} {} errors {{ code path message }} }}", with_id(&stored.path))
            }
            None if operation == "mutation" && self.fields(&base(&field.ty.node)).iter().any(is_errors) => {
                "{ errors { code path message } }".to_owned()
            }
            None if matches!(
                self.kind(&base(&field.ty.node)),
                // The SDL does not define the built-in scalars.
                None | Some(TypeKind::Scalar | TypeKind::Enum(_))
            ) =>
            {
                String::new()
            }
            None => "{ __typename }".to_owned(),
        };
        let call = format!("{name}{} {selected}", self.arguments(name, field, Some(&path)));
        let open = calls.iter().fold(String::new(), |open, call| open + call + " { ");
        let body = format!("{{ {open}{call} {}}}", "} ".repeat(calls.len()));
        let variables = VARIABLES
            .iter()
            .filter(|(name, _)| body.contains(&format!("${name}")))
            .fold(String::new(), |all, (name, ty)| all + &format!(", ${name}: {ty}!"));
        let fields = calls.iter().map(|call| call.split('(').next().unwrap_or(call)).chain([name]);
        let names: Vec<&str> = fields.chain(path.iter().map(String::as_str)).collect();
        let prefix = if operation == "subscription" { "live." } else { "" };
        Place {
            root: names[0].to_owned(),
            name: format!("{prefix}{}", names.join(".")),
            leaf: path.last().expect("a leaf").clone(),
            document: format!("{operation}($odd: {ty}!{variables}) {body}"),
            ty,
            stored,
        }
    }

    /// Returns the paths to all texts of an argument, each with its type.
    fn leaves(&self, ty: &Type, path: Vec<String>) -> Vec<(Vec<String>, String)> {
        let name = base(ty);
        if TEXTS.contains(&name.as_str()) {
            return vec![(path, name)];
        }
        let inner = |field: InputValueDefinition| {
            let path = [path.as_slice(), &[field.name.node.to_string()]].concat();
            self.leaves(&field.ty.node, path)
        };
        self.input_fields(&name).into_iter().flat_map(inner).collect()
    }

    /// Returns the object of a payload that shows what was stored for an input field.
    fn stored(&self, name: &str, field: &FieldDefinition, path: &[String], ty: &str) -> Option<Stored> {
        let is_generated = path.last().is_some_and(|leaf| GENERATED.contains(&leaf.as_str()));
        if is_generated || !matches!(ty, "String" | "DateTime" | "Decimal") {
            return None;
        }
        self.fields(&base(&field.ty.node)).iter().find_map(|object| {
            let of = base(&object.ty.node);
            // A node can be read again.
            let has_id = matches!(self.kind(&of), Some(TypeKind::Object(object))
                if object.implements.iter().any(|of| of.node == "Node"));
            let end = path.iter().try_fold(of.clone(), |of, step| {
                let fields = self.fields(&of);
                let next =
                    fields.iter().find(|field| field.name.node == *step && field.arguments.is_empty())?;
                (!is_list(&next.ty.node)).then(|| base(&next.ty.node))
            });
            (has_id && !is_list(&object.ty.node) && !path.is_empty() && end.as_deref() == Some(ty)).then(
                || Stored { object: format!("{name}.{}", object.name.node), ty: of, path: path.join(".") },
            )
        })
    }

    /// Returns the arguments of a call. `path` leads to the odd value.
    fn arguments(&self, field: &str, definition: &FieldDefinition, path: Option<&[String]>) -> String {
        let all = definition.arguments.iter().map(|argument| &argument.node);
        let given = self.given(field, all, path);
        if given.is_empty() { String::new() } else { format!("({given})") }
    }

    fn given<'a>(
        &self,
        field: &str,
        all: impl Iterator<Item = &'a InputValueDefinition>,
        path: Option<&[String]>,
    ) -> String {
        let values = all.filter_map(|one| {
            let name = one.name.node.as_str();
            let rest = path.and_then(|path| path.split_first()).filter(|(first, _)| *first == name);
            let is_required = !one.ty.node.nullable && one.default_value.is_none();
            let is_needed = is_required || NEEDED.contains(&(field, name));
            (is_needed || rest.is_some()).then(|| {
                format!("{name}: {}", self.value((field, name), &one.ty.node, rest.map(|rest| rest.1)))
            })
        });
        values.collect::<Vec<_>>().join(", ")
    }

    fn value(&self, name: (&str, &str), ty: &Type, rest: Option<&[String]>) -> String {
        match &ty.base {
            BaseType::List(of) => format!("[{}]", self.value(name, of, rest)),
            BaseType::Named(_) if rest.is_some_and(<[String]>::is_empty) => "$odd".to_owned(),
            BaseType::Named(of) => self.named(name, of.as_str(), rest),
        }
    }

    fn named(&self, (field, name): (&str, &str), of: &str, rest: Option<&[String]>) -> String {
        let given = self.values.get(&format!("{field}.{name}")).or_else(|| self.values.get(name));
        match of {
            _ if given.is_some_and(|given| given.starts_with('$')) => given.cloned().unwrap_or_default(),
            "ID" => format!("{:?}", given.map_or("event_01h455vb4pex5vsknk084sn02q", String::as_str)),
            "String" => format!("{:?}", given.map_or("some text", String::as_str)),
            "Decimal" => "\"1.00\"".to_owned(),
            "CurrencyCode" => "\"EUR\"".to_owned(),
            "DateTime" => format!("{:?}", given.map_or("2026-09-01T18:00:00Z", String::as_str)),
            "Int" | "Long" | "Float" => "1".to_owned(),
            "Boolean" => "true".to_owned(),
            other => match &self.types[other].kind {
                TypeKind::Enum(values) => {
                    given.cloned().unwrap_or_else(|| values.values[0].node.value.node.to_string())
                }
                TypeKind::InputObject(input) => {
                    let is_one_of = self.types[other].directives.iter().any(|d| d.node.name.node == "oneOf");
                    let fields = input.fields.iter().map(|field| &field.node);
                    let chosen = rest.and_then(|rest| rest.first());
                    if is_one_of {
                        let one = fields
                            .clone()
                            .find(|field| chosen.is_none_or(|chosen| field.name.node == chosen.as_str()))
                            .expect("a field");
                        let (inner, ty) = (one.name.node.as_str(), &one.ty.node);
                        let rest = rest.and_then(|rest| rest.split_first()).map(|(_, rest)| rest);
                        return format!("{{ {inner}: {} }}", self.value((field, inner), ty, rest));
                    }
                    format!("{{ {} }}", self.given(field, fields, rest))
                }
                TypeKind::Scalar | TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => {
                    panic!("{other} is no input")
                }
            },
        }
    }
}

fn is_errors(field: &FieldDefinition) -> bool {
    field.name.node == "errors"
}

/// Returns the selection of a path, such as `{ contact { name } }`.
fn selection(path: &str) -> String {
    path.rsplit('.').fold(String::new(), |inner, field| format!("{{ {field} {inner} }}"))
}

/// Returns the selection of an object's id and a path.
fn with_id(path: &str) -> String {
    selection(path).replacen('{', "{ id", 1)
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
