//! pulse-send

fn main() -> std::process::ExitCode {
    pulsed::cli::send::main()
}
