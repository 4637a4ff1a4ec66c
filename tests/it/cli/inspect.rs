//! `sessionlake inspect`: what it shows of files of other tools, and that the command it names takes them in.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED, finish};

/// Inspects a file, checks that the command shown takes it in without a record lost or odd, and returns the flags in that command.
fn flags(name: &str, text: &[u8], given: &[&str]) -> String {
    let desk = Desk::new();
    std::fs::write(desk.path(name), text).unwrap();
    let ran = desk.run(&[&["inspect", name, "--exported-at", EXPORTED], given].concat());
    let out = ran.fine();
    let command = out.lines().last().unwrap();
    let words = shell_words(command);
    assert_eq!(words[..2], ["sessionlake", "ingest"], "{out}");
    let arguments: Vec<&str> = words[1..].iter().map(String::as_str).chain(["--format", "json"]).collect();
    let ran = desk.run(&arguments);
    let ledger: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((ran.code, &ledger["warnings"]), (0, &json!({})), "{out}\n{ledger}");
    let rest = command.split_once(&format!("--exported-at {EXPORTED}")).unwrap().1;
    rest.strip_suffix(name).map_or(rest, str::trim).trim().to_owned()
}

/// Takes a command apart as a shell does, as far as quotes go.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = command.chars();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => words.last_mut().unwrap().extend(characters.next()),
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Inspects and returns the objects of all results.
fn objects(desk: &Desk, arguments: &[&str]) -> (Vec<Value>, i32) {
    let ran = desk.run(&[&["inspect", "--exported-at", EXPORTED, "--format", "ndjson"], arguments].concat());
    (ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), ran.code)
}

fn fact<'v>(objects: &'v [Value], what: &str) -> Option<&'v str> {
    objects.iter().find(|line| line["what"] == what).map(|line| line["found"].as_str().unwrap())
}

