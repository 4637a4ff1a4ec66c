//! Writes scans down for another process, and reads them there.
//!
//! What is written is the plain data of a scan: the lake, the table and the schema by their names, the slices of files with their seals and the rows
//! that are left of each, and the expressions. Statistics stay behind: they were for planning, and those of 18 columns of ten thousand files are
//! many megabytes. All other nodes are DataFusion's, which has a form for them; its functions and ours are named and found by name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_datafusion_err, not_impl_err};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalExprNode;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use prost::Message;

use crate::engine::own::Node;
use crate::engine::readers::partitioned;
use crate::engine::scan::{Leaves, ScanParts, SessionScanExec};
use crate::engine::stores::told_url;
use crate::engine::veil::{Hides, VeilExec};
use crate::error::Error;
use crate::lake::{Costs, DataFile, Lake, Told};
use crate::schema;

/// A veil on the wire is one byte, which no scan is.
const VEILED_CONSTANTS: u8 = 1;
const VEILED_ORDER: u8 = 2;

/// A scan on the wire.
#[derive(Clone, PartialEq, Message)]
struct WireScan {
    /// The lake, as [`Lake::uri`] names it.
    #[prost(string, tag = "1")]
    lake: String,
    /// The folder of the table below it.
    #[prost(string, tag = "2")]
    table: String,
    /// The table as SQL names it, which its schema is known by.
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint64, tag = "4")]
    version: u64,
    /// Files of the version.
    #[prost(uint64, tag = "5")]
    total_files: u64,
    /// Whether JSON text is read although there are leaf columns.
    #[prost(bool, tag = "6")]
    ignores_leaves: bool,
    #[prost(message, repeated, tag = "7")]
    groups: Vec<WireGroup>,
    #[prost(message, repeated, tag = "8")]
    projection: Vec<WireProjected>,
    #[prost(message, optional, tag = "9")]
    predicate: Option<PhysicalExprNode>,
    #[prost(uint64, optional, tag = "10")]
    limit: Option<u64>,
}

/// The slices of one partition.
#[derive(Clone, PartialEq, Message)]
struct WireGroup {
    #[prost(message, repeated, tag = "1")]
    files: Vec<WireFile>,
}

/// A slice of a file.
#[derive(Clone, PartialEq, Message)]
struct WireFile {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(uint64, tag = "2")]
    size_bytes: u64,
    /// Where the slice begins, if it is not the whole file.
    #[prost(uint64, optional, tag = "3")]
    start: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    end: Option<u64>,
    /// By what its bytes are checked.
    #[prost(string, tag = "5")]
    seal: String,
    /// The rows that are left, where some are deleted: how many are read, how many are passed over, and so on.
    #[prost(uint64, repeated, tag = "6")]
    left: Vec<u64>,
    #[prost(bool, tag = "7")]
    has_deleted: bool,
}

/// A column that a scan puts out.
#[derive(Clone, PartialEq, Message)]
struct WireProjected {
    #[prost(message, optional, tag = "1")]
    expression: Option<PhysicalExprNode>,
    #[prost(string, tag = "2")]
    name: String,
}

/// The stores of the tables that another process tells of.
pub struct ToldTables {
    lake: Lake,
    by_table: Mutex<HashMap<String, Told>>,
}

impl ToldTables {
    /// Reads the tables of one lake, and of no other.
    pub fn of(lake: Lake) -> Self {
        Self { lake, by_table: Mutex::default() }
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    fn told(&self, lake: &str, table: &str) -> Result<Told> {
        if lake != self.lake.uri() {
            let message = format!("the worker reads the lake at {:?}, and not that at {lake:?}", self.lake.uri());
            return Err(Error::usage(message).with_hint("name both by the same ⟨lake⟩").into());
        }
        let mut tables = self.by_table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = tables.get(table) {
            return Ok(told.clone());
        }
        let told = self.lake.told(table)?;
        tables.insert(table.to_owned(), told.clone());
        Ok(told)
    }
}

impl fmt::Debug for ToldTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldTables").finish_non_exhaustive()
    }
}

/// The form of scans on the wire. The process that plans only writes; one that runs stages has the tables that it may read.
#[derive(Debug, Clone, Default)]
pub struct ScanCodec {
    tables: Option<Arc<ToldTables>>,
    /// What scans that are read are counted in.
    costs: Arc<Costs>,
}

impl ScanCodec {
    /// Reads scans of these tables, which count what they cost.
    pub fn of(tables: Arc<ToldTables>, costs: Arc<Costs>) -> Self {
        Self { tables: Some(tables), costs }
    }
}

