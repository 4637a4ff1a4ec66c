//! PostgreSQL's protocol over a connection, by a client of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use sessionlake::generate::{GenerateFormat, GenerateOptions, generate};

use crate::lakes::{binary, generated, run};

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = binary();
        command.args(["serve", "--lake", "lake", "--as-of", "2026-11-20T00:00:00Z", "--pg", "127.0.0.1:0"]).args(args);
        let mut child = command.current_dir(folder).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address =
            line.split_whitespace().find(|word| word.contains(':') && word.starts_with("127.")).unwrap().to_owned();
        // Whatever else it says is read, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn connect(&self) -> Client {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client { stream: client }
    }

    fn log_in(&self) -> (Client, Vec<Message>) {
        self.log_in_as("ana")
    }

    fn log_in_as(&self, user: &str) -> (Client, Vec<Message>) {
        let mut client = self.connect();
        client.send(None, format!("\0\x03\0\0user\0{user}\0database\0lake\0\0").as_bytes());
        let messages = client.until_ready();
        (client, messages)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Message = (u8, Vec<u8>);

struct Client {
    stream: TcpStream,
}

impl Client {
    fn send(&mut self, kind: Option<u8>, body: &[u8]) {
        let mut bytes: Vec<u8> = kind.into_iter().collect();
        bytes.extend((body.len() as u32 + 4).to_be_bytes());
        bytes.extend(body);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Reads a message; `None` is the end.
    fn next(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next() {
            let is_ready = message.0 == b'Z';
            messages.push(message);
            if is_ready {
                break;
            }
        }
        messages
    }

    fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send(Some(b'Q'), format!("{sql}\0").as_bytes());
        self.until_ready()
    }

    /// Parse, Bind with texts, Describe, Execute, Sync.
    fn extended(&mut self, sql: &str, values: &[&str], rows: i32, is_binary: bool) -> Vec<Message> {
        self.send(Some(b'P'), &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
        let mut bind = b"\0\0\0\0".to_vec();
        bind.extend((values.len() as u16).to_be_bytes());
        for value in values {
            bind.extend((value.len() as u32).to_be_bytes());
            bind.extend(value.as_bytes());
        }
        bind.extend([0, 1, 0, u8::from(is_binary)]);
        self.send(Some(b'B'), &bind);
        self.send(Some(b'D'), b"P\0");
        self.send(Some(b'E'), &[b"\0", &rows.to_be_bytes()[..]].concat());
        self.send(Some(b'S'), b"");
        self.until_ready()
    }
}

fn kinds(messages: &[Message]) -> String {
    messages.iter().map(|(kind, _)| char::from(*kind)).collect()
}

/// The values of the rows among messages.
fn rows(messages: &[Message]) -> Vec<Vec<Option<Vec<u8>>>> {
    let of_row = |body: &[u8]| {
        let mut rest = &body[2..];
        let mut values = Vec::new();
        while let [a, b, c, d, after @ ..] = rest {
            let length = i32::from_be_bytes([*a, *b, *c, *d]);
            let length = usize::try_from(length).ok();
            values.push(length.map(|length| after[..length].to_vec()));
            rest = &after[length.unwrap_or(0)..];
        }
        values
    };
    messages.iter().filter(|(kind, _)| *kind == b'D').map(|(_, body)| of_row(body)).collect()
}

fn texts(messages: &[Message]) -> Vec<String> {
    let text =
        |value: Option<Vec<u8>>| value.map_or_else(|| "NULL".to_owned(), |value| String::from_utf8(value).unwrap());
    rows(messages).into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

/// The fields of the error among messages.
fn error(messages: &[Message]) -> String {
    let (_, body) = messages.iter().find(|(kind, _)| *kind == b'E').unwrap_or_else(|| panic!("{}", kinds(messages)));
    String::from_utf8_lossy(body).replace('\0', "\n")
}

fn lake_in(folder: &Path) {
    let file = generated(folder, 200, GenerateFormat::Csv);
    let (code, _, err) = run(binary().args(["ingest", "--lake", "lake"]).arg(file).current_dir(folder));
    assert_eq!(code, 0, "{err}");
}

#[test]
fn answers_are_those_of_query() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let (mut client, begin) = server.log_in();
    assert!(kinds(&begin).starts_with('R') && kinds(&begin).contains("SK") && kinds(&begin).ends_with('Z'));
    for sql in [
        "select count(*), min(session_id) from workflow_sessions",
        "select communication_type, count(*) from workflow_sessions group by 1 order by 1",
        "select session_id, data->'variables'->>'category' from active_sessions order by 1 limit 7",
        "select null, 'a,b', 1.5, true, array[1, 2]",
    ] {
        let query =
            ["query", "--lake", "lake", "--as-of", "2026-11-20T00:00:00Z", "--csv", "--null", "NULL", "-c", sql];
        let (_, out, _) = run(binary().args(query).current_dir(folder.path()));
        let expected: Vec<String> = out.lines().skip(1).map(|line| line.replace(',', "|")).collect();
        let as_query = |texts: Vec<String>| -> Vec<String> {
            let texts = texts.into_iter().map(|line| line.replace(',', "|").replace("|t|{1|2}", "|true|[1|2]"));
            texts.collect()
        };
        let expected: Vec<String> = expected.into_iter().map(|line| line.replace('"', "")).collect();
        for answer in [client.query(sql), client.extended(sql, &[], 0, false)] {
            assert_eq!(as_query(texts(&answer)), expected, "{sql}");
        }
    }
    // Each statement sees the newest version, and the instant that was named.
    let mut options = GenerateOptions::new(folder.path().join("more"), 100);
    options.seed = 2;
    let more = generate(&options, &|_, _| {}).unwrap().files[0].path.clone();
    assert_eq!(run(binary().args(["ingest", "--lake", "lake"]).arg(more).current_dir(folder.path())).0, 0);
    assert_eq!(texts(&client.query("select count(*), now() from workflow_sessions")), ["300|2026-11-20 00:00:00+00"]);
    client.query("set sessionlake.at_version = 1");
    assert_eq!(texts(&client.query("select count(*) from workflow_sessions")), ["200"]);
}

#[test]
fn parameters_portions_cursors_and_copies_work() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let (mut client, _) = server.log_in();
    let answer = client.extended(
        "select count(*) from workflow_sessions where started_at > $1 and communication_type = $2",
        &["2026-01-01", "Phone"],
        0,
        true,
    );
    assert_eq!(kinds(&answer), "12TDCZ");
    let count = i64::from_be_bytes(rows(&answer)[0][0].clone().unwrap().try_into().unwrap());
    assert!(count > 10, "{count}");
    let wrong =
        client.extended("select count(*) from workflow_sessions where time_in_workflow > $1", &["ten"], 0, false);
    assert!(error(&wrong).contains("$1"), "{}", error(&wrong));
    let portion = client.extended("select session_id from workflow_sessions", &[], 5, false);
    assert_eq!(kinds(&portion), "12TDDDDDsZ");
    let fetched = client.query("begin; declare c cursor for select session_id from workflow_sessions order by 1; fetch 3 from c; fetch all from c; commit");
    assert_eq!(kinds(&fetched).matches('D').count(), 200);
    let all = texts(&fetched);
    assert!(all.is_sorted());
    let copied = client.query("copy (select session_id from workflow_sessions order by 1) to stdout");
    let data: Vec<u8> = copied.iter().filter(|(kind, _)| *kind == b'd').flat_map(|(_, body)| body.clone()).collect();
    assert_eq!(String::from_utf8(data).unwrap().lines().collect::<Vec<_>>(), all);
    assert_eq!(texts(&client.query("show server_encoding")), ["UTF8"]);
    assert_eq!(kinds(&client.query("")), "IZ");
}

#[test]
fn what_writes_is_refused_on_every_path_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let (mut client, _) = server.log_in();
    for sql in [
        "insert into workflow_sessions values (1)",
        "delete from workflow_sessions",
        "create table t as select 1",
        "create view v as select 1",
        "copy workflow_sessions from stdin",
        "copy (select 1) to 'x.csv'",
        "copy (insert into t values (1)) to stdout",
        "declare c cursor for delete from workflow_sessions",
        "explain analyze insert into workflow_sessions values (1)",
        "prepare p as insert into t values (1)",
        "set datafusion.execution.batch_size = 1",
        "drop table workflow_sessions",
        "select * from 'lake/sessions'",
        "do $$ begin end $$",
        "lock table workflow_sessions",
    ] {
        for answer in [client.query(sql), client.extended(sql, &[], 0, false)] {
            assert!(error(&answer).contains("SERROR"), "{sql}");
            assert!(!kinds(&answer).contains('C'), "{sql}: {}", kinds(&answer));
        }
        assert_eq!(texts(&client.query("select 1")), ["1"], "{sql}");
    }
    assert!(error(&client.query("insert into t values (1)")).contains("C25006"));
    let wrong = client.query("select 1;\n select nope from workflow_sessions");
    assert_eq!(texts(&wrong), ["1"]);
    assert!(error(&wrong).contains("\nP19\n"), "{}", error(&wrong));
    // Within a transaction the rest fails until it ends.
    client.query("begin");
    client.query("select nope");
    assert!(error(&client.query("select 1")).contains("C25P02"));
    assert_eq!(client.query("rollback").last().unwrap().1, b"I");
}

