"""Asks every kind of plan of a large lake under limits of memory and threads. See run.sh."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time

BINARY, LAKE = sys.argv[1:3]
ONLY = re.compile(sys.argv[3]) if len(sys.argv) > 3 else None
SECONDS = 180
LIMITS = os.environ.get("LIMITS", "3MB 64MB 128MB 2GB").split()
THREADS = [int(number) for number in os.environ.get("THREADS", "1 2 8").split()]
# What a run may take beside its limit: code, footers, buffers of readers and writers.
BESIDE_BYTES = 700 << 20

PLANS = {
    "groups by text": "select count(*), sum(n) from (select data, count(*) as n from workflow_sessions group by data)",
    "distinct": "select count(*) from (select distinct data from workflow_sessions)",
    "count distinct": "select count(distinct data), count(distinct session_id) from workflow_sessions",
    "groups, count distinct": "select workflow_id, count(distinct data) from workflow_sessions group by 1 order by 1",
    "sort": "select session_id, data, source_details from workflow_sessions order by data desc, session_id",
    "sort by id": "select session_id, started_at, action_data from workflow_sessions order by session_id",
    "top": "select session_id, data from workflow_sessions order by data desc, session_id limit 5000",
    "window": "select count(*) from (select row_number() over (partition by workflow_id order by data, session_id) as r "
    "from workflow_sessions) where r = 1",
    "window over all": "select count(*), sum(length(before)) from (select lag(data) over (order by started_at, session_id) as before "
    "from workflow_sessions)",
    "sums over windows": "select sum(s) from (select sum(time_in_workflow::bigint) over (partition by workflow_id order by started_at, session_id) "
    "as s from workflow_sessions)",
    "join": "select count(*), min(a.data) from workflow_sessions a join workflow_sessions b on a.session_id = b.session_id",
    "left join": "select count(*), count(b.data) from workflow_sessions a left join workflow_sessions b "
    "on a.data = b.data and a.session_id < b.session_id and b.variables_category is not null",
    "full join": "select count(*), count(a.data), count(b.data) from (select * from workflow_sessions where communication_type = 'Phone') a "
    "full join (select * from workflow_sessions where communication_type <> 'Email') b using (session_id)",
    "anti join": "select count(*) from workflow_sessions a where not exists (select 1 from active_sessions b where b.data = a.data)",
    "not in": "select count(*) from workflow_sessions where data not in (select data from active_sessions)",
    "join without keys": "select count(*), count(s.session_id) from workflow_sessions s right join generate_series(1, 40) g(v) "
    "on s.time_in_workflow > g.v * 100 and g.v > 20",
    "union": "select count(*) from (select session_id, data from workflow_sessions union select session_id, data from ended_sessions)",
    "except": "select count(*) from (select session_id, data from workflow_sessions except select session_id, data from ended_sessions)",
    "lists": "select workflow_id, array_length(array_agg(data)) from workflow_sessions group by 1 order by 1",
    "lists in order": "select workflow_id, array_length(array_agg(session_id order by started_at)) from workflow_sessions group by 1 order by 1",
    "lists of few": "select count(*), sum(n) from (select array_length(array_agg(data)) as n from workflow_sessions group by session_id)",
    "joined text": "select workflow_id, length(string_agg(session_id, ',')) from workflow_sessions group by 1 order by 1",
    "percentiles": "select workflow_id, percentile_cont(0.5) within group (order by time_in_workflow) from workflow_sessions group by 1 order by 1",
    "grouping sets": "select count(*) from (select data, workflow_id, count(*) from workflow_sessions group by grouping sets ((data), (workflow_id), ()))",
    "elements": "select count(*) from (select distinct unnest(string_to_array(data, ',')) from workflow_sessions)",
}


def asked(sql, threads, limit):
    with tempfile.TemporaryDirectory() as spill:
        command = [BINARY, "--lake", LAKE, "-q", "--threads", str(threads), "--temp-dir", spill, "--as-of", "2026-11-29T00:00:00Z"]
        command += ["--memory-limit", limit] if limit else []
        command += ["query", "--timeout", f"{SECONDS}s", "--format", "csv", "-c", sql]
        begun = time.monotonic()
        errors = tempfile.TemporaryFile()
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        answer = hashlib.md5()
        while block := run.stdout.read(1 << 20):
            answer.update(block)
        _, status, used = os.wait4(run.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        run.returncode = code
        errors.seek(0)
        said = errors.read().decode().strip().splitlines()
        return code, answer.hexdigest(), said[0] if said else "", time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss << 10


def size(text):
    return int(text[:-2]) << (30 if text.endswith("GB") else 20)


wrong = 0
for name, sql in PLANS.items():
    if ONLY and not ONLY.search(name):
        continue
    code, right, said, wall, cpu, most = asked(sql, 2, "16GB")
    print(f"{name}: {wall:.0f} s, {most >> 20} MiB of memory without a limit", flush=True)
    if code:
        wrong += 1
        print(f"  WRONG: {code} {said}")
        continue
    for threads in THREADS:
        for limit in LIMITS:
            code, answer, said, wall, cpu, most = asked(sql, threads, limit)
            if code == 0:
                outcome = "answers" if answer == right else "WRONG: another answer"
            elif code == 6 and "time" in said:
                outcome = f"SLOW or hung: {said}"
            elif code == 6:
                outcome = f"names the limit: {said}"
            else:
                outcome = f"WRONG: {code} {said}"
            if most > size(limit) + BESIDE_BYTES:
                outcome += f"; MEMORY {most >> 20} MiB"
            wrong += any(word in outcome for word in ("WRONG", "SLOW", "MEMORY"))
            print(f"  {threads} threads, {limit}: {outcome} ({wall:.0f} s, {cpu:.0f} s of CPU, {most >> 20} MiB)", flush=True)
print(f"{wrong} to look at")
sys.exit(wrong > 0)
