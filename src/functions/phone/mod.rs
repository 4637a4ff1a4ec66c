//! Normalises and masks phone numbers. `numbering` reads them by the world's numbering plans.

mod mask_phone;
mod numbering;
mod phone_e164;

pub use numbering::METADATA_RELEASE;

pub(crate) use mask_phone::MASK_PHONE;
pub(crate) use phone_e164::PHONE_E164;