#[test]
fn a_client_that_sends_anything_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server =
        Server::start(folder.path(), &["--max-connections", "4", "--max-message", "100kB", "--max-rows", "150"]);
    let (mut good, _) = server.log_in();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\0",
        b"\x7f\xff\xff\xff",
        b"\0\0\0\x08\0\x02\0\0",
        b"\x16\x03\x01\0\x05hello",
    ] {
        let mut bad = server.connect();
        bad.stream.write_all(bytes).unwrap();
        bad.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = bad.stream.read_to_end(&mut rest);
        assert_eq!(texts(&good.query("select 1")), ["1"]);
    }
    // A message that is too long ends its connection alone.
    let (mut bad, _) = server.log_in();
    bad.stream.write_all(b"Q\0\x10\0\0").unwrap();
    assert!(error(&bad.until_ready()).contains("SFATAL"));
    assert!(error(&good.query("select * from workflow_sessions")).contains("C54000"));
    // More connections than there may be.
    let kept: Vec<_> = (0..3).map(|_| server.log_in()).collect();
    let (_, refused) = server.log_in();
    assert!(error(&refused).contains("C53300"));
    // Any number of connections that say nothing: those beyond a bound are closed.
    let silent: Vec<_> = (0..300).map(|_| server.connect()).collect();
    assert_eq!(texts(&good.query("select 2")), ["2"]);
    drop((kept, silent));
    assert_eq!(texts(&good.query("select 3")), ["3"]);
}

