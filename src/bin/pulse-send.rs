//! pulse-send

/// musl's own allocator asks the kernel for each size class by itself: a fifth of a short run.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    pulsed::cli::send::main()
}
