// What node-postgres and postgres.js get: one line a fact. Usage: node node_client.js URL
async function show(name, ask) {
  try { console.log(name + "\t" + JSON.stringify(await ask())); } catch (error) { console.log(name + "\tfailed: " + error.message); }
}
async function main(url) {
  let pg, postgres;
  try { pg = require("pg"); } catch { console.log("skipped\tpg"); }
  try { postgres = require("postgres"); } catch { console.log("skipped\tpostgres"); }
  if (pg) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await show("pg rows", async () => (await client.query("select session_id, started_at, time_in_workflow from workflow_sessions order by 1 limit 3")).rows);
    await show("pg parameter", async () => (await client.query("select count(*) from workflow_sessions where communication_type = $1", ["Phone"])).rows);
    await show("pg fields", async () => (await client.query("select session_id, started_at, time_in_workflow, 1 as one from workflow_sessions limit 1")).fields.map((f) => [f.name, f.dataTypeID]));
    await show("pg array", async () => (await client.query("select current_schemas(false) as found")).rows);
    await show("pg error", async () => { try { await client.query("select nothing_of_this_name from workflow_sessions"); } catch (error) { return [error.code, error.position]; } });
    await client.end();
  }
  if (postgres) {
    const sql = postgres(url);
    await show("postgres rows", async () => await sql`select session_id, started_at from workflow_sessions where communication_type = ${"Phone"} order by 1 limit 2`);
    await show("postgres cursor", async () => { let n = 0; await sql`select session_id from workflow_sessions`.cursor(50, (rows) => { n += rows.length; }); return n; });
    await sql.end();
  }
}
main(process.argv[2]);