#[test]
fn cancels_and_signals_stop_statements() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let mut server = Server::start(folder.path(), &[]);
    let (mut client, begin) = server.log_in();
    let key = begin.iter().find(|(kind, _)| *kind == b'K').unwrap().1.clone();
    let slow =
        "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b where a.value + b.value = 1";
    client.send(Some(b'Q'), format!("{slow}\0").as_bytes());
    // The wrong secret stops nothing.
    let mut wrong = key.clone();
    wrong[7] ^= 1;
    for secret in [wrong, key] {
        std::thread::sleep(Duration::from_millis(300));
        let mut other = server.connect();
        other.send(None, &[&80_877_102_u32.to_be_bytes()[..], &secret].concat());
        assert_eq!(other.next(), None);
    }
    assert!(error(&client.until_ready()).contains("C57014"));
    assert_eq!(texts(&client.query("select 1")), ["1"]);
    client.query("set statement_timeout = 200");
    assert!(error(&client.query(slow)).contains("C57014"));
    #[cfg(unix)]
    {
        let id = server.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(error(&client.until_ready()).contains("C57P01"));
        assert_eq!(server.child.wait().unwrap().code(), Some(143));
    }
}

#[test]
fn sessions_of_a_user_stop_each_other_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let [(mut first, _), (mut second, _)] = [(); 2].map(|()| server.log_in());
    let (mut other, _) = server.log_in_as("bob");
    let process = texts(&second.query("select pg_backend_pid()")).remove(0);
    let known = first.query("select pid, usename, state, query from pg_stat_activity");
    assert_eq!(rows(&known).len(), 2, "{}", kinds(&known));
    let slow =
        "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b where a.value + b.value = 1";
    for (call, code) in [("pg_cancel_backend", "C57014"), ("pg_terminate_backend", "C57P01")] {
        second.send(Some(b'Q'), format!("{slow}\0").as_bytes());
        let state = format!("select state from pg_stat_activity where pid = {process}");
        while texts(&first.query(&state)) != ["active"] {}
        let refused = other.query(&format!("select {call}({process})"));
        assert!(error(&refused).contains("C42501"), "{}", error(&refused));
        // Where the statement is about to begin, nothing is there to be stopped yet.
        let stopping = format!("select {call}(pid) from pg_stat_activity where pid = '{process}'");
        let asked = std::thread::spawn(move || {
            let answered = second.until_ready();
            (second, answered)
        });
        while !asked.is_finished() {
            first.query(&stopping);
        }
        let (back, answered) = asked.join().unwrap();
        assert!(error(&answered).contains(code), "{call}: {}", error(&answered));
        second = back;
    }
    assert_eq!(second.next(), None);
    assert_eq!(texts(&first.query(&format!("select pg_terminate_backend({process})"))), ["f"]);
    assert_eq!(texts(&other.query("select count(*) from pg_stat_activity")), ["1"]);
}

