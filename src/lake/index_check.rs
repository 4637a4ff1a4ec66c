//! Compares the index of session ids ([`super::index`]) with what the data files tell.
//!
//! The index is read once from end to end, and of each file's entries their number and a sum are kept, which do not depend on their order; then each covered
//! file is asked for its ids. Memory holds a few bytes a file.

use std::collections::HashMap;

use object_store::ObjectStoreExt;
use xxhash_rust::xxh3::xxh3_64;

use super::index::{Index, Segment, entry, newest_path, number_of};
use super::indexing::each_entry;
use super::table::Table;
use crate::error::{Error, Result};

/// The number of a file's entries, and a sum of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    entries: u64,
    sum: u64,
}

impl Told {
    fn add(&mut self, entry: u64) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(xxh3_64(&entry.to_le_bytes()));
    }
}

impl Table {
    /// Compares the index of session ids with the files that it covers, and returns which of its files are wrong, each with what is. A lake without
    /// an index, or with one that is older than it, is as it should be.
    ///
    /// # Errors
    /// Storage errors; a log that cannot be read.
    pub async fn index_faults(&self) -> Result<Vec<(String, String)>> {
        let store = self.telling_store();
        let newest = newest_path();
        let found = match store.get(&newest).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let bytes = found.map_err(|e| Error::storage(format!("{}: {}/{newest}", self.lake, self.name), e))?;
        let wrong = |what: &str| Ok(vec![(newest.to_string(), what.to_owned())]);
        let Some(index) = Index::from_bytes(&bytes) else {
            return wrong("the index of session ids is not as it was written, so that it is not used");
        };
        let mut told: HashMap<u32, Told> = index.files.values().map(|number| (*number, Told::default())).collect();
        let mut note = |entry: u64| {
            // Entries of files that are gone stay until segments are merged.
            if let Some(told) = told.get_mut(&number_of(entry)) {
                told.add(entry);
            }
        };
        index.recent.iter().for_each(|entry| note(*entry));
        let mut faults = Vec::new();
        for segment in &index.segments {
            if !each_entry(store.as_ref(), segment, &mut note).await {
                let what = "the segment of the index of session ids is not as it was written, so that it is not used";
                faults.push((Segment::path_of(segment.name).to_string(), what.to_owned()));
            }
        }
        if !faults.is_empty() {
            return Ok(faults);
        }
        let snapshot = self.snapshot()?;
        for file in snapshot.files.iter() {
            let number = file.ids_key().and_then(|key| index.files.get(&key));
            let Some(number) = number else { continue };
            // What is wrong with the file itself is found where its bytes are read.
            let Some(hashes) = file.told_hashes(store.as_ref()).await else { continue };
            let mut expected = Told::default();
            hashes.into_iter().for_each(|hash| expected.add(entry(hash, *number)));
            if told.get(number) != Some(&expected) {
                return wrong("the index of session ids says something else of a file than the file");
            }
        }
        Ok(faults)
    }
}
