//! The HTTP server as clients meet it: answers are those of `query`, errors have their place, and what must not be asked is refused.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use serde_json::{Value, json};
use sessionlake::serve::{Role, User, Users, Verifier};

use crate::support::{Desk, EXPORTED, Listener};

/// A server that runs until it is dropped.
struct Served(Listener);

/// What came back.
#[derive(Debug)]
struct Answered {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body came to its end.
    is_whole: bool,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn fine(self) -> Self {
        assert!(self.status == 200 && self.is_whole, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    fn fails(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, self.text());
        self.json()["error"].clone()
    }
}

impl Served {
    fn start(desk: &Desk, more: &[&str]) -> Self {
        let arguments = [&["--time-zone", "Europe/Berlin", "serve", "--http", "127.0.0.1:0"], more].concat();
        Self(Listener::start(desk, &arguments, ("http://", '/')))
    }

    fn send(&self, request: &str) -> Answered {
        let mut stream = TcpStream::connect(&self.0.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A connection that is reset has told all that it tells.
        let _ = stream.read_to_end(&mut bytes);
        let _ = stream.shutdown(Shutdown::Both);
        answered(&bytes)
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answered {
        let (host, length) = (&self.0.address, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}");
        self.send(&format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    fn get(&self, path: &str) -> Answered {
        self.request("GET", path, "", "")
    }

    fn ask(&self, format: &str, question: &Value) -> Answered {
        self.request("POST", &format!("/v1/sql?format={format}"), "", &question.to_string())
    }
}

fn answered(bytes: &[u8]) -> Answered {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let rest = bytes.get(end + 4..).unwrap_or_default();
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return Answered { status, head, body: rest.to_vec(), is_whole: true };
    }
    let (mut rest, mut body) = (rest, Vec::new());
    let is_whole = loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else { break false };
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            break true;
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + length) else { break false };
        body.extend_from_slice(chunk);
        rest = rest.get(line + 4 + length..).unwrap_or_default();
    };
    Answered { status, head, body, is_whole }
}

const BY_TYPE: &str = "select communication_type as channel, count(*) as sessions, min(started_at) as first from workflow_sessions group by 1 order by 2 desc";

#[test]
fn answers_over_http_are_those_of_query_in_every_format() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let question = json!({ "sql": BY_TYPE, "as_of": EXPORTED, "time_zone": "UTC" });
    for format in ["csv", "tsv", "ndjson", "markdown"] {
        let expected = desk.query(BY_TYPE, &["--format", format]).fine();
        assert_eq!(served.ask(format, &question).fine().text(), expected, "{format}");
    }
    for (format, ours) in [("parquet", "parquet"), ("feather", "arrow"), ("xlsx", "xlsx")] {
        let path = format!("out.{ours}");
        desk.query(BY_TYPE, &["--output", &path]).fine();
        let answer = served.ask(format, &question).fine();
        // Of a workbook the second sheet says what was asked, each in its own words.
        if format == "xlsx" {
            assert!(answer.body.starts_with(b"PK"));
        } else {
            assert!(answer.body == std::fs::read(desk.path(&path)).unwrap(), "{format}");
        }
        assert_eq!(answer.header("sessionlake-version"), Some("1"));
    }
    let stream = served.ask("arrow", &question).fine();
    let read = arrow::ipc::reader::StreamReader::try_new(std::io::Cursor::new(stream.body), None).unwrap();
    let rows: usize = read.map(|batch| batch.unwrap().num_rows()).sum();
    let answer = served.ask("json", &question).fine().json();
    assert_eq!(answer["rows"].as_array().unwrap().len(), rows);
    assert_eq!(answer["columns"][1], json!({ "name": "sessions", "type": "bigint" }));
    assert_eq!(
        (&answer["version"], &answer["as_of"], &answer["time_zone"]),
        (&json!(1), &json!(EXPORTED), &json!("UTC"))
    );
    assert_eq!((&answer["cut"], &answer["row_count"]), (&json!(false), &json!(rows)));
    let objects: Value = serde_json::from_str(&desk.query(BY_TYPE, &["--json"]).fine()).unwrap();
    for (row, object) in answer["rows"].as_array().unwrap().iter().zip(objects.as_array().unwrap()) {
        assert_eq!((&row[0], &row[1], &row[2]), (&object["channel"], &object["sessions"], &object["first"]));
    }
    // What is not said is the server's: its zone, the newest version, the instant of the question.
    let local =
        served.ask("json", &json!({ "sql": "select now() > timestamptz '2026-01-01' as a, $time_zone as z" })).fine();
    assert_eq!(local.json()["rows"], json!([[true, "Europe/Berlin"]]));
    let accepted = served.request("POST", "/v1/sql", "Accept: text/csv\r\n", "{\"sql\":\"select 1 as a\"}").fine();
    assert_eq!((accepted.text(), accepted.header("content-type")), ("a\n1\n", Some("text/csv; charset=utf-8")));
}

#[test]
fn parameters_are_typed_as_on_the_command_line_and_rows_are_cut_where_that_is_asked() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let sql = desk.read("queries/stuck_sessions.sql");
    let question = json!({ "sql": sql, "params": { "longer_than": "4h", "channel": "Phone" }, "as_of": EXPORTED, "time_zone": "UTC" });
    let expected = desk.run(&[
        "query",
        "queries/stuck_sessions.sql",
        "--param",
        "longer_than=4h",
        "--param",
        "channel=Phone",
        "--as-of",
        EXPORTED,
        "--csv",
    ]);
    assert_eq!(served.ask("csv", &question).fine().text(), expected.fine());
    let plain = json!({ "sql": "select $a as a, $b as b, $c as c", "params": { "a": 5, "b": "5", "c": null } });
    assert_eq!(served.ask("json", &plain).fine().json()["rows"], json!([[5, "5", null]]));
    let cut = json!({ "sql": "select session_id from workflow_sessions order by 1", "max_rows": 3 });
    let answer = served.ask("json", &cut).fine().json();
    assert_eq!((answer["rows"].as_array().unwrap().len(), &answer["cut"]), (3, &json!(true)));
    let none = json!({ "sql": "select session_id from workflow_sessions where false", "max_rows": 3 });
    assert_eq!(served.ask("json", &none).fine().json()["rows"], json!([]));
    let exact = json!({ "sql": "values (1), (2), (3)", "max_rows": 3 });
    assert_eq!(served.ask("json", &exact).fine().json()["cut"], json!(false));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_hint() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let ask = |sql: &str| served.ask("json", &json!({ "sql": sql }));
    let error = ask("select *\nfrom workflow_sesions").fails(400);
    assert_eq!((&error["code"], &error["line"], &error["column"]), (&json!("sql"), &json!(2), &json!(6)));
    assert!(error["hint"].as_str().unwrap().contains("workflow_sessions"), "{error}");
    for (question, status, says) in [
        (json!({ "sql": "drop table workflow_sessions" }), 400, "DROP"),
        (json!({ "sql": "copy workflow_sessions to 'x.csv'" }), 400, "COPY"),
        (json!({ "sql": "select 1; select 2" }), 400, "more than one statement"),
        (json!({ "sql": "select $a", "params": { "b": 1 } }), 400, "$a"),
        (json!({ "sql": "select 1", "version": 99 }), 404, "99"),
        (json!({ "sql": "select 1", "as_of": "soon" }), 400, "as_of"),
        (json!({ "sql": "select 1", "time_zone": "Mars" }), 400, "time zone"),
        (json!({ "sql": "select 1", "chart": "pie" , "format": "svg" }), 400, "format"),
        (json!({ "query": "select 1" }), 400, "sql"),
    ] {
        let error = served.ask("json", &question).fails(status);
        assert!(error.to_string().to_lowercase().contains(&says.to_lowercase()), "{question}: {error}");
    }
    assert!(!desk.path("x.csv").exists());
    served.ask("table", &json!({ "sql": "select 1" })).fails(400);
    served.get("/v1/nothing").fails(404);
    served.get("/v1/sql").fails(405);
    served.request("POST", "/v1/tables", "", "{}").fails(405);
    // An error before the first row has its status in every format.
    for format in ["json", "csv", "arrow", "parquet"] {
        let error = served.ask(format, &json!({ "sql": "select count(*) / 0 as x from workflow_sessions" })).fails(400);
        assert_eq!(error["message"], "division by zero", "{format}");
    }
    let slow = Served::start(&desk, &["--timeout", "200ms"]);
    let endless = json!({ "sql": "select count(*) from generate_series(1, 100000000000)" });
    assert_eq!(slow.ask("json", &endless).fails(504)["code"], "timeout");
    // An error after the first rows: the object says it, every other format breaks off.
    let late = json!({ "sql": "select 1 / (50000 - value) as x from generate_series(1, 100000)" });
    let answer = served.ask("json", &late).fine().json();
    assert_eq!(answer["error"]["message"], "division by zero");
    assert!(answer["rows"].as_array().unwrap().len() > 1_000 && answer.get("cut").is_none());
    for format in ["csv", "ndjson", "arrow"] {
        let broken = served.ask(format, &late);
        assert!(broken.status == 200 && !broken.is_whole && !broken.body.is_empty(), "{format}");
    }
}