#[test]
fn parameters_without_a_type_have_that_of_their_place() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let (mut client, _) = server.log_in();
    let three = "select x from (values (1), (2), (3)) v(x)";
    for (sql, values, answer) in [
        (format!("{three} order by x limit $1"), &["2"][..], &["1", "2"][..]),
        (format!("{three} order by x offset $1"), &["1"], &["2", "3"]),
        (format!("{three} order by x limit $2 offset $1"), &["1", "1"], &["2"]),
        (format!("{three} order by x fetch first $1 rows only"), &["1"], &["1"]),
        (format!("{three} where x in ($1, $2) order by 1"), &["1", "3"], &["1", "3"]),
        (format!("{three} where x between $1 and $2 order by 1"), &["2", "3"], &["2", "3"]),
        ("select sum(x) over (order by x rows between $1 preceding and current row) from (values (1), (2), (3)) v(x) order by 1".to_owned(), &["1"], &["1", "3", "5"]),
        ("select lag(x, $1) over (order by x) from (values (1), (2)) v(x) where x > 0 order by x desc limit 1".to_owned(), &["1"], &["1"]),
        ("select value from generate_series(2, $1)".to_owned(), &["3"], &["2", "3"]),
        ("select '{\"a\": \"b\"}'::json ->> $1".to_owned(), &["a"], &["b"]),
        ("select ('{\"a\": 1}'::jsonb) ? $1".to_owned(), &["a"], &["t"]),
        ("select (array['a', 'b'])[$1]".to_owned(), &["2"], &["b"]),
        ("select timestamp '2026-01-01' + $1::interval".to_owned(), &["2 days"], &["2026-01-03 00:00:00"]),
        ("values ($1)".to_owned(), &["a"], &["a"]),
        ("select cast($1 as date)".to_owned(), &["2026-01-02"], &["2026-01-02"]),
        ("select $1 is null".to_owned(), &["a"], &["f"]),
    ] {
        let answered = client.extended(&sql, values, 0, false);
        assert_eq!(kinds(&answered).matches('E').count(), 0, "{sql}: {}", error(&answered));
        assert_eq!(texts(&answered), answer, "{sql}");
    }
    let wrong = client.extended(&format!("{three} limit $1"), &["two"], 0, false);
    assert!(error(&wrong).contains("$1"), "{}", error(&wrong));
}