#[test]
fn the_command_shown_takes_in_what_other_tools_write() {
    let plain = "Session Id,Started At,Ended At\ni1,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z\n";
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, text, expected) in [
        ("plain.csv", plain, ""),
        (
            "clickhouse.csv",
            "\"session_id\",\"started_at\",\"ended_at\",\"variables_category\"\n\"n1\",\"2026-11-20 10:00:00\",\\N,\\N\n",
            "--null-mark '\\N'",
        ),
        (
            "null.csv",
            "session_id,started_at,ended_at,variables_category\nn1,2026-11-20 10:00:00,,NULL\nn2,2026-11-20 10:00:00,,NA\n",
            "--null-mark NA --null-mark NULL",
        ),
        (
            "postgres.tsv",
            "session_id\tstarted_at\tended_at\tvariables_category\nt1\t2026-11-20 11:00:00+01\t\\N\ttab\\there\n",
            "--dialect postgres-text",
        ),
        (
            "spark.csv",
            "Session Id,Started At,Data\nb1,2026-11-20T10:00:00Z,\"{\\\"a\\\":1,\\\"b\\\":\\\"x,y\\\"}\"\n",
            "--dialect spark",
        ),
        (
            "excel.csv",
            "\u{feff}sep=;\r\nSession Id;Started At;Ended At;Time in Workflow\r\n\
             e1;20.11.2026 11:00;20.11.2026 11:05;300,5\r\ne2;20.11.2026 12:00:01;;1.234,5\r\n",
            "--dialect excel-de",
        ),
        ("us.csv", "Session Id,Started At,Ended At\nu1,11/20/2026 11:00 AM,11/20/2026 11:05 AM\n", "--date-format us"),
        (
            "oracle.csv",
            "Session Id,Started At\nu1,20-NOV-26 11.00.00.000000 AM\n",
            "--date-format '%d-%b-%y %I.%M.%S.%f %p'",
        ),
        (
            "comma.csv",
            "Session Id,Started At,Ended At,Time in Workflow\nm1,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,\"300,5\"\n",
            "--decimal-mark ,",
        ),
        (
            "serial.csv",
            "Session Id,Started At,Ended At\na1,46346.4166666667,46346.4201388889\n",
            "--date-format excel-serial",
        ),
        ("julian.csv", "Session Id,Started At,Ended At\na1,2461364.91666667,\n", "--date-format julian"),
        (
            "days.csv",
            "Session Id,Started At,Ended At\na2,2026-11-20T11:00:00Z,9999-12-31T00:00:00Z\n",
            "--no-end 9999-12-31",
        ),
        ("pipes.csv", "Session Id|Started At\np1|2026-11-20T10:00:00Z\n", "--delimiter '|'"),
        ("lines.csv", "Report\nof sessions\nSession Id,Started At\np1,2026-11-20T10:00:00Z\n", "--skip-lines 2"),
        ("comments.csv", "Session Id,Started At\n# one\np1,2026-11-20T10:00:00Z\n# two, or three\n", "--comment '#'"),
        (
            "quote.csv",
            "'session_id','started_at','ended_at'\n'q1','2026-11-20 10:00:00',NULL\n",
            "--dialect sqlite-quote",
        ),
        (
            "tcl.txt",
            "\"session_id\" \"started_at\" \"data\"\n\"t1\" \"2026-11-20 10:00:00\" \"{\\\"a\\\":\\\"\\303\\244\\\"}\"\n",
            "--dialect sqlite-tcl",
        ),
        ("zone.csv", "session_id,started_at\nz1,2026-11-20 10:00:00 EST\n", "--time-zone America/New_York"),
        (
            "date.csv",
            "session_id,started_at\nz1,Fri Nov 20 10:00:00 EST 2026\n",
            "--date-format '%a %b %d %H:%M:%S %Z %Y' --time-zone America/New_York",
        ),
        (
            "progress.ndjson",
            "{\"progress\":{\"read_rows\":\"1\"}}\n{\"row\":{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\"}}\n",
            "--records '$.row'",
        ),
        ("lines.ndjson", "{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\"}\n", ""),
        ("dates.ndjson", "{\"session_id\":\"j1\",\"started_at\":\"20.11.2026 10:00\"}\n", "--date-format de"),
        (
            "wrapped.json",
            "{\"ok\":true,\"data\":[{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\"}]}",
            "--records '$.data'",
        ),
        ("named.csv", "{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\"}\n", "--input-format ndjson"),
        ("compact.csv", "Session Id,Started At,Ended At\nc1,20261120100000,20261120100500\n", ""),
        (
            "strings.ndjson",
            "{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\",\"ended_at\":\"ᴺᵁᴸᴸ\",\"variables_category\":\"ᴺᵁᴸᴸ\"}\n",
            "--null-mark ᴺᵁᴸᴸ",
        ),
        (
            "python.ndjson",
            "{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\",\"time_in_workflow\":NaN,\"data\":{\"a\":NaN}}\n",
            "--null-mark NaN",
        ),
        (
            "open.csv",
            "session_id,started_at,ended_at\no1,2026-11-20 10:00:00,infinity\no2,2026-11-20 10:00:00,2026-11-20 10:05:00\n",
            "--null-mark infinity",
        ),
        (
            "hits.json",
            "{\"hits\":{\"hits\":[{\"_id\":\"x\",\"_source\":{\"session_id\":\"j1\",\"started_at\":\"2026-11-20T10:00:00Z\"}}]}}",
            "--records '$.hits.hits[*]._source'",
        ),
        ("near.csv", "Sesion Id,Started At\nn1,2026-11-20T10:00:00Z\n", "--map 'Sesion Id=session_id'"),
        (
            "headless.csv",
            "h1,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,Phone\nh2,2026-11-20T11:00:00Z,,Email\n",
            "--columns session_id,started_at,ended_at,communication_type",
        ),
        (
            "headless.txt",
            "h1;2026-11-20T10:00:00Z;Phone\nh2;2026-11-20T11:00:00Z;Email\n",
            "--columns session_id,started_at,communication_type --delimiter ';'",
        ),
        (
            "copied.txt",
            "{\"a\":\"x\\\\ny\"}\tp1\t2026-11-20 10:00:00+00\t2026-11-20 10:05:00+00\n\\N\tp2\t2026-11-20 11:00:00+00\t\\N\n",
            "--dialect postgres-text --columns data,session_id,started_at,ended_at",
        ),
        (
            "lists.json",
            "[[\"v1\",\"2026-11-20T10:00:00Z\"],[\"v2\",\"2026-11-20T10:00:00Z\"]]",
            "--columns session_id,started_at",
        ),
    ] {
        assert_eq!(flags(name, text.as_bytes(), &[]), expected, "{name}");
    }
    assert_eq!(flags("wide.csv", &utf_16, &[]), "--encoding utf-16");
    let latin = b"Session Id,Started At,Variables - Category\nl1,2026-11-20T10:00:00Z,caf\xe9\n";
    assert_eq!(flags("latin.csv", latin, &[]), "--encoding cp1252");
    let odd = flags("it's a.csv", plain.as_bytes(), &["--time-zone", "Europe/Berlin", "--map", "a b=workflow_id"]);
    assert_eq!(odd, "'it'\\''s a.csv'");
}

