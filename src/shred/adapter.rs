//! Rewrites a scan's expressions for one file: JSON calls become leaf columns, NULL, or stay.
//!
//! The Parquet opener asks the factory once for every file (or part of one), before it makes pruning predicates and row filters of
//! the pushed filter, so that a leaf's minimum and maximum, its bloom filter and page index prune like those of any column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::derive::{Asked, Derive};
use super::leaf::{CONTAINER, KINDS, Kind, is_index, leaf_name};
use super::manifest::{MANIFEST_KEY, Manifest, PathNode, PathState};

/// Reads a JSONPath that names one place by keys alone, such as `$.variables.customer_tier`; `None` for any other.
pub type PlainPath = fn(&str) -> Option<Vec<String>>;

/// Makes the rewriters of a scan's files.
#[derive(Debug)]
pub struct ShredAdapterFactory {
    plain_path: PlainPath,
}

impl ShredAdapterFactory {
    /// Makes a factory; `plain_path` reads the paths of `json_value`, whose parser is not ours.
    pub fn new(plain_path: PlainPath) -> Self {
        Self { plain_path }
    }
}

impl PhysicalExprAdapterFactory for ShredAdapterFactory {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, Arc::clone(&physical))?;
        let manifest = physical.metadata().get(MANIFEST_KEY).and_then(|text| Manifest::parse(text));
        Ok(match manifest {
            // A file of another engine has no manifest: its text is parsed.
            None => inner,
            Some(manifest) => Arc::new(ShredAdapter { inner, physical, manifest, plain_path: self.plain_path }),
        })
    }
}

#[derive(Debug)]
struct ShredAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
    manifest: Manifest,
    plain_path: PlainPath,
}

impl PhysicalExprAdapter for ShredAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = expr
            .transform_down(|expr| {
                let replaced = expr.downcast_ref::<ScalarFunctionExpr>().and_then(|call| self.replace(call));
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
    /// Whether the path exists: false where it does not, never null.
    Exists,
    /// Text of the value or its parts: NULL where the path does not exist, the text else.
    Other,
}

impl ShredAdapter {
    fn replace(&self, call: &ScalarFunctionExpr) -> Option<Arc<dyn PhysicalExpr>> {
        let asked = match call.fun().name() {
            "json_get_str" => Call::Text,
            "json_as_text" => Call::AsText,
            "json_value" => Call::Scalar,
            "json_get_int" => Call::Integer,
            "json_get_float" => Call::Float,
            "json_get_bool" => Call::Boolean,
            "json_contains" => Call::Exists,
            "json_get_json" | "json_length" | "json_query" => Call::Other,
            _ => return None,
        };
        let (column, path) = self.path(call)?;
        let null = || -> Option<Arc<dyn PhysicalExpr>> {
            Some(Arc::new(Literal::new(ScalarValue::try_from(call.return_type()).ok()?)))
        };
        match self.manifest.find(&column, &path) {
            PathState::Unknown => None,
            PathState::Absent if asked == Call::Exists => {
                Some(Arc::new(Literal::new(ScalarValue::Boolean(Some(false)))))
            }
            PathState::Absent => null(),
            PathState::Present(node) => match self.derive(asked, &column, &path, node)? {
                Derived::Nothing => null(),
                Derived::Expression(expression, data_type) => Some(if data_type == *call.return_type() {
                    expression
                } else {
                    Arc::new(CastExpr::new(expression, call.return_type().clone(), None))
                }),
            },
        }
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
            "json_value" | "json_query" => match rest {
                [path] => (self.plain_path)(&literal(path)?)?,
                _ => return None,
            },
            _ => rest.iter().map(literal).collect::<Option<Vec<_>>>()?,
        };
        (!keys.is_empty() && !keys.iter().any(|key| is_index(key))).then_some((column, keys))
    }

    fn derive(&self, asked: Call, column: &str, path: &[String], node: &PathNode) -> Option<Derived> {
        let needed = match asked {
            Call::Text => Kind::Text.bit(),
            Call::Boolean => Kind::Boolean.bit() | Kind::Text.bit(),
            Call::Integer | Call::Float => {
                Kind::Integer.bit() | Kind::Float.bit() | Kind::RawNumber.bit() | Kind::Text.bit()
            }
            Call::AsText | Call::Scalar => KINDS.iter().fold(0, |mask, kind| mask | kind.bit()),
            Call::Exists | Call::Other => return None,
        };
        if asked == Call::AsText && node.kinds & CONTAINER != 0 {
            return None;
        }
        let there = node.kinds & needed;
        if there == 0 {
            return Some(Derived::Nothing);
        }
        if !node.leaf || node.missed & needed != 0 {
            return None;
        }
        let leaf = |kind: Kind| -> Option<Arc<dyn PhysicalExpr>> {
            let name = leaf_name(column, path, kind);
            Some(Arc::new(Column::new(&name, self.physical.index_of(&name).ok()?)))
        };
        let only = |kind: Kind| there == kind.bit();
        let typed = |kind: Kind| Some(Derived::Expression(leaf(kind)?, self.stored_type(column, path, kind)?));
        match asked {
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
        let function = Arc::new(ScalarUDF::new_from_impl(Derive::new(derivation)));
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
        let field = Arc::new(Field::new(function.name(), data_type.clone(), true));
        let name = function.name().to_owned();
        let expression = ScalarFunctionExpr::new(&name, function, args, field, Arc::new(ConfigOptions::default()));
        Some(Derived::Expression(Arc::new(expression), data_type))
    }

    fn stored_type(&self, column: &str, path: &[String], kind: Kind) -> Option<DataType> {
        Some(self.physical.field_with_name(&leaf_name(column, path, kind)).ok()?.data_type().clone())
    }
}

/// What a call comes to in this file.
enum Derived {
    /// NULL in every row.
    Nothing,
    /// An expression over leaf columns, and its type.
    Expression(Arc<dyn PhysicalExpr>, DataType),
}
