//! The `sessionlake` command line: parse, start the runtime, run, print the error with its hint.

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds for which freed memory is kept before it is given back to the system.
///
/// Batches take and free the same few megabytes again and again. After the allocator's own 10 ms a query of 70 ms has 2,000 to 8,000
/// page faults, with a second 150 to 500, and takes up to a quarter less. Loading a million sessions takes 6.1 CPU seconds in the
/// system after 10 ms, 4.2 after 100, 3.3 after 300, 2.6 after a second; its peak memory is 0.54 GB, 0.52, 0.56 and 0.61.
const KEPT_FREED_MS: std::ffi::c_long = 300;

fn main() -> std::process::ExitCode {
    keep_freed_memory();
    cli::main()
}

// The bindings have no safe call for it; it stores a number, and runs before there is a second thread.
#[allow(unsafe_code)]
fn keep_freed_memory() {
    /// `mi_option_purge_delay`, which the bindings do not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    /// By which it is known again, should the options be counted otherwise in a later version.
    const USUAL_MS: std::ffi::c_long = 10;
    unsafe {
        // Unless the environment says otherwise (MIMALLOC_PURGE_DELAY).
        if libmimalloc_sys::mi_option_get(PURGE_DELAY) == USUAL_MS {
            libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEPT_FREED_MS);
        }
    }
}
