//! The schema of an Avro file: JSON that names the types of what its records hold.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Types that a schema may have.
const MAX_TYPES: usize = 100_000;

/// Index of a type in a schema.
pub(super) type TypeId = usize;

/// A type, logical ones in place of what they are stored as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    /// `int` and `long`, which are written alike.
    Integer,
    Float,
    Double,
    Bytes,
    Text,
    Record(Vec<(String, TypeId)>),
    Enum(Vec<String>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Fixed(usize),
    /// Days since 1970-01-01.
    Date,
    /// A time of day, in parts of this many a second.
    Time(i64),
    /// An instant, or a time on a local clock, in parts of this many a second.
    Timestamp {
        per_second: i64,
        is_local: bool,
    },
    /// Digits behind the point, and the width where all have one.
    Decimal(usize, Option<usize>),
    /// A UUID of 16 bytes; one that is text is text.
    Uuid,
    /// Months, days and milliseconds.
    Duration,
}

/// The types of a file.
#[derive(Debug)]
pub(super) struct Schema {
    types: Vec<Type>,
    root: TypeId,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(json).map_err(|error| format!("its schema is no JSON: {error}"))?;
        let mut parser = Parser { types: Vec::new(), named: HashMap::new() };
        let root = parser.read(&value, "")?;
        Ok(Self { types: parser.types, root })
    }

    pub(super) fn get(&self, id: TypeId) -> &Type {
        self.types.get(id).unwrap_or(&Type::Null)
    }

    /// Returns the fields of the records of the file, or `None` where they are of another type.
    pub(super) fn fields(&self) -> Option<&[(String, TypeId)]> {
        match self.get(self.root) {
            Type::Record(fields) => Some(fields),
            _ => None,
        }
    }
}

struct Parser {
    types: Vec<Type>,
    /// The types that have names, by their full ones.
    named: HashMap<String, TypeId>,
}

impl Parser {
    fn add(&mut self, kind: Type) -> Result<TypeId, String> {
        if self.types.len() == MAX_TYPES {
            return Err(format!("its schema has more than {MAX_TYPES} types"));
        }
        self.types.push(kind);
        Ok(self.types.len() - 1)
    }

    /// Reads a type that stands in a namespace.
    fn read(&mut self, value: &Value, namespace: &str) -> Result<TypeId, String> {
        match value {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => {
                let branches =
                    branches.iter().map(|branch| self.read(branch, namespace)).collect::<Result<Vec<_>, _>>()?;
                self.add(Type::Union(branches))
            }
            Value::Object(members) => self.described(members, namespace),
            other => Err(format!("its schema has {other} in place of a type")),
        }
    }

    fn by_name(&mut self, name: &str, namespace: &str) -> Result<TypeId, String> {
        if let Some(kind) = primitive(name) {
            return self.add(kind);
        }
        let found = self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name));
        found.copied().ok_or_else(|| format!("its schema has no type {name:?}"))
    }

    fn described(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<TypeId, String> {
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        let number =
            |key: &str| members.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        let kind = match members.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // A type in a type, as {"type": {"type": "string"}}.
            Some(inner) => return self.read(inner, namespace),
            None => return Err("its schema has a type without a kind".to_owned()),
        };
        let logical = text("logicalType").unwrap_or_default();
        match kind {
            "record" | "error" | "enum" | "fixed" => {
                let name = text("name").ok_or("its schema has a type without a name")?;
                let name = full_name(name, text("namespace").unwrap_or(namespace));
                let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                let id = self.add(Type::Null)?;
                // Known before its fields are read: they may be of it.
                self.named.insert(name, id);
                let kind = match kind {
                    "enum" => Type::Enum(texts(members.get("symbols"))),
                    "fixed" => {
                        let size = number("size").ok_or("its schema has a fixed type without a size")?;
                        match (logical, size) {
                            ("decimal", _) => Type::Decimal(number("scale").unwrap_or(0), Some(size)),
                            ("uuid", 16) => Type::Uuid,
                            ("duration", 12) => Type::Duration,
                            _ => Type::Fixed(size),
                        }
                    }
                    _ => Type::Record(self.record(members, &inner)?),
                };
                if let Some(slot) = self.types.get_mut(id) {
                    *slot = kind;
                }
                Ok(id)
            }
            "array" => {
                let items = self.read(members.get("items").unwrap_or(&Value::Null), namespace)?;
                self.add(Type::Array(items))
            }
            "map" => {
                let values = self.read(members.get("values").unwrap_or(&Value::Null), namespace)?;
                self.add(Type::Map(values))
            }
            _ => {
                let timestamp = |per_second: i64, is_local: bool| Type::Timestamp { per_second, is_local };
                let kind = match (kind, logical) {
                    ("int", "date") => Type::Date,
                    ("int", "time-millis") => Type::Time(1_000),
                    ("long", "time-micros") => Type::Time(1_000_000),
                    ("long", "timestamp-millis") => timestamp(1_000, false),
                    ("long", "timestamp-micros") => timestamp(1_000_000, false),
                    ("long", "timestamp-nanos") => timestamp(1_000_000_000, false),
                    ("long", "local-timestamp-millis") => timestamp(1_000, true),
                    ("long", "local-timestamp-micros") => timestamp(1_000_000, true),
                    ("long", "local-timestamp-nanos") => timestamp(1_000_000_000, true),
                    ("bytes", "decimal") => Type::Decimal(number("scale").unwrap_or(0), None),
                    _ => return self.by_name(kind, namespace),
                };
                self.add(kind)
            }
        }
    }

    fn record(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<Vec<(String, TypeId)>, String> {
        let listed = members.get("fields").and_then(Value::as_array).ok_or("its schema has a record without fields")?;
        let mut fields = Vec::with_capacity(listed.len());
        for field in listed {
            let name = field.get("name").and_then(Value::as_str).ok_or("its schema has a field without a name")?;
            let kind = self.read(field.get("type").unwrap_or(&Value::Null), namespace)?;
            fields.push((name.to_owned(), kind));
        }
        Ok(fields)
    }
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" | "long" => Type::Integer,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::Text,
        _ => return None,
    })
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let all = list.and_then(Value::as_array).into_iter().flatten();
    all.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}
