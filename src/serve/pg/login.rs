//! How a connection begins: TLS, who it is, and what it is told.

use std::sync::Arc;

use super::errors::{Fault, Outcome, Place, code, coded, put_fault};
use super::session::Session;
use super::settings::SessionSettings;
use super::wire::{Both, First, From, Front, MOST_LOGIN_BYTES, Reader, To, Writer, broken, put_text};
use super::{PROTOCOL, Shared};
use crate::error::Error;
use crate::serve::guests::Entry;
use crate::serve::scram::Exchange;
use crate::serve::{Caller, Verifier};

const MECHANISM: &str = "SCRAM-SHA-256";
/// The newest minor version that is spoken.
const MINOR: u16 = 0;

/// Serves a connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, stream: Both, entry: Arc<Entry>) {
    let come = tokio::select! {
        biased;
        come = come_in(&shared, stream, &entry) => come,
        // Others want the place.
        () = Arc::clone(&entry).sent_away() => None,
    };
    if let Some((session, reader, writer)) = come {
        session.run(reader, writer).await;
    }
}

/// Takes a connection as far as somebody has logged in over it; `None` is one that ended before, and was told why.
async fn come_in(shared: &Arc<Shared>, stream: Both, entry: &Entry) -> Option<(Session, From, To)> {
    let limits = shared.hub.limits();
    let mut over = std::pin::pin!(tokio::time::sleep(limits.login));
    let mut begun = tokio::select! {
        begun = begin(shared, stream) => begun?,
        () = over.as_mut() => return None,
    };
    let logged_in = tokio::select! {
        logged_in = log_in(shared, &mut begun, entry) => Some(logged_in),
        () = over => None,
    };
    let fault = match logged_in {
        Some(Ok(session)) => return Some((session, begun.reader, begun.writer)),
        Some(Err(Fault::Closed)) => return None,
        Some(Err(fault)) => fault,
        None => Fault::Coded(code::AUTHORIZATION, "it took too long to log in".to_owned()),
    };
    begun.writer.message(b'E', |out| put_fault(out, "FATAL", &fault, Place::default()));
    let _ = tokio::time::timeout(limits.login, begun.writer.flush()).await;
    None
}

/// A connection that has said what it wants.
struct Begun {
    reader: From,
    writer: To,
    settings: Vec<(String, String)>,
    minor: u16,
}

/// Reads first messages until one says who it is; `None` is a connection that wanted something else, or ended.
async fn begin(shared: &Shared, mut stream: Both) -> Option<Begun> {
    let mut is_secret = false;
    // TLS and GSSAPI may each be asked for once.
    for _ in 0..3 {
        let mut reader = Reader::new(stream);
        let first = reader.first().await;
        match first {
            Ok(Some(First::Tls)) if !is_secret => {
                let mut writer = Writer::new(reader.into_inner().ok()?);
                writer.raw(if shared.tls.is_some() { b'S' } else { b'N' });
                writer.flush().await.ok()?;
                stream = writer.into_inner();
                if let Some(tls) = &shared.tls {
                    stream = Box::new(tls.accept(stream).await.ok()?);
                    is_secret = true;
                }
            }
            Ok(Some(First::Gss)) if !is_secret => {
                let mut writer = Writer::new(reader.into_inner().ok()?);
                writer.raw(b'N');
                writer.flush().await.ok()?;
                stream = writer.into_inner();
            }
            Ok(Some(First::Cancel { process, secret })) => {
                shared.cancels.cancel(process, secret);
                return None;
            }
            Ok(Some(First::Start { minor, settings })) => {
                let (reader, writer) = reader.split();
                // Where there is a certificate, nobody goes on in plain text.
                if shared.tls.is_some() && !is_secret {
                    let fault = Fault::Coded(
                        code::AUTHORIZATION,
                        "this server is asked over TLS alone: sslmode=require".to_owned(),
                    );
                    return refuse(writer, &fault).await;
                }
                return Some(Begun { reader, writer, settings, minor });
            }
            Ok(None) => return None,
            Ok(Some(_)) => return None,
            Err(error) => return refuse(reader.split().1, &Fault::Error(error)).await,
        }
    }
    None
}

async fn refuse(mut writer: To, fault: &Fault) -> Option<Begun> {
    writer.message(b'E', |out| put_fault(out, "FATAL", fault, Place::default()));
    let _ = writer.flush().await;
    None
}

