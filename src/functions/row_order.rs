//! Whether the answer of an aggregate depends on the order in which its rows come, for what spreads rows over threads and machines.
//!
//! `sum` and `avg` of doubles do not ([`exact`](super::exact)), nor does what counts, compares, or adds integers and decimals. What adds doubles
//! as they come (variances, correlations, regressions) depends on the order in its last digits, and so do the approximate percentiles, whose
//! digests merge what is near. Lists and the first of several values are in the order of the rows, which SQL leaves open unless the call has one.

use arrow::datatypes::DataType;
use datafusion::logical_expr::AggregateUDF;

use super::exact::is_exact;

/// What the order of the rows is to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// The same rows give the same bits in any order.
    Free,
    /// The digits depend on it, where SQL knows one answer.
    Digits,
    /// The answer shows it: SQL leaves open which of the answers it is.
    Shown,
}

/// Aggregates of which the order changes nothing, whatever the type.
const FREE: [&str; 17] = [
    "approx_distinct",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "grouping",
    "max",
    "median",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "regr_count",
    "sum",
];

/// Aggregates whose answer shows the order of the rows, unless the call gives one.
const SHOWN: [&str; 6] = ["any_value", "array_agg", "first_value", "last_value", "nth_value", "string_agg"];

/// Says what the order of the rows is to an aggregate of arguments of these types. `is_ordered` says that the call has an ORDER BY; what it leaves
/// equal is open all the same.
///
/// `function` is the one in the plan, after the rules of the session: those put the exact sum in the place of DataFusion's. One that is not known
/// here counts as one that depends on the order.
pub(crate) fn row_order(function: &AggregateUDF, types: &[DataType], is_ordered: bool) -> RowOrder {
    let name = function.name();
    let adds = matches!(name, "sum" | "avg");
    if adds && types.iter().any(DataType::is_floating) && !is_exact(function) {
        return RowOrder::Digits;
    }
    if FREE.contains(&name) {
        RowOrder::Free
    } else if SHOWN.contains(&name) {
        if is_ordered { RowOrder::Free } else { RowOrder::Shown }
    } else {
        RowOrder::Digits
    }
}

/// Says whether the order of the rows changes an answer of which SQL knows only one.
pub(crate) fn order_matters(function: &AggregateUDF, types: &[DataType]) -> bool {
    row_order(function, types, false) == RowOrder::Digits
}

#[cfg(test)]
mod tests {
    use datafusion::functions_aggregate::all_default_aggregate_functions;
    use datafusion::functions_aggregate::average::avg_udaf;
    use datafusion::functions_aggregate::sum::sum_udaf;

    use super::*;
    use crate::functions::exact::exact;
    use crate::functions::{extremes, interval, lists, postgres};

    /// Aggregates that add doubles as they come, or merge what is near.
    const DIGITS: [&str; 18] = [
        "approx_median",
        "approx_percentile_cont",
        "approx_percentile_cont_with_weight",
        "corr",
        "covar_pop",
        "covar_samp",
        "regr_avgx",
        "regr_avgy",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "stddev",
        "stddev_pop",
        "var",
        "var_pop",
    ];

    #[test]
    fn every_aggregate_of_a_session_is_known_here() {
        let ours = interval::aggregates().into_iter().chain(postgres::aggregates());
        let ours = ours.chain(extremes::aggregates()).chain(lists::aggregates());
        for function in all_default_aggregate_functions().into_iter().chain(ours) {
            let name = function.name();
            let is_known = FREE.contains(&name) || SHOWN.contains(&name) || DIGITS.contains(&name);
            assert!(is_known, "does the answer of {name} depend on the order of its rows?");
            assert_eq!(order_matters(&function, &[DataType::Int64]), DIGITS.contains(&name), "{name}");
        }
    }

    #[test]
    fn sums_of_doubles_depend_on_the_order_unless_they_are_exact() {
        for stock in [sum_udaf(), avg_udaf()] {
            assert!(order_matters(&stock, &[DataType::Float64]));
            let exact = exact(&stock, &DataType::Float64).unwrap();
            assert!(!order_matters(&exact, &[DataType::Float64]));
            assert!(!order_matters(&stock, &[DataType::Decimal128(10, 2)]));
        }
        let list = lists::aggregates().remove(0);
        assert_eq!(row_order(&list, &[DataType::Utf8], false), RowOrder::Shown);
        assert_eq!(row_order(&list, &[DataType::Utf8], true), RowOrder::Free);
    }
}
