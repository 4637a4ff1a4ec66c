//! What a statement is to a session of PostgreSQL's protocol: a question, or one of the commands that drivers send around questions.
//!
//! A command is told by its first words. What is not known here is taken for a question, and refused as such where it is none.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::encode::Form;
use crate::error::{Error, Result};
use crate::script::{Piece, Word};

/// A statement, taken apart as far as a session needs it. Questions inside are ranges of bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Question,
    /// `SET name = value`; without a value, what the session began with.
    Set {
        name: String,
        value: Option<String>,
    },
    /// Accepted, and nothing changes: a server that only reads has no transactions to set.
    SetTransaction,
    Show(String),
    ShowAll,
    ResetAll,
    DiscardAll,
    Begin,
    /// Ends a transaction, by COMMIT or ROLLBACK.
    End(&'static str),
    /// SAVEPOINT, RELEASE or ROLLBACK TO.
    Savepoint(&'static str),
    Declare {
        name: String,
        question: (usize, usize),
    },
    /// Rows that are fetched; none is all.
    Fetch {
        name: String,
        rows: Option<usize>,
    },
    CloseCursor(Option<String>),
    Deallocate(Option<String>),
    CopyOut {
        question: CopySource,
        options: CopyOptions,
    },
    Unlisten,
}

/// What a COPY sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A question, as a range of bytes.
    Question(usize, usize),
    /// A table as it is written, and its columns.
    Table(String),
}

/// The form of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: char,
    pub null: String,
    pub has_header: bool,
    pub quote: char,
    pub escape: char,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

impl CopyOptions {
    fn of(format: CopyFormat) -> Self {
        let (delimiter, null) = match format {
            CopyFormat::Csv => (',', ""),
            CopyFormat::Text | CopyFormat::Binary => ('\t', "\\N"),
        };
        Self { format, delimiter, null: null.to_owned(), has_header: false, quote: '"', escape: '"' }
    }

    /// The form of its values.
    pub fn form(&self) -> Form {
        if self.format == CopyFormat::Binary { Form::Binary } else { Form::Text }
    }
}

/// Reads the words of a statement, one after the other.
struct Words<'p> {
    words: &'p [Word],
    text: &'p str,
}

