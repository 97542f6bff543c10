//! The `confgit` command.

fn main() {}
