//! The types of PostgreSQL that the catalog speaks of: their numbers, names and properties, from `types.txt`.
//!
//! A type is its oid. Arrays are types of their own, named after their elements with an underscore before it, as PostgreSQL has them.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, ObjectName, ObjectNamePart, TimezoneInfo};

use super::fault::{Fault, NO_OBJECT, Result};

/// A type, by its oid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u32);

macro_rules! named {
    ($($name:ident = $oid:literal),* $(,)?) => {
        impl Type { $(#[doc = concat!("The type of oid ", $oid, ".")] pub const $name: Type = Type($oid);)* }
    };
}

named! {
    BOOL = 16, BYTEA = 17, CHAR = 18, NAME = 19, INT8 = 20, INT2 = 21, INT2VECTOR = 22, INT4 = 23, REGPROC = 24, TEXT = 25, OID = 26, XID = 28,
    OIDVECTOR = 30, JSON = 114, FLOAT4 = 700, FLOAT8 = 701, UNKNOWN = 705, BPCHAR = 1042, VARCHAR = 1043, DATE = 1082, TIME = 1083,
    TIMESTAMP = 1114, TIMESTAMPTZ = 1184, INTERVAL = 1186, NUMERIC = 1700, REGPROCEDURE = 2202, REGOPER = 2203, REGOPERATOR = 2204,
    REGCLASS = 2205, REGTYPE = 2206, RECORD = 2249, ANYARRAY = 2277, JSONB = 3802, REGNAMESPACE = 4089, REGROLE = 4096,
    REGCOLLATION = 4191, NAMES = 1003, INT2S = 1005, INT4S = 1007, TEXTS = 1009, OIDS = 1028, CHARS = 1002, INT8S = 1016,
    NUMBERED = 1,
}

/// How values of a type are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// As a truth value.
    Bool,
    /// As a whole number.
    Int,
    /// As a floating-point number.
    Float,
    /// As text.
    Text,
    /// As microseconds since 1970.
    Instant,
    /// As a list.
    List,
    /// As the values of a row.
    Row,
}

/// What the catalog says of a type.
#[derive(Debug)]
pub struct Known {
    /// The oid.
    pub oid: u32,
    /// The name in pg_type.
    pub name: String,
    /// Bytes, or -1 where that depends on the value.
    pub length: i64,
    /// `b` for base types, `p` for pseudo types, `r` for ranges, `d` for domains.
    pub kind: &'static str,
    /// The category, one letter.
    pub category: &'static str,
    /// Whether the type is the preferred one of its category.
    pub preferred: bool,
    /// The type of elements, or 0.
    pub element: u32,
    /// The type of arrays of it, or 0.
    pub array: u32,
    /// Alignment, one letter.
    pub align: &'static str,
    /// Storage, one letter.
    pub storage: &'static str,
    /// The collation, or 0.
    pub collation: u32,
    /// What the names of its functions for reading and writing begin with.
    pub prefix: String,
    /// Their oids: in, receive, out, send.
    pub functions: [u32; 4],
    /// The name in SQL.
    pub sql: String,
}

const TEXT: &str = include_str!("types.txt");

/// The names of the domains of information_schema, with the types that they are of.
const DOMAINS: [(&str, Type); 5] = [
    ("cardinal_number", Type::INT4),
    ("character_data", Type::VARCHAR),
    ("sql_identifier", Type::NAME),
    ("time_stamp", Type::TIMESTAMPTZ),
    ("yes_or_no", Type::VARCHAR),
];

struct Table {
    all: Vec<Known>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<String, u32>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut all = Vec::new();
    let mut by_name = HashMap::new();
    for line in TEXT.lines() {
        let mut words = line.splitn(17, ' ');
        let mut word = || words.next().unwrap_or_default();
        let number = |word: &str| word.parse::<u32>().unwrap_or_default();
        let (oid, name) = (number(word()), word());
        let length = word().parse().unwrap_or(-1);
        let (kind, category, preferred) = (word(), word(), word() == "t");
        let (element, array, align, storage) = (number(word()), number(word()), word(), word());
        let (collation, prefix) = (number(word()), word());
        let functions = [number(word()), number(word()), number(word()), number(word())];
        let sql = word();
        by_name.insert(name.to_owned(), oid);
        by_name.insert(sql.to_owned(), oid);
        if array != 0 {
            by_name.insert(format!("_{name}"), array);
            all.push(Known {
                oid: array,
                name: format!("_{name}"),
                length: -1,
                kind: "b",
                category: "A",
                preferred: false,
                element: oid,
                array: 0,
                align: if align == "d" { "d" } else { "i" },
                storage: "x",
                collation,
                prefix: "array_".to_owned(),
                functions: [750, 2400, 751, 2401],
                sql: format!("{sql}[]"),
            });
        }
        let (name, prefix, sql) = (name.to_owned(), prefix.to_owned(), sql.to_owned());
        all.push(Known {
            oid,
            name,
            length,
            kind,
            category,
            preferred,
            element,
            array,
            align,
            storage,
            collation,
            prefix,
            functions,
            sql,
        });
    }
    for (name, oid) in [("int", 23), ("decimal", 1700), ("float", 701), ("varchar", 1043), ("anyarray", 2277)] {
        by_name.insert(name.to_owned(), oid);
    }
    for (name, of) in DOMAINS {
        by_name.insert(name.to_owned(), of.0);
    }
    all.sort_by_key(|known| known.oid);
    let by_oid = all.iter().enumerate().map(|(at, known)| (known.oid, at)).collect();
    Table { all, by_oid, by_name }
});

