//! Rewrites a scan's expressions for one file: JSON calls become leaf columns, NULL, or shared look-ups in the text.
//!
//! The Parquet opener asks the factory once for every file (or part of one), before it makes pruning predicates and row filters of
//! the pushed filter, so that a leaf's minimum and maximum, its bloom filter and page index prune like those of any column.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Operator, ScalarUDF};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use xxhash_rust::xxh3::xxh3_128;

use super::computed_calls::ComputedCall;
use super::derive::{Derive, SHREDDED_COPY, SHREDDED_EXCEPTIONS, call_of, put_together, returned};
use super::element_calls::ElementsCall;
use super::extract::{Either, Extract, Extractions, Reading, Step};
use super::indexed_calls::{of_length, of_one_element};
use super::row_filter::filterable;
use crate::functions::{Asked, Form, JsonCall, json_call, plain_path};
use crate::json::Path;
use crate::shred::computed::computed_name;
use crate::shred::leaf::{CONTAINER, KINDS, Kind, differs_name, is_index, leaf_name, pool_name};
use crate::shred::manifest::{MANIFEST_KEY, Manifest, PathNode, PathState};

/// Manifests that are kept parsed.
const KEPT_MANIFESTS: usize = 256;

/// Makes the rewriters of a scan's files.
#[derive(Debug)]
pub struct ShredAdapterFactory;

/// Returns the manifest that a text says. A scan asks for one again for each part of a file, and each query anew: those read last are
/// kept, by the hash of their text.
pub fn parsed(text: &str) -> Option<Arc<Manifest>> {
    static KEPT: LazyLock<Mutex<HashMap<u128, Option<Arc<Manifest>>>>> = LazyLock::new(Mutex::default);
    let hash = xxh3_128(text.as_bytes());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MANIFESTS && !kept.contains_key(&hash) {
        kept.clear();
    }
    kept.entry(hash).or_insert_with(|| Manifest::parse(text).map(|it| Arc::new(it.without_misread()))).clone()
}

impl PhysicalExprAdapterFactory for ShredAdapterFactory {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, Arc::clone(&physical))?;
        let (manifest, extractions) = (OnceLock::new(), Mutex::default());
        Ok(Arc::new(ShredAdapter { inner, physical, manifest, extractions }))
    }
}

#[derive(Debug)]
struct ShredAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
    /// Read when the first call asks for it: most expressions have no JSON call.
    manifest: OnceLock<Option<Arc<Manifest>>>,
    /// What is looked up in the text of each column.
    extractions: Mutex<BTreeMap<String, Arc<Extractions>>>,
}

impl PhysicalExprAdapter for ShredAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = expr
            .transform_down(|expr| {
                let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(Transformed::no(expr)) };
                let replaced = match self.replace(&expr, call)? {
                    Some(replaced) => Some(replaced),
                    None => self.extract(&expr, call)?,
                };
                Ok(match replaced {
                    // The new expression names columns of the file: nothing in it is to be rewritten.
                    Some(replaced) => Transformed::new(replaced, true, TreeNodeRecursion::Jump),
                    None => Transformed::no(expr),
                })
            })
            .data()?;
        filterable(self.inner.rewrite(rewritten)?, &self.physical)
    }
}

/// A value that is looked up in the text.
struct Wanted {
    column: String,
    path: Vec<Step>,
    reading: Reading,
    /// Whether an object at the path makes a difference.
    is_of_objects: bool,
    /// Whether the call gives null for a null or broken document, which a look-up does not tell from one without the path.
    is_null_without_json: bool,
}

impl Wanted {
    /// Returns what a call looks up; `None` where it must do so by itself.
    fn by(call: &ScalarFunctionExpr) -> Option<Self> {
        let of_keys = |keys: Vec<String>| keys.into_iter().map(Step::Key).collect();
        if let Some(elements) = ElementsCall::of(call) {
            let (path, reading) = (of_keys(elements.path), Reading::Elements);
            let column = elements.column;
            return Some(Self { column, path, reading, is_of_objects: false, is_null_without_json: false });
        }
        let known = json_call(call.fun().name())?;
        let (column, path) = match known.form {
            Form::Steps => steps(call)?,
            Form::JsonPath => keys(known, call).map(|(column, keys)| (column, of_keys(keys)))?,
            Form::None => return None,
        };
        let reading = match (known.asked, known.form) {
            (Asked::Presence, _) => Reading::Answer(Asked::Presence),
            // JSONPath's parser reads a text to its end.
            (_, Form::JsonPath) => Reading::Written,
            (Asked::Text | Asked::AnyText | Asked::Integer | Asked::Float | Asked::Boolean, _) => {
                Reading::Answer(known.asked)
            }
            _ => Reading::Begun,
        };
        let is_of_objects = known.asked.is_of_objects();
        Some(Self { column, path, reading, is_of_objects, is_null_without_json: known.is_null_without_json })
    }
}

