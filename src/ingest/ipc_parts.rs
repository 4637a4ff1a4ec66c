//! Parts of Arrow IPC that files and streams share: their bounds, and the buffers of a message.

use arrow::ipc::{Message, MessageHeader};

use crate::error::{Error, Place};

/// What begins and ends a file.
pub(super) const FILE_MAGIC: &[u8] = b"ARROW1";

/// Bytes of one batch of records at most, unpacked: it is in memory as a whole.
pub(super) const MAX_BATCH_BYTES: u64 = 1 << 30;

/// Bytes of the description of a message, or of the footer of a file, at most.
pub(super) const MAX_METADATA_BYTES: usize = 64 << 20;

pub(super) fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(Place::file(name), format!("broken Arrow file: {error}"))
        .with_hint("nothing of this file is stored; fetch it again")
}

pub(super) fn too_large(name: &str) -> Error {
    let message = format!("a batch of records has no right length, or more than {} MiB", MAX_BATCH_BYTES >> 20);
    Error::input(Place::file(name), message)
        .with_hint("if the file is whole, write it in smaller batches, or as Parquet")
}

/// Lists the buffers of a message whose content is compressed, as offset and length.
pub(super) fn packed_buffers(message: &Message<'_>) -> Vec<(i64, i64)> {
    let packed = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => None,
    };
    packed
        .filter(|batch| batch.compression().is_some())
        .and_then(|batch| batch.buffers())
        .map(|buffers| buffers.iter().map(|buffer| (buffer.offset(), buffer.length())).collect())
        .unwrap_or_default()
}

/// Adds up what the buffers of a compressed batch say of their lengths, or returns `None` where they cannot be right or are too much.
pub(super) fn unpacked_bytes(body: &[u8], buffers: &[(i64, i64)]) -> Option<u64> {
    let mut sum: u64 = 0;
    for (offset, length) in buffers.iter().filter(|(_, length)| *length != 0) {
        let offset = usize::try_from(*offset).ok()?;
        let stored = body.get(offset..offset.checked_add(usize::try_from(*length).ok()?)?)?;
        let unpacked = i64::from_le_bytes(*stored.first_chunk()?);
        // What no compression makes smaller is stored as it is.
        sum = sum.checked_add(if unpacked == -1 { stored.len() as u64 } else { u64::try_from(unpacked).ok()? })?;
    }
    Some(sum).filter(|sum| *sum <= MAX_BATCH_BYTES)
}
