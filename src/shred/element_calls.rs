//! What calls on all elements of an array (`json_elements_str` and its like) come to in one file.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::leaf::{CONTAINER, KINDS, Kind, element_leaf_name, is_index};
use super::manifest::{Manifest, PathNode, PathState};

/// A call of a column, literal keys to an array, and literal keys inside its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementsCall {
    /// The JSON column.
    pub column: String,
    /// The keys to the array.
    pub path: Vec<String>,
    /// The keys inside each element.
    pub inside: Vec<String>,
    getter: Getter,
}

/// What is called on each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Getter {
    /// `json_get_str`
    Text,
    /// `json_as_text`
    AsText,
    Integer,
    Float,
    Boolean,
}

impl Getter {
    /// The one kind of values from whose column alone the getter is answered, and the kinds that it does not pass over.
    fn is_answered_by(self) -> (Kind, u8) {
        let all = KINDS.iter().fold(0, |mask, kind| mask | kind.bit());
        match self {
            Self::Text => (Kind::Text, Kind::Text.bit()),
            Self::AsText => (Kind::Text, all | CONTAINER),
            Self::Integer => (Kind::Integer, all & !Kind::Boolean.bit()),
            Self::Float => (Kind::Float, all & !Kind::Boolean.bit()),
            Self::Boolean => (Kind::Boolean, Kind::Boolean.bit() | Kind::Text.bit()),
        }
    }
}

impl ElementsCall {
    /// Reads a call; `None` for any other, and where a key may be an index.
    pub fn of(call: &ScalarFunctionExpr) -> Option<Self> {
        let getter = match call.fun().name() {
            "json_elements_str" => Getter::Text,
            "json_elements_text" => Getter::AsText,
            "json_elements_int" => Getter::Integer,
            "json_elements_float" => Getter::Float,
            "json_elements_bool" => Getter::Boolean,
            _ => return None,
        };
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
        (!path.is_empty() && !inside.is_empty()).then_some(Self { column, path, inside, getter })
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
            PathState::Present(array) if array.has_arrays => array,
            PathState::Present(_) | PathState::Absent => {
                return Some(Arc::new(Literal::new(ScalarValue::try_from(call.return_type()).ok()?)));
            }
        };
        let PathState::Present(node) = array.elements.as_ref()?.find(&self.inside) else { return None };
        let name = element_leaf_name(&self.column, &self.path, &self.inside, self.only_kind(node)?);
        let (index, field) = file.column_with_name(&name)?;
        let lists: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, index));
        Some(if field.data_type() == call.return_type() {
            lists
        } else {
            Arc::new(CastExpr::new(lists, call.return_type().clone(), None))
        })
    }

    /// Returns the kind whose column has all answers.
    fn only_kind(&self, node: &PathNode) -> Option<Kind> {
        let (kind, needed) = self.getter.is_answered_by();
        let is_answered = node.leaf && node.missed & needed == 0;
        match node.kinds & needed {
            _ if !is_answered => None,
            there if there == kind.bit() => Some(kind),
            // Floats of integers are a cast.
            there if self.getter == Getter::Float && there == Kind::Integer.bit() => Some(Kind::Integer),
            _ => None,
        }
    }
}