impl ShredAdapter {
    /// The manifest of the file; one of another engine has none, and its text is parsed.
    fn manifest(&self) -> Option<&Manifest> {
        let read = || parsed(self.physical.metadata().get(MANIFEST_KEY)?);
        self.manifest.get_or_init(read).as_deref()
    }

    /// Returns what a call comes to in this file by its manifest; `None` if the text must be parsed.
    fn replace(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        call: &ScalarFunctionExpr,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        if let Some(elements) = ElementsCall::of(call) {
            return Ok(self.manifest().and_then(|manifest| elements.replace(manifest, &self.physical, call)));
        }
        if let Some(wanted) = ComputedCall::of(call) {
            return Ok(self.computed(&wanted, call));
        }
        if let Some(replaced) = self.of_array(call) {
            return Ok(Some(replaced));
        }
        let Some(replaced) = self.leaves_of(call) else { return Ok(None) };
        let Some(exceptions) = replaced.exceptions else { return Ok(Some(replaced.expression)) };
        let Some(wanted) = Wanted::by(call) else { return Ok(None) };
        let Some(excepted) = self.look_up(expr, call, wanted.reading, exceptions, true)? else { return Ok(None) };
        if replaced.expression.downcast_ref::<Literal>().is_some() {
            return Ok(Some(excepted));
        }
        // A row has one value at the path: the columns of the leaf have it, or the pool, and the other has none.
        Ok(Some(match replaced.asked {
            Asked::Presence => Arc::new(BinaryExpr::new(replaced.expression, Operator::Or, excepted)),
            _ => call_of(SHREDDED_EXCEPTIONS.udf(), vec![replaced.expression, excepted], call.return_type().clone()),
        }))
    }

    /// Returns what a call comes to in this file by the columns of a leaf, or because no document has the path; `None` if the text must be parsed.
    fn leaves_of(&self, call: &ScalarFunctionExpr) -> Option<Replaced> {
        let known = json_call(call.fun().name()).filter(|known| known.asked.is_of_leaves())?;
        let (column, path) = keys(known, call)?;
        let manifest = self.manifest()?;
        if known.is_null_without_json && manifest.columns.get(&column).is_none_or(|root| root.kinds != 0) {
            return None;
        }
        let constant = |value| -> Arc<dyn PhysicalExpr> { Arc::new(Literal::new(value)) };
        let nothing = match known.asked {
            Asked::Presence => ScalarValue::Boolean(Some(false)),
            _ => ScalarValue::try_from(call.return_type()).ok()?,
        };
        let (derived, exceptions) = match manifest.find(&column, &path) {
            PathState::Unknown => return None,
            PathState::Absent => (Derived::Nothing, None),
            PathState::Present(node) => {
                let text_only = node.kinds & known.asked.text_only(node.may_have_arrays());
                let excepted = match node.leaf {
                    true => node.missed & known.asked.reads() | text_only & CONTAINER,
                    false => 0,
                };
                let exceptions = match excepted {
                    0 => None,
                    kinds => Some(self.source(&column, manifest.exceptions(&column, &path, kinds)?)?),
                };
                if text_only & !excepted != 0 {
                    return None;
                }
                (self.derive(known.asked, manifest, &column, &path, node)?, exceptions)
            }
        };
        let expression = match derived {
            Derived::Nothing => constant(nothing),
            Derived::Expression(expression, data_type) => returned(expression, &data_type, call),
        };
        Some(Replaced { asked: known.asked, expression, exceptions })
    }

    /// Returns what a call on one element of an array, or on its length, comes to by the lists that its leaves are.
    fn of_array(&self, call: &ScalarFunctionExpr) -> Option<Arc<dyn PhysicalExpr>> {
        let known = json_call(call.fun().name())?;
        let (column, steps) = match known.form {
            Form::Steps => steps(call)?,
            Form::JsonPath => json_path_steps(call)?,
            Form::None => return None,
        };
        let manifest = self.manifest()?;
        if let Some(path) = steps.iter().map(|step| step.key().map(str::to_owned)).collect::<Option<Vec<_>>>() {
            return of_length(known, &column, &path, manifest, &self.physical, call);
        }
        of_one_element(known, &column, &steps, manifest, &self.physical, call)
    }

