"""Writes the table with Sail; prints for each file a line of JSON: tool, call, name, flags, and the member that data stands in. See run.sh."""

import importlib.metadata
import json
import sys
from pathlib import Path

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
from pyspark.sql.functions import expr, lit

WORK = Path(sys.argv[1])


def told(call, name, *flags, member=None):
    print(json.dumps([f"pysail {importlib.metadata.version('pysail')}", call, name, flags, member]), flush=True)


server = SparkConnectServer()
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "UTC")
frame = spark.read.parquet(str(WORK / "pyarrow.parquet")).coalesce(1)
path = lambda name: str(WORK / name)

frame.write.option("header", True).csv(path("sail_csv"))
told("write.csv(header=True)", "sail_csv")
frame.write.json(path("sail_json"))
told("write.json()", "sail_json")
frame.write.parquet(path("sail_parquet"))
told("write.parquet()", "sail_parquet")
frame.write.partitionBy("communication_type").parquet(path("sail_parts"))
told("write.partitionBy(…).parquet", "sail_parts")
frame.withColumn("data", expr("parse_json(data)")).write.parquet(path("sail_variant"))
told("write.parquet of VARIANT", "sail_variant")
frame.withColumn("data", expr("named_struct('v', parse_json(data))")).write.parquet(path("sail_inner_variant"))
told("write.parquet of VARIANT in a struct", "sail_inner_variant", member="v")
frame.write.format("delta").save(path("sail_delta"))
told("write.format('delta')", "sail_delta")
frame.write.format("delta").partitionBy("communication_type").save(path("sail_delta_parts"))
told("write.format('delta').partitionBy(…)", "sail_delta_parts")
nested = frame.withColumn("data", expr("named_struct('inner', data)"))
for mode in ("name", "id"):
    frame.write.format("delta").option("delta.columnMapping.mode", mode).save(path(f"sail_delta_{mode}"))
    told(f"write.format('delta'), columns mapped by {mode}", f"sail_delta_{mode}")
    nested.write.format("delta").option("delta.columnMapping.mode", mode).save(path(f"sail_delta_inner_{mode}"))
    told(f"write.format('delta') of a struct, columns mapped by {mode}", f"sail_delta_inner_{mode}", member="text:inner")
more = frame.unionByName(frame.limit(1).withColumn("session_id", lit("gone"))).coalesce(1)
more.write.format("delta").option("delta.enableDeletionVectors", "true").save(path("sail_delta_deleted"))
spark.sql(f"create table deleted using delta location '{path('sail_delta_deleted')}'")
spark.sql("delete from deleted where session_id = 'gone'")
told("delete from …, by a deletion vector", "sail_delta_deleted")