/// Lists all types, by oid.
pub fn all() -> &'static [Known] {
    &TABLE.all
}

/// Returns a type by its oid.
pub fn known(oid: u32) -> Option<&'static Known> {
    TABLE.all.get(*TABLE.by_oid.get(&oid)?)
}

/// Returns a type by a name of PostgreSQL or SQL, with `[]` or not.
pub fn named(name: &str) -> Option<Type> {
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").or_else(|| name.strip_prefix("information_schema.")).unwrap_or(name);
    if let Some(element) = name.strip_suffix("[]") {
        return named(element)?.array();
    }
    // A length says nothing here.
    let bare = match (name.find('('), name.find(')')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{}", name.get(..from).unwrap_or(name).trim_end(), name.get(to + 1..).unwrap_or_default())
        }
        _ => name.to_owned(),
    };
    let unquoted = match bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')) {
        Some(unquoted) => unquoted.to_owned(),
        None if bare.eq_ignore_ascii_case("char") => return Some(Type::BPCHAR),
        None => bare.to_lowercase(),
    };
    TABLE.by_name.get(&unquoted).map(|oid| Type(*oid))
}

impl Type {
    /// The type of arrays of this one.
    pub fn array(self) -> Option<Self> {
        known(self.0).map(|known| known.array).filter(|oid| *oid != 0).map(Self)
    }

    /// The type of the elements, of an array.
    pub fn element(self) -> Option<Self> {
        match self {
            Self::INT2VECTOR => Some(Self::INT2),
            Self::OIDVECTOR => Some(Self::OID),
            Self::ANYARRAY => Some(Self::TEXT),
            _ => known(self.0).filter(|known| known.category == "A").map(|known| Self(known.element)),
        }
    }

    /// The name in pg_type.
    pub fn name(self) -> &'static str {
        known(self.0).map_or("record", |known| known.name.as_str())
    }

    /// How its values are held.
    pub fn held(self) -> Held {
        match self {
            Self::BOOL => Held::Bool,
            Self::INT8 | Self::INT2 | Self::INT4 | Self::OID | Self::XID => Held::Int,
            Self::FLOAT4 | Self::FLOAT8 | Self::NUMERIC => Held::Float,
            Self::TIMESTAMPTZ | Self::TIMESTAMP => Held::Instant,
            Self::RECORD | Self::NUMBERED => Held::Row,
            _ if self.is_reference() => Held::Int,
            _ if self.element().is_some() => Held::List,
            _ => match known(self.0).map(|known| known.name.as_str()) {
                Some("cid" | "xid8") => Held::Int,
                _ => Held::Text,
            },
        }
    }

    /// Whether it is a number of an object that is written as its name: regclass and its like.
    pub fn is_reference(self) -> bool {
        matches!(
            self,
            Self::REGPROC
                | Self::REGPROCEDURE
                | Self::REGOPER
                | Self::REGOPERATOR
                | Self::REGCLASS
                | Self::REGTYPE
                | Self::REGNAMESPACE
                | Self::REGROLE
                | Self::REGCOLLATION
        )
    }

    /// Returns the type that a statement names.
    ///
    /// # Errors
    /// A type that is not known.
    pub fn of(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
                let element = Self::of(element)?;
                return element
                    .array()
                    .ok_or_else(|| Fault::new(NO_OBJECT, format!("there is no array of {}", element.name())));
            }
            DataType::Custom(name, _) => return Self::of_name(name),
            DataType::Timestamp(_, zone) | DataType::Time(_, zone) => {
                let is_zoned = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
                match (data_type, is_zoned) {
                    (DataType::Timestamp(..), true) => Self::TIMESTAMPTZ,
                    (DataType::Timestamp(..), false) => Self::TIMESTAMP,
                    _ => Self::TIME,
                }
            }
            DataType::Interval { .. } => Self::INTERVAL,
            DataType::Regclass => Self::REGCLASS,
            DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Varchar(_) => Self::VARCHAR,
            DataType::Character(_) | DataType::Char(_) => Self::BPCHAR,
            DataType::Float(_) | DataType::Double(_) | DataType::DoublePrecision => Self::FLOAT8,
            DataType::Real => Self::FLOAT4,
            other => {
                let text = other.to_string();
                return named(&text).ok_or_else(|| Fault::new(NO_OBJECT, format!("type \"{text}\" does not exist")));
            }
        })
    }

    fn of_name(name: &ObjectName) -> Result<Self> {
        let text = match name.0.last() {
            // sqlparser takes char for a type of its own only where it is not quoted.
            Some(ObjectNamePart::Identifier(last)) if last.quote_style.is_some() => format!("\"{}\"", last.value),
            Some(ObjectNamePart::Identifier(last)) => last.value.to_lowercase(),
            _ => name.to_string(),
        };
        named(&text).ok_or_else(|| Fault::new(NO_OBJECT, format!("type \"{}\" does not exist", name)))
    }
}

/// Returns the name in SQL of a type, by oid and modifier, as `format_type` does.
pub fn sql_name(oid: u32, modifier: Option<i64>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let Some(known) = known(oid) else { return "???".to_owned() };
    match (known.oid, modifier) {
        (1042 | 1043, Some(modifier)) if modifier >= 4 => format!("{}({})", known.sql, modifier - 4),
        (1042, Some(_)) => "bpchar".to_owned(),
        (1700, Some(modifier)) if modifier >= 4 => {
            format!("numeric({},{})", ((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0xffff)
        }
        _ => known.sql.clone(),
    }
}
