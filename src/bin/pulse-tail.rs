//! pulse-tail: see [`pulsed::cli`].

fn main() -> std::process::ExitCode {
    pulsed::cli::tail::main()
}