#[test]
fn columns_times_and_what_is_odd_are_shown_and_nothing_is_stored() {
    let desk = Desk::new();
    desk.write("a.csv", "Call;Id;Started At;colour\n1;i1;05.11.2026 11:00;red\n2;i2;06.11.2026 12:00;blue\n");
    let (lines, code) = objects(&desk, &["a.csv", "--time-zone", "Europe/Berlin"]);
    assert_eq!(code, 0);
    let fact = |what: &str| fact(&lines, what);
    assert_eq!((fact("format"), fact("delimiter"), fact("records")), (Some("csv"), Some(";"), Some("2")));
    assert_eq!((fact("looked at"), fact("exported at")), (Some("all"), Some("2026-11-21T00:00:00Z")));
    assert_eq!(fact("without them"), Some("2 of 2 records unreadable"));
    let column = |name: &str| lines.iter().find(|line| line["column"] == name).unwrap();
    let start = column("started_at");
    assert_eq!((&start["header"], &start["type"]), (&"Started At".into(), &"timestamp".into()));
    assert_eq!(start["first value"], "2026-11-05T10:00:00Z");
    assert_eq!(start["in Europe/Berlin"], "2026-11-05T11:00:00+01:00");
    assert_eq!((&column("ended_at")["header"], &column("ended_at")["first value"]), (&"".into(), &"".into()));
    let colour = lines.iter().find(|line| line["header"] == "colour").unwrap();
    assert_eq!((&colour["column"], &colour["first value"]), (&"".into(), &"red".into()));
    let told: Vec<&str> = lines.iter().filter_map(|line| line["what is odd"].as_str()).collect();
    assert!(
        told[0].contains("started_at is not a date and time; --date-format de or us reads it, first in line 2"),
        "{told:?}"
    );
    assert!(told.iter().any(|told| told.starts_with("no column for action_data")), "{told:?}");
    assert!(
        told.iter().any(|told| told.contains("reads as many records as --date-format de, with other values")),
        "{told:?}"
    );
    assert!(!desk.path("lake").exists());
    // What is refused whatever is declared is told with its hint, and has no command.
    desk.write("b.csv", "colour,shape\nred,round\n");
    let ran = desk.run(&["inspect", "b.csv"]);
    assert!(ran.code == 3 && ran.out.contains("no column for session_id") && !ran.out.contains("sessionlake ingest"));
}

