//! What calls on all elements of an array (`json_elements_str` and its like) come to in one file.

use std::sync::Arc;

use arrow::array::{Array, AsArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowNativeType, DataType, Field, SchemaRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::derive::{Derive, put_together, returned};
use crate::functions::{Asked, call_of_elements};
use crate::shred::leaf::{Kind, element_leaf_name, is_index, list_type};
use crate::shred::manifest::{Manifest, PathNode, PathState};

/// A call of a column, literal keys to an array, and literal keys inside its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementsCall {
    /// The JSON column.
    pub column: String,
    /// The keys to the array.
    pub path: Vec<String>,
    /// The keys inside each element.
    pub inside: Vec<String>,
    /// What is asked of each element.
    asked: Asked,
}

impl ElementsCall {
    /// Reads a call; `None` for any other, and where a key may be an index.
    pub fn of(call: &ScalarFunctionExpr) -> Option<Self> {
        let asked = call_of_elements(call.fun().name())?.asked;
        let [document, path_keys, keys @ ..] = call.args() else { return None };
        let column = document.downcast_ref::<Column>()?.name().to_owned();
        let ScalarValue::Int64(Some(path_keys)) = path_keys.downcast_ref::<Literal>()?.value() else { return None };
        let key = |arg: &Arc<dyn PhysicalExpr>| {
            let key = arg.downcast_ref::<Literal>()?.value().try_as_str()??;
            (!is_index(key)).then(|| key.to_owned())
        };
        let keys: Vec<String> = keys.iter().map(key).collect::<Option<_>>()?;
        let (path, inside) = keys.split_at_checked(usize::try_from(*path_keys).ok()?)?;
        let (path, inside) = (path.to_vec(), inside.to_vec());
        (!path.is_empty() && !inside.is_empty()).then_some(Self { column, path, inside, asked })
    }

    /// Returns what the call comes to by the file's manifest; `None` if the text must be parsed.
    ///
    /// A path that no element has is parsed too: its lists are not null, but have as many nulls as there are elements.
    pub fn replace(
        &self,
        manifest: &Manifest,
        file: &SchemaRef,
        call: &ScalarFunctionExpr,
    ) -> Option<Arc<dyn PhysicalExpr>> {
        let array = match manifest.find(&self.column, &self.path) {
            PathState::Unknown => return None,
            PathState::Present(array) if array.may_have_arrays() => array,
            PathState::Present(_) | PathState::Absent => {
                return Some(Arc::new(Literal::new(ScalarValue::try_from(call.return_type()).ok()?)));
            }
        };
        let PathState::Present(node) = array.elements.as_ref()?.find(&self.inside) else { return None };
        let lists = lists_of(self.asked, &self.column, &self.path, &self.inside, node, file)?;
        let data_type = lists.data_type(file).ok()?;
        Some(returned(lists, &data_type, call))
    }
}

/// Returns the lists of what is asked of each element, from the leaf columns of a path inside; `None` where they do not have it all.
pub(super) fn lists_of(
    asked: Asked,
    column: &str,
    path: &[String],
    inside: &[String],
    node: &PathNode,
    file: &SchemaRef,
) -> Option<Arc<dyn PhysicalExpr>> {
    let there = node.kinds & asked.reads();
    let needs_text = node.kinds & asked.text_only(false) != 0;
    if there == 0 || needs_text || !node.leaf || node.missed & asked.reads() != 0 {
        return None;
    }
    let leaf = |kind: Kind| -> Option<Arc<dyn PhysicalExpr>> {
        let name = element_leaf_name(column, path, inside, kind);
        Some(Arc::new(Column::new(&name, file.index_of(&name).ok()?)))
    };
    if let Some(usual) = asked.usual_kind().filter(|kind| there == kind.bit()) {
        return leaf(usual);
    }
    put_together(ScalarUDF::new_from_impl(DeriveLists::new(asked)), there, leaf)
}

/// [`Derive`] for lists: of the columns of one path inside elements, which have equally long lists in each row, or are NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DeriveLists {
    items: Derive,
}

impl DeriveLists {
    fn new(asked: Asked) -> Self {
        Self { items: Derive::new(asked) }
    }
}

impl ScalarUDFImpl for DeriveLists {
    fn name(&self) -> &str {
        self.items.name()
    }

    fn signature(&self) -> &Signature {
        self.items.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(list_type(self.items.return_type(types)?))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut lists: Option<ListArray> = None;
        let mut items = Vec::with_capacity(args.args.len());
        for arg in &args.args {
            items.push(match arg {
                ColumnarValue::Array(array) => {
                    let column = array.as_list::<i32>();
                    let offsets = column.offsets();
                    let (first, last) = (offsets[0].as_usize(), offsets[column.len()].as_usize());
                    lists.get_or_insert_with(|| column.clone());
                    ColumnarValue::Array(column.values().slice(first, last - first))
                }
                ColumnarValue::Scalar(_) => arg.clone(),
            });
        }
        let Some(lists) = lists else { return exec_err!("{}: no leaf column", self.name()) };
        let lengths = OffsetBuffer::<i32>::from_lengths(lists.offsets().lengths());
        let item = Arc::new(Field::new_list_field(self.items.return_type(&[])?, true));
        let number_rows = lengths[lists.len()].as_usize();
        let args = ScalarFunctionArgs { args: items, number_rows, return_field: Arc::clone(&item), ..args };
        let derived = self.items.invoke_with_args(args)?.into_array(number_rows)?;
        let lists = ListArray::try_new(item, lengths, derived, lists.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}
