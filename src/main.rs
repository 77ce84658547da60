//! One binary, every service and the operator's tool: which one it is follows from its name and first word.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cv3_backend::cli::main(std::env::args_os().collect())
}
