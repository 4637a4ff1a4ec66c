//! Who may read what is written: its owner alone, unless someone says otherwise.
//!
//! Lakes, quarantine, spilled rows and results hold names, numbers and what people said. So the bits of group and others are taken from
//! all files and folders that this process makes, over those that the system's umask takes. Files and folders that are there keep theirs.

use sessionlake::{Error, Result};

/// The bits of group and others.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Sets the umask of the process: the one that is told, or that of the system without group and others.
///
/// # Errors
/// One that is no octal number of three digits.
pub fn set_umask(told: Option<&str>) -> Result<()> {
    let told = told.map(parse).transpose()?;
    #[cfg(unix)]
    replace_umask(|before| told.unwrap_or(before | OTHERS));
    #[cfg(not(unix))]
    let _ = told;
    Ok(())
}

fn parse(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777).ok_or_else(|| {
        Error::usage(format!("--umask is not an octal number of file permissions: {text:?}"))
            .with_hint("write it as 077 for files that their owner alone reads, 027 for those of a group, 022 for all")
    })
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "no library at hand has a safe umask")]
#[allow(clippy::useless_conversion, reason = "mode_t has 16 bits on some systems")]
fn replace_umask(change: impl FnOnce(u32) -> u32) {
    // mode_t has 16 bits on some systems, and nine are used.
    let to_mode = |bits: u32| bits as libc::mode_t;
    // SAFETY: umask takes any number and cannot fail. Nothing else has been started that might make a file in between.
    unsafe {
        let before = libc::umask(to_mode(OTHERS));
        libc::umask(to_mode(change(u32::from(before))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_is_octal() {
        for (text, bits) in [("077", 0o077), ("27", 0o27), ("0", 0)] {
            assert_eq!(parse(text).unwrap(), bits);
        }
        for wrong in ["", "8", "1777", "-1", "u=rwx", "0o77"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