#[test]
fn clients_that_wait_or_do_not_read_keep_nobody_from_asking() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &["--max-queries", "1", "--timeout", "30s"]);
    let (mut other, _) = server.log_in();
    // An answer that was described has begun, and is not fetched.
    let (mut waits, _) = server.log_in();
    waits.send(Some(b'P'), b"\0select * from workflow_sessions\0\0\0");
    waits.send(Some(b'B'), b"\0\0\0\0\0\0\0\0");
    waits.send(Some(b'D'), b"P\0");
    waits.send(Some(b'H'), b"");
    let described: Vec<u8> = (0..3).map(|_| waits.next().unwrap().0).collect();
    assert_eq!(described, b"12T");
    assert_eq!(texts(&other.query("select 1")), ["1"]);
    waits.send(Some(b'E'), b"\0\0\0\0\0");
    waits.send(Some(b'S'), b"");
    assert_eq!(kinds(&waits.until_ready()).matches('D').count(), 200);
    // Rows that nobody reads, of a simple statement and of a COPY.
    let many = "select a.value, repeat('x', 1000) from generate_series(1, 1000000) a";
    for sql in [many.to_owned(), format!("copy ({many}) to stdout")] {
        let (mut stuck, _) = server.log_in();
        stuck.send(Some(b'Q'), format!("{sql}\0").as_bytes());
        assert!(stuck.next().is_some());
        assert_eq!(texts(&other.query("select 2")), ["2"]);
    }
}

#[test]
fn what_a_connection_keeps_and_what_a_statement_says_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let server = Server::start(folder.path(), &[]);
    let (mut client, _) = server.log_in();
    let long = format!("select length('{}')", "x".repeat(3_000_000));
    let mut prepare = |name: &str| {
        client.send(Some(b'P'), &[name.as_bytes(), b"\0", long.as_bytes(), b"\0\0\0"].concat());
        client.send(Some(b'S'), b"");
        client.until_ready()
    };
    // One without a name takes the place of the one before.
    for _ in 0..3 {
        assert_eq!(kinds(&prepare("")), "1Z");
    }
    assert!(error(&prepare("second")).contains("C53400"));
    client.query("discard all");
    let words = format!("select 1 in ({})", vec!["1"; 200_000].join(","));
    let refused = error(&client.query(&words));
    assert!(refused.contains("C54001") && refused.contains("more than 300000 words"), "{refused}");
    let deep = error(&client.query(&format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000))));
    assert!(deep.contains("C54001"), "{deep}");
    // A long text that is few words is answered.
    assert_eq!(texts(&client.query(&long)), ["3000000"]);
}

#[cfg(unix)]
#[test]
fn who_signals_twice_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    lake_in(folder.path());
    let mut server = Server::start(folder.path(), &[]);
    let (mut client, _) = server.log_in();
    // It is sent as long as it is read, which takes longer than a server waits.
    client.send(Some(b'Q'), b"select repeat('x', 100000) from generate_series(1, 1000000)\0");
    assert!(client.next().is_some());
    let id = server.child.id().to_string();
    let signal = || assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let began = std::time::Instant::now();
    signal();
    while server.child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
        signal();
    }
    assert!(began.elapsed() < Duration::from_secs(9));
}