#[test]
fn every_format_and_way_in_is_looked_at() {
    let desk = Desk::new();
    let (lines, code) = objects(&desk, &["data/workflow_sessions.csv"]);
    assert_eq!((code, fact(&lines, "format"), fact(&lines, "flags that help")), (0, Some("csv"), None));
    assert!(fact(&lines, "records").unwrap().parse::<u64>().unwrap() >= 30, "{lines:?}");
    // Columns of ours and others, each in its own format.
    let sql = "select 's1' as session_id, timestamp '2026-11-20 10:00:00' as started_at, '20.11.2026 10:05' as ended_at, 7 as extra";
    for (name, format) in
        [("a.parquet", "parquet"), ("a.arrow", "arrow"), ("a.csv", "csv"), ("a.json", "json"), ("a.ndjson", "ndjson")]
    {
        desk.run(&["query", "--from", "data/workflow_sessions.csv", "--exported-at", EXPORTED, "-c", sql, "-o", name])
            .fine();
        let bytes = std::fs::read(desk.path(name)).unwrap();
        let (lines, code) = objects(&desk, &[name]);
        assert_eq!((code, fact(&lines, "format")), (0, Some(format)), "{name} {lines:?}");
        assert_eq!(fact(&lines, "flags that help"), Some("--date-format de"), "{name} {lines:?}");
        // From standard input, and out of a folder whose name has a column.
        let mut command = desk.command(&["inspect", "--exported-at", EXPORTED, "--format", "ndjson", "-"]);
        let ran = finish(command.write_stdin(bytes.clone()));
        let told: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (ran.code, fact(&told, "format"), fact(&told, "records")),
            (0, Some(format), Some("1")),
            "{name} {ran:?}"
        );
        assert!(
            told.iter().any(
                |line| line["command"] == format!("sessionlake ingest --exported-at {EXPORTED} --date-format de -")
            )
        );
        let folder = format!("communication_type=Phone/{name}");
        desk.write(&folder, "");
        std::fs::write(desk.path(&folder), bytes).unwrap();
        let (lines, _) = objects(&desk, &[&folder]);
        let phone = lines.iter().find(|line| line["column"] == "communication_type").unwrap();
        assert_eq!((&phone["header"], &phone["first value"]), (&"(the name of a folder)".into(), &"Phone".into()));
    }
    let (lines, code) = objects(&desk, &["data/interop/delta"]);
    assert_eq!((code, fact(&lines, "format"), fact(&lines, "of them unreadable")), (0, Some("delta"), Some("0")));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(desk.path("a.csv")).unwrap()).unwrap();
    std::fs::write(desk.path("b.csv.gz"), packed.finish().unwrap()).unwrap();
    let (lines, code) = objects(&desk, &["b.csv.gz"]);
    assert_eq!((code, fact(&lines, "compressed by")), (0, Some("gzip")));
    let mut archive = tar::Builder::new(std::fs::File::create(desk.path("c.tar")).unwrap());
    archive.append_path_with_name(desk.path("a.ndjson"), "inside.ndjson").unwrap();
    archive.append_path_with_name(desk.path("a.parquet"), "inside.parquet").unwrap();
    archive.into_inner().unwrap();
    let (lines, code) = objects(&desk, &["c.tar"]);
    let files: Vec<&str> =
        lines.iter().filter(|line| line["what"] == "file").map(|line| line["found"].as_str().unwrap()).collect();
    assert_eq!((code, files), (0, vec!["c.tar/inside.ndjson", "c.tar/inside.parquet"]));
    assert_eq!(lines.iter().filter(|line| line["found"] == "--date-format de").count(), 2);
}

