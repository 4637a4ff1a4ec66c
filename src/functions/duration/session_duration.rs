//! `session_duration(started_at, ended_at)`: how long a session lasted, or has been running until the as-of instant.
//!
//! The planner adds the as-of instant (the same that `now()` sees) as a third argument. So the function that runs is a pure one,
//! reads no clock, and a plan that is sent to another machine carries the instant in itself.

use std::sync::{Arc, LazyLock};

use arrow::array::Float64Builder;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Documentation, Expr, Volatility};

use crate::functions::arguments::{self, Call, Kind, Parameters};
use crate::functions::frame::Function;
use crate::functions::reference::SESSIONS;

const PARAMETERS: Parameters = Parameters {
    all: &[("started_at", Kind::Instant), ("ended_at", Kind::Instant), ("as_of", Kind::Instant)],
    required: 2,
};

const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// The function.
pub(crate) static SESSION_DURATION: Function = Function {
    parameters: Some(PARAMETERS),
    // Stable, as now(): the same within a statement, another in the next.
    signature: || arguments::signature(Volatility::Stable),
    simplify,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("session_duration", |_| Ok(DataType::Float64), run)
};

fn simplify(mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
    let Some(as_of) = info.query_execution_start_time().filter(|_| args.len() == 2) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let as_of = ScalarValue::TimestampMicrosecond(Some(as_of.timestamp_micros()), Some("UTC".into()));
    args.push(Expr::Literal(as_of, None));
    let func = SESSION_DURATION.udf();
    Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(ScalarFunction { func, args })))
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (started, ended) = (call.instants(0)?, call.instants(1)?);
    let as_of = if call.len() > 2 { Some(call.instants(2)?) } else { None };
    let mut seconds = Float64Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        let Some(start) = started.get(row) else {
            seconds.append_null();
            continue;
        };
        let end = match (ended.get(row), &as_of) {
            (Some(end), _) => Some(end),
            (None, Some(as_of)) => as_of.get(row),
            // Only a plan that skipped the optimizer comes here.
            (None, None) => return exec_err!("session_duration of a running session needs the as-of instant"),
        };
        let microseconds = end.and_then(|end| end.checked_sub(start));
        seconds.append_option(microseconds.map(|us| us as f64 / MICROSECONDS_PER_SECOND));
    }
    call.result(Arc::new(seconds.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        SESSIONS,
        "session_duration(started_at, ended_at [, as_of])",
        "Returns how long a session lasted, in seconds, to the microsecond. A session that is still running (`ended_at` is \
         null) is measured up to the as-of instant of the query, the same that `now()` returns; `--as-of` sets it. Null if \
         `started_at` is null; negative if the end lies before the start.",
        &[
            ("started_at", "When the session began."),
            ("ended_at", "When it ended; null while it is running."),
            ("as_of", "Measures running sessions up to this instant instead; rarely given."),
        ],
        "SELECT session_duration(started_at, ended_at) FROM workflow_sessions;\n\
         SELECT session_duration('2026-11-20T10:00:00Z', '2026-11-20T10:01:30.5Z');\n-- 90.5",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::{AsArray, TimestampMillisecondArray, TimestampSecondArray};
    use arrow::datatypes::Float64Type;
    use datafusion::logical_expr::{ScalarFunctionArgs, ScalarUDFImpl, col};

    #[test]
    fn running_sessions_are_measured_to_the_as_of_instant() {
        let started = TimestampSecondArray::from(vec![Some(100), Some(100), None, Some(100)]);
        let ended = TimestampMillisecondArray::from(vec![Some(101_500), None, Some(5), Some(99_000)]);
        let as_of = ScalarValue::TimestampMicrosecond(Some(160_000_000), Some("UTC".into()));
        let args = vec![
            ColumnarValue::Array(Arc::new(started)),
            ColumnarValue::Array(Arc::new(ended)),
            ColumnarValue::Scalar(as_of),
        ];
        let seconds = run(&SESSION_DURATION.framed(), args);
        let seconds: Vec<Option<f64>> = seconds.as_primitive::<Float64Type>().iter().collect();
        assert_eq!(seconds, [Some(1.5), Some(60.0), None, Some(-1.0)]);
    }

    #[test]
    fn planning_adds_the_as_of_instant_once() {
        let as_of = chrono::DateTime::from_timestamp(1_795_219_200, 0);
        let info = SimplifyContext::builder().with_query_execution_start_time(as_of).build();
        let function = SESSION_DURATION.framed();
        let ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)) =
            function.simplify(vec![col("started_at"), col("ended_at")], &info).unwrap()
        else {
            panic!("not simplified");
        };
        assert_eq!(call.func.name(), "session_duration");
        assert_eq!(call.args.len(), 3);
        assert!(
            matches!(function.simplify(call.args, &info).unwrap(), ExprSimplifyResult::Original(args) if args.len() == 3)
        );
    }

    #[test]
    fn without_an_as_of_instant_only_running_sessions_fail() {
        let invoke = |ended: Option<i64>| {
            let scalars = [ScalarValue::TimestampSecond(Some(1), None), ScalarValue::TimestampSecond(ended, None)];
            SESSION_DURATION.framed().invoke_with_args(ScalarFunctionArgs {
                args: scalars.map(ColumnarValue::Scalar).to_vec(),
                arg_fields: Vec::new(),
                number_rows: 1,
                return_field: Arc::new(arrow::datatypes::Field::new("f", DataType::Float64, true)),
                config_options: Arc::default(),
            })
        };
        assert!(invoke(Some(2)).is_ok());
        assert!(invoke(None).is_err());
    }
}
