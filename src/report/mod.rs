//! Batch reports: results as charts and one page, without what must not leave the lake.
//!
//! [`chart`] draws a result as SVG, [`html`] writes the results of a run as one self-contained page, [`redact`] hides phone
//! numbers, e-mail addresses and names before anything is written.

pub mod chart;
pub mod html;
pub mod redact;