/// Makes a workbook of sheets, each of rows of texts.
fn workbook(desk: &Desk, name: &str, sheets: &[(&str, &[&[&str]])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(desk.path(name)).unwrap());
    let mut part = |name: String, content: String| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    };
    let links = |items: &str| format!("<Relationships>{items}</Relationships>");
    let link = |id: usize, kind: &str, target: &str| {
        format!(r#"<Relationship Id="r{id}" Type="http://x/{kind}" Target="{target}"/>"#)
    };
    part("[Content_Types].xml".into(), "<Types/>".into());
    part("_rels/.rels".into(), links(&link(0, "officeDocument", "xl/workbook.xml")));
    let (mut listed, mut linked) = (String::new(), String::new());
    for (id, (sheet, rows)) in sheets.iter().enumerate() {
        listed.push_str(&format!(r#"<sheet name="{sheet}" sheetId="{}" r:id="r{id}"/>"#, id + 1));
        linked.push_str(&link(id, "worksheet", &format!("worksheets/sheet{id}.xml")));
        let cell = |text: &&str| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#);
        let row = |row: &&[&str]| format!("<row>{}</row>", row.iter().map(cell).collect::<String>());
        let data: String = rows.iter().map(row).collect();
        part(format!("xl/worksheets/sheet{id}.xml"), format!("<worksheet><sheetData>{data}</sheetData></worksheet>"));
    }
    part("xl/workbook.xml".into(), format!("<workbook><sheets>{listed}</sheets></workbook>"));
    part("xl/_rels/workbook.xml.rels".into(), links(&linked));
    zip.finish().unwrap();
}

#[test]
fn workbooks_files_with_types_and_tables_are_looked_at_and_flags_tried_on_them() {
    let desk = Desk::new();
    for (name, format) in [
        ("pandas.xlsx", "xlsx"),
        ("openpyxl.xlsx", "xlsx"),
        ("pandas.ods", "ods"),
        ("fastavro_deflate.avro", "avro"),
        ("chdb.avro", "avro"),
        ("chdb.arrow", "arrow"),
        ("chdb.arrows", "arrow"),
        ("pyarrow.parquet", "parquet"),
        ("delta", "delta"),
        ("delta_parts", "delta"),
    ] {
        let (lines, code) = objects(&desk, &[&format!("data/interop/{name}"), "--time-zone", "UTC"]);
        let facts = ["format", "records", "of them unreadable", "flags that help"].map(|what| fact(&lines, what));
        assert_eq!((code, facts), (0, [Some(format), Some("6"), Some("0"), None]), "{name} {lines:?}");
        let start = lines.iter().find(|line| line["column"] == "started_at").unwrap();
        assert_eq!(start["header"], "started_at", "{name}");
        assert!(start["first value"].as_str().unwrap().starts_with("2026-11-20T"), "{name} {start}");
        assert!(
            lines.iter().all(|line| !line["what is odd"].as_str().unwrap_or("").contains("unreadable")),
            "{lines:?}"
        );
    }
    // Texts of a sheet in another format, marks of null, and a header that is nearly one.
    let rows: &[&[&str]] = &[
        &["Session Id", "Started At", "Endd At", "Variables - Category"],
        &["s1", "20.11.2026 10:00", "20.11.2026 10:05", "NULL"],
        &["s2", "21.11.2026 10:00", "", "x"],
    ];
    workbook(&desk, "one.xlsx", &[("Sheet1", rows)]);
    let (lines, code) = objects(&desk, &["one.xlsx"]);
    let flags = fact(&lines, "flags that help").unwrap_or_else(|| panic!("{lines:?}"));
    for flag in ["--map 'Endd At=ended_at'", "--date-format de", "--null-mark NULL"] {
        assert!(flags.contains(flag), "{flags}");
    }
    assert_eq!((code, fact(&lines, "of them unreadable")), (0, Some("0")));
    let command = lines.iter().find_map(|line| line["command"].as_str()).unwrap();
    let words = shell_words(command);
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    assert!(desk.run(&words).fine().contains("2 inserted"));
}

/// An Avro file without records.
fn avro_of(fields: &[&str]) -> Vec<u8> {
    let fields: Vec<Value> = fields.iter().map(|name| json!({ "name": name, "type": "string" })).collect();
    let schema = json!({ "type": "record", "name": "session", "fields": fields }).to_string();
    let sized = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len() * 2).unwrap();
        let length =
            if length < 128 { vec![length as u8] } else { vec![(length & 127) as u8 | 128, (length >> 7) as u8] };
        [length, bytes.to_vec()].concat()
    };
    [&b"Obj\x01\x02"[..], &sized(b"avro.schema"), &sized(schema.as_bytes()), &[0; 17]].concat()
}

