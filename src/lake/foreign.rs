//! Reads which data files a Delta table of another program consists of, with what its log says of them, so that exports can be taken in
//! from such tables.
//!
//! The newest version counts. What cannot be read right is an error that names the feature of Delta and what undoes it. Tables on this
//! machine only: files of exports lie there too.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::deletions::DeletionVector;
use super::history::commit_version;
use super::layout::Version;
use super::table::{Lake, Table};
use crate::error::{Error, Result};

/// The folder of a Delta table's log.
pub const LOG_FOLDER: &str = "_delta_log";

/// The newest version of a table of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTable {
    /// The version.
    pub version: Version,
    /// When it was committed, if the log says so.
    pub committed_at: Option<DateTime<Utc>>,
    /// 128-bit XXH3 of what makes it this version of this table.
    pub identity: u128,
    /// The columns that stand in data files, in the table's order.
    pub columns: Vec<LiveColumn>,
    /// The data files, in the order of their paths.
    pub files: Vec<LiveFile>,
    /// What is odd about the log, a sentence each.
    pub notes: Vec<String>,
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveColumn {
    /// The name.
    pub name: String,
    /// The name in data files, which is another one where columns are mapped.
    pub stored_as: String,
    /// The number in data files, where columns are mapped by numbers: names have no meaning there.
    pub stored_id: Option<i32>,
    /// Its members, where columns are mapped: these have other names in data files, too.
    pub members: LiveMembers,
}

/// The members of a type whose names in data files may be other ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveMembers {
    /// It has none, or the table's columns are not mapped.
    None,
    /// Those of a struct.
    Struct(Vec<LiveColumn>),
    /// Those of the items of a list.
    List(Box<Self>),
    /// Those of the keys and values of a map.
    Map(Box<Self>, Box<Self>),
}

impl LiveColumn {
    /// Reads a column of the schema, or a member of one.
    fn of(field: &Value, mapping: Mapping) -> Self {
        let name = field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let physical = field.pointer("/metadata/delta.columnMapping.physicalName").and_then(Value::as_str);
        let stored_as = physical.filter(|_| mapping != Mapping::None).map_or_else(|| name.clone(), str::to_owned);
        let id = field.pointer("/metadata/delta.columnMapping.id").and_then(Value::as_i64);
        let stored_id = id.filter(|_| mapping == Mapping::Id).and_then(|id| i32::try_from(id).ok());
        let members = match (mapping, field.get("type")) {
            (Mapping::Name | Mapping::Id, Some(kind)) => LiveMembers::of(kind, mapping),
            _ => LiveMembers::None,
        };
        Self { name, stored_as, stored_id, members }
    }

    /// Returns whether a column of a data file, with its name and number, is this one.
    pub fn is_stored_as(&self, name: &str, id: Option<i32>) -> bool {
        match self.stored_id {
            Some(own) => id == Some(own),
            None => self.stored_as == name,
        }
    }
}

impl LiveMembers {
    fn of(kind: &Value, mapping: Mapping) -> Self {
        let part = |name: &str| Box::new(kind.get(name).map_or(Self::None, |kind| Self::of(kind, mapping)));
        match kind.get("type").and_then(Value::as_str) {
            Some("struct") => {
                let fields = kind.get("fields").and_then(Value::as_array).into_iter().flatten();
                Self::Struct(fields.map(|field| LiveColumn::of(field, mapping)).collect())
            }
            Some("array") => Self::List(part("elementType")),
            Some("map") => Self::Map(part("keyType"), part("valueType")),
            _ => Self::None,
        }
    }
}

/// How columns are found in data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mapping {
    /// By the names of the table.
    None,
    /// By names of their own.
    Name,
    /// By numbers.
    Id,
}

/// A data file of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Where it is.
    pub path: PathBuf,
    /// The path from the table's folder.
    pub name: String,
    /// Length in bytes, as the log has it.
    pub size_bytes: u64,
    /// The columns that the log has the values of, in place of the file.
    pub values: Vec<PartitionValue>,
    /// Which of its rows are deleted, if any are.
    pub deleted: Option<DeletionVector>,
}

