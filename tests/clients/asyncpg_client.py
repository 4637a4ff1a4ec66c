"""What asyncpg gets, with its look at types: one line a fact."""

import asyncio
import sys

import asyncpg


async def main(url):
    connection = await asyncpg.connect(url)

    async def show(name, ask):
        try:
            print(f"{name}\t{await ask()}")
        except Exception as error:  # noqa: BLE001
            print(f"{name}\tfailed: {type(error).__name__} {str(error).splitlines()[0]}")

    await show("value", lambda: connection.fetchval("select count(*) from workflow_sessions where communication_type = $1", "Phone"))
    await show("rows", lambda: connection.fetch("select session_id, started_at, time_in_workflow, ended_at from workflow_sessions order by 1 limit 2"))
    await show("names", lambda: connection.fetch("select relname, relkind from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') order by 1"))
    await show("list", lambda: connection.fetchval("select array_agg(attname order by attnum) from pg_attribute where attrelid = 'active_sessions'::regclass and attnum > 0"))

    async def cursor():
        async with connection.transaction():
            return [row["session_id"] async for row in connection.cursor("select session_id from workflow_sessions order by 1 limit 12", prefetch=5)]

    await show("cursor", cursor)

    async def statement():
        prepared = await connection.prepare("select session_id, started_at from workflow_sessions where started_at > $1 and time_in_workflow < $2")
        return [(a.name, a.type.name) for a in prepared.get_attributes()], [p.name for p in prepared.get_parameters()]

    await show("prepared", statement)
    await show("introspection", lambda: connection.fetch("select indkey, indexrelid from pg_index where indrelid = 'workflow_sessions'::regclass"))

    async def reset():
        await connection.reset()
        return "reset"

    await show("reset", reset)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
