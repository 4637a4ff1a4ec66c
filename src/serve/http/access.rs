//! Who may ask over HTTP, and from where.
//!
//! A page of another site can send requests here, but neither with a header
//! `Origin` of ours nor, on loopback, under a name that is not this machine's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::connections::Way;
use super::problem::{Problem, named};
use crate::error::{Error, Result};
use crate::serve::tokens::Tokens;
use crate::serve::{Caller, Hub, Protocol};

/// The cookie that opens the runs of reports, which are pages of their own, and nothing else.
pub(super) const COOKIE: &str = "sessionlake_reports";

/// The log-ins of a server.
#[derive(Default)]
pub(super) struct Access(Tokens);

impl Access {
    /// Logs in, and makes a token for it.
    pub async fn token(&self, hub: &Arc<Hub>, user: &str, password: &str) -> Result<String, Problem> {
        if !hub.has_users() {
            let hint = "ask without a log-in";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "usage", "this server has no users", hint));
        }
        self.0.log_in(hub, user, password).await.map(|(_, token)| token).map_err(refused)
    }

    /// Makes a token none.
    pub fn forget(&self, token: &str) {
        self.0.forget(token);
    }

    fn caller_of(&self, hub: &Hub, token: &str) -> Result<Caller, Problem> {
        self.0.caller(hub, token)?.ok_or_else(Problem::login)
    }

    /// Finds who asks; the connection has a seat from then on. `takes_cookie` is for pages that a browser opens by itself.
    pub async fn caller(
        &self,
        hub: &Arc<Hub>,
        way: &Way,
        headers: &HeaderMap,
        takes_cookie: bool,
    ) -> Result<Caller, Problem> {
        let caller = self.known(hub, headers, takes_cookie).await?;
        way.sign_in(|| hub.admit(Protocol::Http)).map_err(|error| {
            let hint = error.hint().unwrap_or_default().to_owned();
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "there are as many connections as may be",
                &named(&hint),
            )
        })?;
        Ok(caller)
    }

    async fn known(&self, hub: &Arc<Hub>, headers: &HeaderMap, takes_cookie: bool) -> Result<Caller, Problem> {
        if let Some(caller) = hub.caller_without_login() {
            return Ok(caller);
        }
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, value) = sent.and_then(|sent| sent.split_once(' ')).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.caller_of(hub, value.trim());
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let bytes = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some((user, password)) = bytes.as_deref().and_then(|text| text.split_once(':')) else {
                return Err(Problem::login());
            };
            return self.0.compare(hub, user, password).await.map_err(refused);
        }
        match cookie(headers).filter(|_| takes_cookie) {
            Some(token) => self.caller_of(hub, token),
            None => Err(Problem::login()),
        }
    }
}

/// What is said of a password that is another.
fn refused(error: Error) -> Problem {
    match error {
        Error::Usage { message, .. } => Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", &message, ""),
        other => other.into(),
    }
}

/// The token in the header, or in the cookie.
pub(super) fn tokens_sent(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = sent.and_then(|sent| sent.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    bearer.map(|(_, token)| token.trim()).into_iter().chain(cookie(headers))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Refuses requests that another site's page could have made.
pub(super) fn require_own(method: &Method, uri: &Uri, headers: &HeaderMap, way: &Way) -> Result<(), Problem> {
    let forbidden = |message: &str, hint: &str| Problem::new(StatusCode::FORBIDDEN, "forbidden", message, hint);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if hosts.next().is_some() || uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host))
    {
        // Which of them is meant is for nobody to guess.
        return Err(forbidden("the request names more than one host", "name one, in the header Host"));
    }
    if way.is_loopback && !is_this_machine(host) {
        // A name of another site may lead here: its pages would then be of the same origin as this one.
        return Err(forbidden(
            "the header Host does not name this machine",
            "ask for localhost, 127.0.0.1 or [::1], by this name in the address",
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let scheme = if way.is_encrypted { "https" } else { "http" };
    let is_own = origin.to_str().is_ok_and(|origin| {
        origin.split_once("://").is_some_and(|(of, authority)| of == scheme && authority.eq_ignore_ascii_case(host))
    });
    if is_own || method == Method::OPTIONS {
        return Ok(());
    }
    Err(forbidden("the request comes from a page of another site", "only pages of this server may ask it"))
}

/// Says whether a header `Host` names this machine, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(is_loopback: bool, is_encrypted: bool) -> Way {
        Way::of(is_loopback, is_encrypted)
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn loopback_is_asked_by_its_own_names() {
        for host in ["localhost", "localhost:80", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]:80", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_this_machine(host), "{host}");
            let sent = headers(&[(header::HOST, host)]);
            assert!(require_own(&Method::GET, &Uri::default(), &sent, &way(true, false)).is_err());
            assert!(require_own(&Method::GET, &Uri::default(), &sent, &way(false, true)).is_ok());
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let own = |uri: &'static str, hosts: &[&str]| {
            let mut sent = HeaderMap::new();
            for host in hosts {
                sent.append(header::HOST, host.parse().unwrap());
            }
            require_own(&Method::GET, &Uri::from_static(uri), &sent, &way(true, false)).is_ok()
        };
        assert!(own("/", &["localhost"]) && own("http://localhost:80/", &["localhost:80"]));
        assert!(!own("/", &["localhost", "evil.example"]) && !own("http://evil.example/", &["localhost"]));
    }

    #[test]
    fn pages_of_other_sites_may_not_ask() {
        let ask = |host: &str, origin: &str, way: &Way| {
            let sent = headers(&[(header::HOST, host), (header::ORIGIN, origin)]);
            require_own(&Method::POST, &Uri::default(), &sent, way).is_ok()
        };
        let (near, far) = (way(true, false), way(false, true));
        assert!(ask("localhost:8080", "http://localhost:8080", &near));
        assert!(ask("lake.example", "https://lake.example", &far));
        for (host, origin) in [
            ("localhost:8080", "http://localhost:9090"),
            ("localhost:8080", "https://localhost:8080"),
            ("localhost:8080", "http://evil.example"),
            ("localhost:8080", "null"),
            ("localhost:8080", ""),
        ] {
            assert!(!ask(host, origin, &near), "{origin}");
        }
        assert!(!ask("lake.example", "http://lake.example", &far));
    }

    #[test]
    fn tokens_come_in_a_header_or_the_cookie_of_reports() {
        let sent =
            headers(&[(header::AUTHORIZATION, "Bearer abc"), (header::COOKIE, "other=1; sessionlake_reports=def")]);
        assert_eq!(tokens_sent(&sent).collect::<Vec<_>>(), ["abc", "def"]);
        assert_eq!(tokens_sent(&headers(&[(header::AUTHORIZATION, "Basic abc")])).count(), 0);
    }
}
