//! What EXPLAIN says of JSON paths: in how many files each comes from leaf columns, from pools, from NULL, or from the text.
//!
//! The scan asks the very adapter that will rewrite its expressions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;

use super::leaves::adapter::{keys, parsed};
use super::leaves::computed_calls::ComputedCall;
use super::leaves::element_calls::ElementsCall;
use crate::functions::json_call;
use crate::shred::MANIFEST_KEY;
use crate::shred::leaf::{LEAF_PREFIX, element_json_path, is_pool, json_path};

/// The columns of data files, with those of leaves, by the files' paths.
pub(super) type FileSchemas = HashMap<String, SchemaRef>;

/// Where a call gets its values from in some number of files.
#[derive(Debug, Default)]
struct Sources {
    leaf: usize,
    pool: usize,
    null: usize,
    text: usize,
    /// Why the text is read, where its files say it.
    reasons: BTreeSet<&'static str>,
}

/// Says of each JSON path in the expressions of a scan in how many files it comes from where: `data $.variables.tier: leaf 3, text 1`.
pub(super) fn json_sources<'a>(
    expressions: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>,
    table: &SchemaRef,
    files: &[&SchemaRef],
    factory: &dyn PhysicalExprAdapterFactory,
) -> Result<String> {
    let mut calls: BTreeMap<String, Vec<Arc<dyn PhysicalExpr>>> = BTreeMap::new();
    for expression in expressions {
        expression.apply(|part| {
            if let Some(name) = called_path(part) {
                let calls = calls.entry(name).or_default();
                if !calls.contains(part) {
                    calls.push(Arc::clone(part));
                }
            }
            // The call of the text that a domain is found in is told with that of the domain.
            let is_computed = part.downcast_ref().is_some_and(|call| ComputedCall::of(call).is_some());
            Ok(if is_computed { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue })
        })?;
    }
    let mut sources: BTreeMap<&str, Sources> = BTreeMap::new();
    for file in files {
        let adapter = factory.create(Arc::clone(table), Arc::clone(file))?;
        for (name, calls) in &calls {
            let (mut reads_text, mut reads_leaf, mut reads_pool) = (false, false, false);
            for call in calls {
                let documents = collect_columns(call);
                for column in collect_columns(&adapter.rewrite(Arc::clone(call))?) {
                    match column.name() {
                        name if is_pool(name) => reads_pool = true,
                        name if name.starts_with(LEAF_PREFIX) => reads_leaf = true,
                        name if documents.iter().any(|documents| documents.name() == name) => reads_text = true,
                        // The column of the table that a leaf copies.
                        _ => reads_leaf = true,
                    }
                }
            }
            let sources = sources.entry(name).or_default();
            let source = match (reads_text, reads_pool, reads_leaf) {
                (true, _, _) => &mut sources.text,
                (false, true, _) => &mut sources.pool,
                (false, false, true) => &mut sources.leaf,
                (false, false, false) => &mut sources.null,
            };
            *source += 1;
            let manifest = || parsed(file.metadata().get(MANIFEST_KEY)?);
            if reads_text && let Some(manifest) = manifest() {
                let places = calls.iter().filter_map(place_of);
                sources
                    .reasons
                    .extend(places.filter_map(|(column, path, kinds)| manifest.reason(&column, &path, kinds)));
            }
        }
    }
    let told = sources.iter().map(|(name, sources)| {
        let counted = [("leaf", sources.leaf), ("pool", sources.pool), ("NULL", sources.null), ("text", sources.text)];
        let parts = counted.iter().filter(|(_, files)| *files > 0).map(|(source, files)| format!("{source} {files}"));
        let reasons: Vec<&str> = sources.reasons.iter().copied().collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        format!("{name}: {}{reasons}", parts.collect::<Vec<_>>().join(", "))
    });
    Ok(told.collect::<Vec<_>>().join("; "))
}

/// Returns the column of a call and the path that it looks up there, where that is of literal keys, and what its answer depends on beside
/// the kinds of leaves.
fn place_of(expression: &Arc<dyn PhysicalExpr>) -> Option<(String, Vec<String>, u8)> {
    let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
    let known = json_call(call.fun().name())?;
    let (column, path) = keys(known, call)?;
    // What is never of leaves has no reason in the values.
    let kinds = if known.asked.is_of_leaves() { known.asked.text_only(true) } else { 0 };
    Some((column, path, kinds))
}

/// Names the path of a call of a JSON function on a column: `data $.variables.tier`, or the call itself where the path is not of
/// literal keys.
fn called_path(expression: &Arc<dyn PhysicalExpr>) -> Option<String> {
    let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
    if let Some(ComputedCall { function, text }) = ComputedCall::of(call) {
        let of = match text.downcast_ref::<Column>() {
            Some(column) => column.name().to_owned(),
            None => called_path(text)?,
        };
        return Some(format!("{}({of})", function.name));
    }
    if let Some(ElementsCall { column, path, inside, .. }) = ElementsCall::of(call) {
        return Some(format!("{column} {}", element_json_path(&path, &inside)));
    }
    json_call(call.fun().name())?;
    let (first, keys) = call.args().split_first()?;
    let column = first.downcast_ref::<Column>()?.name();
    let keys: Option<Vec<String>> =
        keys.iter().map(|key| Some(key.downcast_ref::<Literal>()?.value().try_as_str()??.to_owned())).collect();
    Some(match keys.as_deref() {
        Some([path]) if path.starts_with('$') => format!("{column} {path}"),
        Some(keys) => format!("{column} {}", json_path(keys)),
        None => call.to_string(),
    })
}
