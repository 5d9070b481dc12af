//! pulsed

fn main() -> std::process::ExitCode {
    pulsed::cli::agent::main()
}