#[test]
fn a_client_that_goes_away_stops_its_question() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let endless = "{\"sql\":\"select value, md5(value::text) as hash from generate_series(1, 100000000000)\"}";
    let (host, length) = (&served.0.address, endless.len());
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "POST /v1/sql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{endless}").as_bytes()).unwrap();
    // The first rows come although the last are years away.
    let mut first = [0; 4_096];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"));
    let running = || served.get("/metrics").fine().text().contains("sessionlake_questions_running 1\n");
    assert!(running());
    drop(stream);
    while running() {}
}

#[test]
fn clients_that_do_not_read_keep_nobody_from_asking() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &["--max-queries", "1"]);
    let endless = "{\"sql\":\"select value, md5(value::text) as hash from generate_series(1, 100000000000)\"}";
    let (host, length) = (&served.0.address, endless.len());
    let head = format!(
        "POST /v1/sql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let lazy: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(host).unwrap();
            stream.write_all(format!("{head}{endless}").as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(served.ask("json", &json!({ "sql": "select 1" })).fine().json()["rows"], json!([[1]]));
    drop(lazy);
}

#[test]
fn large_statements_are_taken_a_few_at_a_time() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &["--max-message", "200kB"]);
    let question = json!({ "sql": format!("select 1 as a -- {}", "x".repeat(150_000)) });
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..12).map(|_| scope.spawn(|| served.ask("csv", &question).fine().text().to_owned())).collect();
        asked.into_iter().for_each(|answer| assert_eq!(answer.join().unwrap(), "a\n1\n"));
    });
    served.ask("csv", &json!({ "sql": format!("select 1 -- {}", "x".repeat(210_000)) })).fails(413);
}