/// The value that all rows of a file have in a column.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartitionValue {
    /// The column.
    pub name: String,
    /// The value as text; an instant of the type `timestamp` in UTC and with its zone. `None` is null.
    pub value: Option<String>,
    /// Whether the text is a number or truth value in JSON, and no string.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
}

/// Says whether a folder is a Delta table.
pub fn is_table(folder: &Path) -> bool {
    folder.join(LOG_FOLDER).is_dir()
}

/// Reads the newest version of the table in a folder.
///
/// # Errors
/// A log that cannot be read, or a feature of Delta that is not read, by its name and with what helps.
pub async fn live_table(folder: &Path) -> Result<LiveTable> {
    let absolute = std::path::absolute(folder).map_err(|e| Error::storage(folder.display().to_string(), e))?;
    let Some(place) = absolute.to_str() else {
        return Err(Error::usage("the folder's name is no UTF-8, which Delta tables need"));
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let lake = Lake::at(place)?.telling(move |sentence| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(sentence.to_owned());
    });
    let mut table = lake.foreign()?;
    if let Err(error) = table.load().await {
        // The library says of a feature that it does not know no more than that.
        let unknown = newest_protocol(&table).await.ok().flatten().and_then(|protocol| unread_feature(&protocol));
        return Err(unknown.map_or(error, |feature| refused(&feature, None)));
    }
    let notes = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    describe(&table, &absolute, notes).await
}

fn refused(what: &str, undo: Option<&str>) -> Error {
    let undo = undo.map(|undo| format!("; what undoes it: {undo}")).unwrap_or_default();
    Error::usage(format!("is a Delta table with {what}, which is not read")).with_hint(format!(
        "write its rows into a Parquet file with an engine that reads the table, and take that in{undo}"
    ))
}

/// What the protocol may list for readers and is read right. Values of a wider type than their column's are converted by their text, and
/// columns of VARIANT are looked at where a data file is opened.
const READ_FEATURES: [&str; 12] = [
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
    "variantShredding",
    "variantShredding-preview",
    "domainMetadata",
];

/// Names what the protocol asks of readers and is not known here.
fn unread_feature(protocol: &Value) -> Option<String> {
    let listed = protocol.get("readerFeatures").and_then(Value::as_array).into_iter().flatten();
    let unknown = listed.filter_map(Value::as_str).find(|name| !READ_FEATURES.contains(name));
    if let Some(name) = unknown {
        return Some(format!("the feature {name:?}"));
    }
    let version = protocol.get("minReaderVersion").and_then(Value::as_i64).filter(|version| *version > 3)?;
    Some(format!("version {version} of the protocol for readers"))
}

/// Finds the newest protocol among the commits that are still in the log.
async fn newest_protocol(table: &Table) -> object_store::Result<Option<Value>> {
    let store = table.store();
    let listing = store.list(Some(&object_store::path::Path::from(LOG_FOLDER)));
    let mut commits: Vec<_> = listing
        .try_filter_map(|meta| {
            let version = commit_version(&meta.location);
            async move { Ok(version.map(|version| (version, meta.location))) }
        })
        .try_collect()
        .await?;
    commits.sort_unstable();
    for (_, location) in commits.into_iter().rev() {
        let text = store.get(&location).await?.bytes().await?;
        let actions = serde_json::Deserializer::from_slice(&text).into_iter::<Value>().filter_map(|action| action.ok());
        if let Some(protocol) = actions.filter_map(|action| action.get("protocol").cloned()).next() {
            return Ok(Some(protocol));
        }
    }
    Ok(None)
}

