//! The page and what it is made of: files in this program, so that nothing is fetched from anywhere else.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::report::{chart, html};

/// What the page may do: nothing but what comes from this server, no code or style inside of the text, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, type and text of each file.
const FILES: [(&str, &str, &str); 12] = [
    ("app.js", SCRIPT, include_str!("page/app.js")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("chart.js", SCRIPT, include_str!("page/chart.js")),
    ("editor.js", SCRIPT, include_str!("page/editor.js")),
    ("grid.js", SCRIPT, include_str!("page/grid.js")),
    ("inputs.js", SCRIPT, include_str!("page/inputs.js")),
    ("shelf.js", SCRIPT, include_str!("page/shelf.js")),
    ("sql.js", SCRIPT, include_str!("page/sql.js")),
    ("tabs.js", SCRIPT, include_str!("page/tabs.js")),
    ("style.css", STYLE, include_str!("page/style.css")),
    ("palette.css", STYLE, html::PALETTE),
    ("chart.css", STYLE, chart::STYLE),
];

/// The page itself.
pub(super) fn index() -> Response {
    respond("text/html; charset=utf-8", include_str!("page/index.html"))
}

/// A file of the page.
pub(super) fn file(name: &str) -> Result<Response, Problem> {
    if name == "icon.svg" {
        return Ok(respond("image/svg+xml", include_str!("page/icon.svg")));
    }
    let found = FILES.iter().find(|(own, ..)| *own == name);
    found.map(|(_, content_type, text)| respond(content_type, text)).ok_or_else(Problem::not_found)
}

fn respond(content_type: &'static str, text: &'static str) -> Response {
    let mut response = (StatusCode::OK, Body::from(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Another version of the program has other files at the same addresses.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_files_that_are_there_and_has_no_code_inside() {
        let page = include_str!("page/index.html");
        let named: Vec<&str> = page.split("\"/page/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 5, "{named:?}");
        named.into_iter().for_each(|name| assert!(file(name).is_ok(), "{name}"));
        for (name, _, text) in FILES {
            for imported in text.split(" from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(file(imported).is_ok(), "{name} imports {imported}");
            }
            assert!(!text.contains("innerHTML") && !text.contains("eval("), "{name}");
            assert!(!text.contains("https://") && !text.contains("http://"), "{name}");
        }
        for inside in ["<style", " style=", " onclick", " onload", "javascript:", "<script>"] {
            assert!(!page.contains(inside), "{inside}");
        }
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(file("../index.html").is_err() && file("").is_err());
    }

    #[test]
    fn the_policy_allows_nothing_that_is_not_from_here() {
        assert!(POLICY.starts_with("default-src 'none'"));
        for word in ["unsafe", "*", "http", "data:"] {
            assert!(!POLICY.contains(word), "{word}");
        }
    }
}
