//! Who may ask, and what each may see: the users file.
//!
//! A TOML file with a `[[user]]` each: `name`, `role` (`reader` or `masked`), `verifier` (never a password), and where wanted `workflows` (the
//! ids of the workflows whose sessions are there) and `expires`. It is read at every log-in, so that a user who was removed cannot log in any
//! more; connections that are open stay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::scram::{Verifier, random};
use super::veil::Redacted;
use crate::engine::Guard;
use crate::error::{Error, Result, io_error};

/// Bytes of a users file at most.
const MOST_BYTES: u64 = 16 << 20;
/// Bytes of a name at most, as PostgreSQL's names have.
const MOST_NAME_BYTES: usize = 63;

/// What a user may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// All values.
    Reader,
    /// Values as reports show them with redaction: no phone numbers, e-mail addresses and names.
    Masked,
}

/// A user, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name, as it is logged in with.
    pub name: String,
    /// What may be seen.
    pub role: Role,
    /// The ids of workflows whose sessions are there; none is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflows: Option<BTreeSet<String>>,
    /// The instant from which on the password is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
    /// What is kept of the password.
    #[serde(with = "written")]
    pub verifier: Verifier,
}

mod written {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Verifier;

    pub fn serialize<S: Serializer>(verifier: &Verifier, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(verifier)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verifier, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<User>,
}

/// Who asks, once that is known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name.
    pub name: String,
    /// What the caller may see.
    pub guard: Arc<Guard>,
}

impl Caller {
    /// A caller who may see everything.
    pub fn everything(name: impl Into<String>) -> Self {
        Self { name: name.into(), guard: Arc::default() }
    }

    fn of(user: &User) -> Self {
        let veil = match user.role {
            Role::Reader => None,
            Role::Masked => Some(Arc::new(Redacted::default()) as _),
        };
        let guard = Guard { veil, workflows: user.workflows.clone() };
        Self { name: user.name.clone(), guard: Arc::new(guard) }
    }
}

/// A users file.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    /// What verifiers of names that nobody has are made from.
    secret: [u8; 32],
}

impl Users {
    /// Names a file.
    ///
    /// # Errors
    /// A file that is not there or is none of users.
    pub fn at(path: &Path) -> Result<Self> {
        let users = Self::to_be_at(path)?;
        users.list()?;
        Ok(users)
    }

    /// Names a file that may still have to be made.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn to_be_at(path: &Path) -> Result<Self> {
        let mut secret = [0; 32];
        random(&mut secret)?;
        Ok(Self { path: path.to_owned(), secret })
    }

    /// Lists the users.
    ///
    /// # Errors
    /// A file that cannot be read or is none of users, with its place; two users of one name.
    pub fn list(&self) -> Result<Vec<User>> {
        let length = std::fs::metadata(&self.path).map_err(io_error(&self.path))?.len();
        if length > MOST_BYTES {
            return Err(Error::usage(format!("{}: too long for a file of users", self.path.display())));
        }
        let text = std::fs::read_to_string(&self.path).map_err(io_error(&self.path))?;
        let file: File = toml::from_str(&text).map_err(|error| {
            // The message without the line of the file: there may be a verifier in it.
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            Error::usage(format!("{}:{line}: {}", self.path.display(), error.message()))
                .with_hint("sessionlake user add writes the file")
        })?;
        let mut names = BTreeSet::new();
        for user in &file.user {
            require_name(&user.name)?;
            if !names.insert(user.name.as_str()) {
                return Err(Error::usage(format!("{}: two users are called {:?}", self.path.display(), user.name)));
            }
        }
        Ok(file.user)
    }

    /// Writes the users, in the place of those that there were.
    ///
    /// # Errors
    /// A name that is none; a file that cannot be written.
    pub fn replace(&self, users: Vec<User>) -> Result<()> {
        users.iter().try_for_each(|user| require_name(&user.name))?;
        let text = toml::to_string(&File { user: users }).map_err(Error::internal)?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let failed = || io_error(&self.path);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed())?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed())?;
        file.as_file().sync_all().map_err(failed())?;
        file.persist(&self.path).map_err(|error| io_error(&self.path)(error.error))?;
        Ok(())
    }

    /// Finds the user of a name, for a log-in that is going on: the caller, and what the password is compared with. A name that nobody has, or
    /// whose password is none any more, has no caller, and a verifier that nothing fits.
    ///
    /// # Errors
    /// A file that cannot be read, or is none of users: nobody is let in. What is wrong with it is for the log.
    pub(super) fn find(&self, name: &str, now: DateTime<Utc>) -> Result<(Option<Caller>, Verifier)> {
        let users = self.list().map_err(|error| Error::storage("the users", error))?;
        let found = users.into_iter().find(|user| user.name == name);
        match found.filter(|user| user.expires.is_none_or(|expires| now < expires)) {
            Some(user) => Ok((Some(Caller::of(&user)), user.verifier)),
            None => Ok((None, Verifier::of_nobody(&self.secret, name))),
        }
    }
}

/// Refuses names that are none: empty, long, or with signs that do not print.
fn require_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MOST_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Error::usage(format!("{name:?} is no name of a user"))
            .with_hint(format!("a name has 1 to {MOST_NAME_BYTES} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, role: Role, password: &str) -> User {
        User { name: name.to_owned(), role, workflows: None, expires: None, verifier: Verifier::of(password).unwrap() }
    }

    #[test]
    fn users_are_written_read_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        assert!(Users::at(&path).is_err());
        let users = Users::to_be_at(&path).unwrap();
        let mut old = user("old", Role::Reader, "c");
        old.expires = Some(DateTime::UNIX_EPOCH);
        let mut some = user("some", Role::Masked, "b");
        some.workflows = Some(BTreeSet::from(["w1".to_owned()]));
        users.replace(vec![user("all", Role::Reader, "a"), some.clone(), old]).unwrap();
        let users = Users::at(&path).unwrap();
        assert_eq!(users.list().unwrap()[1], some);
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(1);
        let (caller, verifier) = users.find("all", now).unwrap();
        assert!(caller.unwrap().guard.is_open() && verifier.fits("a"));
        let (caller, _) = users.find("some", now).unwrap();
        let guard = caller.unwrap().guard;
        assert!(guard.veil.is_some() && guard.workflows.as_ref().is_some_and(|ids| ids.contains("w1")));
        for name in ["old", "nobody", ""] {
            let (caller, verifier) = users.find(name, now).unwrap();
            assert!(caller.is_none() && !verifier.fits("c"), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_is_named_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let users = Users::to_be_at(&path).unwrap();
        for text in [
            "[[user]]\nname = \"a\"\nrole = \"reader\"\nverifier = \"secret\"\n",
            "[[user]]\nname = \"a\"\nrole = \"admin\"\n",
            "[[user]]\nname = \"a\"\npassword = \"secret\"\n",
            "user = 1",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = users.list().unwrap_err().to_string();
            assert!(error.contains("users.toml:") && !error.contains("secret\""), "{error}");
        }
        let twice = vec![user("a", Role::Reader, "x"), user("a", Role::Reader, "y")];
        users.replace(twice).unwrap();
        assert!(users.list().unwrap_err().to_string().contains("two users"));
        assert!(users.replace(vec![user("a\nb", Role::Reader, "x")]).is_err());
    }
}
