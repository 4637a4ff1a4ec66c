//! The files of a table, as one process tells another of them: where the table is, and how their bytes are checked.
//!
//! The process that plans has read the log. Another one that reads some of the files for it never does: it is told their names, sizes and
//! seals, and opens the store of the lake by its own credentials.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::checked::{Checked, Seals};
use super::layout;
use super::seal::Seal;
use super::table::{Lake, Table};
use crate::error::{Error, Result};

/// Where the files of a table are, for others to be told.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The lake, as [`Lake::uri`] names it.
    pub lake: String,
    /// The table's folder below it.
    pub table: &'static str,
    seals: Arc<Seals>,
}

impl Origin {
    /// Returns the seal of a file as a text, if the log has one.
    pub fn seal(&self, file: &Path) -> Option<String> {
        self.seals.of(file).map(|sealed| sealed.seal.to_tag())
    }
}

impl Table {
    /// Says where the files of the table are.
    pub fn origin(&self) -> Origin {
        Origin { lake: self.uri.clone(), table: self.name, seals: Arc::clone(&self.seals) }
    }
}

/// The files of a table that another process tells of.
#[derive(Debug, Clone)]
pub struct Told {
    store: Arc<Checked>,
}

impl Lake {
    /// Opens the store of a table whose files another process will tell of. Nothing is read.
    ///
    /// # Errors
    /// A name that is none of a table of ours, or a lake that cannot be reached.
    pub fn told(&self, table: &str) -> Result<Told> {
        let known = [layout::SESSIONS, layout::QUARANTINE].into_iter().find(|name| *name == table);
        let table = known.ok_or_else(|| Error::usage(format!("no table of a lake: {table:?}")))?;
        let folder = Path::from_url_path(self.url().path()).map_err(|e| Error::storage(self.name.clone(), e))?;
        let inner = Arc::new(PrefixStore::new(self.root()?, folder.join(table)));
        let name = format!("{}/{table}", self.name.trim_end_matches('/'));
        let store = Checked { inner, seals: Arc::default(), table: name, remote: self.remote()? };
        Ok(Told { store: Arc::new(store) })
    }
}

impl Told {
    /// Takes in the seal of a file, which is checked with each read from now on.
    ///
    /// # Errors
    /// A text that is none.
    pub fn learn(&self, file: &Path, size_bytes: u64, seal: &str) -> Result<()> {
        let seal = Seal::from_tag(seal, size_bytes)
            .ok_or_else(|| Error::usage(format!("{file}: no seal of a file of {size_bytes} bytes: {seal:?}")))?;
        self.store.seals.learn(file, seal, size_bytes);
        Ok(())
    }

    /// The store, whose root is the folder of the table.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }
}