impl<'p> Words<'p> {
    fn peek(&self) -> Option<&'p Word> {
        self.words.first()
    }

    fn next(&mut self) -> Option<&'p Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes a keyword if it stands here.
    fn takes(&mut self, keyword: &str) -> bool {
        let is_here = self.peek().is_some_and(|word| is_keyword(&word.token, keyword));
        if is_here {
            self.next();
        }
        is_here
    }

    fn takes_any(&mut self, keywords: &[&'static str]) -> Option<&'static str> {
        keywords.iter().copied().find(|keyword| self.takes(keyword))
    }

    fn takes_sign(&mut self, sign: &Token) -> bool {
        let is_here = self.peek().is_some_and(|word| word.token == *sign);
        if is_here {
            self.next();
        }
        is_here
    }

    /// Takes a name; without quotes in lower case.
    fn name(&mut self) -> Result<String> {
        match self.next().map(|word| &word.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Ok(word.value.to_lowercase()),
            Some(Token::Word(word)) => Ok(word.value.clone()),
            _ => Err(self.wrong("a name")),
        }
    }

    /// Takes a name with points in it.
    fn dotted(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.takes_sign(&Token::Period) {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }

    /// Takes a value: a text, a number or a word.
    fn value(&mut self) -> Result<String> {
        let sign = if self.takes_sign(&Token::Minus) { "-" } else { "" };
        match self.next().map(|word| &word.token) {
            Some(
                Token::SingleQuotedString(text)
                | Token::EscapedStringLiteral(text)
                | Token::DollarQuotedString(datafusion::sql::sqlparser::ast::DollarQuotedString { value: text, .. }),
            ) => Ok(text.clone()),
            Some(Token::Number(text, _)) => Ok(format!("{sign}{text}")),
            Some(Token::Word(word)) => Ok(word.value.clone()),
            _ => Err(self.wrong("a value")),
        }
    }

    fn end(&self) -> Result<()> {
        if self.words.is_empty() { Ok(()) } else { Err(self.wrong("the end of the statement")) }
    }

    fn wrong(&self, expected: &str) -> Error {
        let found = self.peek().and_then(|word| self.text.get(word.start..word.end)).unwrap_or("the end");
        Error::usage(format!("expected {expected}, found {found}"))
    }
}

fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

/// Tells what a statement is.
///
/// # Errors
/// A command that is written wrong; a COPY that writes into tables or files.
pub fn command(text: &str, piece: &Piece) -> Result<Command> {
    let mut words = Words { words: &piece.words, text };
    let first = match words.peek().map(|word| &word.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => return Ok(Command::Question),
    };
    let read: fn(&mut Words<'_>) -> Result<Command> = match first.as_str() {
        "SET" => set,
        "SHOW" => show,
        "RESET" => reset,
        "DISCARD" => discard,
        "BEGIN" | "START" => begin,
        "COMMIT" | "END" | "ROLLBACK" | "ABORT" => end,
        "SAVEPOINT" | "RELEASE" => savepoint,
        "DECLARE" => declare,
        "FETCH" => fetch,
        "CLOSE" => close,
        "DEALLOCATE" => deallocate,
        "COPY" => copy,
        "UNLISTEN" => |_| Ok(Command::Unlisten),
        _ => return Ok(Command::Question),
    };
    words.next();
    if first == "SHOW"
        && words.peek().is_some_and(|word| {
            ["TABLES", "COLUMNS", "FUNCTIONS"].iter().any(|of_ours| is_keyword(&word.token, of_ours))
        })
    {
        return Ok(Command::Question);
    }
    let mut known = Words { words: words.words, text };
    if matches!(first.as_str(), "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE") {
        // Which of them it is decides the answer's tag.
        known.words = &piece.words;
    }
    read(&mut known)
}

fn set(words: &mut Words<'_>) -> Result<Command> {
    if words.takes("SESSION") {
        if words.takes("CHARACTERISTICS") {
            return Ok(Command::SetTransaction);
        }
        if words.takes("AUTHORIZATION") {
            return Err(Error::usage("another user is not taken on").with_hint("log in as that user"));
        }
    } else if words.takes("LOCAL") {
        // Until the transaction ends, which here changes nothing.
    }
    if words.takes("TRANSACTION") {
        return Ok(Command::SetTransaction);
    }
    if words.takes("TIME") {
        if !words.takes("ZONE") {
            return Err(words.wrong("ZONE"));
        }
        let value = words.value()?;
        words.end()?;
        return Ok(Command::Set { name: "timezone".to_owned(), value: default_is_none(value) });
    }
    if words.takes("NAMES") {
        let value = words.value()?;
        words.end()?;
        return Ok(Command::Set { name: "client_encoding".to_owned(), value: default_is_none(value) });
    }
    let name = words.dotted()?;
    if !words.takes_sign(&Token::Eq) && !words.takes("TO") {
        return Err(words.wrong("= or TO"));
    }
    let mut value = words.value()?;
    while words.takes_sign(&Token::Comma) {
        value = format!("{value}, {}", words.value()?);
    }
    words.end()?;
    Ok(Command::Set { name, value: default_is_none(value) })
}

fn default_is_none(value: String) -> Option<String> {
    (!value.eq_ignore_ascii_case("default")).then_some(value)
}

fn show(words: &mut Words<'_>) -> Result<Command> {
    let shown = match () {
        () if words.takes("ALL") => Command::ShowAll,
        () if words.takes("TIME") => {
            words.takes("ZONE");
            Command::Show("timezone".to_owned())
        }
        () if words.takes("TRANSACTION") => {
            words.takes("ISOLATION");
            words.takes("LEVEL");
            Command::Show("transaction_isolation".to_owned())
        }
        () if words.takes("SESSION") => {
            words.takes("AUTHORIZATION");
            Command::Show("session_authorization".to_owned())
        }
        () => Command::Show(words.dotted()?),
    };
    words.end()?;
    Ok(shown)
}

fn reset(words: &mut Words<'_>) -> Result<Command> {
    let command = match () {
        () if words.takes("ALL") => Command::ResetAll,
        () if words.takes("TIME") => {
            words.takes("ZONE");
            Command::Set { name: "timezone".to_owned(), value: None }
        }
        () if words.takes("SESSION") => {
            words.takes("AUTHORIZATION");
            Command::SetTransaction
        }
        () => Command::Set { name: words.dotted()?, value: None },
    };
    words.end()?;
    Ok(command)
}

fn discard(words: &mut Words<'_>) -> Result<Command> {
    let command = match words.takes_any(&["ALL", "PLANS", "SEQUENCES", "TEMPORARY", "TEMP"]) {
        Some("ALL") => Command::DiscardAll,
        Some(_) => Command::SetTransaction,
        None => return Err(words.wrong("ALL")),
    };
    words.end()?;
    Ok(command)
}

fn begin(_: &mut Words<'_>) -> Result<Command> {
    Ok(Command::Begin)
}

fn end(words: &mut Words<'_>) -> Result<Command> {
    let is_commit = words.takes_any(&["COMMIT", "END"]).is_some();
    if !is_commit {
        words.takes_any(&["ROLLBACK", "ABORT"]);
        words.takes_any(&["WORK", "TRANSACTION"]);
        if words.takes("TO") {
            return Ok(Command::Savepoint("ROLLBACK"));
        }
    }
    if words.takes("PREPARED") {
        return Err(Error::usage("there are no prepared transactions"));
    }
    Ok(Command::End(if is_commit { "COMMIT" } else { "ROLLBACK" }))
}

fn savepoint(words: &mut Words<'_>) -> Result<Command> {
    Ok(Command::Savepoint(if words.takes("SAVEPOINT") { "SAVEPOINT" } else { "RELEASE" }))
}

fn declare(words: &mut Words<'_>) -> Result<Command> {
    let name = words.name()?;
    if words.takes("BINARY") {
        return Err(Error::usage("a cursor has the form that its client asks for").with_hint("leave BINARY out"));
    }
    while words.takes_any(&["INSENSITIVE", "ASENSITIVE", "NO", "SCROLL"]).is_some() {}
    if !words.takes("CURSOR") {
        return Err(words.wrong("CURSOR"));
    }
    if words.takes_any(&["WITH", "WITHOUT"]).is_some() && !words.takes("HOLD") {
        return Err(words.wrong("HOLD"));
    }
    if !words.takes("FOR") {
        return Err(words.wrong("FOR"));
    }
    match (words.words.first(), words.words.last()) {
        (Some(first), Some(last)) => Ok(Command::Declare { name, question: (first.start, last.end) }),
        _ => Err(words.wrong("a question")),
    }
}

fn fetch(words: &mut Words<'_>) -> Result<Command> {
    if words.takes_any(&["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"]).is_some() {
        return Err(Error::usage("a cursor goes forward alone").with_hint("write FETCH FORWARD n FROM cursor"));
    }
    words.takes("FORWARD");
    let rows = match words.peek().map(|word| &word.token) {
        Some(Token::Number(text, _)) => {
            let rows = text.parse().map_err(|_| words.wrong("a number of rows"))?;
            words.next();
            Some(rows)
        }
        Some(token) if is_keyword(token, "ALL") => {
            words.next();
            None
        }
        _ => {
            words.takes("NEXT");
            Some(1)
        }
    };
    words.takes_any(&["FROM", "IN"]);
    let name = words.name()?;
    words.end()?;
    Ok(Command::Fetch { name, rows })
}

fn close(words: &mut Words<'_>) -> Result<Command> {
    let name = if words.takes("ALL") { None } else { Some(words.name()?) };
    words.end()?;
    Ok(Command::CloseCursor(name))
}

fn deallocate(words: &mut Words<'_>) -> Result<Command> {
    words.takes("PREPARE");
    let name = if words.takes("ALL") { None } else { Some(words.name()?) };
    words.end()?;
    Ok(Command::Deallocate(name))
}

fn copy(words: &mut Words<'_>) -> Result<Command> {
    let question = if words.takes_sign(&Token::LParen) {
        let start = words.peek().map_or(0, |word| word.start);
        let mut open = 1;
        let mut end = start;
        loop {
            match words.next() {
                Some(Word { token: Token::LParen, .. }) => open += 1,
                Some(Word { token: Token::RParen, start, .. }) => {
                    open -= 1;
                    if open == 0 {
                        end = *start;
                        break;
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        CopySource::Question(start, end)
    } else {
        let start = words.peek().map_or(0, |word| word.start);
        let mut end = start;
        while let Some(word) = words.peek().filter(|word| !["TO", "FROM"].iter().any(|k| is_keyword(&word.token, k))) {
            end = word.end;
            words.next();
        }
        CopySource::Table(words.text.get(start..end).unwrap_or_default().to_owned())
    };
    if !words.takes("TO") {
        return Err(
            Error::usage("COPY FROM writes").with_hint("a server only reads; COPY (question) TO STDOUT is there")
        );
    }
    if !words.takes("STDOUT") {
        return Err(
            Error::usage("COPY TO a file writes").with_hint("a server only reads; COPY (question) TO STDOUT is there")
        );
    }
    words.takes("WITH");
    let options = if words.takes_sign(&Token::LParen) { copy_options(words)? } else { old_copy_options(words)? };
    words.end()?;
    Ok(Command::CopyOut { question, options })
}

fn copy_options(words: &mut Words<'_>) -> Result<CopyOptions> {
    let mut given = Vec::new();
    loop {
        let name = words.name()?;
        let is_over =
            |words: &Words<'_>| words.peek().is_none_or(|word| matches!(word.token, Token::Comma | Token::RParen));
        given.push((name, if is_over(words) { String::from("true") } else { words.value()? }));
        if words.takes_sign(&Token::RParen) {
            break;
        }
        if !words.takes_sign(&Token::Comma) {
            return Err(words.wrong(", or )"));
        }
    }
    with_options(&given)
}

/// The options as they were written before version 9: `CSV HEADER`, `BINARY`, `DELIMITER ','`.
fn old_copy_options(words: &mut Words<'_>) -> Result<CopyOptions> {
    let mut given = Vec::new();
    while words.peek().is_some() {
        let name = words.name()?;
        match name.as_str() {
            "csv" | "binary" => given.push(("format".to_owned(), name)),
            "header" => given.push((name, "true".to_owned())),
            "delimiter" | "null" | "quote" | "escape" => {
                words.takes("AS");
                given.push((name, words.value()?));
            }
            _ => return Err(words.wrong("an option of COPY")),
        }
    }
    with_options(&given)
}

fn with_options(given: &[(String, String)]) -> Result<CopyOptions> {
    let format = match given.iter().find(|(name, _)| name == "format") {
        None => CopyFormat::Text,
        Some((_, value)) => match value.to_ascii_lowercase().as_str() {
            "text" => CopyFormat::Text,
            "csv" => CopyFormat::Csv,
            "binary" => CopyFormat::Binary,
            _ => {
                return Err(
                    Error::usage(format!("COPY format {value:?} is not known")).with_hint("text, csv or binary")
                );
            }
        },
    };
    let mut options = CopyOptions::of(format);
    for (name, value) in given {
        let one = || {
            let mut signs = value.chars();
            let sign = signs.next().filter(char::is_ascii);
            sign.filter(|_| signs.next().is_none()).ok_or_else(|| Error::usage(format!("COPY {name} is one character")))
        };
        match name.as_str() {
            "format" => {}
            "delimiter" => options.delimiter = one()?,
            "null" => options.null.clone_from(value),
            "header" => {
                options.has_header = matches!(value.to_ascii_lowercase().as_str(), "true" | "on" | "1" | "match")
            }
            "quote" => {
                options.quote = one()?;
                if !given.iter().any(|(name, _)| name == "escape") {
                    options.escape = options.quote;
                }
            }
            "escape" => options.escape = one()?,
            "encoding" if value.eq_ignore_ascii_case("utf8") || value.eq_ignore_ascii_case("utf-8") => {}
            _ => return Err(Error::usage(format!("COPY knows no option {name} here"))),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::pieces;

    fn of(sql: &str) -> Result<Command> {
        let pieces = pieces("t", sql).unwrap();
        command(sql, &pieces[0])
    }

    #[test]
    fn commands_are_told_by_their_first_words() {
        let set =
            |name: &str, value: Option<&str>| Command::Set { name: name.to_owned(), value: value.map(str::to_owned) };
        for (sql, expected) in [
            ("select 1", Command::Question),
            ("(select 1)", Command::Question),
            ("insert into t values (1)", Command::Question),
            ("show tables", Command::Question),
            ("SET extra_float_digits = 3", set("extra_float_digits", Some("3"))),
            ("set session datestyle to ISO, MDY", set("datestyle", Some("ISO, MDY"))),
            ("set sessionlake.as_of = '2026-11-01'", set("sessionlake.as_of", Some("2026-11-01"))),
            ("SET TIME ZONE 'Europe/Berlin'", set("timezone", Some("Europe/Berlin"))),
            ("set names 'UTF8'", set("client_encoding", Some("UTF8"))),
            ("set search_path to default", set("search_path", None)),
            ("set geqo = -1", set("geqo", Some("-1"))),
            ("set session characteristics as transaction read only", Command::SetTransaction),
            ("SHOW TRANSACTION ISOLATION LEVEL", Command::Show("transaction_isolation".to_owned())),
            ("show server_version", Command::Show("server_version".to_owned())),
            ("reset all", Command::ResetAll),
            ("discard all", Command::DiscardAll),
            ("begin isolation level serializable, read only", Command::Begin),
            ("start transaction", Command::Begin),
            ("commit", Command::End("COMMIT")),
            ("rollback to savepoint a", Command::Savepoint("ROLLBACK")),
            ("abort", Command::End("ROLLBACK")),
            ("release savepoint a", Command::Savepoint("RELEASE")),
            (
                "declare \"C1\" no scroll cursor with hold for select 1",
                Command::Declare { name: "C1".to_owned(), question: (44, 52) },
            ),
            ("fetch forward 10 from c", Command::Fetch { name: "c".to_owned(), rows: Some(10) }),
            ("fetch all in c", Command::Fetch { name: "c".to_owned(), rows: None }),
            ("fetch next from c", Command::Fetch { name: "c".to_owned(), rows: Some(1) }),
            ("close all", Command::CloseCursor(None)),
            ("deallocate prepare p", Command::Deallocate(Some("p".to_owned()))),
            ("unlisten *", Command::Unlisten),
        ] {
            assert_eq!(of(sql).unwrap(), expected, "{sql}");
        }
        for sql in [
            "set",
            "set a",
            "set a =",
            "fetch last from c",
            "declare c cursor",
            "copy t from stdin",
            "copy (select 1) to 'x.csv'",
            "copy t to program 'rm'",
        ] {
            assert!(of(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn copies_have_their_form() {
        let sql = "COPY (select (1), ')') TO STDOUT (FORMAT csv, HEADER, DELIMITER ';', NULL 'x')";
        let Command::CopyOut { question: CopySource::Question(start, end), options } = of(sql).unwrap() else {
            panic!()
        };
        assert_eq!(&sql[start..end], "select (1), ')'");
        assert_eq!((options.delimiter, options.null.as_str(), options.has_header), (';', "x", true));
        let Command::CopyOut { question, options } = of("copy public.t (a, b) to stdout binary").unwrap() else {
            panic!()
        };
        assert_eq!((question, options.format), (CopySource::Table("public.t (a, b)".to_owned()), CopyFormat::Binary));
        assert!(of("copy t to stdout (format xml)").is_err() && of("copy t to stdout (delimiter 'ab')").is_err());
    }
}
