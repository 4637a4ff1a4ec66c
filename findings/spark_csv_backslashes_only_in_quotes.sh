#!/usr/bin/env bash
# pyspark 4.1.1 (PyPI; needs Java 17 or later): df.write.csv with its defaults.
# One text has two spellings in one file: in a field that needs quotes every backslash is doubled, in one that needs none it
# is written as it is. So `C:\` becomes C:\ and `C:\,` becomes "C:\\,", and a reader that takes a backslash for an escape
# outside quotes too, or for none inside them, changes texts.
# Seen: 1,C:\   2,"C:\\,"   3,a\nb   4,"{\"a\":\"x\\ny\"}"
# Source: this run; the options escape and charToEscapeQuoteEscaping in Spark's page on CSV files do not say it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q pyspark==4.1.1
cat > write.py <<'PYTHON'
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
rows = [(1, "C:\\"), (2, "C:\\,"), (3, "a\\nb"), (4, '{"a":"x\\ny"}')]
spark.createDataFrame(rows, ["n", "t"]).coalesce(1).write.option("header", True).csv("out")
PYTHON
env/bin/python write.py 2> spark.log
cat > expected <<'TEXT'
n,t
1,C:\
2,"C:\\,"
3,a\nb
4,"{\"a\":\"x\\ny\"}"
TEXT
cat out/part-*.csv
cmp expected out/part-*.csv
echo "as described"
