//! What servers and workers share: bytes both ways, TLS, and how they stop.

pub mod listening;
pub mod tls;
