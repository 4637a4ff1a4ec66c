//! The frame of our SQL functions: what DataFusion asks of one, as data.
//!
//! A [`Function`] says what a function is called, takes, gives and computes; the node around it, the one `ScalarUDFImpl` of them all,
//! answers DataFusion. What stands in for one of DataFusion's is in the frame of [`instead`](super::instead).

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

pub(crate) use super::arguments::Call;
use super::arguments::{self, Parameters};

/// A SQL function of ours.
pub(crate) struct Function {
    /// What queries and plans call it.
    pub(crate) name: &'static str,
    /// What it takes, where that is checked by the table of its parameters.
    pub(crate) parameters: Option<Parameters>,
    /// How DataFusion brings arguments to their types; as they come, where nothing else is said.
    pub(crate) signature: fn() -> Signature,
    /// The type of what it gives, of the types of its arguments.
    pub(crate) returns: fn(&[DataType]) -> Result<DataType>,
    /// Whether it gives null for null alone.
    pub(crate) is_strict: bool,
    /// Checks what is known of the arguments while planning, such as literals.
    pub(crate) check: fn(&ReturnFieldArgs<'_>) -> Result<()>,
    /// Where in a plan a call belongs.
    pub(crate) placement: fn(&[ExpressionPlacement]) -> ExpressionPlacement,
    /// Writes a call in a simpler way while planning.
    pub(crate) simplify: fn(Vec<Expr>, &SimplifyContext) -> Result<ExprSimplifyResult>,
    /// Says for which arguments a call gives a value.
    pub(crate) preimage: fn(&[Expr], &Expr, &SimplifyContext) -> Result<PreimageResult>,
    /// Computes a call.
    pub(crate) run: fn(&Call<'_>) -> Result<ColumnarValue>,
    /// What docs/functions.md says of it; a function that plans alone call has none.
    pub(crate) documentation: Option<&'static LazyLock<Documentation>>,
}

impl Function {
    /// Makes a function of its name, the type of what it gives and what it computes. All else is as usual: it takes any arguments, and
    /// gives null for any.
    pub(crate) const fn new(
        name: &'static str,
        returns: fn(&[DataType]) -> Result<DataType>,
        run: fn(&Call<'_>) -> Result<ColumnarValue>,
    ) -> Self {
        Self {
            name,
            parameters: None,
            signature: || arguments::signature(Volatility::Immutable),
            returns,
            is_strict: false,
            check: |_| Ok(()),
            placement: |_| ExpressionPlacement::KeepInPlace,
            simplify: |args, _| Ok(ExprSimplifyResult::Original(args)),
            preimage: |_, _, _| Ok(PreimageResult::None),
            run,
            documentation: None,
        }
    }

    /// Makes the function as DataFusion knows it.
    pub(crate) fn udf(&'static self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self.framed()))
    }

    /// Makes the node.
    pub(crate) fn framed(&'static self) -> Framed {
        Framed { function: self, signature: (self.signature)() }
    }
}

/// The node around a function.
pub(crate) struct Framed {
    function: &'static Function,
    signature: Signature,
}

impl std::fmt::Debug for Framed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for Framed {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Framed {}

impl Hash for Framed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Framed {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if let Some(parameters) = self.function.parameters {
            parameters.check(self.function.name, types)?;
        }
        (self.function.returns)(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = self.return_type(&arguments::types(&args))?;
        (self.function.check)(&args)?;
        let is_nullable = !self.function.is_strict || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.function.name, data_type, is_nullable)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        (self.function.simplify)(args, info)
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        (self.function.preimage)(args, literal, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.function.run)(&Call::new(&args))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        (self.function.placement)(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation.map(|documentation| &**documentation)
    }
}
