//! pulse-tail

fn main() -> std::process::ExitCode {
    pulsed::cli::tail::main()
}
