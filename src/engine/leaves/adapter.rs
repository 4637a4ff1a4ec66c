//! Rewrites a scan's expressions for one file: JSON calls become leaf columns, NULL, or shared look-ups in the text.
//!
//! The Parquet opener asks the factory once for every file (or part of one), before it makes pruning predicates and row filters of
//! the pushed filter, so that a leaf's minimum and maximum, its bloom filter and page index prune like those of any column.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Operator, ScalarUDF};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, IsNotNullExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use xxhash_rust::xxh3::xxh3_128;

use super::computed_calls::ComputedCall;
use super::derive::{Asked, Copied, Derive};
use super::element_calls::ElementsCall;
use super::extract::{Either, Extract, Extractions, Reading, Step};
use crate::functions::plain_path;
use crate::shred::computed::computed_name;
use crate::shred::leaf::{BROKEN, CONTAINER, KINDS, Kind, NULL, differs_name, is_index, leaf_name, pool_name};
use crate::shred::manifest::{MANIFEST_KEY, Manifest, PathNode, PathState};

/// Manifests that are kept parsed.
const KEPT_MANIFESTS: usize = 256;

/// Makes the rewriters of a scan's files.
#[derive(Debug)]
pub struct ShredAdapterFactory;

/// Returns the manifest that a text says. A scan asks for one again for each part of a file, and each query anew: those read last are
/// kept, by the hash of their text.
fn parsed(text: &str) -> Option<Arc<Manifest>> {
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
                let replaced = match self.replace(call) {
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
        self.inner.rewrite(rewritten)
    }
}

/// What is asked of a path by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// `json_get_str`
    Text,
    /// `json_as_text`, which gives the text of objects and arrays too.
    AsText,
    /// `json_value`, which gives that of scalars alone.
    Scalar,
    Integer,
    Float,
    Boolean,
    /// `json_get_json`, `json_query`: the value as the document writes it.
    Written,
    /// `json_length` and what else answers for objects and arrays only.
    Container,
    /// `json_get_array`
    Array,
    /// `json_contains`: false where the path does not exist, and for a null document.
    Contains,
    /// `json_exists`: the same, but null for a null or broken document.
    Exists,
}

impl ShredAdapter {
    /// The manifest of the file; one of another engine has none, and its text is parsed.
    fn manifest(&self) -> Option<&Manifest> {
        let read = || parsed(self.physical.metadata().get(MANIFEST_KEY)?);
        self.manifest.get_or_init(read).as_deref()
    }

    /// Returns what a call comes to in this file by its manifest; `None` if the text must be parsed.
    fn replace(&self, call: &ScalarFunctionExpr) -> Option<Arc<dyn PhysicalExpr>> {
        if let Some(elements) = ElementsCall::of(call) {
            return elements.replace(self.manifest()?, &self.physical, call);
        }
        if let Some(wanted) = ComputedCall::of(call) {
            return self.computed(&wanted, call);
        }
        let asked = match call.fun().name() {
            "json_get_str" => Call::Text,
            "json_as_text" => Call::AsText,
            "json_value" => Call::Scalar,
            "json_get_int" => Call::Integer,
            "json_get_float" => Call::Float,
            "json_get_bool" => Call::Boolean,
            "json_get_json" | "json_query" => Call::Written,
            "json_length" | "json_object_keys" => Call::Container,
            "json_get_array" => Call::Array,
            "json_contains" => Call::Contains,
            "json_exists" => Call::Exists,
            _ => return None,
        };
        let (column, path) = self.path(call)?;
        let manifest = self.manifest()?;
        if asked == Call::Exists && manifest.columns.get(&column).is_none_or(|root| root.kinds != 0) {
            return None;
        }
        let constant = |value| -> Option<Arc<dyn PhysicalExpr>> { Some(Arc::new(Literal::new(value))) };
        let nothing = match asked {
            Call::Contains | Call::Exists => ScalarValue::Boolean(Some(false)),
            _ => ScalarValue::try_from(call.return_type()).ok()?,
        };
        match manifest.find(&column, &path) {
            PathState::Unknown => None,
            PathState::Absent => constant(nothing),
            PathState::Present(node) => match self.derive(asked, manifest, &column, &path, node)? {
                Derived::Nothing => constant(nothing),
                Derived::Expression(expression, data_type) => Some(returned(expression, &data_type, call)),
            },
        }
    }

