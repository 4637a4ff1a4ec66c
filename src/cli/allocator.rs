//! The allocator of the binary, and for how long it keeps what is freed.

use std::ffi::c_long;

use super::Command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds for which freed memory is kept before it is given back to the system.
///
/// Batches take and free the same few megabytes again and again. With the allocator's own 10 ms a query of 70 ms has 2,000 to
/// 8,000 page faults, with 300 ms 250 to 1,200, and takes a tenth to a fifth less.
const QUERY_MS: c_long = 300;
/// Never while exports are loaded: the process ends with them, and a page that was given back is cleared by the system when it is needed again.
/// Two million sessions take 5.9 CPU seconds in the system and 750 MB at most so; with 60 ms they take 9.9 seconds and 725 MB.
const INGEST_MS: c_long = -1;

/// Keeps what is freed as long as is good for a command; -1 is for ever. To be called before there is a second thread.
pub(super) fn set_up(command: &Command) {
    keep_freed(if matches!(command, Command::Ingest(_) | Command::Optimize(_)) { INGEST_MS } else { QUERY_MS });
}

// The bindings have no safe call for it; it stores a number, while there is no other thread that could read it.
#[allow(unsafe_code)]
fn keep_freed(milliseconds: c_long) {
    /// `mi_option_purge_delay`, which the bindings do not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    /// By which it is known again, should the options be counted otherwise in a later version.
    const USUAL_MS: c_long = 10;
    unsafe {
        // Unless the environment says otherwise (MIMALLOC_PURGE_DELAY).
        if libmimalloc_sys::mi_option_get(PURGE_DELAY) == USUAL_MS {
            libmimalloc_sys::mi_option_set_default(PURGE_DELAY, milliseconds);
        }
    }
}