    /// Returns the column that holds the values of a call, where the file has one.
    fn computed(&self, wanted: &ComputedCall<'_>, call: &ScalarFunctionExpr) -> Option<Arc<dyn PhysicalExpr>> {
        let (column, path) = match wanted.text.downcast_ref::<ScalarFunctionExpr>() {
            Some(inner) => keys(json_call(inner.fun().name())?, inner)?,
            None => (wanted.text.downcast_ref::<Column>()?.name().to_owned(), Vec::new()),
        };
        // The columns of a file whose manifest is not read may mean something else.
        self.manifest()?.columns.get(&column)?;
        let name = computed_name(&column, &path, wanted.function);
        let index = self.physical.index_of(&name).ok()?;
        let values: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, index));
        Some(returned(values, self.physical.field(index).data_type(), call))
    }

    /// Returns a call that finds its value together with others; `None` where it must do so by itself.
    fn extract(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        call: &ScalarFunctionExpr,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let (Some(wanted), Some(documents)) = (Wanted::by(call), call.args().first()) else { return Ok(None) };
        let pooled = self.pooled(&wanted);
        let is_pooled = pooled.is_some();
        let Wanted { column, path, reading, is_null_without_json, .. } = wanted;
        let source = match pooled {
            Some(pool) => pool,
            None if is_null_without_json => return Ok(None),
            None => Source { column, path, documents: Arc::clone(documents) },
        };
        self.look_up(expr, call, reading, source, is_pooled)
    }

    /// Returns a call that finds its value in these documents, together with others; `None` where it must do so by itself.
    fn look_up(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        call: &ScalarFunctionExpr,
        reading: Reading,
        source: Source,
        is_pooled: bool,
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Source { column, path, documents } = source;
        let extractions = {
            let mut columns = self.extractions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(columns.entry(column).or_default())
        };
        let Some(value) = Extract::new(documents, &extractions, path, reading) else { return Ok(None) };
        let value: Arc<dyn PhysicalExpr> = Arc::new(value);
        Ok(Some(match reading {
            Reading::Written => {
                let root: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::from("$")));
                Arc::clone(expr).with_new_children(vec![value, root])?
            }
            Reading::Begun => {
                let found = Arc::clone(expr).with_new_children(vec![value])?;
                // A pool is another text than the call's own.
                if is_pooled { found } else { Arc::new(Either::new(Arc::clone(expr), found)) }
            }
            Reading::Elements => {
                let path = ElementsCall::of(call).map_or(0, |elements| elements.path.len());
                let no_path: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::from(0_i64)));
                let inside = call.args().iter().skip(2 + path).cloned();
                Arc::clone(expr).with_new_children([value, no_path].into_iter().chain(inside).collect())?
            }
            _ => value,
        }))
    }

    /// Returns the pool that has all values which a call may find at a path.
    fn pooled(&self, wanted: &Wanted) -> Option<Source> {
        let Wanted { column, path, is_of_objects, is_null_without_json, .. } = wanted;
        let keys: Vec<String> = path.iter().map(|step| step.key().map(str::to_owned)).collect::<Option<_>>()?;
        let manifest = self.manifest()?;
        if *is_null_without_json && manifest.columns.get(column)?.kinds != 0 {
            return None;
        }
        self.source(column, manifest.pool(column, &keys, *is_of_objects)?)
    }

    /// Returns the documents of a pool, with the key of a path in them.
    fn source(&self, column: &str, (pool, key): (u8, String)) -> Option<Source> {
        let pool = pool_name(column, pool);
        let documents = Arc::new(Column::new(&pool, self.physical.index_of(&pool).ok()?));
        Some(Source { column: pool, path: vec![Step::Key(key)], documents })
    }

    /// The column of a leaf's kind. Texts that are mostly those of another column are put together from the two.
    fn leaf(&self, manifest: &Manifest, column: &str, path: &[String], kind: Kind) -> Option<Arc<dyn PhysicalExpr>> {
        let name = leaf_name(column, path, kind);
        let of_file = |name: &str| -> Option<Arc<dyn PhysicalExpr>> {
            Some(Arc::new(Column::new(name, self.physical.index_of(name).ok()?)))
        };
        let Some(copied) = manifest.copies.get(&name) else { return of_file(&name) };
        let args = vec![of_file(&differs_name(column, path))?, of_file(&name)?, of_file(copied)?];
        Some(call_of(SHREDDED_COPY.udf(), args, DataType::Utf8View))
    }

    fn derive(
        &self,
        asked: Asked,
        manifest: &Manifest,
        column: &str,
        path: &[String],
        node: &PathNode,
    ) -> Option<Derived> {
        let there = node.kinds & asked.reads() & !node.missed;
        if there == 0 && (node.leaf || node.kinds & asked.reads() == 0) {
            return Some(Derived::Nothing);
        }
        if !node.leaf {
            return None;
        }
        let leaf = |kind: Kind| self.leaf(manifest, column, path, kind);
        if asked == Asked::Presence {
            let mut any: Option<Arc<dyn PhysicalExpr>> = None;
            for kind in KINDS.iter().filter(|kind| there & kind.bit() != 0) {
                let met: Arc<dyn PhysicalExpr> = Arc::new(IsNotNullExpr::new(leaf(*kind)?));
                any = Some(match any {
                    Some(any) => Arc::new(BinaryExpr::new(any, Operator::Or, met)),
                    None => met,
                });
            }
            return Some(Derived::Expression(any?, DataType::Boolean));
        }
        // Of integers alone a float is the cast to the call's type.
        let is_cast = asked == Asked::Float && there == Kind::Integer.bit();
        let usual = if is_cast { Some(Kind::Integer) } else { asked.usual_kind() };
        if let Some(kind) = usual.filter(|kind| there == kind.bit()) {
            return Some(Derived::Expression(leaf(kind)?, self.stored_type(column, path, kind)?));
        }
        let expression = put_together(ScalarUDF::new_from_impl(Derive::new(asked)), there, leaf)?;
        Some(Derived::Expression(expression, asked.data_type()))
    }

    fn stored_type(&self, column: &str, path: &[String], kind: Kind) -> Option<DataType> {
        Some(self.physical.field_with_name(&leaf_name(column, path, kind)).ok()?.data_type().clone())
    }
}