/// Finds out who it is, tells what a client must know, and makes the session.
async fn log_in(shared: &Arc<Shared>, begun: &mut Begun, entry: &Entry) -> Outcome<Session> {
    let setting = |name: &str| begun.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let Some(user) = setting("user").filter(|user| !user.is_empty()) else {
        return coded(code::AUTHORIZATION, "no user name was sent");
    };
    let user = user.to_owned();
    let database = setting("database").unwrap_or(&user).to_owned();
    if setting("replication").is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0")) {
        return coded(code::FEATURE, "there is no replication here");
    }
    let caller = match shared.hub.caller_without_login() {
        Some(_) => Caller::everything(&user),
        None => prove(shared, begun, &user).await?,
    };
    entry.sign_in(|| shared.hub.admit(PROTOCOL))?;
    let writer = &mut begun.writer;
    if begun.minor > MINOR || begun.settings.iter().any(|(name, _)| name.starts_with("_pq_.")) {
        let unknown: Vec<&String> =
            begun.settings.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).collect();
        writer.message(b'v', |out| {
            out.extend(u32::from(MINOR).to_be_bytes());
            out.extend((unknown.len() as u32).to_be_bytes());
            unknown.iter().for_each(|name| put_text(out, name));
        });
    }
    writer.message(b'R', |out| out.extend(0_u32.to_be_bytes()));
    let mut settings = SessionSettings::of(shared.hub.settings(), &user);
    let session = Session::of(Arc::clone(shared), caller, database)?;
    for (name, value) in &begun.settings {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => options(value, |name, value| settings.set(name, Some(value)).map(drop))?,
            name if name.starts_with("_pq_.") => {}
            name => drop(settings.set(name, Some(value))?),
        }
    }
    for (name, value) in settings.reported() {
        writer.message(b'S', |out| {
            put_text(out, name);
            put_text(out, &value);
        });
    }
    let registered = session.registered();
    writer.message(b'K', |out| {
        out.extend(registered.process.to_be_bytes());
        out.extend(registered.secret.to_be_bytes());
    });
    tracing::info!(target: "serve", protocol = PROTOCOL.name(), "connected");
    Ok(session.with(settings))
}

/// Sets what `options` names: `-c name=value` and `--name=value`, with blanks between them; a backslash keeps the sign behind it.
fn options(text: &str, mut set: impl FnMut(&str, &str) -> crate::Result<()>) -> crate::Result<()> {
    let mut words = vec![String::new()];
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (sign, words.last_mut()) {
            ('\\', Some(word)) => word.extend(signs.next()),
            (sign, _) if sign.is_whitespace() => words.push(String::new()),
            (sign, Some(word)) => word.push(sign),
            (_, None) => {}
        }
    }
    let mut words = words.iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let assignment =
            match word.strip_prefix("--").or_else(|| word.strip_prefix("-c").filter(|rest| !rest.is_empty())) {
                Some(assignment) => assignment,
                None if word == "-c" => words.next().map_or("", String::as_str),
                None => "",
            };
        let (name, value) = assignment.split_once('=').ok_or_else(|| {
            Error::usage(format!("options are not understood: {word:?}")).with_hint("write -c name=value")
        })?;
        set(&name.replace('-', "_"), value)?;
    }
    Ok(())
}

/// Has a client prove that it knows the password of a user.
async fn prove(shared: &Shared, begun: &mut Begun, user: &str) -> Outcome<Caller> {
    let Some(users) = shared.hub.users() else { return coded(code::INTERNAL, "there are no users") };
    let (caller, verifier): (Option<Caller>, Verifier) = users.find(user, (shared.hub.clocks().now)())?;
    begun.writer.message(b'R', |out| {
        out.extend(10_u32.to_be_bytes());
        put_text(out, MECHANISM);
        out.push(0);
    });
    begun.writer.flush().await?;
    let mut first = super::wire::Body::of(password(&mut begun.reader).await?);
    if first.text()? != MECHANISM {
        return coded(code::PASSWORD, "the client wants another way to log in than SCRAM-SHA-256");
    }
    let message = first.value()?.unwrap_or_default();
    let (exchange, answer) = Exchange::begin(&message, verifier)?;
    begun.writer.message(b'R', |out| {
        out.extend(11_u32.to_be_bytes());
        out.extend_from_slice(answer.as_bytes());
    });
    begun.writer.flush().await?;
    let last = password(&mut begun.reader).await?;
    match (exchange.end(&last)?, caller) {
        (Some(signature), Some(caller)) => {
            begun.writer.message(b'R', |out| {
                out.extend(12_u32.to_be_bytes());
                out.extend_from_slice(signature.as_bytes());
            });
            Ok(caller)
        }
        _ => {
            shared.hub.metrics().login_refused();
            coded(code::PASSWORD, format!("password authentication failed for user {user:?}"))
        }
    }
}

async fn password(reader: &mut From) -> Outcome<bytes::Bytes> {
    match reader.next(MOST_LOGIN_BYTES).await? {
        Some(Front::Password(bytes)) => Ok(bytes),
        Some(_) => Err(broken("a message before the log-in is over").into()),
        None => Err(Fault::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_apart() {
        let read = |text: &str| {
            let mut found = Vec::new();
            options(text, |name, value| {
                found.push(format!("{name}={value}"));
                Ok(())
            })
            .map(|()| found)
        };
        assert_eq!(
            read("-c timezone=Europe/Berlin --statement-timeout=5s").unwrap(),
            ["timezone=Europe/Berlin", "statement_timeout=5s"]
        );
        assert_eq!(read("-cdatestyle=ISO,\\ MDY").unwrap(), ["datestyle=ISO, MDY"]);
        assert_eq!(read("  ").unwrap(), Vec::<String>::new());
        assert!(read("-x").is_err() && read("-c").is_err());
    }
}