async fn describe(table: &Table, folder: &Path, notes: Vec<String>) -> Result<LiveTable> {
    let state = table.eager().await?;
    let json = |value: serde_json::Result<Value>| value.map_err(Error::internal);
    let protocol = json(serde_json::to_value(state.protocol()))?;
    if let Some(feature) = unread_feature(&protocol) {
        return Err(refused(&feature, None));
    }
    let metadata = json(serde_json::to_value(state.metadata()))?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let schema: Value = json(serde_json::from_str(&text(metadata.get("schemaString"))))?;
    let no_fields = Vec::new();
    let fields = schema.get("fields").and_then(Value::as_array).unwrap_or(&no_fields);
    let partitions: Vec<String> = metadata
        .get("partitionColumns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let mapping = match metadata.pointer("/configuration/delta.columnMapping.mode").and_then(Value::as_str) {
        None | Some("none") => Mapping::None,
        Some("name") => Mapping::Name,
        Some("id") => Mapping::Id,
        Some(mode) => return Err(refused(&format!("column mapping by {mode}"), Some(UNMAP))),
    };
    let named = |field: &Value| LiveColumn::of(field, mapping);
    let (values, columns): (Vec<&Value>, Vec<&Value>) =
        fields.iter().partition(|field| partitions.contains(&text(field.get("name"))));
    let values: Vec<(LiveColumn, String)> =
        values.into_iter().map(|field| (named(field), text(field.get("type")))).collect();
    let mut hash = Xxh3::new();
    hash.update(format!("{} {}", text(metadata.get("id")), table.version()).as_bytes());
    let mut files = Vec::new();
    for view in state.log_data().iter() {
        let name = view.path().into_owned();
        let deleted = DeletionVector::of_view(&view, |path| placed(folder, path).map_err(|error| error.to_string()))
            .map_err(|what| refused(&format!("a deletion vector of {name:?} that {what}"), Some(PURGE)))?;
        let path = placed(folder, &name)?;
        let size_bytes = u64::try_from(view.size()).unwrap_or_default();
        let raw = view.partition_values_map();
        let values: Vec<PartitionValue> =
            values.iter().map(|(column, kind)| partition_value(column, kind, &raw)).collect();
        files.push((view.modification_time(), LiveFile { path, name, size_bytes, values, deleted }));
    }
    files.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    for (modified_ms, file) in &files {
        hash.update(format!("\n{:?} {} {modified_ms} {:?}", file.name, file.size_bytes, file.values).as_bytes());
        if let Some(deleted) = &file.deleted {
            hash.update(deleted.identity().as_bytes());
        }
    }
    Ok(LiveTable {
        version: table.version(),
        committed_at: table.committed_at().await?,
        identity: hash.digest128(),
        columns: columns.into_iter().map(named).collect(),
        files: files.into_iter().map(|(_, file)| file).collect(),
        notes,
    })
}

const PURGE: &str = "REORG TABLE … APPLY (PURGE) of Spark";

const UNMAP: &str = "the property delta.columnMapping.mode = none, set in Spark";

/// Finds a data file. Most are named by their path from the table's folder, those of shallow clones by a URL.
fn placed(folder: &Path, name: &str) -> Result<PathBuf> {
    match name.split_once("://") {
        None => match name.strip_prefix("file:") {
            Some(path) => Ok(PathBuf::from(path)),
            None => Ok(folder.join(name)),
        },
        Some(("file", path)) => Ok(PathBuf::from(format!("/{}", path.trim_start_matches('/')))),
        Some(_) => Err(refused(&format!("a data file in another place ({name:?})"), None)),
    }
}

/// Reads the value of a partition column: Delta's protocol has texts, and the empty one is null as none is.
fn partition_value(column: &LiveColumn, kind: &str, raw: &HashMap<String, Option<String>>) -> PartitionValue {
    let text = raw.get(&column.stored_as).or_else(|| raw.get(&column.name)).cloned().flatten();
    let value = text.filter(|text| !text.is_empty()).map(|text| match kind {
        // An instant of an older kind has no zone, and is in UTC as one with a zone is.
        "timestamp" if !text.ends_with('Z') && !has_offset(&text) => format!("{text}Z"),
        _ => text,
    });
    let bare = matches!(kind, "byte" | "short" | "integer" | "long" | "float" | "double" | "boolean")
        || kind.starts_with("decimal");
    let is_json = value.as_deref().is_some_and(|text| serde_json::from_str::<Value>(text).is_ok());
    PartitionValue { name: column.name.clone(), value, bare: bare && is_json }
}

