//! The binary `pulsegate`.

fn main() -> std::process::ExitCode {
    pulsegate_gateway::cli::run()
}