#[test]
fn charts_are_drawn_and_what_there_is_to_ask_is_listed() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let drawn = served.ask("svg", &json!({ "sql": BY_TYPE, "chart": "bar x=channel y=sessions" })).fine();
    assert!(drawn.text().starts_with("<svg") && drawn.text().contains("<style>") && drawn.text().contains("Phone"));
    assert_eq!(drawn.header("content-type"), Some("image/svg+xml"));
    let trend = desk.read("queries/volume_trend.sql");
    assert!(served.ask("svg", &json!({ "sql": trend, "as_of": EXPORTED })).fine().text().contains("</svg>"));
    served.ask("svg", &json!({ "sql": "select 1 as a" })).fails(400);
    let wrong = served.ask("svg", &json!({ "sql": BY_TYPE, "chart": "bar x=nothing y=sessions" })).fails(400);
    assert!(wrong["message"].as_str().unwrap().contains("nothing"));
    let tables = served.get("/v1/tables").fine().json();
    assert_eq!(tables["tables"][0]["name"], "workflow_sessions");
    assert!(
        tables["tables"][0]["columns"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["name"] == "data" && c["type"] == "json text")
    );
    assert!(served.get("/v1/functions").fine().json()["functions"].as_array().unwrap().len() > 20);
    assert!(served.get("/v1/queries").fine().json()["queries"].as_array().unwrap().len() > 20);
    let paths = served.get("/v1/paths").fine().json();
    assert!(paths["paths"].as_array().unwrap().iter().any(|p| p["column"] == "data" && p["keys"][0] == "variables"));
    assert_eq!(served.get("/healthz").fine().text(), "ok\n");
    let metrics = served.get("/metrics").fine();
    assert!(metrics.text().contains("sessionlake_") && metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    assert!(!metrics.text().contains("workflow_sessions") && !metrics.text().contains("Phone"));
    assert_eq!(served.get("/v1/reports").fine().json(), json!({ "offered": false, "runs": [] }));
    let page = served.get("/").fine();
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().contains("/page/app.js") && served.get("/page/app.js").fine().text().contains("import"));
}