fn has_offset(text: &str) -> bool {
    // Behind the date, which has dashes of its own.
    text.get(10..).is_some_and(|time| time.contains(['+', '-']))
}

impl Table {
    /// Returns when the loaded version was committed: as its commit says, or when its file was written; `None` where the commit was
    /// cleaned up behind a checkpoint.
    pub async fn committed_at(&self) -> Result<Option<DateTime<Utc>>> {
        let (store, version) = (self.store(), self.version());
        let path = object_store::path::Path::from(LOG_FOLDER).join(format!("{version:020}.json"));
        match store.head(&path).await {
            // Of one file the store tells the path from its own root.
            Ok(meta) => {
                let meta = ObjectMeta { location: path, ..meta };
                Ok(self.entry(&store, version, meta).await?.committed_at)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::storage(self.lake.clone(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(
        protocol: &Value,
        configuration: Value,
        fields: Value,
        partitions: &[&str],
        adds: &[Value],
    ) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(LOG_FOLDER)).unwrap();
        let schema = json!({ "type": "struct", "fields": fields }).to_string();
        let metadata = json!({ "metaData": {
            "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": { "provider": "parquet", "options": {} }, "schemaString": schema,
            "partitionColumns": partitions, "configuration": configuration, "createdTime": 0,
        } });
        let mut lines = vec![
            json!({ "commitInfo": { "timestamp": 1_795_168_800_000_i64 } }),
            json!({ "protocol": protocol }),
            metadata,
        ];
        lines.extend(adds.iter().cloned());
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.path().join(LOG_FOLDER).join("00000000000000000000.json"), text).unwrap();
        folder
    }

    fn field(name: &str, kind: &str) -> Value {
        json!({ "name": name, "type": kind, "nullable": true, "metadata": {} })
    }

    fn add(path: &str, values: Value) -> Value {
        json!({ "add": { "path": path, "partitionValues": values, "size": 7, "modificationTime": 1, "dataChange": true } })
    }

    fn plain() -> Value {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn live_files_come_with_their_partition_values_by_type() {
        let fields = json!([
            field("session_id", "string"),
            field("kind", "string"),
            field("day", "integer"),
            field("started_at", "timestamp"),
            field("data", "string"),
            field("local", "timestamp_ntz")
        ]);
        let partitions = ["kind", "day", "started_at", "local"];
        let adds = [
            add(
                "kind=a%2520b/p%20q.parquet",
                json!({ "kind": "a b", "day": "20261120", "started_at": "2026-11-20 10:00:00.000001", "local": "2026-11-20 10:00:00" }),
            ),
            add("b.parquet", json!({ "kind": "", "day": null, "started_at": "2026-11-20T10:00:00Z" })),
            add("gone.parquet", json!({})),
            json!({ "remove": { "path": "gone.parquet", "deletionTimestamp": 2, "dataChange": true } }),
        ];
        // What one commit adds it does not remove.
        let protocol = json!({
            "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"],
        });
        let folder = table(&protocol, json!({}), fields, &partitions, &adds[..3]);
        let log = folder.path().join(LOG_FOLDER);
        std::fs::write(log.join("00000000000000000001.json"), format!("{}\n", adds[3])).unwrap();
        let live = live_table(folder.path()).await.unwrap();
        assert_eq!(live.version, 1);
        let column = |name: &str| LiveColumn {
            name: name.to_owned(),
            stored_as: name.to_owned(),
            stored_id: None,
            members: LiveMembers::None,
        };
        assert_eq!(live.columns, [column("session_id"), column("data")]);
        let names: Vec<&str> = live.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["b.parquet", "kind=a%20b/p q.parquet"]);
        assert_eq!(live.files[1].path, folder.path().join("kind=a%20b/p q.parquet"));
        let value = |name: &str, value: Option<&str>, bare| PartitionValue {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            bare,
        };
        assert_eq!(
            live.files[1].values,
            [
                value("kind", Some("a b"), false),
                value("day", Some("20261120"), true),
                value("started_at", Some("2026-11-20 10:00:00.000001Z"), false),
                value("local", Some("2026-11-20 10:00:00"), false),
            ]
        );
        assert_eq!(
            live.files[0].values,
            [
                value("kind", None, false),
                value("day", None, false),
                value("started_at", Some("2026-11-20T10:00:00Z"), false),
                value("local", None, false),
            ]
        );
        assert_eq!(live_table(folder.path()).await.unwrap(), live);
        let text = format!("{}\n", json!({ "commitInfo": { "timestamp": 1_795_168_801_000_i64 } }));
        std::fs::write(log.join("00000000000000000002.json"), text).unwrap();
        let next = live_table(folder.path()).await.unwrap();
        assert_eq!(next.committed_at.unwrap().timestamp_millis(), 1_795_168_801_000);
        assert!(next.identity != live.identity && next.files == live.files);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_read_is_named() {
        let fields = json!([field("session_id", "string")]);
        let three = |features: &[&str]| json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features });
        let by_other = json!({ "delta.columnMapping.mode": "other", "delta.columnMapping.maxColumnId": "2" });
        let vector = json!({ "add": { "path": "a.parquet", "partitionValues": {}, "size": 7, "modificationTime": 1, "dataChange": true,
            "deletionVector": { "storageType": "u", "pathOrInlineDv": "short", "sizeInBytes": 40, "cardinality": 6 } } });
        for (protocol, configuration, fields, adds, words) in [
            (three(&["somethingNew"]), json!({}), fields.clone(), vec![], "the feature \"somethingNew\""),
            (three(&["columnMapping"]), by_other, fields.clone(), vec![], "column mapping"),
            (
                three(&["deletionVectors"]),
                json!({ "delta.enableDeletionVectors": "true" }),
                fields.clone(),
                vec![vector],
                "a deletion vector of \"a.parquet\" that has no whole name",
            ),
            (
                plain(),
                json!({}),
                fields,
                vec![add("s3://b/x.parquet", json!({}))],
                "another place (\"s3://b/x.parquet\")",
            ),
        ] {
            let folder = table(&protocol, configuration, fields, &[], &adds);
            let error = live_table(folder.path()).await.unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn columns_that_are_mapped_have_two_names_and_so_have_their_members() {
        let physical =
            |name: &str, id: u64| json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": name });
        let tier = json!({ "type": "struct", "fields": [
            { "name": "tier", "type": "string", "nullable": true, "metadata": physical("col-3", 3) },
        ] });
        let fields = json!([
            { "name": "session_id", "type": "string", "nullable": true, "metadata": physical("col-1", 1) },
            { "name": "data", "nullable": true, "metadata": physical("col-2", 2), "type": {
                "type": "map", "keyType": "string", "valueContainsNull": true,
                "valueType": { "type": "array", "elementType": tier, "containsNull": true },
            } },
        ]);
        let protocol = json!({ "minReaderVersion": 2, "minWriterVersion": 5 });
        for (mode, by_id) in [("name", false), ("id", true)] {
            let column = |name: &str, id: i32, members| LiveColumn {
                name: name.to_owned(),
                stored_as: format!("col-{id}"),
                stored_id: by_id.then_some(id),
                members,
            };
            let configuration = json!({ "delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "3" });
            let folder = table(&protocol, configuration, fields.clone(), &[], &[]);
            let live = live_table(folder.path()).await.unwrap();
            let tier = LiveMembers::Struct(vec![column("tier", 3, LiveMembers::None)]);
            let data = LiveMembers::Map(Box::new(LiveMembers::None), Box::new(LiveMembers::List(Box::new(tier))));
            assert_eq!(live.columns, [column("session_id", 1, LiveMembers::None), column("data", 2, data)], "{mode}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_without_a_version_is_no_table() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(LOG_FOLDER)).unwrap();
        assert!(live_table(folder.path()).await.is_err());
    }
}