/// Returns the column and the keys of a call of a column and literals, which spell no index.
pub fn keys(known: &JsonCall, call: &ScalarFunctionExpr) -> Option<(String, Vec<String>)> {
    let (first, rest) = call.args().split_first()?;
    let column = first.downcast_ref::<Column>()?.name().to_owned();
    let literal = |arg: &Arc<dyn PhysicalExpr>| Some(arg.downcast_ref::<Literal>()?.value().try_as_str()??.to_owned());
    let keys = match (known.form, rest) {
        (Form::Steps, rest) => rest.iter().map(literal).collect::<Option<Vec<_>>>()?,
        (Form::JsonPath, [path]) => plain_path(&literal(path)?)?,
        _ => return None,
    };
    (!keys.is_empty() && !keys.iter().any(|key| is_index(key))).then_some((column, keys))
}

/// Returns the column and the steps of a call of a column and a JSONPath of names and indexes.
fn json_path_steps(call: &ScalarFunctionExpr) -> Option<(String, Vec<Step>)> {
    let [column, path] = call.args() else { return None };
    let column = column.downcast_ref::<Column>()?.name().to_owned();
    let path = path.downcast_ref::<Literal>()?.value().try_as_str()??;
    Some((column, Path::parse(path).ok()?.steps?))
}

/// Returns the column and the steps of a call of a column, keys and indexes.
fn steps(call: &ScalarFunctionExpr) -> Option<(String, Vec<Step>)> {
    let (first, rest) = call.args().split_first()?;
    let column = first.downcast_ref::<Column>()?.name().to_owned();
    let step = |arg: &Arc<dyn PhysicalExpr>| {
        let literal = arg.downcast_ref::<Literal>()?.value();
        match (literal.try_as_str(), literal) {
            (Some(key), _) => Some(Step::Key(key?.to_owned())),
            (None, ScalarValue::Int64(Some(index))) => isize::try_from(*index).ok().map(Step::Index),
            (None, ScalarValue::UInt64(Some(index))) => isize::try_from(*index).ok().map(Step::Index),
            _ => None,
        }
    };
    let steps: Vec<Step> = rest.iter().map(step).collect::<Option<_>>()?;
    (!steps.is_empty()).then_some((column, steps))
}

/// Documents in which a value is looked up: the name of their column, the path in them, and the column.
struct Source {
    column: String,
    path: Vec<Step>,
    documents: Arc<dyn PhysicalExpr>,
}

/// A call by the columns of a leaf.
struct Replaced {
    asked: Asked,
    /// What the call returns for all values that have a column.
    expression: Arc<dyn PhysicalExpr>,
    /// Where the others are, if there are any.
    exceptions: Option<Source>,
}

/// What a call comes to in this file, but for exceptions.
enum Derived {
    /// NULL in every row.
    Nothing,
    /// An expression over leaf columns, and its type.
    Expression(Arc<dyn PhysicalExpr>, DataType),
}
