//! Normalises and masks phone numbers. `numbering` holds what is known of numbering plans, behind a trait.

mod mask_phone;
mod numbering;
mod phone_e164;

pub(crate) use mask_phone::MaskPhone;
pub(crate) use phone_e164::PhoneE164;
