//! What a table's log asks of its readers and writers beyond plain files: which of it we read right, and which would be lost if we wrote.
//!
//! Other engines turn these on. [`FEATURES`] is the one list: what is in use is found in the protocol, the properties and the schema of the
//! log, not in what is merely allowed by the protocol's version.

use serde_json::{Map, Value};

/// What the log says of a table, as far as it decides what is in use.
pub(super) struct Facts {
    /// Names that the protocol lists for readers and writers.
    listed: Vec<String>,
    /// The table's properties.
    properties: Map<String, Value>,
    /// Columns that folders stand for.
    partition_columns: Vec<String>,
    /// Keys of the metadata of all columns.
    column_keys: Vec<String>,
    /// The columns with their types.
    columns: Vec<(String, Value)>,
}

/// One feature of Delta's protocol.
struct Feature {
    /// As messages name it.
    name: &'static str,
    /// As the protocol lists it.
    listed: &'static str,
    /// Says whether the table uses it.
    used: fn(&Facts) -> bool,
    /// Whether queries answer right where it is used.
    reads: bool,
    /// What undoes it.
    undo: &'static str,
}

const DROP: &str = "ALTER TABLE … DROP FEATURE of Spark";

/// What we do not write, and what of it we do not read either.
const FEATURES: [Feature; 12] = [
    Feature {
        name: "partition columns",
        listed: "",
        used: |facts| !facts.partition_columns.is_empty(),
        reads: true,
        undo: "DeltaTable(…).restore(VERSION) of Python's deltalake, to a version before it was partitioned, or \
               write_deltalake(…, mode=\"overwrite\", schema_mode=\"overwrite\", partition_by=[]) with all its rows",
    },
    Feature {
        name: "column mapping",
        listed: "columnMapping",
        used: |facts| {
            facts.property("delta.columnMapping.mode").is_some_and(|mode| mode != "none")
                || facts.has_column_key("delta.columnMapping.")
        },
        reads: false,
        undo: "the property delta.columnMapping.mode = none, set in Spark",
    },
    Feature {
        name: "identity columns",
        listed: "identityColumns",
        used: |facts| facts.has_column_key("delta.identity."),
        reads: true,
        undo: "ALTER TABLE … ALTER COLUMN … DROP IDENTITY of Spark",
    },
    Feature {
        name: "generated columns",
        listed: "generatedColumns",
        used: |facts| facts.has_column_key("delta.generationExpression"),
        reads: true,
        undo: DROP,
    },
    Feature {
        name: "check constraints",
        listed: "checkConstraints",
        used: |facts| facts.properties.keys().any(|key| key.starts_with("delta.constraints.")),
        reads: true,
        undo: "ALTER TABLE … DROP CONSTRAINT of Spark, or DeltaTable(…).alter.drop_constraint(…) of Python's deltalake",
    },
    Feature {
        name: "column invariants",
        listed: "invariants",
        used: |facts| facts.has_column_key("delta.invariants"),
        reads: true,
        undo: DROP,
    },
    Feature {
        name: "appends only",
        listed: "appendOnly",
        used: |facts| facts.is_on("delta.appendOnly"),
        reads: true,
        undo: "the property delta.appendOnly = false",
    },
    Feature {
        name: "a change data feed",
        listed: "changeDataFeed",
        used: |facts| facts.is_on("delta.enableChangeDataFeed"),
        reads: true,
        undo: "the property delta.enableChangeDataFeed = false",
    },
    Feature {
        name: "row tracking",
        listed: "rowTracking",
        // Where the protocol lists it, writers have to give ids, whether or not the property is on.
        used: |facts| facts.is_on("delta.enableRowTracking") || facts.lists("rowTracking"),
        reads: true,
        undo: "the property delta.enableRowTracking = false and ALTER TABLE … DROP FEATURE rowTracking of Spark",
    },
    Feature {
        name: "deletion vectors",
        listed: "deletionVectors",
        // A writer that makes none keeps the protocol, and takes files out with the vectors that they have.
        used: |_| false,
        reads: true,
        undo: "REORG TABLE … APPLY (PURGE) of Spark",
    },
    Feature {
        name: "checkpoints of version 2",
        listed: "v2Checkpoint",
        used: |facts| facts.property("delta.checkpointPolicy").is_some_and(|policy| policy == "v2"),
        reads: true,
        undo: "the property delta.checkpointPolicy = classic",
    },
    Feature {
        name: "times inside commits",
        listed: "inCommitTimestamp",
        used: |facts| facts.is_on("delta.enableInCommitTimestamps"),
        reads: true,
        undo: "the property delta.enableInCommitTimestamps = false",
    },
];