#[test]
fn a_file_of_any_kind_that_is_refused_for_a_header_shows_its_headers_and_the_map_that_helps() {
    let desk = Desk::with_lake();
    let sql = "select session_id as session_nr, started_at as \"Startd At\", data from workflow_sessions limit 3";
    for name in ["x.parquet", "x.arrow", "x.xlsx", "x.csv", "x.json"] {
        desk.query(sql, &["-o", name]).fine();
    }
    std::fs::write(desk.path("x.avro"), avro_of(&["session_nr", "Startd_At"])).unwrap();
    std::fs::create_dir_all(desk.path("t/_delta_log")).unwrap();
    std::fs::copy(desk.path("x.parquet"), desk.path("t/x.parquet")).unwrap();
    let fields: Vec<Value> = ["session_nr", "Startd At", "data"]
        .map(|name| json!({ "name": name, "type": "string", "nullable": true, "metadata": {} }))
        .to_vec();
    let schema = json!({ "type": "struct", "fields": fields }).to_string();
    let log = [
        json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }),
        json!({ "metaData": { "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": { "provider": "parquet", "options": {} },
            "schemaString": schema, "partitionColumns": [], "configuration": {}, "createdTime": 0 } }),
        json!({ "add": { "path": "x.parquet", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": true } }),
    ];
    desk.write("t/_delta_log/00000000000000000000.json", &log.map(|action| format!("{action}\n")).concat());
    for name in ["x.parquet", "x.arrow", "x.xlsx", "x.avro", "x.csv", "t"] {
        let (start, flag) = match name {
            "x.avro" => ("Startd_At", "--map Startd_At=started_at"),
            _ => ("Startd At", "--map 'Startd At=started_at'"),
        };
        let map = ["--map", "session_nr=session_id"];
        let (found, code) = objects(&desk, &[&[name], &map[..]].concat());
        assert_eq!((code, fact(&found, "flags that help")), (0, Some(flag)), "{name}: {found:#?}");
        let command = found.last().unwrap()["command"].as_str().unwrap();
        let words = shell_words(command);
        let lake = format!("lake_of_{name}");
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).chain(["--lake", &lake]).collect();
        let took_in = desk.run(&arguments[..]).fine();
        assert!(
            took_in.contains(if name == "x.avro" { "0 rows read" } else { "3 rows read = 3 inserted" }),
            "{name}: {took_in}"
        );
        // Where no flag is near enough the headers are shown all the same.
        let (found, code) = objects(&desk, &[name]);
        assert_eq!(code, 3, "{found:#?}");
        let headers: Vec<&str> =
            found.iter().filter_map(|line| line["header"].as_str()).filter(|it| !it.is_empty()).collect();
        assert_eq!(headers[..2], ["session_nr", start], "{name}: {found:#?}");
    }
}

#[test]
fn other_sheets_that_could_be_meant_are_told_with_what_they_hold() {
    let desk = Desk::new();
    let header: &[&str] = &["Session Id", "Started At"];
    let october: &[&[&str]] = &[header, &["o1", "2026-10-20T10:00:00Z"]];
    let november: &[&[&str]] = &[header, &["n1", "2026-11-20T10:00:00Z"], &["n2", "2026-11-20T11:00:00Z"]];
    workbook(&desk, "two.xlsx", &[("Notes", &[&["about", "this"]]), ("Oct 26", october), ("Nov", november)]);
    let (lines, _) = objects(&desk, &["two.xlsx"]);
    assert_eq!(fact(&lines, "records"), Some("1"));
    let told: Vec<&str> = lines.iter().filter_map(|line| line["what is odd"].as_str()).collect();
    let sentence = "another sheet could be meant: --sheet 'Nov' reads 2 of its 2 records";
    assert!(told.contains(&sentence) && !told.iter().any(|told| told.contains("--sheet 'Notes'")), "{told:?}");
    let (lines, _) = objects(&desk, &["two.xlsx", "--sheet", "Nov"]);
    assert_eq!(fact(&lines, "records"), Some("2"));
    assert!(
        lines.iter().all(|line| !line["what is odd"].as_str().unwrap_or("").contains("another sheet")),
        "{lines:?}"
    );
}

