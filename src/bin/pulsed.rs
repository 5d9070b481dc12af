//! pulsed: see [`pulsed::cli`].

fn main() -> std::process::ExitCode {
    pulsed::cli::pulsed::main()
}
