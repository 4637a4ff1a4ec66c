//! Errors as HTTP has them: a status, and an object that says what is wrong, where, and what to do.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::error::{Error, spelt};
use crate::serve::told;

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// The member `error` of the answer.
    pub error: Value,
}

impl Problem {
    /// Makes one of what HTTP itself asks for.
    pub fn new(status: StatusCode, code: &str, message: &str, hint: &str) -> Self {
        let mut error = json!({ "code": code, "message": message });
        if let (false, Value::Object(members)) = (hint.is_empty(), &mut error) {
            members.insert("hint".to_owned(), hint.into());
        }
        Self { status, error }
    }

    /// Nobody has said who asks, or what was said does not hold.
    pub fn login() -> Self {
        let hint = "send user and password (HTTP Basic), or the token that POST /v1/login answers";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "log in first", hint)
    }

    /// There is nothing at an address.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address", "the page is at /")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = kind(&error);
        let mut members = Map::new();
        members.insert("code".to_owned(), code.into());
        let message = match &error {
            Error::Sql(sql) => {
                if let Some((line, column)) = sql.position {
                    members.insert("line".to_owned(), line.into());
                    members.insert("column".to_owned(), column.into());
                    // To the end of the line, where it is not known.
                    members.insert("width".to_owned(), sql.width.min(u32::MAX as usize).into());
                }
                sql.message.clone()
            }
            other => told::message(other),
        };
        members.insert("message".to_owned(), named(&message).into());
        if let Some(hint) = error.hint() {
            members.insert("hint".to_owned(), named(hint).into());
        }
        Self { status, error: Value::Object(members) }
    }
}

/// Writes options as clients know them: members of the question, or flags of the server.
pub(super) fn named(text: &str) -> String {
    let spell = |name: &str| match name {
        "param" => "params".to_owned(),
        "time-zone" | "as-of" | "at-time" => name.replace('-', "_"),
        "at-version" => "version".to_owned(),
        "max-rows" | "max-bytes" | "max-queries" | "max-waiting" | "max-connections" | "timeout" | "memory-limit" => {
            format!("the server's --{name}")
        }
        other => format!("--{other}"),
    };
    spelt(text, spell).into_owned()
}

fn kind(error: &Error) -> (StatusCode, &'static str) {
    let names = |option: &str| error.hint().is_some_and(|hint| hint.contains(option));
    match error {
        Error::Sql(_) => (StatusCode::BAD_REQUEST, "sql"),
        Error::Usage { .. } | Error::Input { .. } | Error::Check { .. } => (StatusCode::BAD_REQUEST, "usage"),
        Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        Error::Limit { .. } if names("⟨timeout⟩") => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Error::Limit { .. } if names("⟨max-waiting⟩") || names("⟨max-connections⟩") => {
            (StatusCode::TOO_MANY_REQUESTS, "busy")
        }
        Error::Limit { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "limit"),
        Error::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
        Error::Storage { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = json!({ "error": self.error }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // Not Basic, although that is taken, too: browsers would put a window of their own before the page.
            let challenge = axum::http::HeaderValue::from_static("Bearer realm=\"sessionlake\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse;

    #[test]
    fn errors_have_a_status_a_place_and_a_hint() {
        let problem = Problem::from(parse("sql", "select 1,\nfrom x y z").unwrap_err());
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
        assert_eq!(problem.error["code"], "sql");
        assert!(problem.error["line"].as_u64().unwrap() >= 1 && problem.error["width"].as_u64().unwrap() >= 1);
        assert!(!problem.error["message"].as_str().unwrap().contains('\n'));
        let limit = |hint: &str| Error::Limit { message: "m".to_owned(), hint: Some(hint.to_owned()) };
        for (error, status, code) in [
            (limit("raise ⟨timeout⟩"), 504, "timeout"),
            (limit("raise ⟨max-waiting⟩"), 429, "busy"),
            (limit("raise ⟨max-rows⟩"), 422, "limit"),
            (Error::usage("u"), 400, "usage"),
            (Error::NotFound { message: "n".to_owned(), hint: None }, 404, "not_found"),
            (Error::Internal("i".to_owned()), 500, "internal"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.error["code"].as_str().unwrap()), (status, code));
        }
        let hint = Problem::from(limit("raise ⟨max-rows⟩, or give ⟨param⟩ a=1")).error["hint"].clone();
        assert_eq!(hint, "raise the server's --max-rows, or give params a=1");
    }

    #[test]
    fn what_a_storage_says_stays_with_the_server() {
        let problem = Problem::from(Error::storage("/secret/place", std::io::Error::other("key=abc")));
        assert!(!problem.error.to_string().contains("secret") && !problem.error.to_string().contains("abc"));
    }
}