#[test]
fn runs_of_reports_are_listed_and_opened() {
    let desk = Desk::with_lake();
    desk.run(&["report", "run", "queries/volume_trend.sql", "--out", "reports/day one", "--as-of", EXPORTED]);
    desk.write("reports/loose.txt", "not for others");
    let served = Served::start(&desk, &["--reports", "reports"]);
    let runs = served.get("/v1/reports").fine().json();
    assert_eq!((&runs["offered"], &runs["runs"][0]["folder"]), (&json!(true), &json!("day one")));
    let address = runs["runs"][0]["page"].as_str().unwrap().to_owned();
    let page = served.get(&address).fine();
    assert!(page.text().contains("<h1") && page.header("content-security-policy").unwrap().contains("frame-ancestors"));
    let csv = served.get("/reports/day%20one/volume_trend.csv").fine();
    assert_eq!(csv.text(), desk.read("reports/day one/volume_trend.csv"));
    for path in [
        "/reports/loose.txt",
        "/reports/..%2flake/_delta_log",
        "/reports/day%20one/.page/volume_trend.arrow",
        "/reports/%2e%2e/lake",
        "/reports/",
    ] {
        served.get(path).fails(404);
    }
}

#[test]
fn requests_of_other_sites_and_other_forms_are_refused() {
    let desk = Desk::with_lake();
    let served = Served::start(&desk, &[]);
    let (host, body) = (&served.0.address, "{\"sql\":\"select 1\"}");
    let post = |host: &str, headers: &str| {
        let length = body.len();
        served.send(&format!("POST /v1/sql HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
    };
    let json = "Content-Type: application/json\r\n";
    post(host, json).fine();
    post(host, &format!("{json}Origin: http://{host}\r\n")).fine();
    post(host, &format!("{json}Origin: http://evil.example\r\n")).fails(403);
    post(host, &format!("{json}Origin: null\r\n")).fails(403);
    post("evil.example", json).fails(403);
    post(host, "Content-Type: text/plain\r\n").fails(415);
    post(host, "").fails(415);
    let old = served.send(&format!("GET /v1/tables HTTP/1.0\r\nHost: {host}\r\n\r\n"));
    assert_eq!(old.status, 505);
    let large = served.send(&format!(
        "POST /v1/sql HTTP/1.1\r\nHost: {host}\r\n{json}Content-Length: 99999999999\r\nConnection: close\r\n\r\n"
    ));
    large.fails(413);
    for noise in ["\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "POST /v1/sql HTTP/1.1\r\nContent-Length: -1\r\n\r\n"] {
        assert!(matches!(served.send(noise).status, 0 | 400 | 403), "{noise:?}");
    }
    served.get("/healthz").fine();
}

fn write_users(path: &Path, users: &[(&str, Role, &str)]) {
    let user = |(name, role, password): &(&str, Role, &str)| User {
        name: (*name).to_owned(),
        role: *role,
        workflows: None,
        expires: None,
        verifier: Verifier::of(password).unwrap(),
    };
    Users::to_be_at(path).unwrap().replace(users.iter().map(user).collect()).unwrap();
}

#[test]
fn callers_log_in_and_masked_ones_see_masked_values() {
    let desk = Desk::with_lake();
    desk.run(&["report", "run", "queries/volume_trend.sql", "--out", "reports/open", "--as-of", EXPORTED]);
    desk.run(&[
        "report",
        "run",
        "queries/volume_trend.sql",
        "--out",
        "reports/masked",
        "--as-of",
        EXPORTED,
        "--redact",
    ]);
    let users = desk.path("users.toml");
    write_users(&users, &[("ada", Role::Reader, "one"), ("max", Role::Masked, "two")]);
    let served = Served::start(&desk, &["--users", "users.toml", "--reports", "reports"]);
    for path in
        ["/v1/tables", "/v1/server", "/v1/queries", "/metrics", "/reports/open/index.html", "/v1/reports", "/v1/paths"]
    {
        served.get(path).fails(401);
    }
    served.get("/healthz").fine();
    served.get("/").fine();
    served.ask("json", &json!({ "sql": "select 1" })).fails(401);
    let log_in = |user: &str, password: &str| {
        served.request("POST", "/v1/login", "", &json!({ "user": user, "password": password }).to_string())
    };
    for (user, password) in [("ada", "two"), ("ada", ""), ("nobody", "one"), ("", "")] {
        let refused = log_in(user, password);
        let error = refused.fails(401);
        assert_eq!(error["message"], "the user or the password is wrong");
        assert!(refused.header("set-cookie").is_none());
    }
    let first = log_in("ada", "one").fine();
    let token = first.json()["token"].as_str().unwrap().to_owned();
    let cookie = first.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/reports/"));
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(served.request("GET", "/v1/server", &bearer, "").fine().json()["user"], "ada");
    served.request("GET", "/v1/server", "Authorization: Bearer x\r\n", "").fails(401);
    // YWRhOm9uZQ== is ada:one.
    served.request("GET", "/v1/server", "Authorization: Basic YWRhOm9uZQ==\r\n", "").fine();
    served.request("GET", "/v1/server", "Authorization: Basic YWRhOnR3bw==\r\n", "").fails(401);
    served.request("GET", "/v1/server", "Authorization: Basic !!\r\n", "").fails(401);
    // The cookie opens runs of reports and nothing else.
    let sent = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    served.request("GET", "/reports/open/index.html", &sent, "").fine();
    served.request("GET", "/v1/tables", &sent, "").fails(401);
    served.request("POST", "/v1/sql", &sent, "{\"sql\":\"select 1\"}").fails(401);
    let masked = log_in("max", "two").fine().json()["token"].as_str().unwrap().to_owned();
    let ask = |token: &str, sql: &str| {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        served.request("POST", "/v1/sql", &bearer, &json!({ "sql": sql }).to_string()).fine().json()["rows"].clone()
    };
    let phones = "select count(*) from workflow_sessions where data::text like '%+1%' and data::text ~ '\\+1[0-9]{10}'";
    assert_ne!(ask(&token, phones), json!([[0]]));
    assert_eq!(ask(&masked, phones), json!([[0]]));
    let titles = |token: &str| {
        let listed =
            served.request("GET", "/v1/reports", &format!("Authorization: Bearer {token}\r\n"), "").fine().json();
        listed["runs"].as_array().unwrap().len()
    };
    assert_eq!((titles(&token), titles(&masked)), (2, 1));
    // A log-out ends the token, and so does another password.
    served.request("POST", "/v1/logout", &bearer, "{}").fine();
    served.request("GET", "/v1/server", &bearer, "").fails(401);
    write_users(&users, &[("max", Role::Masked, "three")]);
    served.request("GET", "/v1/server", &format!("Authorization: Bearer {masked}\r\n"), "").fails(401);
}

#[test]
fn who_has_not_logged_in_takes_no_place_of_users() {
    let desk = Desk::with_lake();
    write_users(&desk.path("users.toml"), &[("ada", Role::Reader, "one")]);
    let served = Served::start(&desk, &["--users", "users.toml", "--max-connections", "2"]);
    // YWRhOm9uZQ== is ada:one.
    let ask = || {
        let headers = "Authorization: Basic YWRhOm9uZQ==\r\n";
        served.request("POST", "/v1/sql?format=csv", headers, &json!({ "sql": "select 1 as n" }).to_string())
    };
    // More than there are places for those of whom nothing is known: the first have to go.
    let mut silent: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&served.0.address).unwrap()).collect();
    assert_eq!(ask().fine().text(), "n\n1\n");
    let first = &mut silent[0];
    first.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    assert!(matches!(first.read(&mut [0; 1]), Ok(0)), "it is closed");
    // Users have as many places as are said, and no more.
    let stay = || {
        let mut stream = TcpStream::connect(&served.0.address).unwrap();
        let host = &served.0.address;
        let head = format!("GET /v1/server HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YWRhOm9uZQ==\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        (stream, String::from_utf8(answer.to_vec()).unwrap())
    };
    let kept = [stay(), stay()];
    assert!(kept.iter().all(|(_, answer)| answer == "HTTP/1.1 200"), "{kept:?}");
    assert_eq!(ask().fails(503)["code"], "busy");
    served.get("/healthz").fine();
    drop(kept);
}
