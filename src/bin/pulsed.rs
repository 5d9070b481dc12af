//! pulsed

fn main() -> std::process::ExitCode {
    pulsed::cli::pulsed::main()
}