/// What the protocol may list and any writer of plain files keeps.
const HARMLESS: [&str; 3] = ["timestampNtz", "vacuumProtocolCheck", "domainMetadata"];

impl Facts {
    /// Reads the protocol and metadata actions of a log.
    pub(super) fn of(protocol: &Value, metadata: &Value) -> Self {
        let texts = |value: Option<&Value>| -> Vec<String> {
            let items = value.and_then(Value::as_array).into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let mut listed = texts(protocol.get("readerFeatures"));
        listed.extend(texts(protocol.get("writerFeatures")));
        listed.sort_unstable();
        listed.dedup();
        let schema = metadata.get("schemaString").and_then(Value::as_str).unwrap_or_default();
        let (mut column_keys, mut columns) = (Vec::new(), Vec::new());
        if let Ok(schema) = serde_json::from_str::<Value>(schema) {
            for field in schema.get("fields").and_then(Value::as_array).into_iter().flatten() {
                let keys = field.get("metadata").and_then(Value::as_object).into_iter().flat_map(Map::keys);
                column_keys.extend(keys.cloned());
                let name = field.get("name").and_then(Value::as_str).unwrap_or_default();
                columns.push((name.to_owned(), field.get("type").cloned().unwrap_or_default()));
            }
        }
        Self {
            listed,
            properties: metadata.get("configuration").and_then(Value::as_object).cloned().unwrap_or_default(),
            partition_columns: texts(metadata.get("partitionColumns")),
            column_keys,
            columns,
        }
    }

    /// Says which column is not there any more, or has another type than our files would have, given the fields of the log as we make
    /// them, and what undoes it.
    pub(super) fn misfit(&self, ours: &Value) -> Option<String> {
        ours.as_array()?.iter().find_map(|field| {
            let (name, wanted) = (field.get("name")?.as_str()?, field.get("type")?.as_str()?);
            let found = self.columns.iter().find(|(column, _)| column == name);
            // Readers take an instant for a time without a zone.
            let fits = |found: &Value| found == wanted || (wanted == "timestamp" && found == "timestamp_ntz");
            match found {
                Some((_, found)) if fits(found) => None,
                Some((_, found)) => Some(format!(
                    "another program gave the column {name:?} the type {found} where ours is \"{wanted}\"; nothing was changed; what undoes \
                     it: write_deltalake(…, mode=\"overwrite\", schema_mode=\"overwrite\") of Python's deltalake with all its rows and the \
                     column as {wanted}"
                )),
                None => Some(format!(
                    "another program took the column {name:?} out of the table; nothing was changed; what undoes it: \
                     DeltaTable(…).alter.add_columns(Field({name:?}, PrimitiveType(\"{wanted}\"))) of Python's deltalake"
                )),
            }
        })
    }

    /// Names the columns that are none of ours, whose values no file of ours has.
    pub(super) fn others<'a>(&'a self, ours: &'a Value) -> impl Iterator<Item = &'a str> {
        let is_ours = move |name: &str| {
            let mut fields = ours.as_array().into_iter().flatten();
            fields.any(|field| field.get("name").and_then(Value::as_str) == Some(name))
        };
        self.columns.iter().map(|(name, _)| name.as_str()).filter(move |name| !is_ours(name))
    }

    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn has_column_key(&self, beginning: &str) -> bool {
        self.column_keys.iter().any(|key| key.starts_with(beginning))
    }

    fn lists(&self, name: &str) -> bool {
        self.listed.iter().any(|listed| listed == name)
    }

    /// Says what queries would answer wrongly, and what undoes it.
    pub(super) fn unreadable(&self) -> Option<String> {
        let feature = FEATURES.iter().find(|feature| !feature.reads && (feature.used)(self))?;
        Some(self.words(feature, "reads"))
    }

    /// Says what would be lost or broken if we wrote, and what undoes it.
    pub(super) fn unwritable(&self) -> Option<String> {
        if let Some(feature) = FEATURES.iter().find(|feature| (feature.used)(self)) {
            return Some(self.words(feature, "writes"));
        }
        let known =
            |name: &String| FEATURES.iter().any(|f| f.listed == name.as_str()) || HARMLESS.contains(&name.as_str());
        let unknown = self.listed.iter().find(|name| !known(name))?;
        Some(format!(
            "another program gave the table the feature {unknown:?}, which sessionlake does not write; nothing was changed; \
             ALTER TABLE … DROP FEATURE {unknown} of Spark undoes it"
        ))
    }

    fn words(&self, feature: &Feature, does: &str) -> String {
        let columns = match feature.name {
            "partition columns" => format!(" ({})", self.partition_columns.join(", ")),
            _ => String::new(),
        };
        format!(
            "another program gave the table {}{columns}, which sessionlake does not {}; nothing was changed; what undoes it: {}",
            feature.name,
            does.trim_end_matches('s'),
            feature.undo
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(features: &[&str], properties: Value, partitions: &[&str], column: Value) -> Facts {
        let schema =
            json!({ "type": "struct", "fields": [{ "name": "session_id", "type": "string", "metadata": column }] });
        let protocol = json!({ "minReaderVersion": 3, "minWriterVersion": 7, "writerFeatures": features });
        let metadata = json!({
            "schemaString": schema.to_string(), "configuration": properties, "partitionColumns": partitions,
        });
        Facts::of(&protocol, &metadata)
    }

    #[test]
    fn what_is_in_use_is_named_with_what_undoes_it() {
        for (features, properties, partitions, column, reads, words) in [
            (&[][..], json!({}), &["workflow_id"][..], json!({}), true, "partition columns (workflow_id)"),
            (&[], json!({ "delta.columnMapping.mode": "name" }), &[], json!({}), false, "columnMapping.mode = none"),
            (&[], json!({}), &[], json!({ "delta.identity.start": 1 }), true, "DROP IDENTITY"),
            (&[], json!({}), &[], json!({ "delta.generationExpression": "1" }), true, "generated columns"),
            (&[], json!({ "delta.constraints.c": "x > 1" }), &[], json!({}), true, "DROP CONSTRAINT"),
            (&[], json!({}), &[], json!({ "delta.invariants": "{}" }), true, "invariants"),
            (&[], json!({ "delta.appendOnly": "true" }), &[], json!({}), true, "delta.appendOnly = false"),
            (&[], json!({ "delta.enableChangeDataFeed": "TRUE" }), &[], json!({}), true, "change data feed"),
            (&["rowTracking"], json!({}), &[], json!({}), true, "row tracking"),
            (&[], json!({ "delta.checkpointPolicy": "v2" }), &[], json!({}), true, "checkpointPolicy = classic"),
            (&[], json!({ "delta.enableInCommitTimestamps": "true" }), &[], json!({}), true, "times inside commits"),
            (&["somethingNew"], json!({}), &[], json!({}), true, "DROP FEATURE somethingNew"),
        ] {
            let facts = facts(features, properties, partitions, column);
            assert_eq!(facts.unreadable().is_none(), reads, "{words}");
            let told = facts.unwritable().unwrap();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn columns_that_are_gone_or_of_another_type_are_named_with_what_undoes_it() {
        let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        let ours = json!([field("session_id", "string"), field("started_at", "timestamp"), field("seconds", "double")]);
        let facts = |fields: Value| {
            let schema = json!({ "type": "struct", "fields": fields });
            Facts::of(&Value::Null, &json!({ "schemaString": schema.to_string() }))
        };
        let all = facts(json!([
            field("note", "string"),
            field("seconds", "double"),
            field("started_at", "timestamp_ntz"),
            field("session_id", "string"),
        ]));
        assert_eq!(all.misfit(&ours), None);
        assert_eq!(all.others(&ours).collect::<Vec<_>>(), ["note"]);
        for (fields, words) in [
            (
                json!([field("session_id", "string"), field("started_at", "timestamp")]),
                "Field(\"seconds\", PrimitiveType(\"double\"))",
            ),
            (json!([field("session_id", "long")]), "the type \"long\" where ours is \"string\""),
            (json!([{ "name": "session_id", "type": { "type": "struct", "fields": [] } }]), "column as string"),
        ] {
            let told = facts(fields).misfit(&ours).unwrap();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn what_is_allowed_and_not_used_is_no_obstacle() {
        let listed =
            ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "columnMapping"];
        let off = json!({ "delta.appendOnly": "false", "delta.columnMapping.mode": "none" });
        let facts = facts(&listed, off, &[], json!({ "comment": "x" }));
        assert_eq!((facts.unreadable(), facts.unwritable()), (None, None));
        let none = Facts::of(&json!({}), &Value::Null);
        assert_eq!((none.unreadable(), none.unwritable()), (None, None));
    }
}