    /// Returns the column that holds the values of a call, where the file has one.
    fn computed(&self, wanted: &ComputedCall<'_>, call: &ScalarFunctionExpr) -> Option<Arc<dyn PhysicalExpr>> {
        let (column, path) = match wanted.text.downcast_ref::<ScalarFunctionExpr>() {
            Some(inner) => self.path(inner)?,
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
        let name = call.fun().name();
        let elements = ElementsCall::of(call);
        let path = match name {
            "json_value" | "json_query" | "json_exists" => {
                self.path(call).map(|(column, path)| (column, path.into_iter().map(Step::Key).collect()))
            }
            "json_get_str" | "json_as_text" | "json_get_json" | "json_get_int" | "json_get_float" | "json_get_bool"
            | "json_get_array" | "json_get" | "json_contains" | "json_length" | "json_object_keys" => steps(call),
            _ => elements
                .as_ref()
                .map(|elements| (elements.column.clone(), elements.path.iter().cloned().map(Step::Key).collect())),
        };
        let (Some((column, path)), Some(documents)) = (path, call.args().first()) else { return Ok(None) };
        let pooled = self.pooled(name, &column, &path);
        let is_pooled = pooled.is_some();
        let (column, path, documents) = match pooled {
            Some((pool, key, documents)) => (pool, vec![Step::Key(key)], documents),
            None if name == "json_exists" => return Ok(None),
            None => (column, path, Arc::clone(documents)),
        };
        let extractions = {
            let mut columns = self.extractions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(columns.entry(column).or_default())
        };
        let reading = match name {
            "json_get_str" => Reading::Text,
            "json_as_text" => Reading::AsText,
            "json_get_int" => Reading::Integer,
            "json_get_float" => Reading::Float,
            "json_get_bool" => Reading::Boolean,
            "json_contains" | "json_exists" => Reading::Exists,
            // JSONPath's parser reads a text to its end.
            "json_value" | "json_query" => Reading::Written,
            _ if elements.is_some() => Reading::Elements,
            _ => Reading::Begun,
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
                let path = elements.map_or(0, |elements| elements.path.len());
                let no_path: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::from(0_i64)));
                let inside = call.args().iter().skip(2 + path).cloned();
                Arc::clone(expr).with_new_children([value, no_path].into_iter().chain(inside).collect())?
            }
            _ => value,
        }))
    }

    /// Returns the pool that has all values which a call may find at a path: its name, the path's key in its documents, and the
    /// documents.
    fn pooled(&self, name: &str, column: &str, path: &[Step]) -> Option<(String, String, Arc<dyn PhysicalExpr>)> {
        let keys: Vec<String> = path.iter().map(|step| step.key().map(str::to_owned)).collect::<Option<_>>()?;
        let manifest = self.manifest()?;
        let of_objects = match name {
            "json_exists" if manifest.columns.get(column)?.kinds != 0 => return None,
            "json_as_text" | "json_get_json" | "json_query" | "json_get" | "json_contains" | "json_exists"
            | "json_length" | "json_object_keys" => true,
            _ => false,
        };
        let (pool, key) = manifest.pool(column, &keys, of_objects)?;
        let pool = pool_name(column, pool);
        let documents = Column::new(&pool, self.physical.index_of(&pool).ok()?);
        Some((pool, key, Arc::new(documents)))
    }

    /// Returns the column and keys of a call of a column and literals.
    fn path(&self, call: &ScalarFunctionExpr) -> Option<(String, Vec<String>)> {
        let (first, rest) = call.args().split_first()?;
        let column = first.downcast_ref::<Column>()?.name().to_owned();
        let literal = |arg: &Arc<dyn PhysicalExpr>| match arg.downcast_ref::<Literal>()?.value() {
            ScalarValue::Utf8(Some(key)) | ScalarValue::LargeUtf8(Some(key)) | ScalarValue::Utf8View(Some(key)) => {
                Some(key.clone())
            }
            _ => None,
        };
        let keys = match call.fun().name() {
            "json_value" | "json_query" | "json_exists" => match rest {
                [path] => plain_path(&literal(path)?)?,
                _ => return None,
            },
            _ => rest.iter().map(literal).collect::<Option<Vec<_>>>()?,
        };
        (!keys.is_empty() && !keys.iter().any(|key| is_index(key))).then_some((column, keys))
    }

    /// The column of a leaf's kind. Texts that are mostly those of another column are put together from the two.
    fn leaf(&self, manifest: &Manifest, column: &str, path: &[String], kind: Kind) -> Option<Arc<dyn PhysicalExpr>> {
        let name = leaf_name(column, path, kind);
        let of_file = |name: &str| -> Option<Arc<dyn PhysicalExpr>> {
            Some(Arc::new(Column::new(name, self.physical.index_of(name).ok()?)))
        };
        let Some(copied) = manifest.copies.get(&name) else { return of_file(&name) };
        let args = vec![of_file(&differs_name(column, path))?, of_file(&name)?, of_file(copied)?];
        Some(call_of(ScalarUDF::new_from_impl(Copied::default()), args, DataType::Utf8View))
    }

    fn derive(
        &self,
        asked: Call,
        manifest: &Manifest,
        column: &str,
        path: &[String],
        node: &PathNode,
    ) -> Option<Derived> {
        let all = KINDS.iter().fold(0, |mask, kind| mask | kind.bit());
        let needed = match asked {
            Call::Text => Kind::Text.bit(),
            Call::Boolean => Kind::Boolean.bit() | Kind::Text.bit(),
            Call::Integer | Call::Float => all & !Kind::Boolean.bit(),
            Call::AsText | Call::Scalar | Call::Written | Call::Contains | Call::Exists => all,
            Call::Container | Call::Array => 0,
        };
        // Values that no leaf holds, and that the call does not pass over.
        let text_only = match asked {
            Call::AsText | Call::Container => CONTAINER,
            Call::Written => Kind::Text.bit() | NULL | CONTAINER,
            Call::Contains | Call::Exists => NULL | CONTAINER | BROKEN,
            Call::Array if node.may_have_arrays() => CONTAINER,
            _ => 0,
        };
        if node.kinds & text_only != 0 {
            return None;
        }
        let there = node.kinds & needed;
        if there == 0 {
            return Some(Derived::Nothing);
        }
        if !node.leaf || node.missed & needed != 0 {
            return None;
        }
        let leaf = |kind: Kind| self.leaf(manifest, column, path, kind);
        let only = |kind: Kind| there == kind.bit();
        let typed = |kind: Kind| Some(Derived::Expression(leaf(kind)?, self.stored_type(column, path, kind)?));
        match asked {
            Call::Contains | Call::Exists => {
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
            Call::Text => return typed(Kind::Text),
            Call::AsText | Call::Scalar if only(Kind::Text) => return typed(Kind::Text),
            Call::Integer if only(Kind::Integer) => return typed(Kind::Integer),
            Call::Float if only(Kind::Float) => return typed(Kind::Float),
            // The cast to float is a cast to the call's type.
            Call::Float if only(Kind::Integer) => return typed(Kind::Integer),
            Call::Boolean if only(Kind::Boolean) => return typed(Kind::Boolean),
            _ => {}
        }
        let derivation = match asked {
            Call::Integer => Asked::Integer,
            Call::Float => Asked::Float,
            Call::Boolean => Asked::Boolean,
            _ => Asked::AnyText,
        };
        let function = ScalarUDF::new_from_impl(Derive::new(derivation));
        let args = KINDS
            .iter()
            .map(|kind| -> Option<Arc<dyn PhysicalExpr>> {
                if there & kind.bit() != 0 {
                    leaf(*kind)
                } else {
                    Some(Arc::new(Literal::new(ScalarValue::try_from(&kind.arrow_type()).ok()?)))
                }
            })
            .collect::<Option<Vec<_>>>()?;
        let data_type = function.return_type(&[]).ok()?;
        Some(Derived::Expression(call_of(function, args, data_type.clone()), data_type))
    }

    fn stored_type(&self, column: &str, path: &[String], kind: Kind) -> Option<DataType> {
        Some(self.physical.field_with_name(&leaf_name(column, path, kind)).ok()?.data_type().clone())
    }
}

/// Gives what stands in for a call the type that the call returns.
fn returned(
    expression: Arc<dyn PhysicalExpr>,
    data_type: &DataType,
    call: &ScalarFunctionExpr,
) -> Arc<dyn PhysicalExpr> {
    if data_type == call.return_type() {
        expression
    } else {
        Arc::new(CastExpr::new(expression, call.return_type().clone(), None))
    }
}

/// Makes a call of one of our private functions.
fn call_of(function: ScalarUDF, args: Vec<Arc<dyn PhysicalExpr>>, data_type: DataType) -> Arc<dyn PhysicalExpr> {
    let name = function.name().to_owned();
    let field = Arc::new(Field::new(&name, data_type, true));
    let options = Arc::new(ConfigOptions::default());
    Arc::new(ScalarFunctionExpr::new(&name, Arc::new(function), args, field, options))
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

/// What a call comes to in this file.
enum Derived {
    /// NULL in every row.
    Nothing,
    /// An expression over leaf columns, and its type.
    Expression(Arc<dyn PhysicalExpr>, DataType),
}
