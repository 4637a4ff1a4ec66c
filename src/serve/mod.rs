//! Lets others ask the lake: one process that answers questions over PostgreSQL's protocol, Flight SQL and HTTP, and changes nothing.
//!
//! [`Hub`] is what they share: the lake, the users, the limits. A question goes one way, whichever protocol brought it: `allowed` lets
//! statements through that only read, the hub waits for its turn, opens the newest version of the lake, plans with one instant as now, and
//! gives an [`Asked`], whose rows come under the limits of time, rows and bytes. What a caller may see is decided in the plan
//! (`engine::Guard`), so no protocol needs to know of it.
//!
//! The room reads no clock: [`Clocks`] come from the command line.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod allowed;
mod asked;
mod catalog;
pub mod flight;
mod guests;
pub mod http;
mod hub;
mod limits;
mod lines;
mod metrics;
pub mod pg;
mod scram;
mod texts;
mod tokens;
mod told;
mod users;
mod veil;

pub use crate::net::tls::{require_safe, tls_acceptor};
pub use allowed::require_reading;
pub use asked::Asked;
pub use hub::{Clocks, Hub, HubOptions, Settings};
pub use limits::{Limits, Seat};
pub use metrics::{Metrics, Protocol};
pub use scram::Verifier;
pub use users::{Caller, Role, User, Users};
