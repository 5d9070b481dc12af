//! pulse-send: see [`pulsed::cli`].

/// musl's allocator makes a system call for each size class, a fifth of the time of a short run.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    pulsed::cli::send::main()
}