impl PhysicalExtensionCodec for ScanCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Node],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Node> {
        let Some(tables) = &self.tables else { return not_impl_err!("a scan for a process that runs no stages") };
        let odd = |what: &str| exec_datafusion_err!("a scan that is none: {what}");
        if let ([hides], [input]) = (bytes, inputs) {
            let hides = if *hides == VEILED_ORDER { Hides::Order } else { Hides::Constants };
            return Ok(VeilExec::node(hides, Arc::clone(input)));
        }
        let wire = WireScan::decode(bytes).map_err(|error| odd(&error.to_string()))?;
        if !inputs.is_empty() {
            return Err(odd("it has inputs"));
        }
        let schema = schema_of(&wire.name).ok_or_else(|| odd("its table is unknown"))?;
        let told = tables.told(&wire.lake, &wire.table)?;
        let url = told_url(&wire.lake, &wire.table)?;
        context.runtime_env().register_object_store(url.as_ref(), told.store());
        let groups = wire.groups.into_iter().map(|group| {
            let files = group.files.into_iter().map(|file| file.read(&told)).collect::<Result<Vec<_>>>()?;
            Ok(FileGroup::new(files))
        });
        let groups = groups.collect::<Result<Vec<_>>>()?;
        let decoding = PhysicalPlanDecodeContext::new(context, self);
        let expression = |node: &PhysicalExprNode| converter.proto_to_physical_expr(node, &schema, &decoding);
        let projection = wire.projection.iter().map(|projected| {
            let node = projected.expression.as_ref().ok_or_else(|| odd("a column without an expression"))?;
            Ok(ProjectionExpr::new(expression(node)?, projected.name.clone()))
        });
        let projection = ProjectionExprs::new(projection.collect::<Result<Vec<_>>>()?);
        let predicate = wire.predicate.as_ref().map(expression).transpose()?;
        let number = |n: u64| usize::try_from(n).map_err(|_| odd("a number too large"));
        let leaves = if wire.ignores_leaves { Leaves::Ignore } else { Leaves::Read };
        let parts = ScanParts::sent(url, (&wire.name, wire.version), &schema, leaves, number(wire.total_files)?);
        let parts = parts.counting_requests(&self.costs, tables.lake().is_remote());
        let limit = wire.limit.map(number).transpose()?;
        Ok(Arc::new(SessionScanExec::new(ScanParts { groups: groups.into(), projection, predicate, limit, ..parts })?))
    }

    fn try_encode(
        &self,
        node: Node,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(veil) = node.downcast_ref::<VeilExec>() {
            bytes.push(if *veil.passing() == Hides::Order { VEILED_ORDER } else { VEILED_CONSTANTS });
            return Ok(());
        }
        let Some(scan) = node.downcast_ref::<SessionScanExec>() else {
            return not_impl_err!("{} has no form on the wire", node.name());
        };
        let parts = scan.parts();
        let Some(origin) = parts.origin() else {
            return not_impl_err!("the files of {} are of this process alone", scan.table().0);
        };
        let file = |file: &PartitionedFile| WireFile::of(file, origin.seal(file.path()));
        let expression = |expression: &Arc<dyn PhysicalExpr>| converter.physical_expr_to_proto(expression, self);
        let projected = |column: &ProjectionExpr| {
            Ok(WireProjected { expression: Some(expression(&column.expr)?), name: column.alias.clone() })
        };
        let (name, version) = scan.table();
        let wire = WireScan {
            lake: origin.lake.clone(),
            table: origin.table.to_owned(),
            name: name.to_owned(),
            version,
            total_files: parts.total_files as u64,
            ignores_leaves: parts.leaves() == Leaves::Ignore,
            groups: parts.groups.iter().map(|g| WireGroup { files: g.iter().map(file).collect() }).collect(),
            projection: parts.projection.iter().map(projected).collect::<Result<_>>()?,
            predicate: parts.predicate.as_ref().map(expression).transpose()?,
            limit: parts.limit.map(|limit| limit as u64),
        };
        wire.encode(bytes).map_err(|error| exec_datafusion_err!("a scan cannot be written: {error}"))
    }
}

impl WireFile {
    fn of(file: &PartitionedFile, seal: Option<String>) -> Self {
        let deleted = file.extension::<ParquetRowSelection>();
        let mut left = Vec::new();
        for run in deleted.iter().flat_map(|selection| selection.selection().iter()) {
            // Runs that are read stand in the even places.
            if run.skip == left.len().is_multiple_of(2) {
                left.push(0);
            }
            left.push(run.row_count as u64);
        }
        Self {
            path: file.path().to_string(),
            size_bytes: file.object_meta.size,
            start: file.range.as_ref().and_then(|range| u64::try_from(range.start).ok()),
            end: file.range.as_ref().and_then(|range| u64::try_from(range.end).ok()),
            seal: seal.unwrap_or_default(),
            left,
            has_deleted: deleted.is_some(),
        }
    }

    fn read(self, told: &Told) -> Result<PartitionedFile> {
        let odd = || exec_datafusion_err!("a scan that is none: a slice of {:?}", self.path);
        let known = DataFile { path: self.path.clone(), size_bytes: self.size_bytes, ..DataFile::default() };
        let location = object_store::path::Path::parse(&self.path).map_err(|_| odd())?;
        if !self.seal.is_empty() {
            told.learn(&location, self.size_bytes, &self.seal)?;
        }
        let mut file = partitioned(&known);
        if let (Some(start), Some(end)) = (self.start, self.end) {
            let place = |at: u64| i64::try_from(at).map_err(|_| odd());
            file.range = Some(FileRange { start: place(start)?, end: place(end)? });
        }
        if self.has_deleted {
            let mut runs = Vec::with_capacity(self.left.len());
            for (index, rows) in self.left.iter().enumerate() {
                let rows = usize::try_from(*rows).map_err(|_| odd())?;
                let run = if index % 2 == 0 { RowSelector::select(rows) } else { RowSelector::skip(rows) };
                runs.push(run);
            }
            file = file.with_extension(ParquetRowSelection::new(RowSelection::from(runs)));
        }
        Ok(file)
    }
}

/// Returns the columns of a table that scans read.
fn schema_of(table: &str) -> Option<SchemaRef> {
    match table {
        "workflow_sessions" => Some(schema::sessions_schema()),
        "stored_sessions" => Some(schema::stored_schema()),
        "quarantine" => Some(schema::quarantine_schema()),
        _ => None,
    }
}
