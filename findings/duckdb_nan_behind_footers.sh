#!/usr/bin/env bash
# duckdb 2.0.1 (PyPI) on a Parquet file of pyarrow 26.0.1 that holds a NaN.
# Bounds in footers leave NaN out, as the Parquet format asks. duckdb, for which NaN is greater than every number, takes the bounds for those of all
# values: not only is the row group left out where a filter asks for more than the maximum, but isnan(x) is folded to false and max(x) is answered
# from the footer. The same values in a table of its own give the other answers.
# Seen: file: > 1e9: 0, isnan: 0, max: 1.0; table: > 1e9: 1, isnan: 1, max: nan. polars 2.1.0 counts 1 on the same file.
# Source: this run; duckdb #25521 tells of the filter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q duckdb==2.0.1 pyarrow==26.0.1 polars==2.1.0
cat > try.py <<'PYTHON'
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

pq.write_table(pa.table({"x": [1.0, float("nan")]}), "nan.parquet")
duckdb.sql("create table t as select * from (values (1.0::double), ('nan'::double)) as v(x)")
for name, source in [("file", "'nan.parquet'"), ("table", "t")]:
    above = duckdb.sql(f"select count(*) from {source} where x > 1e9").fetchall()[0][0]
    isnan = duckdb.sql(f"select count(*) from {source} where isnan(x)").fetchall()[0][0]
    most = duckdb.sql(f"select max(x) from {source}").fetchall()[0][0]
    print(f"{name}: > 1e9: {above}, isnan: {isnan}, max: {most}")
print("polars:", pl.scan_parquet("nan.parquet").filter(pl.col("x") > 1e9).collect().height)
PYTHON
env/bin/python try.py | tee seen
printf 'file: > 1e9: 0, isnan: 0, max: 1.0\ntable: > 1e9: 1, isnan: 1, max: nan\npolars: 1\n' | cmp - seen
echo "as described"
