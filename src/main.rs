//! The `sessionlake` command line.

fn main() {}
