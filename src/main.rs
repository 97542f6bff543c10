//! The `confgit` command.

use std::process::ExitCode;

// The committer allocates and frees many small pieces on one thread that others made on theirs; the system's
// allocator keeps several times as much memory for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    confgit::cli::run()
}
