//! The allocator of the binary, and for how long it keeps what is freed.

use std::ffi::c_long;

use super::Command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds for which freed memory is kept before it is given back to the system while exports are loaded: for ever, since the process ends with
/// them, and a page that was given back is cleared by the system when it is needed again. Half a million sessions from CSV take 1.0 CPU seconds in the
/// system so, of 7.5 in all, and 1.6 of 8.8 with the allocator's own second, at the same peak; two million from NDJSON 5.0 and 7.0, with 777 and 680 MB at most.
/// For queries the second is long enough.
const INGEST_MS: c_long = -1;
/// `mi_option_purge_delay`, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// The allocator's own delay in milliseconds, by which the option is known again, should options be counted otherwise in a later version.
const USUAL_MS: c_long = 1_000;

/// Keeps what is freed as long as is good for a command. To be called before there is a second thread.
pub(super) fn set_up(command: &Command) {
    if matches!(command, Command::Ingest(_) | Command::Optimize(_)) {
        keep_freed(INGEST_MS);
    }
}

// The bindings have no safe call for it; it stores a number, while there is no other thread that could read it.
#[allow(unsafe_code)]
fn keep_freed(milliseconds: c_long) {
    unsafe {
        // Unless the environment says otherwise (MIMALLOC_PURGE_DELAY).
        if libmimalloc_sys::mi_option_get(PURGE_DELAY) == USUAL_MS {
            libmimalloc_sys::mi_option_set_default(PURGE_DELAY, milliseconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn the_option_is_the_one_that_is_meant() {
        // Reads a number.
        let usual = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert!(usual == USUAL_MS || std::env::var_os("MIMALLOC_PURGE_DELAY").is_some(), "{usual}");
    }
}
