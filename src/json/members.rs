//! Goes through the members of an object and the elements of an array with the parser, from front to back.

use jiter::{Jiter, JiterError, Peek};

/// Hands out the members of the object that the parser stands before, and moves behind it. `key` sums a name up, which is gone once the
/// parser moves; `value` gets that with the kind of the value, and must move behind the value.
///
/// # Errors
/// Those of the parser, and of `value`.
#[inline]
pub fn each_member<'j, K, E: From<JiterError>>(
    jiter: &mut Jiter<'j>,
    mut key: impl FnMut(&str) -> K,
    mut value: impl FnMut(&mut Jiter<'j>, K, Peek) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = jiter.known_object()?.map(&mut key);
    while let Some(known) = next {
        let peek = jiter.peek()?;
        value(jiter, known, peek)?;
        next = jiter.next_key()?.map(&mut key);
    }
    Ok(())
}

/// Hands out the elements of the array that the parser stands before, and moves behind it; `element` must move behind each.
///
/// # Errors
/// Those of the parser, and of `element`.
#[inline]
pub fn each_element<'j, E: From<JiterError>>(
    jiter: &mut Jiter<'j>,
    mut element: impl FnMut(&mut Jiter<'j>, Peek) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = jiter.known_array()?;
    while let Some(peek) = next {
        element(jiter, peek)?;
        next = jiter.array_step()?;
    }
    Ok(())
}
