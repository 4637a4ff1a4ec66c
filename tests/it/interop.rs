//! Files that other tools wrote (tests/interop/run.sh) come in with every cell as it was.

use std::path::Path;

use serde_json::Value;

use crate::support::{Desk, EXPORTED};

#[test]
fn every_cell_of_a_file_of_another_tool_is_what_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/interop");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let expected: Vec<Value> =
        read("expected.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<Value> = serde_json::from_str(&read("files.json")).unwrap();
    assert!(files.len() >= 10 && expected.len() >= 6);
    let columns = expected[0].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
    for file in files {
        let desk = Desk::new();
        let path = folder.join(file["file"].as_str().unwrap());
        let flags: Vec<&str> = file["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
        desk.run(&[&["ingest", path.to_str().unwrap(), "--exported-at", EXPORTED], &flags[..]].concat()).fine();
        let sql = format!("select {columns} from workflow_sessions order by session_id");
        let out = desk.query(&sql, &["--format", "ndjson"]).fine();
        let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found.len(), expected.len(), "{file}");
        for (found, expected) in found.iter().zip(&expected) {
            for (name, expected) in expected.as_object().unwrap() {
                let same = match (name.ends_with("_at"), &found[name], expected) {
                    (true, Value::String(found), Value::String(expected)) => {
                        let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
                        instant(found) == instant(expected)
                    }
                    (_, found, expected) => found == expected,
                };
                assert!(same, "{file}: {name} is {} and not {expected}", found[name]);
            }
        }
    }
}
