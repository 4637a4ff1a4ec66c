//! Criterion benches: ourselves over time.

fn main() {}