#[test]
fn what_is_not_read_is_named_for_what_it_is() {
    let desk = Desk::new();
    for (name, bytes, words) in [
        ("a.pdf", &b"%PDF-1.7\n"[..], "is a PDF document, which is not read"),
        ("a.db", b"SQLite format 3\0", "is a SQLite database, which is not read"),
        ("a.csv", b"", "the file is empty"),
        ("b.csv", b"\0\0\0\0", ""),
        ("c.csv.gz", b"\x1f\x8b\x08\0\0", ""),
        ("d.parquet", b"PAR1PAR1", ""),
    ] {
        std::fs::write(desk.path(name), bytes).unwrap();
        let (lines, code) = objects(&desk, &[name]);
        let told: Vec<&str> = lines.iter().filter_map(|line| line["what is odd"].as_str()).collect();
        assert!(code == 3 && told[0].starts_with("refused: ") && told[0].contains(words), "{name} {told:?}");
    }
}

#[test]
fn only_the_start_is_looked_at_and_a_record_that_it_cuts_is_no_fault() {
    let desk = Desk::new();
    let rows: String = (0..60_000).map(|n| format!("s{n},2026-11-20T10:00:00Z,{}\n", "x".repeat(40))).collect();
    desk.write("a.csv", &format!("Session Id,Started At,Variables - Category\n{rows}late,20.11.2026 10:00,x\n"));
    let (lines, _) = objects(&desk, &["a.csv", "--first", "1MB"]);
    assert_eq!((fact(&lines, "looked at"), fact(&lines, "of them unreadable")), (Some("the start"), Some("0")));
    // What is wrong behind what flags are tried on first is found as well.
    let (lines, _) = objects(&desk, &["a.csv", "--whole"]);
    assert_eq!((fact(&lines, "looked at"), fact(&lines, "flags that help")), (Some("all"), Some("--date-format de")));
    let text = std::fs::read(desk.path("a.csv")).unwrap();
    let mut command =
        desk.command(&["inspect", "--exported-at", EXPORTED, "--format", "ndjson", "--first", "1MB", "-"]);
    let ran = finish(command.write_stdin(text));
    assert!(ran.code == 0 && ran.out.contains("\"of them unreadable\",\"found\":\"0\""), "{}", ran.out);
}

#[test]
fn no_bytes_make_it_fail_otherwise_than_by_refusing() {
    let desk = Desk::new();
    let mut state = 7_u64;
    let starts: [&[u8]; 8] = [
        b"",
        b"Session Id,Started At\n",
        b"{\"id\":",
        b"PAR1",
        b"ARROW1\0\0",
        b"PK\x03\x04",
        b"\x1f\x8b\x08\0",
        b"\xff\xfe",
    ];
    for (index, start) in starts.iter().cycle().take(40).enumerate() {
        let noise = (0..2_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8 & if index < 20 { 0x7f } else { 0xff }
        });
        let bytes: Vec<u8> = start.iter().copied().chain(noise).collect();
        std::fs::write(desk.path("noise"), bytes).unwrap();
        let ran = desk.run(&["inspect", "noise"]);
        assert!(matches!(ran.code, 0 | 3) && ran.err.is_empty(), "{index} {ran:?}");
    }
}
