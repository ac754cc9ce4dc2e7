//! `ring-relayer`: runs one seat of a ring.

fn main() {}
