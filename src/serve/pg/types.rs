//! The types of columns and parameters, as PostgreSQL numbers them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::functions::interval::INTERVAL;

/// A type of PostgreSQL: its number, and how many bytes a value takes, -1 for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    pub oid: u32,
    pub size: i16,
}

/// Days and microseconds from 1970 to 2000, from which PostgreSQL counts.
pub const DAYS_TO_2000: i32 = 10_957;
pub const US_TO_2000: i64 = 946_684_800_000_000;

/// The metadata of a field that names another type than that of its values: a number in decimal.
pub const TYPE_KEY: &str = "sessionlake.pg_type";

macro_rules! types {
    ($($name:ident = $oid:literal, $size:literal;)*) => {
        $(pub const $name: PgType = PgType { oid: $oid, size: $size };)*
        const KNOWN: &[PgType] = &[$($name),*];
    };
}

types! {
    BOOL = 16, 1;
    BYTEA = 17, -1;
    CHAR = 18, 1;
    NAME = 19, 64;
    INT8 = 20, 8;
    INT2 = 21, 2;
    INT4 = 23, 4;
    TEXT = 25, -1;
    OID = 26, 4;
    JSON = 114, -1;
    FLOAT4 = 700, 4;
    FLOAT8 = 701, 8;
    UNKNOWN = 705, -2;
    BPCHAR = 1042, -1;
    VARCHAR = 1043, -1;
    DATE = 1082, 4;
    TIME = 1083, 8;
    TIMESTAMP = 1114, 8;
    TIMESTAMPTZ = 1184, 8;
    INTERVAL_TYPE = 1186, 16;
    NUMERIC = 1700, -1;
    INT2VECTOR = 22, -1;
    OIDVECTOR = 30, -1;
    REGPROC = 24, 4;
    REGCLASS = 2205, 4;
    REGTYPE = 2206, 4;
    REGPROCEDURE = 2202, 4;
    REGOPER = 2203, 4;
    REGOPERATOR = 2204, 4;
    REGNAMESPACE = 4089, 4;
    REGROLE = 4096, 4;
    REGCOLLATION = 4191, 4;
}

/// The arrays of types: the number of the array, and that of its elements.
const ARRAYS: [(u32, PgType); 20] = [
    (1000, BOOL),
    (1001, BYTEA),
    (1002, CHAR),
    (1003, NAME),
    (1005, INT2),
    (1007, INT4),
    (1009, TEXT),
    (1014, BPCHAR),
    (1015, VARCHAR),
    (1016, INT8),
    (1021, FLOAT4),
    (1022, FLOAT8),
    (1028, OID),
    (199, JSON),
    (1115, TIMESTAMP),
    (1182, DATE),
    (1183, TIME),
    (1185, TIMESTAMPTZ),
    (1187, INTERVAL_TYPE),
    (1231, NUMERIC),
];

impl PgType {
    /// Finds a type by its number.
    pub fn known(oid: u32) -> Option<Self> {
        let array = |(oid, _): &(u32, Self)| Self { oid: *oid, size: -1 };
        let arrays = ARRAYS.iter().find(|(number, _)| *number == oid).map(array);
        KNOWN.iter().copied().find(|known| known.oid == oid).or(arrays)
    }

    /// The type of a column.
    pub fn of(field: &Field) -> Self {
        let named = field.metadata().get(TYPE_KEY).and_then(|oid| Self::known(oid.parse().ok()?));
        named.unwrap_or_else(|| Self::of_values(field.data_type()))
    }

    /// The type of values. What PostgreSQL has no type for, such as structs, is the text of its JSON.
    pub fn of_values(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => BOOL,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => INT2,
            DataType::Int32 | DataType::UInt16 => INT4,
            DataType::Int64 | DataType::UInt32 => INT8,
            DataType::UInt64 => NUMERIC,
            DataType::Float16 | DataType::Float32 => FLOAT4,
            DataType::Float64 => FLOAT8,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                NUMERIC
            }
            DataType::Date32 | DataType::Date64 => DATE,
            DataType::Time32(_) | DataType::Time64(_) => TIME,
            DataType::Timestamp(_, None) => TIMESTAMP,
            DataType::Timestamp(_, Some(_)) => TIMESTAMPTZ,
            DataType::Interval(_) | DataType::Duration(_) => INTERVAL_TYPE,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => BYTEA,
            DataType::Dictionary(_, values) => Self::of_values(values),
            DataType::RunEndEncoded(_, values) => Self::of_values(values.data_type()),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::of(item).array().unwrap_or(TEXT)
            }
            _ => TEXT,
        }
    }

    /// The type of arrays of this one, which is none for arrays: those of PostgreSQL have dimensions instead.
    pub fn array(self) -> Option<Self> {
        let found = ARRAYS.iter().find(|(_, element)| *element == self);
        found.map(|(oid, _)| Self { oid: *oid, size: -1 })
    }

    /// The type of an array's elements.
    pub fn element(self) -> Option<Self> {
        ARRAYS.iter().find(|(oid, _)| *oid == self.oid).map(|(_, element)| *element)
    }

    /// The values that a parameter of this type has; `None` where it is told by where it stands.
    pub fn values(self) -> Option<DataType> {
        Some(match self {
            BOOL => DataType::Boolean,
            INT2 => DataType::Int16,
            INT4 => DataType::Int32,
            OID | INT8 => DataType::Int64,
            FLOAT4 => DataType::Float32,
            FLOAT8 => DataType::Float64,
            NUMERIC => DataType::Decimal128(38, 10),
            DATE => DataType::Date32,
            TIME => DataType::Time64(TimeUnit::Microsecond),
            TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
            TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            INTERVAL_TYPE => INTERVAL,
            BYTEA => DataType::Binary,
            TEXT | VARCHAR | BPCHAR | NAME | CHAR | JSON | INT2VECTOR | OIDVECTOR => DataType::Utf8,
            // What names an object: its name as text, its number in binary.
            REGCLASS | REGTYPE | REGPROC | REGPROCEDURE | REGOPER | REGOPERATOR | REGNAMESPACE | REGROLE
            | REGCOLLATION => DataType::Utf8,
            other => {
                let element = other.element()?.values()?;
                DataType::List(Arc::new(Field::new_list_field(element, true)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_documented_numbers() {
        for (data_type, oid) in [
            (DataType::Utf8View, 25),
            (DataType::Int64, 20),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), 1184),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), 1114),
            (DataType::Decimal128(20, 2), 1700),
            (DataType::UInt64, 1700),
            (DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), 1009),
            (DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()), 25),
            (DataType::Null, 25),
        ] {
            assert_eq!(PgType::of_values(&data_type).oid, oid, "{data_type}");
        }
        let named =
            Field::new("oid", DataType::Int64, false).with_metadata([(TYPE_KEY.to_owned(), "26".to_owned())].into());
        assert_eq!(PgType::of(&named), OID);
        for known in KNOWN.iter().filter(|known| **known != UNKNOWN) {
            assert!(known.values().is_some(), "{known:?}");
        }
        assert_eq!(PgType::known(1_234_567), None);
    }
}
